//! Mutations for the tests: the same for the same seed, without a fuzzer.

/// What texts and lengths are made of.
const SIGNS: &[u8] = b"\0\xff\"[{-09\n=";

/// Some bytes of a seed changed, and parts of it cut, doubled and moved.
pub fn mutations(seed: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ seed.len() as u64);
    (0..count).map(move |_| {
        let mut bytes = seed.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            let end = at + random.below(bytes.len() - at);
            match random.below(5) {
                0 if at < bytes.len() => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => bytes.insert(at, SIGNS[random.below(SIGNS.len())]),
            }
        }
        bytes
    })
}

/// Marsaglia, "Xorshift RNGs" (2003).
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 up to and without `limit`; 0 when there is nothing below it.
    fn below(&mut self, limit: usize) -> usize {
        self.next().checked_rem(limit as u64).unwrap_or_default() as usize
    }
}
