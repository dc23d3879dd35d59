//! From a pack's folder to one `.wasm` file: compile, encode as a component, add the manifest and the cases.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde::Deserialize;
use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::{
    Manifest, PackError, PackFile, Problem, Toolchain, cases, document, manifest::MANIFEST_FILE, settings,
};

/// A pack that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub file: PackFile,
}

/// Builds the pack crate in `dir` (`pack.toml` and `Cargo.toml`) and writes `NAME-VERSION.wasm` into `out`, or into
/// `packs/` under the crate's target folder. `progress` gets a line at a time.
///
/// # Errors
/// [`PackError::Document`] for the manifest or schema, [`PackError::Toolchain`] with what to install,
/// [`PackError::Compile`] with the compiler's own words, [`PackError::NotAPack`] when what came out does not keep the contract.
pub fn build(dir: &Path, out: Option<&Path>, progress: &mut dyn FnMut(&str)) -> Result<Built, PackError> {
    let dir = fs::canonicalize(dir).map_err(PackError::io("open", dir))?;
    let manifest = Manifest::open(&dir)?;
    let schema = manifest.pack.settings.as_deref().map(|name| read_schema(&dir.join(name))).transpose()?;
    let toolchain = Toolchain::find(&dir)?;
    progress(&format!(
        "building {} {} with {}",
        manifest.pack.name,
        manifest.pack.version,
        toolchain.describe()
    ));

    let workspace = Workspace::around(&dir, &toolchain)?;
    let packs = workspace.target_directory.join("packs");
    let module = compile(&dir, &toolchain, &workspace, &packs, progress)?;
    let component = encode(&manifest.pack.name, &module)?;
    let name = format!("{}-{}.wasm", manifest.pack.name, manifest.pack.version);
    let cases = match dir.join("cases") {
        folder if folder.is_dir() => cases::read_cases(&folder)?,
        _ => vec![],
    };
    let file = PackFile::assemble_with(manifest, schema, &cases, &component)?;

    let path = out.unwrap_or(&packs).join(name);
    write(&path, file.bytes())?;
    progress(&format!("{} ({} KB, {})", path.display(), file.bytes().len().div_ceil(1024), file.digest()));
    Ok(Built { path, file })
}

fn read_schema(path: &Path) -> Result<Value, PackError> {
    let text = document::read(path)?;
    let wrong = |line, message| PackError::Document {
        path: path.to_owned(),
        problems: vec![Problem { line, at: String::new(), message }],
    };
    let schema = serde_json::from_str(&text).map_err(|e| wrong(Some(e.line()), e.to_string()))?;
    settings::validator(&schema).map_err(|e| wrong(None, e))?;
    Ok(schema)
}

/// What `cargo metadata` tells of the crate's surroundings.
#[derive(Deserialize)]
struct Workspace {
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

impl Workspace {
    fn around(dir: &Path, toolchain: &Toolchain) -> Result<Self, PackError> {
        let mut cargo = toolchain.cargo(dir);
        cargo.args(["metadata", "--no-deps", "--format-version=1"]);
        let output = cargo.output().map_err(PackError::io("run cargo in", dir))?;
        if !output.status.success() {
            return Err(failed(dir, &output.stderr));
        }
        serde_json::from_slice(&output.stdout).map_err(|e| failed(dir, e.to_string().as_bytes()))
    }
}

fn compile(
    dir: &Path,
    toolchain: &Toolchain,
    workspace: &Workspace,
    target_dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<u8>, PackError> {
    // No path of the building machine in a pack: the same sources give the same bytes.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let roots: Vec<PathBuf> = home.into_iter().chain([workspace.workspace_root.clone()]).collect();
    let mut cargo = toolchain.cargo_build(dir, target_dir, &roots);
    let (ok, stdout, stderr) = run(&mut cargo, progress).map_err(PackError::io("run cargo in", dir))?;
    if !ok {
        return Err(PackError::Compile { dir: dir.to_owned(), stderr });
    }
    let module = artifact(&stdout, &dir.join("Cargo.toml")).ok_or_else(|| PackError::Compile {
        dir: dir.to_owned(),
        stderr:
            "the crate gives no .wasm: `crate-type = [\"cdylib\"]` is wanted under `[lib]` in its Cargo.toml"
                .into(),
    })?;
    fs::read(&module).map_err(PackError::io("read", module))
}

/// Runs to the end; stderr goes to `progress` as it comes.
fn run(command: &mut Command, progress: &mut dyn FnMut(&str)) -> std::io::Result<(bool, String, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_string(&mut text)?;
        }
        Ok::<_, std::io::Error>(text)
    });
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            progress(line.trim());
            said.push_str(&line);
            said.push('\n');
        }
    }
    let ok = child.wait()?.success();
    let text = reader.join().map_err(|_| std::io::Error::other("reading cargo's output failed"))??;
    Ok((ok, text, said))
}

/// The `.wasm` that cargo reports for this crate.
fn artifact(messages: &str, manifest_path: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    }
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|a| a.manifest_path == manifest_path)
        .flat_map(|a| a.filenames)
        .find(|f| f.extension().is_some_and(|e| e == "wasm"))
}

fn encode(name: &str, module: &[u8]) -> Result<Vec<u8>, PackError> {
    let encoded =
        ComponentEncoder::default().validate(true).module(module).and_then(|encoder| encoder.encode());
    encoded.map_err(|e| {
        PackError::not_a_pack(
            name,
            format!("it does not make a component: {e:#}; does it use the macro of caveat-sdk?"),
        )
    })
}

/// Whole or not at all: a host that watches the folder never sees half a pack.
fn write(path: &Path, bytes: &[u8]) -> Result<(), PackError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(PackError::io("create", folder))?;
    let unfinished = path.with_extension("wasm.part");
    fs::write(&unfinished, bytes).map_err(PackError::io("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(PackError::io("write", path))
}

fn failed(dir: &Path, stderr: &[u8]) -> PackError {
    PackError::Compile {
        dir: dir.to_owned(),
        stderr: format!("in {MANIFEST_FILE}'s folder, cargo: {}", String::from_utf8_lossy(stderr)),
    }
}
