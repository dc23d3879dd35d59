//! What lies on disks: bundles of the ledger, objects and logs of the vault.

use caveat_vault::fuzz::{self as sealed, Claims};

/// A bundle of entries, as an auditor reads it.
pub fn ledger_bundle(data: &[u8]) {
    match caveat_ledger::fuzz::bundle(data.to_vec()) {
        Ok((read, problems)) => assert!(problems == 0 || read > 0, "what cannot be read means nothing"),
        Err(broken) => assert!(broken.contains("breaks off"), "{broken}"),
    }
}

/// Parts of a sealed recording, by the first byte: a header, a frame, a key cover, a record of the log, or a whole object
/// with a trailer that authenticates.
pub fn vault(data: &[u8]) {
    let Some((part, rest)) = data.split_first() else { return };
    match part % 5 {
        0 => drop(sealed::header(rest)),
        1 => drop(sealed::frame(rest)),
        2 => {
            let Some((gone, rest)) = rest.split_first_chunk::<4>() else { return };
            let start = u32::from_be_bytes(*gone) % (1 << 25);
            sealed::cover(rest, start..start + u32::from(gone[3]));
        }
        3 => drop(sealed::log_record(rest)),
        _ => object(rest),
    }
}

/// How many frames (4 bits) of 8 bytes each: name, length of the plaintext; how long the index is, what the trailer claims;
/// then the index, and the rest lies between frames and index.
fn object(data: &[u8]) {
    let Some(([frames, index_len, claimed, duration, offset_high, offset_low], mut rest)) =
        data.split_first_chunk()
    else {
        return;
    };
    let mut named = vec![];
    for _ in 0..frames % 16 {
        let Some((frame, after)) = rest.split_first_chunk::<7>() else { return };
        let [leg, i0, i1, i2, i3, kind, len] = *frame;
        named.push(([leg, i0, i1, i2, i3, kind], &[0x7f; 255][..len.into()]));
        rest = after;
    }
    let (index, between) = rest.split_at(rest.len().min((*index_len).into()));
    let claims = Claims {
        frames: (*claimed).into(),
        duration_ms: (*duration).into(),
        index_offset: u64::from(*offset_high) << 8 | u64::from(*offset_low),
        interrupted: frames & 16 != 0,
    };
    sealed::object(&named, between, index, &claims);
}
