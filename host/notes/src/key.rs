//! Ed25519 keys in files, in the form of a note signer key: `PRIVATE+KEY+<name>+<key id>+<key>`.

use std::{
    fmt, fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_model::ClientId;
use ed25519_dalek::Signer as _;
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use crate::{NoteError, VerifierKey};

/// Signature type of Ed25519 notes (C2SP signed-note, "Signature types").
const ED25519: u8 = 1;

/// A key that signs notes under its name. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: Arc<ed25519_dalek::SigningKey>,
}

impl SigningKey {
    /// Makes a key of this name and writes it to `path`, readable by its owner only. When this returns, it is durable. Of
    /// two that create it at once, one does.
    ///
    /// # Errors
    /// [`NoteError::KeyExists`], [`NoteError::Name`], [`NoteError::File`].
    pub fn create(path: &Path, name: &str) -> Result<Self, NoteError> {
        check_name(name)?;
        let mut seed = Zeroizing::new([0u8; 32]);
        SysRng.try_fill_bytes(seed.as_mut()).map_err(|e| NoteError::Key {
            path: path.to_owned(),
            why: format!("the system gave no randomness for a new one: {e}"),
        })?;
        let key = Self { name: name.to_owned(), key: Arc::new(ed25519_dalek::SigningKey::from_bytes(&seed)) };
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend(seed.iter());
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(&bytes));
        let text = Zeroizing::new(format!("PRIVATE+KEY+{name}+{:08x}+{}\n", key.id(), encoded.as_str()));
        place(path, text.as_bytes())?;
        Ok(key)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`NoteError::Key`] for a file that is no such key or that others can read, [`NoteError::File`].
    pub fn open(path: &Path) -> Result<Self, NoteError> {
        let bad = |why: &str| NoteError::Key { path: path.to_owned(), why: why.to_owned() };
        only_owner_reads(path)?;
        let text = Zeroizing::new(fs::read_to_string(path).map_err(NoteError::file("read", path))?);
        let mut parts = text.trim_end().splitn(5, '+');
        let mut next = || parts.next().ok_or_else(|| bad("it is not `PRIVATE+KEY+<name>+<key id>+<key>`"));
        if (next()?, next()?) != ("PRIVATE", "KEY") {
            return Err(bad("it does not begin with `PRIVATE+KEY+`"));
        }
        let (name, id, encoded) = (next()?, next()?, next()?);
        check_name(name)?;
        let bytes =
            Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| bad("its last part is not base64"))?);
        let Some((&ED25519, seed)) = bytes.split_first() else { return Err(bad("it is not an Ed25519 key")) };
        let key =
            ed25519_dalek::SigningKey::try_from(seed).map_err(|_| bad("its key is not 32 bytes long"))?;
        let key = Self { name: name.to_owned(), key: Arc::new(key) };
        if id != format!("{:08x}", key.id()) {
            return Err(bad("its key id does not fit its key: the file was damaged or edited"));
        }
        Ok(key)
    }

    /// The same key under the name `<name>/<client>`: a signature for one client never passes for one for another.
    pub fn for_client(&self, client: &ClientId) -> Self {
        Self { name: format!("{}/{client}", self.name), key: self.key.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public half, for those who verify (C2SP signed-note, "Verifier keys").
    pub fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(&self.name, self.id(), self.key.verifying_key())
    }

    fn id(&self) -> u32 {
        let mut public = vec![ED25519];
        public.extend(self.key.verifying_key().as_bytes());
        signed_note::key_id(&self.name, &public)
    }
}

impl signed_note::Signer for SigningKey {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        self.id()
    }
    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        self.key.try_sign(msg).map(|s| s.to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).finish_non_exhaustive()
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    if signed_note::is_key_name_valid(name) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(NoteError::Name { given: name.chars().take(60).collect() })
}

/// Writes beside `path` and links into place: what is there is never written over, and is there whole.
fn place(path: &Path, bytes: &[u8]) -> Result<(), NoteError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(NoteError::file("create", folder))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let linked = write_private(&beside, bytes).and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    linked.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => NoteError::KeyExists { path: path.to_owned() },
        _ => NoteError::file("create", path)(e),
    })?;
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(NoteError::file("sync", folder))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn only_owner_reads(path: &Path) -> Result<(), NoteError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(NoteError::file("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why =
        format!("others may read it (mode {mode:03o}), and whoever read it can sign in its name: chmod 600");
    Err(NoteError::Key { path: path.to_owned(), why })
}

#[cfg(not(unix))]
fn only_owner_reads(_: &Path) -> Result<(), NoteError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_created_once_and_opened_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/log.key");
        let first = SigningKey::create(&path, "acme.example/packs").unwrap();
        let again = SigningKey::open(&path).unwrap();
        assert_eq!(first.verifier_key(), again.verifier_key());
        assert!(first.verifier_key().to_string().starts_with("acme.example/packs+"));
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1, "nothing is left beside it");
        let text = fs::read_to_string(&path).unwrap();
        assert!(signed_note::StandardSigner::new(text.trim_end()).is_ok(), "it is a note signer key");
        let over = SigningKey::create(&path, "acme.example/packs").unwrap_err();
        assert!(matches!(over, NoteError::KeyExists { .. }), "{over}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.key");
        SigningKey::create(&path, "a.example").unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let check = |text: &str, why: &str| {
            fs::write(&path, text).unwrap();
            let err = SigningKey::open(&path).unwrap_err().to_string();
            assert!(err.contains(why), "{err}");
        };
        check("", "is not `PRIVATE+KEY");
        check("PUBLIC+KEY+a.example+00000000+AA==", "does not begin");
        check(&good.replace("a.example", "b.example"), "key id does not fit");
        check(&good[..good.len() - 9], "not 32 bytes");
        check(&good[..good.len() - 10], "base64");
        check(&good.replacen("a.example+", "a.example+0", 1), "key id does not fit");
        let no_name = SigningKey::create(&path, "two words").unwrap_err();
        assert!(matches!(no_name, NoteError::Name { .. }), "{no_name}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.key");
        SigningKey::create(&path, "a.example").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let err = SigningKey::open(&path).unwrap_err().to_string();
        assert!(err.contains("chmod 600"), "{err}");
    }
}
