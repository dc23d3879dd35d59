//! A pack in Rust: cargo makes a core module, which is encoded as a component.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use wasm_encoder::{
    ExportSection, Module, RawSection,
    reencode::{Reencode, RoundtripReencoder},
};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::{MANIFEST_FILE, PackError, Toolchain};

use super::{Component, run};

/// The crate in `dir` as a component.
pub(super) fn component(
    dir: &Path,
    name: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<Component, PackError> {
    let toolchain = Toolchain::find(dir)?;
    progress(&format!("building {name} with {}", toolchain.describe()));
    let workspace = Workspace::around(dir, &toolchain)?;
    let packs = workspace.target_directory.join("packs");
    let module = compile(dir, &toolchain, &workspace, &packs, progress)?;
    Ok(Component { bytes: encode(name, &module)?, packs })
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
    let unfit = |e: String| {
        PackError::not_a_pack(
            name,
            format!("it does not make a component: {e}; does it use the macro of caveat-sdk?"),
        )
    };
    let module = freeing_nothing(module).map_err(unfit)?;
    let encoded =
        ComponentEncoder::default().validate(true).module(&module).and_then(|encoder| encoder.encode());
    encoded.map_err(|e| unfit(format!("{e:#}")))
}

/// How the canonical ABI finds what frees a result once it is read.
const POST_RETURN: &str = "cabi_post_";

/// The module without what would be called to free a ruling that was read: an instance ends with its ruling, and its
/// allocator frees nothing (`sdk/src/alloc.rs`).
fn freeing_nothing(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|e| e.to_string())?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let export = export.map_err(|e| e.to_string())?;
                if !export.name.starts_with(POST_RETURN) {
                    RoundtripReencoder.parse_export(&mut kept, export).map_err(|e| e.to_string())?;
                }
            }
            out.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range.start as usize..range.end as usize).unwrap_or_default();
            out.section(&RawSection { id, data });
        }
    }
    Ok(out.finish())
}

fn failed(dir: &Path, stderr: &[u8]) -> PackError {
    PackError::Compile {
        dir: dir.to_owned(),
        stderr: format!("in {MANIFEST_FILE}'s folder, cargo: {}", String::from_utf8_lossy(stderr)),
    }
}
