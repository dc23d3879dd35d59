//! Signing a text, and believing it only when a given key signed it.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};

use crate::{NoteError, SigningKey};

/// No larger note is signed or read.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// The public half of a key, as text: `<name>+<key id>+<key>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    pub(crate) fn new(name: &str, id: u32, key: VerifyingKey) -> Self {
        Self { name: name.to_owned(), id, key }
    }

    /// The name that its signatures bear.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.trim();
        let bad = |why: String| NoteError::VerifierKey { given: text.chars().take(80).collect(), why };
        let checked = StandardVerifier::new(text).map_err(|e| bad(e.to_string()))?;
        // The key itself may hold a plus sign: base64 has one.
        let encoded = text.splitn(3, '+').nth(2).unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|e| bad(e.to_string()))?;
        let key =
            VerifyingKey::try_from(bytes.get(1..).unwrap_or_default()).map_err(|e| bad(e.to_string()))?;
        Ok(Self::new(checked.name(), checked.key_id(), key))
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = NoteError;
    fn try_from(text: String) -> Result<Self, NoteError> {
        text.parse()
    }
}

impl From<VerifierKey> for String {
    fn from(key: VerifierKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&signed_note::new_ed25519_verifier_key(&self.name, &self.key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Verifier for VerifierKey {
    fn name(&self) -> &str {
        &self.name
    }
    fn key_id(&self) -> u32 {
        self.id
    }
    fn verify(&self, msg: &[u8], sig: &[u8]) -> bool {
        Signature::from_slice(sig).is_ok_and(|sig| self.key.verify_strict(msg, &sig).is_ok())
    }
}

/// A note that a given key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub text: String,
    /// Which of the given keys signed it, `<name>+<key id>`.
    pub signers: Vec<String>,
}

/// The signed note of a text, which ends with a newline.
///
/// # Errors
/// [`NoteError::Sign`].
pub fn sign(text: &str, key: &SigningKey) -> Result<String, NoteError> {
    signed(Note::new(text.as_bytes(), &[]), key)
}

/// A note with one more signature; one by the same key is replaced.
///
/// # Errors
/// [`NoteError::NotANote`], [`NoteError::Sign`].
pub fn add_signature(note: &[u8], key: &SigningKey) -> Result<String, NoteError> {
    signed(Ok(read(note)?), key)
}

/// What a note says, once a signature by one of `keys` is found good. Signatures by other keys count for nothing.
///
/// # Errors
/// [`NoteError::NotANote`], [`NoteError::NotTrusted`], [`NoteError::Forged`].
pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Opened, NoteError> {
    use signed_note::NoteError as E;
    let claimed = signers(note)?;
    let note = read(note)?;
    // A key that is given twice is one key.
    let first = |n: usize, key: &VerifierKey| !keys[..n].contains(key);
    let once = keys.iter().enumerate().filter(|(n, key)| first(*n, key)).map(|(_, key)| key.clone());
    let known = once.map(|key| Box::new(key) as Box<dyn Verifier>).collect();
    let (verified, _) = note.verify(&VerifierList::new(known)).map_err(|e| match e {
        E::UnverifiedNote => NoteError::NotTrusted { signers: claimed },
        E::InvalidSignature { name, id } => NoteError::Forged { signer: format!("{name}+{id:08x}") },
        other => NoteError::NotANote { why: other.to_string() },
    })?;
    let text = text_of(&note)?;
    Ok(Opened { text, signers: verified.iter().map(|s| format!("{}+{:08x}", s.name(), s.id())).collect() })
}

/// Who claims to have signed a note, `<name>+<key id>`. Nothing is verified.
///
/// # Errors
/// [`NoteError::NotANote`].
pub fn signers(note: &[u8]) -> Result<Vec<String>, NoteError> {
    let note = read(note)?;
    let bytes = note.to_bytes();
    let block = &bytes[note.text().len() + 1..];
    let mut signers = vec![];
    for line in block.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let signature = signed_note::Signature::from_bytes(line)
            .map_err(|e| NoteError::NotANote { why: e.to_string() })?;
        signers.push(format!("{}+{:08x}", signature.name(), signature.id()));
    }
    Ok(signers)
}

fn signed(note: Result<Note, signed_note::NoteError>, key: &SigningKey) -> Result<String, NoteError> {
    let failed = |why: String| NoteError::Sign { why };
    let mut note = note.map_err(|e| failed(e.to_string()))?;
    note.add_sigs(&[key]).map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8(note.to_bytes()).map_err(|e| failed(e.to_string()))?;
    if text.len() > NOTE_BYTES_MAX {
        return Err(failed(format!(
            "it would have {} bytes, and {NOTE_BYTES_MAX} are the limit",
            text.len()
        )));
    }
    Ok(text)
}

/// A note in the one form that it may have: what is signed and what is read can then not differ.
fn read(bytes: &[u8]) -> Result<Note, NoteError> {
    let not = |why: &str| NoteError::NotANote { why: why.to_owned() };
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(not("it is too long"));
    }
    let note = Note::from_bytes(bytes).map_err(|e| not(&e.to_string()))?;
    if note.to_bytes() != bytes {
        return Err(not("it is not in the one form that a signed note has"));
    }
    Ok(note)
}

fn text_of(note: &Note) -> Result<String, NoteError> {
    String::from_utf8(note.text().to_vec()).map_err(|e| NoteError::NotANote { why: e.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn key(name: &str) -> SigningKey {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::create(&dir.path().join("key"), name).unwrap()
    }

    #[test]
    fn a_note_opens_with_the_key_that_signed_it_and_no_other() {
        let (ours, theirs) = (key("ours.example"), key("theirs.example"));
        let note = sign("a text\n", &ours).unwrap();
        let opened = open(note.as_bytes(), &[theirs.verifier_key(), ours.verifier_key()]).unwrap();
        assert_eq!(opened.text, "a text\n");
        assert_eq!(opened.signers, signers(note.as_bytes()).unwrap());
        let stranger = open(note.as_bytes(), &[theirs.verifier_key()]).unwrap_err();
        assert!(matches!(&stranger, NoteError::NotTrusted { signers } if signers.len() == 1), "{stranger}");
        let nobody = open(note.as_bytes(), &[]).unwrap_err();
        assert!(matches!(nobody, NoteError::NotTrusted { .. }));
        let same_name = key("ours.example");
        assert!(open(note.as_bytes(), &[same_name.verifier_key()]).is_err(), "a name alone is no key");
    }

    #[test]
    fn another_text_under_the_same_signature_is_forged() {
        let ours = key("ours.example");
        let forged = sign("a text\n", &ours).unwrap().replace("a text", "a lie!");
        let error = open(forged.as_bytes(), &[ours.verifier_key()]).unwrap_err();
        assert!(matches!(error, NoteError::Forged { .. }), "{error}");
    }

    #[test]
    fn several_sign_one_text() {
        let (ours, theirs) = (key("ours.example"), key("theirs.example"));
        let note = sign("a text\n", &ours).unwrap();
        let both = add_signature(note.as_bytes(), &theirs).unwrap();
        let again = add_signature(both.as_bytes(), &ours).unwrap();
        assert_eq!(signers(again.as_bytes()).unwrap().len(), 2);
        for key in [ours, theirs] {
            assert_eq!(open(again.as_bytes(), &[key.verifier_key()]).unwrap().signers.len(), 1);
        }
    }

    #[test]
    fn what_is_no_note_or_no_key_is_refused() {
        let ours = key("ours.example");
        let good = sign("a text\n", &ours).unwrap();
        for bad in
            ["", "a text\n", &good[..good.len() - 1], &format!("{good}\n"), &"x".repeat(NOTE_BYTES_MAX + 1)]
        {
            assert!(open(bad.as_bytes(), &[ours.verifier_key()]).is_err(), "{bad:.40}");
        }
        let text = ours.verifier_key().to_string();
        for _ in 0..32 {
            // Some of them have a plus sign in their base64.
            let key = key("ours.example").verifier_key();
            assert_eq!(key.to_string().parse::<VerifierKey>().unwrap(), key);
        }
        for bad in ["", "ours.example", &text.replacen("ours", "hers", 1), &text[..text.len() - 4]] {
            assert!(bad.parse::<VerifierKey>().unwrap_err().to_string().contains("no verifier key"), "{bad}");
        }
    }
}
