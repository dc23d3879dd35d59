//! The only use of the cipher: one message under a key used once, with a commitment to the key.
//!
//! Neither cipher alone is committing: who knows two keys can make one ciphertext that opens under both. So every
//! message carries 32 bytes derived from its key, compared in constant time before anything is decrypted.

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::suite::{Suite, TAG};

/// 256 bits of key, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

const COMMITMENT: usize = 32;
const SALT: usize = 32;
/// What sealing adds, in bytes: commitment in front, tag behind.
pub(crate) const OVERHEAD: usize = COMMITMENT + TAG;

pub(crate) fn random_key() -> Key {
    let mut key = Key::default();
    rand::fill(&mut key[..]);
    key
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|p| hash.update(p));
    hash.finalize().into()
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|p| mac.update(p));
    mac.finalize().into_bytes().into()
}

pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A key for another purpose, from a uniform one: HKDF-Expand of RFC 5869.
pub(crate) fn subkey(key: &Key, purpose: &str) -> Key {
    let mut out = Key::default();
    expand(key, purpose, &mut out[..]);
    out
}

/// Several byte strings as one, so that no two lists read the same: each with its length in front.
pub(crate) fn context(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|p| (p.len() as u32).to_be_bytes().into_iter().chain(p.iter().copied())).collect()
}

/// Appends commitment, ciphertext and tag to `out`. The caller never uses (`key`, `purpose`) again.
pub(crate) fn seal(suite: Suite, key: &Key, purpose: &str, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    let (cipher_key, commitment) = derive(key, purpose);
    out.reserve(OVERHEAD + plain.len());
    out.extend_from_slice(&commitment[..]);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = suite.seal(&cipher_key, aad, &mut out[start..]);
    out.extend_from_slice(&tag);
}

/// The plaintext; none when the key, the associated data or a bit of `sealed` is another.
pub(crate) fn open(
    suite: Suite,
    key: &Key,
    purpose: &str,
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (commitment, rest) = sealed.split_at_checked(COMMITMENT)?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let (cipher_key, expected) = derive(key, purpose);
    if !equal(&expected[..], commitment) {
        return None;
    }
    let mut plain = Zeroizing::new(body.to_vec());
    suite.open(&cipher_key, aad, &mut plain, tag).then_some(plain)
}

/// Seals under a key used many times: a random salt makes from it the key that is used once.
pub(crate) fn seal_blob(suite: Suite, key: &Key, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let salt = random_key();
    let mut out = salt.to_vec();
    seal(suite, &extract(&salt[..], key), blob_of(suite), aad, plain, &mut out);
    out
}

/// Opens what [`seal_blob`] made.
pub(crate) fn open_blob(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    open_blob_alone(&key_of_blob(key, sealed)?, aad, sealed)
}

/// The key of this one message: it opens nothing else.
pub(crate) fn key_of_blob(key: &Key, sealed: &[u8]) -> Option<Key> {
    let (salt, _) = sealed.split_at_checked(SALT)?;
    Some(extract(salt, key))
}

/// Opens what [`seal_blob`] made with what [`key_of_blob`] gave. The commitment tells by which suite it was sealed.
pub(crate) fn open_blob_alone(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = sealed.split_at_checked(SALT)?;
    Suite::ALL.into_iter().find_map(|suite| open(suite, key, blob_of(suite), aad, rest))
}

/// What a blob was sealed with, if it was under this key, whatever it was bound to.
pub(crate) fn suite_of_blob(key: &Key, sealed: &[u8]) -> Option<Suite> {
    let committed = sealed.get(SALT..SALT + COMMITMENT)?;
    let once = key_of_blob(key, sealed)?;
    Suite::ALL.into_iter().find(|suite| equal(committed, &derive(&once, blob_of(*suite)).1[..]))
}

fn blob_of(suite: Suite) -> &'static str {
    match suite {
        Suite::Chacha20Poly1305 => "caveat-vault/1 blob",
        Suite::Aes256Gcm => "caveat-vault/1 blob aes-256-gcm",
    }
}

/// HKDF-Extract of RFC 5869.
fn extract(salt: &[u8], key: &Key) -> Key {
    Zeroizing::new(hmac(salt, &[&key[..]]))
}

fn expand(key: &Key, purpose: &str, out: &mut [u8]) {
    Hkdf::<Sha256>::from_prk(&key[..])
        .expect("32 bytes are a pseudorandom key for SHA-256")
        .expand(purpose.as_bytes(), out)
        .expect("HKDF gives up to 8,160 bytes");
}

/// The key of the cipher, and what commits to it.
fn derive(key: &Key, purpose: &str) -> (Key, Key) {
    let mut both = Zeroizing::new([0; 64]);
    expand(key, purpose, &mut both[..]);
    let (mut cipher_key, mut commitment) = (Key::default(), Key::default());
    cipher_key.copy_from_slice(&both[..32]);
    commitment.copy_from_slice(&both[32..]);
    (cipher_key, commitment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_the_same_key_context_and_bytes_open() {
        for suite in Suite::ALL {
            let (key, other) = (random_key(), random_key());
            let sealed = seal_blob(suite, &key, b"here", b"a secret");
            assert_eq!(open_blob(&key, b"here", &sealed).unwrap().as_slice(), b"a secret");
            assert!(open_blob(&other, b"here", &sealed).is_none());
            assert!(open_blob(&key, b"there", &sealed).is_none());
            assert_eq!((suite_of_blob(&key, &sealed), suite_of_blob(&other, &sealed)), (Some(suite), None));
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(open_blob(&key, b"here", &flipped).is_none(), "{suite:?}, bit {bit}");
            }
            for len in 0..sealed.len() {
                assert!(open_blob(&key, b"here", &sealed[..len]).is_none(), "{suite:?}, length {len}");
            }
        }
    }

    #[test]
    fn a_commitment_names_its_key() {
        // Either cipher could be made to accept under a second key; the commitment is checked first and cannot.
        for suite in Suite::ALL {
            let (a, b) = (random_key(), random_key());
            let (mut for_a, mut for_b) = (vec![], vec![]);
            seal(suite, &a, "p", b"", b"x", &mut for_a);
            seal(suite, &b, "p", b"", b"x", &mut for_b);
            let spliced = [&for_a[..COMMITMENT], &for_b[COMMITMENT..]].concat();
            assert!(open(suite, &b, "p", b"", &spliced).is_none());
            assert!(open(suite, &b, "q", b"", &for_b).is_none());
            assert!(open(suite, &b, "p", b"", &for_b).is_some());
            let another = Suite::ALL.into_iter().find(|s| *s != suite).unwrap();
            assert!(open(another, &b, "p", b"", &for_b).is_none(), "another cipher than it was sealed with");
        }
    }

    #[test]
    fn no_two_lists_have_one_context() {
        assert_ne!(context(&[b"ab", b"c"]), context(&[b"a", b"bc"]));
        assert_ne!(context(&[b"a"]), context(&[b"a", b""]));
    }
}
