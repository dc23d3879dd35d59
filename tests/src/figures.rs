//! What tests count, told to whoever runs them: past the capture of passing tests, and kept in `target/figures`.

use std::{
    io::{Write, stderr},
    path::{Path, PathBuf},
};

use anyhow::Context;

/// Where what a test leaves behind lies, to be looked at: `target/NAME`.
pub fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Says the figures of a test, and keeps them in `target/figures`, in a file of that name with hyphens for blanks.
pub fn tell(name: &str, figures: &str) -> anyhow::Result<()> {
    let figures = figures.trim_end();
    // `print!` is shown of tests that fail only.
    writeln!(stderr(), "\n{name}:\n{figures}\n")?;
    let file = folder("figures")?.join(format!("{}.txt", name.replace(' ', "-")));
    std::fs::write(&file, format!("{figures}\n")).with_context(|| file.display().to_string())
}
