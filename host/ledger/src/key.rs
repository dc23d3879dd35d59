//! The key that signs checkpoints: one Ed25519 key per house, one note name per client.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_model::ClientId;
use ed25519_dalek::{Signer as _, SigningKey};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use crate::LedgerError;

/// Signature type of Ed25519 notes (C2SP signed-note, "Signature types").
const ED25519: u8 = 1;

/// Signs the checkpoints of every client's log. Each log has a name of its own, `<origin>/<client>`, so that a checkpoint
/// of one client never passes for another's, though the key is the same. Cheap to clone.
#[derive(Clone)]
pub struct LogSigner {
    origin: String,
    key: Arc<SigningKey>,
}

impl LogSigner {
    /// Loads the key from `path`, or creates it there, readable by its owner only. `origin` is the part of the logs' names
    /// before the client, a schema-less URL by custom ("caveat.example"). The file has the form of a note signer key:
    /// `PRIVATE+KEY+<origin>+<key id>+<key>`.
    ///
    /// # Errors
    /// [`LedgerError::Name`] for an origin that cannot stand in a note, [`LedgerError::Key`] for a file that is not such a
    /// key, belongs to another origin or can be read by others, [`LedgerError::File`].
    pub fn open(path: &Path, origin: &str) -> Result<Self, LedgerError> {
        if !signed_note::is_key_name_valid(origin) || origin.chars().any(char::is_control) {
            let given = origin.chars().take(60).collect();
            let why = "it must be a name without spaces and plus signs, for example caveat.example";
            return Err(LedgerError::Name { given, what: "origin of the logs", why });
        }
        if !path.exists() {
            create(path, origin)?;
        }
        load(path, origin)
    }

    /// The part of the logs' names before the client.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The name of a client's log: the first line of its checkpoints.
    pub fn log_name(&self, client: &ClientId) -> String {
        format!("{}/{client}", self.origin)
    }

    /// The public key of a client's log as text (C2SP signed-note, "Verifier keys"). This is what an auditor is given.
    pub fn vkey(&self, client: &ClientId) -> String {
        signed_note::new_ed25519_verifier_key(&self.log_name(client), &self.key.verifying_key())
    }

    pub(crate) fn note_signer(&self, client: &ClientId) -> impl signed_note::Signer {
        NoteSigner { name: self.log_name(client), key: self.key.clone() }
    }
}

impl std::fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogSigner").field("origin", &self.origin).finish_non_exhaustive()
    }
}

struct NoteSigner {
    name: String,
    key: Arc<SigningKey>,
}

impl signed_note::Signer for NoteSigner {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        key_id(&self.name, &self.key)
    }
    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        self.key.try_sign(msg).map(|s| s.to_vec())
    }
}

fn key_id(name: &str, key: &SigningKey) -> u32 {
    let mut public = vec![ED25519];
    public.extend(key.verifying_key().as_bytes());
    signed_note::key_id(name, &public)
}

fn load(path: &Path, origin: &str) -> Result<LogSigner, LedgerError> {
    let bad = |why: &str| LedgerError::Key { path: path.to_owned(), why: why.to_owned() };
    only_owner_reads(path)?;
    let text = Zeroizing::new(fs::read_to_string(path).map_err(LedgerError::file("read", path))?);
    let mut parts = text.trim_end().splitn(5, '+');
    let mut next = || parts.next().ok_or_else(|| bad("it is not `PRIVATE+KEY+<origin>+<key id>+<key>`"));
    if (next()?, next()?) != ("PRIVATE", "KEY") {
        return Err(bad("it does not begin with `PRIVATE+KEY+`"));
    }
    let (name, id, encoded) = (next()?, next()?, next()?);
    if name != origin {
        return Err(bad(&format!(
            "it belongs to the origin `{name}`, but the configuration says `{origin}`; \
             logs keep their name: set the origin back, or start new logs with another key file"
        )));
    }
    let bytes =
        Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| bad("its last part is not base64"))?);
    let Some((&ED25519, seed)) = bytes.split_first() else { return Err(bad("it is not an Ed25519 key")) };
    let key = SigningKey::try_from(seed).map_err(|_| bad("its key is not 32 bytes long"))?;
    if id != format!("{:08x}", key_id(name, &key)) {
        return Err(bad("its key id does not fit its key: the file was damaged or edited"));
    }
    Ok(LogSigner { origin: origin.to_owned(), key: Arc::new(key) })
}

/// Writes beside `path` and links into place, so that two hosts that start at once end up with one key.
fn create(path: &Path, origin: &str) -> Result<(), LedgerError> {
    let mut seed = Zeroizing::new([0u8; 32]);
    SysRng.try_fill_bytes(seed.as_mut()).map_err(|e| LedgerError::Key {
        path: path.to_owned(),
        why: format!("the system gave no randomness for a new one: {e}"),
    })?;
    let key = SigningKey::from_bytes(&seed);
    let mut bytes = Zeroizing::new(vec![ED25519]);
    bytes.extend(seed.iter());
    let id = key_id(origin, &key);
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(&bytes));
    let text = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{id:08x}+{}\n", encoded.as_str()));

    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(LedgerError::file("create", folder))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let linked = write_private(&beside, text.as_bytes()).and_then(|()| fs::hard_link(&beside, path));
    let _ = fs::remove_file(&beside);
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(LedgerError::file("create", path)(e)),
        _ => fs::File::open(folder).and_then(|f| f.sync_all()).map_err(LedgerError::file("sync", folder)),
    }
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
fn only_owner_reads(path: &Path) -> Result<(), LedgerError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(LedgerError::file("read", path))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let why =
        format!("others may read it (mode {mode:03o}); whoever read it can forge checkpoints: chmod 600");
    Err(LedgerError::Key { path: path.to_owned(), why })
}

#[cfg(not(unix))]
fn only_owner_reads(_: &Path) -> Result<(), LedgerError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_created_once_and_loaded_after() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/log.key");
        let client: ClientId = "acme".parse().unwrap();
        let first = LogSigner::open(&path, "caveat.example").unwrap();
        let again = LogSigner::open(&path, "caveat.example").unwrap();
        assert_eq!(first.vkey(&client), again.vkey(&client));
        assert!(first.vkey(&client).starts_with("caveat.example/acme+"));
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1, "nothing is left beside it");
        let text = fs::read_to_string(&path).unwrap();
        assert!(signed_note::StandardSigner::new(text.trim_end()).is_ok(), "it is a note signer key");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.key");
        LogSigner::open(&path, "a.example").unwrap();
        let good = fs::read_to_string(&path).unwrap();
        let check = |text: &str, why: &str| {
            fs::write(&path, text).unwrap();
            let err = LogSigner::open(&path, "a.example").unwrap_err().to_string();
            assert!(err.contains(why), "{err}");
        };
        check("", "is not `PRIVATE+KEY");
        check("PUBLIC+KEY+a.example+00000000+AA==", "does not begin");
        check(&good.replace("a.example", "b.example"), "belongs to the origin `b.example`");
        check(&good[..good.len() - 9], "not 32 bytes");
        check(&good[..good.len() - 10], "base64");
        check(&good.replacen("a.example+", "a.example+0", 1), "key id does not fit");
        let no_origin = LogSigner::open(&path, "two words").unwrap_err();
        assert!(matches!(no_origin, LedgerError::Name { .. }), "{no_origin}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.key");
        LogSigner::open(&path, "a.example").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let err = LogSigner::open(&path, "a.example").unwrap_err().to_string();
        assert!(err.contains("chmod 600"), "{err}");
    }
}
