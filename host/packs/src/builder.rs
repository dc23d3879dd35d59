//! From a pack's folder to one `.wasm` file: a component, with the manifest and the cases added. How the component comes
//! about is a module per language.

mod flat;
mod javascript;
mod python;
mod rust;
mod staging;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

use crate::{Language, Manifest, PackError, PackFile, Problem, cases, document, settings};

/// A pack that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub file: PackFile,
}

/// What a language gives.
struct Component {
    bytes: Vec<u8>,
    /// Where packs built here go, unless told otherwise.
    packs: PathBuf,
}

/// Builds the pack in `dir` (`pack.toml`, and a [`Language`]'s source) and writes `NAME-VERSION.wasm` into `out`, or into
/// `target/packs/` of the crate or folder. `progress` gets a line at a time.
///
/// # Errors
/// [`PackError::Document`] for the manifest or schema; [`PackError::NoSource`]; [`PackError::Toolchain`] and
/// [`PackError::Tool`] with what to install; [`PackError::Compile`] with the compiler's own words;
/// [`PackError::NotAPack`] when what came out does not keep the contract.
pub fn build(dir: &Path, out: Option<&Path>, progress: &mut dyn FnMut(&str)) -> Result<Built, PackError> {
    let dir = fs::canonicalize(dir).map_err(PackError::io("open", dir))?;
    let manifest = Manifest::open(&dir)?;
    let schema = manifest.pack.settings.as_deref().map(|name| read_schema(&dir.join(name))).transpose()?;
    let component = made(&dir, &manifest, progress)?;

    let name = manifest.file_name();
    let cases = match dir.join("cases") {
        folder if folder.is_dir() => cases::read_cases(&folder)?,
        _ => vec![],
    };
    let file = PackFile::assemble_with(manifest, schema, &cases, &component.bytes)?;

    let path = out.unwrap_or(&component.packs).join(name);
    write(&path, file.bytes())?;
    progress(&format!("{} ({} KB, {})", path.display(), file.bytes().len().div_ceil(1024), file.digest()));
    Ok(Built { path, file })
}

/// The component alone of the pack in `dir`, as its language's tool makes it: whether it fits the manifest, nobody has
/// looked at.
///
/// # Errors
/// As [`build`], but [`PackError::NotAPack`] only for what cannot be made into a component.
pub fn component(dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>, PackError> {
    let dir = fs::canonicalize(dir).map_err(PackError::io("open", dir))?;
    let manifest = Manifest::open(&dir)?;
    Ok(made(&dir, &manifest, progress)?.bytes)
}

fn made(dir: &Path, manifest: &Manifest, progress: &mut dyn FnMut(&str)) -> Result<Component, PackError> {
    let Component { bytes, packs } = match Language::of(dir)? {
        Language::Rust => rust::component(dir, &manifest.pack.name, progress),
        Language::Python => python::component(dir, manifest, progress),
        Language::JavaScript => javascript::component(dir, manifest, progress),
    }?;
    Ok(Component { bytes: flat(bytes, progress), packs })
}

/// Without code in parts of its own, so that it can be snapshotted; as it is where that cannot be done.
fn flat(component: Vec<u8>, progress: &mut dyn FnMut(&str)) -> Vec<u8> {
    if !flat::is_nested(&component) {
        return component;
    }
    flat::flatten(&component).unwrap_or_else(|why| {
        progress(&format!("its parts cannot be put together ({why}): it will be configured for each ruling"));
        component
    })
}

pub(crate) fn read_schema(path: &Path) -> Result<Value, PackError> {
    let text = document::read(path)?;
    let wrong = |line, message| PackError::Document {
        path: path.to_owned(),
        problems: vec![Problem { line, at: String::new(), message }],
    };
    let schema = serde_json::from_str(&text).map_err(|e| wrong(Some(e.line()), e.to_string()))?;
    settings::validator(&schema).map_err(|e| wrong(None, e))?;
    Ok(schema)
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

/// Whole or not at all: a host that watches the folder never sees half a pack.
fn write(path: &Path, bytes: &[u8]) -> Result<(), PackError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(PackError::io("create", folder))?;
    let unfinished = path.with_extension("wasm.part");
    fs::write(&unfinished, bytes).map_err(PackError::io("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(PackError::io("write", path))
}
