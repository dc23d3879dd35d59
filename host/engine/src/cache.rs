//! Compiled packs on disk, so that a restart compiles nothing.
//!
//! A compiled pack is machine code that this process will run outside any sandbox of its own making, so two things are
//! checked before it is used. *Nobody else wrote it*: the folder has to be closed to other users, and every file is
//! created with mode 0600. *It is whole*: a file ends with the CRC-64 of what is before, and a mismatch means to compile
//! anew. It finds damage, and is no signature: whoever can write as this user can replace the host itself.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use caveat_model::Digest;
use crc_fast::{CrcAlgorithm, Digest as Sum};
use sha2::{Digest as _, Sha256};

use crate::EngineError;

const SUM_BYTES: usize = 8;
const READ_BYTES: usize = 1 << 16;

/// The folder.
pub(crate) struct Cache(PathBuf);

/// A compiled pack that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Begins with machine code; what is behind it no loader of it reads.
    pub(crate) path: PathBuf,
    pub(crate) known: u8,
}

/// What identifies a compiled pack: component, settings, and the compiler with its configuration.
pub(crate) struct Key(Digest);

impl Key {
    pub(crate) fn new(engine: &wasmtime::Engine, component: Digest, settings: Digest) -> Self {
        let mut hash = Sha256::new();
        hash.update(concat!("caveat compiled pack 3 ", env!("CARGO_PKG_VERSION")));
        hash.update(component.0);
        hash.update(settings.0);
        let mut sink = Sink(hash);
        engine.precompile_compatibility_hash().hash(&mut sink);
        Self(Digest(sink.0.finalize().into()))
    }
}

/// Lets wasmtime describe its configuration to SHA-256: a 64-bit hash would be too short to tell packs apart by.
struct Sink(Sha256);

impl Hasher for Sink {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// Not asked for: the digest is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}

impl Cache {
    /// Opens the folder, or makes it; one that others can read or write is refused.
    pub(crate) fn open(path: PathBuf) -> Result<Self, EngineError> {
        let broken = |why: String| EngineError::Cache { path: path.clone(), why };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| broken(e.to_string()))?;
        let mode = fs::metadata(&path).map_err(|e| broken(e.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(broken(format!(
                "its mode is {:03o}, and machine code lies in it; close it to others with `chmod 700`",
                mode & 0o777
            )));
        }
        Ok(Self(path))
    }

    /// What is kept under this key. A file that is damaged is as good as none.
    pub(crate) fn get(&self, key: &Key) -> Option<Kept> {
        let path = self.path(key);
        match whole(&path) {
            Ok(Some(known)) => Some(Kept { path, known }),
            Ok(None) => {
                tracing::warn!(path = %path.display(), "compiled pack is damaged, compiling anew");
                None
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                tracing::warn!(path = %path.display(), "compiled pack cannot be read, compiling anew: {e}");
                None
            }
        }
    }

    /// Keeps machine code, and a byte of what is known of it. The cache is a convenience: if this fails, it is logged, and
    /// the next start compiles again.
    pub(crate) fn put(&self, key: &Key, code: &[u8], known: u8) {
        let path = self.path(key);
        if let Err(e) = self.write(&path, code, known) {
            tracing::warn!(path = %path.display(), "compiled pack cannot be kept: {e}");
        }
    }

    fn write(&self, path: &Path, code: &[u8], known: u8) -> io::Result<()> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let nth = WRITES.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{nth}.tmp", std::process::id()));
        let mut sum = Sum::new(CrcAlgorithm::Crc64Nvme);
        sum.update(code);
        sum.update(&[known]);
        let written = || -> io::Result<()> {
            let mut file: File =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(code)?;
            file.write_all(&[known])?;
            file.write_all(&sum.finalize().to_be_bytes())?;
            // Whoever reads it sees all of it or none, also after a power cut.
            file.sync_all()?;
            fs::rename(&temporary, path)
        }();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name: String = key.0.0.iter().map(|b| format!("{b:02x}")).collect();
        self.0.join(name).with_extension("cwasm")
    }
}

/// The byte before the sum of a file, if it is whole.
fn whole(path: &Path) -> io::Result<Option<u8>> {
    let mut file = File::open(path)?;
    let (mut sum, mut buffer) = (Sum::new(CrcAlgorithm::Crc64Nvme), vec![0; READ_BYTES]);
    // The sum is over all but itself, and where that begins is known at the end only.
    let (mut begun, mut known) = (0, None);
    loop {
        let read = file.read(&mut buffer[begun..])?;
        if read == 0 {
            break;
        }
        let read = begun + read;
        let ahead = read.saturating_sub(SUM_BYTES);
        sum.update(&buffer[..ahead]);
        known = buffer[..ahead].last().copied().or(known);
        buffer.copy_within(ahead..read, 0);
        begun = read - ahead;
    }
    Ok(known.filter(|_| buffer[..begun] == sum.finalize().to_be_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packs");
        Cache::open(path.clone()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let refused = Cache::open(path).err().unwrap().to_string();
        assert!(refused.contains("755") && refused.contains("chmod 700"), "{refused}");
    }

    #[test]
    fn every_damage_to_a_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("packs")).unwrap();
        let key = Key(Digest([7; 32]));
        assert_eq!(cache.get(&key), None);
        for len in [0, 1, READ_BYTES - 9, READ_BYTES - 1, READ_BYTES, 3 * READ_BYTES] {
            cache.put(&key, &vec![5; len], 2);
            assert_eq!(cache.get(&key).unwrap().known, 2, "{len}");
        }
        cache.put(&key, b"machine code", 3);
        let Kept { path, known } = cache.get(&key).unwrap();
        assert_eq!(known, 3);
        assert!(fs::read(&path).unwrap().starts_with(b"machine code"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(cache.get(&key), None, "byte {at} flipped");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(cache.get(&key), None, "cut to {at} bytes");
        }
    }
}
