//! Random texts that prove who asks, and what is kept of them.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// 256 bits in base64url without padding.
const SECRET_CHARS: usize = 43;

/// 256 random bits as text.
pub(crate) fn random_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is kept of a token. Plain SHA-256 is enough: nobody guesses 256 random bits.
pub(crate) fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Whether a text can be one of [`random_secret`]; what cannot is refused before it meets the database.
pub(crate) fn well_formed(secret: &str) -> bool {
    secret.len() == SECRET_CHARS
        && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The secret of a session: whoever has it is the person, until it ends. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    pub(crate) fn random() -> Self {
        Self(random_secret())
    }

    /// The text to hand to the browser, and to no log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_well_formed_and_unlike() {
        let (a, b) = (SessionToken::random(), SessionToken::random());
        assert!(well_formed(a.as_str()) && a != b);
        assert!(!format!("{a:?}").contains(a.as_str()));
        for bad in ["", "short", &"a".repeat(44), &format!("{}=", "a".repeat(42))] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
