//! A folder in which a pack, the contract and our own module lie as the tools of Python and JavaScript want them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Manifest, PackError};

use super::run;

/// The contract, so that a pack builds anywhere.
const CONTRACT: [(&str, &str); 5] = [
    ("facts.wit", include_str!("../../../../wit/facts.wit")),
    ("capture.wit", include_str!("../../../../wit/capture.wit")),
    ("storage.wit", include_str!("../../../../wit/storage.wit")),
    ("access.wit", include_str!("../../../../wit/access.wit")),
    ("worlds.wit", include_str!("../../../../wit/worlds.wit")),
];

/// What a pack of this manifest imports and exports, no more.
pub(super) const WORLD: &str = "this-pack";

/// Folders in a pack's folder that are none of its source.
const NOT_SOURCE: [&str; 4] = ["cases", "target", "node_modules", "__pycache__"];

/// The staging folder. It goes away with this.
pub(super) struct Staging {
    folder: tempfile::TempDir,
}

impl Staging {
    /// Copies the pack's files that end in `.EXTENSION`, and lays `module` (name, text) beside them unless the pack has
    /// its own of that name.
    pub(super) fn new(
        dir: &Path,
        manifest: &Manifest,
        extension: &str,
        module: (&str, &str),
    ) -> Result<Self, PackError> {
        let folder =
            tempfile::tempdir().map_err(PackError::io("create a folder in", std::env::temp_dir()))?;
        let staging = Self { folder };
        let wit = staging.wit();
        fs::create_dir(&wit).map_err(PackError::io("create", &wit))?;
        for (name, text) in CONTRACT.into_iter().chain([("this-pack.wit", world(manifest).as_str())]) {
            fs::write(wit.join(name), text).map_err(PackError::io("write", wit.join(name)))?;
        }
        let source = staging.source();
        copy(dir, &source, extension)?;
        let ours = source.join(module.0);
        if !ours.exists() {
            fs::write(&ours, module.1).map_err(PackError::io("write", &ours))?;
        }
        Ok(staging)
    }

    pub(super) fn wit(&self) -> PathBuf {
        self.folder.path().join("wit")
    }

    pub(super) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// Runs the tool, told to write its component to [`Self::out`], and reads that.
    pub(super) fn component(
        &self,
        dir: &Path,
        tool: &mut Command,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, PackError> {
        let program = PathBuf::from(tool.get_program());
        tool.current_dir(self.source());
        let (ok, stdout, stderr) = run(tool, progress).map_err(PackError::io("run", program))?;
        if !ok {
            // Either stream has the reason; the folder is of no use to the reader.
            let said = format!("{stderr}{stdout}").replace(&self.source().display().to_string(), ".");
            return Err(PackError::Compile { dir: dir.to_owned(), stderr: said });
        }
        fs::read(self.out()).map_err(PackError::io("read", self.out()))
    }

    pub(super) fn out(&self) -> PathBuf {
        self.folder.path().join("out.wasm")
    }
}

/// The tools export and import all of a world, and the host refuses what the manifest does not name.
fn world(manifest: &Manifest) -> String {
    let about = &manifest.pack;
    let imports = about.imports.iter().map(|i| format!("    import {i};\n"));
    let exports = about.stages.iter().map(|s| format!("    export {s};\n"));
    let lines: String = imports.chain(["    export settings;\n".to_owned()]).chain(exports).collect();
    format!("package caveat:policy@{};\n\nworld {WORLD} {{\n{lines}}}\n", about.contract)
}

fn copy(from: &Path, to: &Path, extension: &str) -> Result<(), PackError> {
    fs::create_dir_all(to).map_err(PackError::io("create", to))?;
    for entry in fs::read_dir(from).map_err(PackError::io("list", from))? {
        let entry = entry.map_err(PackError::io("list", from))?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        // A link to a folder is not followed: it could lead in a circle.
        let folder = entry.file_type().map_err(PackError::io("open", &path))?.is_dir();
        if folder && !hidden && !NOT_SOURCE.iter().any(|n| *n == name) {
            copy(&path, &to.join(&name), extension)?;
        } else if path.is_file() && path.extension().is_some_and(|e| e == extension) {
            fs::copy(&path, to.join(&name)).map_err(PackError::io("copy", &path))?;
        }
    }
    Ok(())
}
