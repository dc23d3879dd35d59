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

/// What is looked at, and what is not because the work itself writes it.
pub(crate) struct Watched {
    /// Files, and folders with all that is in them.
    pub(crate) paths: Vec<PathBuf>,
    /// Where the work puts packs (.wasm), which may be one of the folders or in one.
    pub(crate) packs: Option<PathBuf>,
    /// Another file that it writes.
    pub(crate) report: Option<PathBuf>,
}

/// Runs `work` now and after every change of what is watched. Ends when the process does.
pub(crate) fn forever(watched: &Watched, mut work: impl FnMut()) -> anyhow::Result<ExitCode> {
    loop {
        let before = look(watched);
        work();
        eprintln!("watching for changes; Ctrl-C ends");
        let mut last = look(watched);
        loop {
            thread::sleep(LOOK_EVERY);
            let now = look(watched);
            if now == last && now != before {
                break;
            }
            last = now;
        }
    }
}

fn look(watched: &Watched) -> Look {
    // Folders that the first run makes have no place before it; files in them are passed over from then on.
    let [packs, report] =
        [&watched.packs, &watched.report].map(|p| p.as_ref().and_then(|p| p.canonicalize().ok()));
    let mut seen = look_at(&watched.paths);
    seen.retain(|path, _| {
        let Ok(path) = path.canonicalize() else { return true };
        let is_pack = path.extension().is_some_and(|e| e == "wasm") && path.parent() == packs.as_deref();
        !is_pack && Some(path) != report
    });
    seen
}

fn look_at(paths: &[PathBuf]) -> Look {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_the_work_writes_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("built")).unwrap();
        fs::write(at("pack.toml"), "a").unwrap();
        fs::write(at("given.wasm"), "a").unwrap();
        let watched = Watched {
            paths: vec![dir.path().to_owned()],
            packs: Some(at("built")),
            report: Some(at("report.xml")),
        };
        let before = look(&watched);
        fs::write(at("built/house-0.1.0.wasm"), "built").unwrap();
        fs::write(at("report.xml"), "<testsuites/>").unwrap();
        assert_eq!(look(&watched), before);
        fs::write(at("given.wasm"), "another").unwrap();
        assert_ne!(look(&watched), before, "a module that the pack itself brings");
    }
}
