//! A pack in Python: `componentize-py` runs it once and snapshots the interpreter.

use std::{path::Path, process::Command};

use crate::{Manifest, PackError, language::COMPONENTIZE_PY};

use super::{
    Component,
    staging::{Staging, WORLD},
};

/// Lies beside every pack's own modules.
const MODULE: (&str, &str) = ("caveat.py", include_str!("../../../../sdk/python/caveat.py"));

/// `app.py` in `dir` as a component.
pub(super) fn component(
    dir: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(&str),
) -> Result<Component, PackError> {
    let program = COMPONENTIZE_PY.find(dir)?;
    progress(&format!("building {} with {}", manifest.pack.name, program.display()));
    let staging = Staging::new(dir, manifest, "py", MODULE)?;
    let mut tool = Command::new(program);
    tool.arg("--wit-path").arg(staging.wit()).args(["--world", WORLD]);
    // Without WASI there is no ambient power; what a library would do with it traps.
    tool.args(["componentize", "--stub-wasi", "app", "--output"]).arg(staging.out());
    // The only source of a difference between two builds of the same sources.
    tool.env("PYTHONHASHSEED", "0").env("PYTHONDONTWRITEBYTECODE", "1");
    let bytes = staging.component(dir, &mut tool, progress)?;
    Ok(Component { bytes, packs: dir.join("target/packs") })
}
