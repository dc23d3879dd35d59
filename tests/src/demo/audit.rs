//! An auditor verifies the log offline with the public key alone, and sees that one changed byte is caught.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::show::Show;
use crate::host::Host;

pub(super) fn audit(host: &Host, show: &mut Show) -> anyhow::Result<()> {
    let bundle = host.dir().join("bundle");
    let path = bundle.to_str().context("a path of text")?;
    let key = host.command(&["ledger", "key", "--client", "shop"], "")?.trim().to_owned();
    host.command(&["ledger", "export", "--client", "shop", path], "")?;
    let report = host.command(&["ledger", "verify", path, "--key", &key], "");
    for line in report.as_deref().unwrap_or("").lines() {
        show.line(line);
    }
    show.check("the ledger verifies offline, with the public key only", report.is_ok());

    let entries = largest(&bundle)?;
    let mut bytes = fs::read(&entries)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entries, &bytes)?;
    let tampered = host.command(&["ledger", "verify", path, "--key", &key, "--json"], "");
    show.line(&format!(
        "one bit of byte {middle} of {} is changed",
        entries.strip_prefix(&bundle)?.display()
    ));
    show.check("the changed copy does not verify", tampered.is_err());
    Ok(())
}

/// The file with the entries.
fn largest(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut folders = vec![dir.to_owned()];
    let mut found: Option<(u64, PathBuf)> = None;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let size = entry.metadata()?.len();
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if found.as_ref().is_none_or(|(largest, _)| size > *largest) {
                found = Some((size, entry.path()));
            }
        }
    }
    found.map(|(_, path)| path).context("the bundle is empty")
}
