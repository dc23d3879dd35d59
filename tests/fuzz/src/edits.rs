//! A good file changed in a few places: what a fuzzer would take long to find from nothing.

/// How many places at most.
const EDITS: usize = 16;

/// `base` with what `edits` says, four bytes each: where (16 bits, little-endian), what, and a byte for it.
pub(crate) fn edited(base: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for [low, high, what, value] in edits.as_chunks::<4>().0.iter().take(EDITS) {
        if bytes.is_empty() {
            break;
        }
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        match what % 5 {
            0 => bytes[at] = *value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => bytes.insert(at, *value),
            3 => drop(bytes.remove(at)),
            _ => bytes.truncate(bytes.len() - usize::from(*value) % bytes.len()),
        }
    }
    bytes
}
