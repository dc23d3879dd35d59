//! `caveat.lock`: which bytes each client's packs must have. It lies beside the configuration and is kept with it.

use std::{collections::BTreeSet, fs, io::ErrorKind, path::Path};

use caveat_model::{ClientId, Digest};
use serde::{Deserialize, Serialize};

use crate::{PackError, PackFile, document};

/// Written above the pins.
const HEAD: &str = "\
# Which bytes the packs of each client must have: the host loads no others, neither at its start nor in a swap.
# `caveat pack lock` writes this file, `caveat pack lock --check` says whether it fits. Keep it with the configuration.
";

/// Bytes that a client may be ruled by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Whose.
    pub client: ClientId,
    /// The pack's name.
    pub pack: String,
    /// Its version, for whoever reads the file.
    pub version: String,
    /// Of its file.
    pub digest: Digest,
}

impl Pin {
    /// The pin of this file for this client.
    pub fn of(client: &ClientId, file: &PackFile) -> Self {
        let about = &file.manifest().pack;
        let (pack, version) = (about.name.clone(), about.version.to_string());
        Self { client: client.clone(), pack, version, digest: file.digest() }
    }
}

/// All pins. One pack of a client may have several: one obeyed and one monitored, or one before and one after a swap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Sorted by client, pack, version.
    #[serde(default, rename = "pin")]
    pub pins: BTreeSet<Pin>,
}

impl Lock {
    /// Reads a lock; none when there is no such file.
    ///
    /// # Errors
    /// [`PackError::Lock`].
    pub fn open(path: &Path) -> Result<Option<Self>, PackError> {
        let failed = |why: String| PackError::Lock { path: path.to_owned(), why };
        match fs::read_to_string(path) {
            Ok(text) => document::parse(path, &text).map(Some).map_err(|e| failed(e.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// [`PackError::Lock`], [`PackError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), PackError> {
        let failed = |why: String| PackError::Lock { path: path.to_owned(), why };
        let pins = toml::to_string(self).map_err(|e| failed(e.to_string()))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        fs::write(&beside, format!("{HEAD}\n{pins}")).map_err(PackError::io("write", &beside))?;
        fs::rename(&beside, path).map_err(PackError::io("write", path))
    }

    /// The pins of a client's pack.
    pub fn of<'a>(&'a self, client: &'a ClientId, pack: &'a str) -> impl Iterator<Item = &'a Pin> {
        self.pins.iter().filter(move |pin| pin.client == *client && pin.pack == pack)
    }
}
