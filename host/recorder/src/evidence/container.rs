//! The file itself: a tar of plain files.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use caveat_model::Moment;

/// No larger member is read into memory, in bytes.
const MEMBER_BYTES_MAX: u64 = 8 << 30;
/// More members than any case has.
const MEMBERS_MAX: usize = 1 << 20;

/// Puts the file together.
pub(super) struct Writer {
    tar: tar::Builder<Vec<u8>>,
    made_s: u64,
}

impl Writer {
    pub(super) fn new(made: Moment) -> Self {
        Self { tar: tar::Builder::new(vec![]), made_s: made.as_millis() / 1_000 }
    }

    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(self.made_s);
        self.tar.append_data(&mut header, name, bytes)
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        self.tar.into_inner()
    }
}

/// Every member by its name; else what is wrong with the file.
pub(super) fn read(file: impl Read) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let broken = |e: io::Error| format!("it is no tar that can be read: {e}");
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(file).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| "a member's name is no text".to_owned())?;
        if !entry.header().entry_type().is_file() {
            return Err(format!("`{name}` is no plain file"));
        }
        if entry.size() > MEMBER_BYTES_MAX || members.len() >= MEMBERS_MAX {
            return Err(format!("`{name}` is larger, or there are more members, than evidence has"));
        }
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != entry.size() {
            return Err(format!("`{name}` ends early"));
        }
        if members.insert(name.clone(), bytes).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(members)
}
