//! A pack in JavaScript: `componentize-qjs` runs it once in QuickJS and snapshots the engine.

use std::{path::Path, process::Command};

use crate::{Language, Manifest, PackError, language::COMPONENTIZE_QJS};

use super::{
    Component,
    staging::{Staging, WORLD},
};

/// Lies beside every pack's own modules.
const MODULE: (&str, &str) = ("caveat.js", include_str!("../../../../sdk/javascript/caveat.js"));

/// `pack.js` in `dir` as a component.
pub(super) fn component(
    dir: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(&str),
) -> Result<Component, PackError> {
    let program = COMPONENTIZE_QJS.find(dir)?;
    progress(&format!("building {} with {}", manifest.pack.name, program.display()));
    let staging = Staging::new(dir, manifest, "js", MODULE)?;
    let mut tool = Command::new(program);
    tool.arg("--wit").arg(staging.wit()).args(["--world", WORLD]);
    tool.arg("--js").arg(staging.source().join(Language::JavaScript.mark()));
    tool.arg("--module-root").arg(staging.source()).arg("--output").arg(staging.out());
    // Without WASI there is no ambient power. A ruling waits for nothing.
    tool.args(["--stub-wasi", "--sync"]);
    let bytes = staging.component(dir, &mut tool, progress)?;
    Ok(Component { bytes, packs: dir.join("target/packs") })
}
