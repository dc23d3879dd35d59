//! The two ciphers: which there are, and the only place that names them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};
use serde::{Deserialize, Serialize};

use crate::once::Key;

/// Of either cipher, in bytes.
pub(crate) const TAG: usize = 16;

/// What recordings, keys and details are sealed with; its number is in the header of every object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Suite {
    /// RFC 8439.
    #[default]
    #[serde(rename = "chacha20-poly1305")]
    Chacha20Poly1305 = 1,
    /// NIST SP 800-38D, for those who need a NIST-approved algorithm.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm = 2,
}

impl Suite {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Chacha20Poly1305, Self::Aes256Gcm];

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| *suite as u8 == byte)
    }

    /// What rulings on storage call it.
    pub fn cipher(self) -> caveat_model::Cipher {
        match self {
            Self::Chacha20Poly1305 => caveat_model::Cipher::Chacha20Poly1305,
            Self::Aes256Gcm => caveat_model::Cipher::Aes256Gcm,
        }
    }

    /// Encrypts in place and gives the tag. The nonce is zero: it tells messages under one key apart, and here each key has
    /// one message.
    pub(crate) fn seal(self, key: &Key, aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        const SMALL: &str = "a message is far below the cipher's limit of 64 GiB";
        match self {
            Self::Chacha20Poly1305 => {
                let tag = chacha(key).encrypt_inout_detached(&Default::default(), aad, text.into());
                tag.expect(SMALL).into()
            }
            Self::Aes256Gcm => {
                let sealed = aes(key).seal_in_place_separate_tag(zero(), Aad::from(aad), text);
                let mut tag = [0; TAG];
                tag.copy_from_slice(sealed.expect(SMALL).as_ref());
                tag
            }
        }
    }

    /// Decrypts in place; false, and nothing to be read, when key, associated data, text or tag is another.
    pub(crate) fn open(self, key: &Key, aad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> bool {
        match self {
            Self::Chacha20Poly1305 => {
                let tag = Tag::from(*tag);
                chacha(key).decrypt_inout_detached(&Default::default(), aad, text.into(), &tag).is_ok()
            }
            Self::Aes256Gcm => aes(key).open_in_place_separate_tag(zero(), Aad::from(aad), tag, text).is_ok(),
        }
    }
}

fn chacha(key: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new_from_slice(&key[..]).expect("the cipher takes 32 bytes")
}

fn aes(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).expect("the cipher takes 32 bytes"))
}

fn zero() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
