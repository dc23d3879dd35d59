//! Packs that tests write themselves, in Rust, built by the program as their authors would build them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::host::{program, runs_beside};

/// Begins a pack of this name as `caveat pack new` does, with this source instead of its own; the file that it is built
/// into. All lies under `tmp`, a folder of this repository, where the program finds the kit for packs; what cargo makes on the
/// way is kept for the next run.
pub fn build(tmp: &Path, name: &str, source: &str) -> anyhow::Result<PathBuf> {
    let out = tmp.join(if runs_beside() { "guests-beside" } else { "guests" });
    let target = tmp.join("begun-target");
    let folder = out.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&out)?;
    let path = folder.to_str().context("a path of text")?;
    caveat(&["pack", "new", name, "--lang", "rust", "--dir", path])?;
    fs::write(folder.join("src/lib.rs"), source)?;
    // What a first build brings from a registry is the same as here.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::create_dir_all(&target)?;
    symlink(target, folder.join("target"))?;
    caveat(&["pack", "build", path, "--out", out.to_str().context("a path of text")?])?;
    Ok(out.join(format!("{name}-0.1.0.wasm")))
}

fn caveat(args: &[&str]) -> anyhow::Result<()> {
    let run = Command::new(program()?).args(["--log", "error"]).args(args).output()?;
    if !run.status.success() {
        bail!("caveat {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&run.stderr));
    }
    Ok(())
}
