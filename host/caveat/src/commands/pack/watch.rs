//! Doing something again whenever a pack's folder changes.
//!
//! Files are looked at, not subscribed to: a pack has some dozens, and this works in containers and on network shares too.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, SystemTime},
};

/// How often files are looked at. A change is acted on when two looks agree, so that an editor may write in steps.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What a build leaves behind, and what is nobody's source.
const PASSED_OVER: [&str; 2] = ["target", "node_modules"];

/// When each file was last written, and its length.
type Look = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Runs `work` now and after every change of one of these files, or of a file in one of these folders. Ends when the process
/// does.
pub(crate) fn forever(paths: &[PathBuf], mut work: impl FnMut()) -> anyhow::Result<ExitCode> {
    loop {
        let before = look(paths);
        work();
        eprintln!("watching for changes; Ctrl-C ends");
        let mut last = look(paths);
        loop {
            thread::sleep(LOOK_EVERY);
            let now = look(paths);
            if now == last && now != before {
                break;
            }
            last = now;
        }
    }
}

fn look(paths: &[PathBuf]) -> Look {
    let mut seen = Look::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(about) if about.is_file() => {
                seen.insert(path.clone(), (about.modified().ok(), about.len()));
            }
            _ => look_into(path, &mut seen),
        }
    }
    seen
}

/// What cannot be read is not there: it may be about to be replaced.
fn look_into(dir: &Path, seen: &mut Look) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(about) = entry.metadata() else { continue };
        if name.starts_with('.') || PASSED_OVER.contains(&name.as_ref()) {
            continue;
        }
        if about.is_dir() {
            look_into(&entry.path(), seen);
        } else {
            seen.insert(entry.path(), (about.modified().ok(), about.len()));
        }
    }
}
