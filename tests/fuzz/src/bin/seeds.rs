//! `fuzz-seeds DIR`: writes the seeds of every target, a folder each.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let into = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "target/fuzz/seeds".into()));
    for target in &caveat_fuzz::TARGETS {
        let folder = into.join(target.name);
        fs::create_dir_all(&folder)?;
        for (n, seed) in caveat_fuzz::seeds(target.name).iter().enumerate() {
            fs::write(folder.join(format!("{n:03}")), seed)?;
        }
    }
    Ok(())
}
