//! Clients' keys in one file, which should lie apart from the store and the database, and apart from their backups.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_model::ClientId;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};
use zeroize::Zeroizing;

use super::{KeySource, bound_to};
use crate::{
    Suite, VaultError,
    error::io_error,
    locked,
    once::{Key, open_blob, random_key, seal_blob, suite_of_blob},
};

/// Argon2id of RFC 9106, section 4, second choice (64 MiB, 3 passes), with one lane for small machines.
const KDF: Kdf = Kdf { memory_kib: 64 << 10, passes: 3, lanes: 1 };
/// What a keyring file may ask of this machine.
const KDF_MOST: Kdf = Kdf { memory_kib: 1 << 20, passes: 64, lanes: 16 };
const FILE_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kdf {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The file: keys in the clear, or sealed under a passphrase.
#[derive(Serialize, Deserialize)]
#[serde(tag = "protection", rename_all = "kebab-case", deny_unknown_fields)]
enum Stored {
    None { keys: Keys },
    Passphrase { argon2id: Kdf, salt: String, sealed: String },
}

type Keys = BTreeMap<ClientId, Versions>;

/// A client's keys by version; the newest wraps. In the file: base64 of 32 bytes where there is only version 1, else each by
/// its number.
#[derive(Clone, Default)]
struct Versions(BTreeMap<u32, Key>);

impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.get(&1).filter(|_| self.0.len() == 1) {
            Some(first) => Text(first).serialize(to),
            None => to.collect_map(self.0.iter().map(|(number, key)| (number, Text(key)))),
        }
    }
}

/// A key as it is written; wiped afterwards.
struct Text<'a>(&'a Key);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(BASE64_STANDARD.encode(&self.0[..])))
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written)
    }
}

/// Reads either form without a copy that is not wiped.
struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Versions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 of 32 bytes, or such keys by their numbers")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Versions, E> {
        let bytes = BASE64_STANDARD.decode(text).map(Zeroizing::new);
        let bytes = bytes.ok().and_then(|b| <[u8; 32]>::try_from(b.as_slice()).ok());
        let key = bytes.ok_or_else(|| E::custom("a key is not base64 of 32 bytes"))?;
        Ok(Versions([(1, key.into())].into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Versions, A::Error> {
        let mut versions = BTreeMap::new();
        while let Some(number) = map.next_key::<String>()? {
            let one: Versions = map.next_value()?;
            let number = number.parse().ok().filter(|number| *number > 0);
            let version = number.zip(one.0.into_values().next());
            let (number, key) = version.ok_or_else(|| de::Error::custom("a version is no number above 0"))?;
            versions.insert(number, key);
        }
        Ok(Versions(versions))
    }
}

/// Opens and closes the file.
enum Lock {
    Open,
    Sealed { key: Key, kdf: Kdf, salt: Vec<u8> },
}

/// Random keys of clients in one file of mode 0600: made on first use, replaced as a whole, never edited in place. What another
/// process made of it is taken up at the next use.
pub struct Keyring {
    path: PathBuf,
    description: String,
    lock: Lock,
    held: Mutex<Held>,
}

/// What the file held when it was last read.
struct Held {
    keys: Keys,
    seen: Option<Seen>,
}

/// Tells one file from the one that took its place.
type Seen = (u64, u64, Option<SystemTime>);

impl Keyring {
    /// Opens the keyring at `path`, or begins one there. With a passphrase the file is sealed under it (Argon2id, about
    /// a tenth of a second); without one, whoever reads the file has the keys.
    pub fn open(path: impl Into<PathBuf>, passphrase: Option<&str>) -> Result<Self, VaultError> {
        let path = path.into();
        let stored = read(&path)?;
        let refuse = |why: &str| VaultError::Keyring { path: path.clone(), why: why.to_owned() };
        let (lock, keys) = match (stored, passphrase) {
            (None, None) => (Lock::Open, Keys::new()),
            (None, Some(passphrase)) => {
                let salt = random_key()[..16].to_vec();
                (Lock::Sealed { key: stretch(passphrase, &salt, KDF, &path)?, kdf: KDF, salt }, Keys::new())
            }
            (Some(Stored::None { keys }), None) => (Lock::Open, keys),
            (Some(Stored::None { .. }), Some(_)) => {
                return Err(refuse(
                    "it is not sealed, but a passphrase is configured: remove one of the two",
                ));
            }
            (Some(Stored::Passphrase { .. }), None) => {
                return Err(refuse("it is sealed: give its passphrase"));
            }
            (Some(Stored::Passphrase { argon2id: kdf, salt, sealed }), Some(passphrase)) => {
                let salt = BASE64_STANDARD.decode(salt).map_err(|_| refuse("its salt is not base64"))?;
                let key = stretch(passphrase, &salt, kdf, &path)?;
                let keys = open_sealed(&key, &sealed, &path)?;
                (Lock::Sealed { key, kdf, salt }, keys)
            }
        };
        if matches!(lock, Lock::Open) {
            tracing::warn!(path = %path.display(), "the keyring has no passphrase: whoever reads this file has every key");
        }
        let description = format!("the keyring `{}`", path.display());
        let seen = seen(&path);
        Ok(Self { path, description, lock, held: Mutex::new(Held { keys, seen }) })
    }

    /// A look at the keys as they are in the file now.
    fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> Result<T, VaultError> {
        let mut held = locked(&self.held);
        if held.seen != seen(&self.path) {
            *held = self.current(&held.keys)?;
        }
        Ok(look(&held.keys))
    }

    /// A change to the keys. Another process may have changed them meanwhile: they are read again under a lock.
    fn change<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> Result<T, VaultError> {
        let mut held = locked(&self.held);
        let beside = self.path.with_extension("lock");
        let guard = private().write(true).create(true).truncate(false).open(&beside);
        let guard = guard.map_err(io_error("create", &beside))?;
        guard.lock().map_err(io_error("lock", &beside))?;
        let mut current = self.current(&held.keys)?;
        let done = change(&mut current.keys);
        self.replace(&current.keys).map_err(io_error("write", &self.path))?;
        current.seen = seen(&self.path);
        *held = current;
        Ok(done)
    }

    fn current(&self, held: &Keys) -> Result<Held, VaultError> {
        let seen = seen(&self.path);
        let keys = match (read(&self.path)?, &self.lock) {
            (None, _) => held.clone(),
            (Some(Stored::None { keys }), Lock::Open) => keys,
            (Some(Stored::Passphrase { sealed, .. }), Lock::Sealed { key, .. }) => {
                open_sealed(key, &sealed, &self.path)?
            }
            _ => {
                let why = "its protection was changed meanwhile: restart".to_owned();
                return Err(VaultError::Keyring { path: self.path.clone(), why });
            }
        };
        Ok(Held { keys, seen })
    }

    /// The version that wraps, and its key; made on first use.
    fn newest(&self, client: &ClientId) -> Result<Key, VaultError> {
        let newest = |keys: &Keys| Some(keys.get(client)?.0.last_key_value()?.1.clone());
        match self.with(newest)? {
            Some(key) => Ok(key),
            None => self.change(|keys| {
                let versions = &mut keys.entry(client.clone()).or_default().0;
                match versions.last_key_value() {
                    Some((_, key)) => key.clone(),
                    None => versions.entry(1).or_insert_with(random_key).clone(),
                }
            }),
        }
    }

    /// The version that wrapped something.
    fn key_of(&self, client: &ClientId, wrapped: &[u8]) -> Result<(u32, Key), VaultError> {
        let keys = || self.description.clone();
        let found = self.with(|keys| {
            let versions = keys.get(client)?.0.iter().rev();
            Some(
                versions
                    .map(|(n, key)| (*n, key.clone()))
                    .find(|(_, key)| suite_of_blob(key, wrapped).is_some()),
            )
        })?;
        found
            .ok_or_else(|| VaultError::NoKey { client: client.clone(), keys: keys() })?
            .ok_or_else(|| VaultError::Unwrap { client: client.clone(), keys: keys() })
    }

    /// The new file is durable before it takes the old one's place.
    fn replace(&self, keys: &Keys) -> io::Result<()> {
        let stored = match &self.lock {
            Lock::Open => Stored::None { keys: keys.clone() },
            Lock::Sealed { key, kdf, salt } => {
                let plain = Zeroizing::new(serde_json::to_vec(keys)?);
                let sealed = BASE64_STANDARD.encode(seal_blob(Suite::default(), key, SEALED_AS, &plain));
                Stored::Passphrase { argon2id: *kdf, salt: BASE64_STANDARD.encode(salt), sealed }
            }
        };
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(&stored)?);
        let fresh = self.path.with_extension("new");
        let mut file = private().write(true).create(true).truncate(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        sync_parent(&self.path)
    }
}

const SEALED_AS: &[u8] = b"caveat-vault/1 keyring";

impl KeySource for Keyring {
    fn wrap(&self, client: &ClientId, suite: Suite, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(seal_blob(suite, &self.newest(client)?, &bound_to(client), plain))
    }

    fn unwrap_key(&self, client: &ClientId, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (_, key) = self.key_of(client, wrapped)?;
        open_blob(&key, &bound_to(client), wrapped)
            .ok_or_else(|| VaultError::Unwrap { client: client.clone(), keys: self.description.clone() })
    }

    fn describe(&self) -> &str {
        &self.description
    }

    fn versions(&self, client: &ClientId) -> Result<Vec<u32>, VaultError> {
        self.with(|keys| keys.get(client).map(|v| v.0.keys().copied().collect()).unwrap_or_default())
    }

    fn version_of(&self, client: &ClientId, wrapped: &[u8]) -> Result<u32, VaultError> {
        Ok(self.key_of(client, wrapped)?.0)
    }

    fn rotate(&self, client: &ClientId) -> Result<u32, VaultError> {
        self.change(|keys| {
            let versions = &mut keys.entry(client.clone()).or_default().0;
            let next = versions.last_key_value().map_or(1, |(n, _)| n.saturating_add(1));
            versions.insert(next, random_key());
            next
        })
    }

    fn destroy_before(&self, client: &ClientId, version: u32) -> Result<(), VaultError> {
        self.change(|keys| {
            if let Some(versions) = keys.get_mut(client) {
                versions.0.retain(|n, _| *n >= version);
            }
        })
    }
}

fn seen(path: &Path) -> Option<Seen> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.modified().ok()))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// A rename is durable once its folder is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn read(path: &Path) -> Result<Option<Stored>, VaultError> {
    let refuse = |why: String| VaultError::Keyring { path: path.to_owned(), why };
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error("read", path)(e)),
        Ok(meta) if meta.len() > FILE_BYTES => {
            return Err(refuse(format!("it is larger than {FILE_BYTES} bytes: is it a keyring?")));
        }
        Ok(_) => {}
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(io_error("read", path))?);
    // The parser's message could quote a key; its place cannot.
    serde_json::from_slice(&bytes).map(Some).map_err(|e| {
        refuse(format!(
            "it is malformed at line {}, column {}: restore it from a backup",
            e.line(),
            e.column()
        ))
    })
}

fn open_sealed(key: &Key, sealed: &str, path: &Path) -> Result<Keys, VaultError> {
    let refuse = |why: &str| VaultError::Keyring { path: path.to_owned(), why: why.to_owned() };
    let sealed = BASE64_STANDARD.decode(sealed).map_err(|_| refuse("its sealed part is not base64"))?;
    let plain = open_blob(key, SEALED_AS, &sealed)
        .ok_or_else(|| refuse("it does not open: the passphrase is another, or the file was changed"))?;
    serde_json::from_slice(&plain).map_err(|_| refuse("its sealed part is malformed"))
}

fn stretch(passphrase: &str, salt: &[u8], kdf: Kdf, path: &Path) -> Result<Key, VaultError> {
    let refuse = |why: String| VaultError::Keyring { path: path.to_owned(), why };
    if kdf.memory_kib > KDF_MOST.memory_kib || kdf.passes > KDF_MOST.passes || kdf.lanes > KDF_MOST.lanes {
        return Err(refuse(format!("its Argon2id parameters exceed {KDF_MOST:?}")));
    }
    let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32));
    let params = params.map_err(|e| refuse(format!("its Argon2id parameters are wrong: {e}")))?;
    let mut key = Key::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key[..])
        .map_err(|e| refuse(format!("its passphrase cannot be used: {e}")))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn client(name: &str) -> ClientId {
        name.parse().unwrap()
    }

    #[test]
    fn keys_outlive_the_process_and_open_only_for_their_client() {
        let dir = tempfile::tempdir().unwrap();
        for passphrase in [None, Some("correct horse")] {
            let path = dir.path().join(format!("{}.keyring", passphrase.is_some()));
            let first = Keyring::open(&path, passphrase).unwrap();
            let wrapped = first.wrap(&client("acme"), Suite::default(), b"page key").unwrap();
            let other = first.wrap(&client("other"), Suite::default(), b"page key").unwrap();
            let again = Keyring::open(&path, passphrase).unwrap();
            assert_eq!(again.unwrap_key(&client("acme"), &wrapped).unwrap().as_slice(), b"page key");
            assert!(matches!(again.unwrap_key(&client("acme"), &other), Err(VaultError::Unwrap { .. })));
            assert!(matches!(again.unwrap_key(&client("new"), &other), Err(VaultError::NoKey { .. })));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_sealed_keyring_opens_only_with_its_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        Keyring::open(&path, Some("one")).unwrap().wrap(&client("acme"), Suite::default(), b"x").unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("acme"));
        for passphrase in [None, Some("two"), Some("")] {
            let err = Keyring::open(&path, passphrase).err().unwrap();
            assert!(matches!(err, VaultError::Keyring { .. }), "{err}");
        }
    }

    #[test]
    fn two_processes_make_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        let (a, b) = (Keyring::open(&path, None).unwrap(), Keyring::open(&path, None).unwrap());
        let wrapped = a.wrap(&client("acme"), Suite::default(), b"x").unwrap();
        b.wrap(&client("acme"), Suite::default(), b"y").unwrap();
        assert_eq!(b.unwrap_key(&client("acme"), &wrapped).unwrap().as_slice(), b"x");
    }

    #[test]
    fn a_new_version_wraps_and_old_ones_open_until_they_are_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        for passphrase in [None, Some("correct horse")] {
            let path = dir.path().join(format!("{}.keyring", passphrase.is_some()));
            let acme = client("acme");
            let first = Keyring::open(&path, passphrase).unwrap();
            let old = first.wrap(&acme, Suite::Aes256Gcm, b"old").unwrap();
            // Another process does it; this one sees it at its next use.
            let other = Keyring::open(&path, passphrase).unwrap();
            assert_eq!(other.rotate(&acme).unwrap(), 2);
            let new = first.wrap(&acme, Suite::default(), b"new").unwrap();
            assert_eq!(
                (first.version_of(&acme, &old).unwrap(), first.version_of(&acme, &new).unwrap()),
                (1, 2)
            );
            assert_eq!(first.unwrap_key(&acme, &old).unwrap().as_slice(), b"old");
            first.destroy_before(&acme, 2).unwrap();
            for keyring in [&first, &other, &Keyring::open(&path, passphrase).unwrap()] {
                assert_eq!(keyring.versions(&acme).unwrap(), [2]);
                assert!(matches!(keyring.unwrap_key(&acme, &old), Err(VaultError::Unwrap { .. })));
                assert_eq!(keyring.unwrap_key(&acme, &new).unwrap().as_slice(), b"new");
            }
        }
    }

    #[test]
    fn a_malformed_keyring_is_refused_without_being_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring");
        for text in ["", "{", r#"{"protection":"none","keys":{"acme":"c2VjcmV0"}}"#] {
            fs::write(&path, text).unwrap();
            let err = Keyring::open(&path, None).err().unwrap().to_string();
            assert!(err.contains("keyring") && !err.contains("c2VjcmV0"), "{err}");
        }
    }
}
