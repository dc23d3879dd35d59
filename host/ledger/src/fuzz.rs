//! Doors for `tests/fuzz` to what is otherwise inside. No part of the API.
#![allow(missing_docs, reason = "not for use")]

use bytes::Bytes;

use crate::{
    Entry,
    meaning::Meaning,
    objects::{push_entry, split_bundle},
};

/// What a verifier does with a bundle of entries that the signed root vouches for: splits it, reads each, and keeps track of
/// what they mean. How many entries could be read, and how many problems there are.
pub fn bundle(bytes: Vec<u8>) -> Result<(usize, usize), String> {
    let bytes = Bytes::from(bytes);
    let entries = split_bundle(&bytes)?;
    let (mut meaning, mut problems, mut read, mut again) = (Meaning::new(2_000), vec![], 0, vec![]);
    for (index, entry) in (0..).zip(&entries) {
        if let Ok(entry) = serde_json::from_slice::<Entry>(entry) {
            meaning.read(index, &entry, &mut problems);
            read += 1;
        }
        push_entry(&mut again, entry).map_err(|e| e.to_string())?;
    }
    if again != bytes {
        return Err("a bundle that was split does not go together again".into());
    }
    Ok((read, problems.len()))
}
