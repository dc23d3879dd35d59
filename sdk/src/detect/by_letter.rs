//! Word lists by first letter, so that a word is compared with the few rows that can be it.

/// Which rows of a list of `N` begin with which letter; made when the crate is compiled.
pub(super) struct ByLetter<const N: usize> {
    /// Row numbers, by letter.
    order: [u16; N],
    /// Where in `order` each letter's rows begin, and where the last ends.
    starts: [u16; LETTERS + 1],
}

/// `a` to `z`, and everything else.
const LETTERS: usize = 27;

impl<const N: usize> ByLetter<N> {
    pub(super) const fn new<T>(rows: &[(&str, T)]) -> Self {
        assert!(rows.len() == N, "N is the length of the list");
        let (mut order, mut starts) = ([0; N], [0; LETTERS + 1]);
        let (mut letter, mut n) = (0, 0);
        while letter < LETTERS {
            starts[letter] = n as u16;
            let mut row = 0;
            while row < N {
                if letter_of(rows[row].0) == letter {
                    order[n] = row as u16;
                    n += 1;
                }
                row += 1;
            }
            letter += 1;
        }
        starts[LETTERS] = n as u16;
        Self { order, starts }
    }

    /// The rows that begin like this word, whatever its case, in order.
    pub(super) fn like(&self, word: &str) -> &[u16] {
        let letter = letter_of(word);
        self.order.get(self.starts[letter].into()..self.starts[letter + 1].into()).unwrap_or(&[])
    }
}

const fn letter_of(word: &str) -> usize {
    match word.as_bytes() {
        [first, ..] if first.is_ascii_alphabetic() => (first.to_ascii_lowercase() - b'a') as usize,
        _ => LETTERS - 1,
    }
}
