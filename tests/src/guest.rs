//! Packs that tests write themselves, in Rust, built by the program as their authors would build them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::host::program;

/// Begins a pack of this name in `dir` as `caveat pack new` does, with this source instead of its own; the file that it is
/// built into. What cargo makes on the way lies in `target`, for the next run.
pub fn build(dir: &Path, target: &Path, name: &str, source: &str) -> anyhow::Result<PathBuf> {
    let folder = dir.join(name);
    let path = folder.to_str().context("a path of text")?;
    caveat(&["pack", "new", name, "--lang", "rust", "--dir", path])?;
    fs::write(folder.join("src/lib.rs"), source)?;
    // What a first build brings from a registry is the same as here.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::create_dir_all(target)?;
    symlink(target, folder.join("target"))?;
    let out = dir.to_str().context("a path of text")?;
    caveat(&["pack", "build", path, "--out", out])?;
    Ok(dir.join(format!("{name}-0.1.0.wasm")))
}

fn caveat(args: &[&str]) -> anyhow::Result<()> {
    let run = Command::new(program()?).args(["--log", "error"]).args(args).output()?;
    if !run.status.success() {
        bail!("caveat {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&run.stderr));
    }
    Ok(())
}
