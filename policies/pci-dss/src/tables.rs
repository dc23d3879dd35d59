//! The numbers and words of `data/`.

use caveat_sdk::access::Role;

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// What a role gets of a card number without a documented need for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gets {
    /// Everything else, with the card number hidden.
    Masked,
    Nothing,
}

/// Whether a list has this word, whatever its case and hyphenation.
pub(crate) fn lists(words: &[&str], word: &str) -> bool {
    words.iter().any(|listed| {
        listed.len() == word.len()
            && listed
                .bytes()
                .zip(word.bytes())
                .all(|(a, b)| a == b.to_ascii_lowercase() || (a == b'-' && matches!(b, b' ' | b'_')))
    })
}
