//! The clock of one host, set apart from the machine's by libfaketime. Its own sense of how time passes is left alone.

use std::{fs, path::Path};

use anyhow::Context;

/// The folders that Debian's libraries lie in, by the machine.
const FOLDERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

fn library() -> anyhow::Result<String> {
    let names = FOLDERS.map(|folder| format!("{folder}/faketime/libfaketimeMT.so.1"));
    let found = names.into_iter().find(|name| Path::new(name).is_file());
    found.context("libfaketime is needed: apt-get install faketime")
}

/// The environment of a process whose clock is off by what stands in a file, which may change while it runs.
pub fn off_by_what_is_in(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let file = file.to_str().context("a path that is text")?.to_owned();
    environment(("FAKETIME_TIMESTAMP_FILE", file), &[("FAKETIME_CACHE_DURATION", "1")])
}

/// The environment of a process whose clock is off by this, as `faketime` has it: `+2d`.
pub fn off_by(what: &str) -> anyhow::Result<Vec<(String, String)>> {
    environment(("FAKETIME", what.to_owned()), &[])
}

/// From within a second on, whoever goes by this file is off by so many seconds.
pub fn set(file: &Path, seconds: i64) -> anyhow::Result<()> {
    Ok(fs::write(file, format!("{seconds:+}"))?)
}

fn environment(how: (&str, String), more: &[(&str, &str)]) -> anyhow::Result<Vec<(String, String)>> {
    let all = [("LD_PRELOAD", library()?), (how.0, how.1)];
    let all = all.into_iter().chain(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let all = all.chain([("DONT_FAKE_MONOTONIC", "1".to_owned())]);
    Ok(all.map(|(name, value)| (name.to_owned(), value)).collect())
}
