//! Lines for the engineer.

pub use crate::bindings::base::caveat::policy::log::Level;
#[cfg(any(target_arch = "wasm32", test))]
use crate::bindings::base::caveat::policy::log::Piece;

/// Tells the host's log something. Never write personal data.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    pieces(message, |piece, more| {
        crate::bindings::base::caveat::policy::log::write_piece(level, piece, more);
    });
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// A line as `log.write-piece` takes it.
#[cfg(any(target_arch = "wasm32", test))]
fn pieces(message: &str, mut write: impl FnMut(Piece, bool)) {
    let mut chunks = message.as_bytes().chunks(64).peekable();
    while let Some(chunk) = chunks.next() {
        let number = |n: usize| {
            let eight = chunk.iter().skip(n * 8).take(8);
            eight.rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let [a, b, c, d, e, f, g, h] = std::array::from_fn(number);
        write((a, b, c, d, e, f, g, h), chunks.peek().is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_sum_of_its_pieces() {
        for length in [1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1_000] {
            let line: String = ('!'..='~').cycle().take(length).collect();
            let (mut bytes, mut ended) = (vec![], 0);
            pieces(&line, |(a, b, c, d, e, f, g, h), more| {
                bytes.extend([a, b, c, d, e, f, g, h].map(u64::to_le_bytes).concat());
                ended += u32::from(!more);
            });
            assert_eq!(String::from_utf8_lossy(&bytes).trim_end_matches('\0'), line);
            assert_eq!(ended, 1, "{length}");
        }
    }
}
