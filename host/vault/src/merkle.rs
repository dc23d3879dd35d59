//! The Merkle tree of RFC 6962, section 2.1, over frames: the root pins their number, order and every byte.

use crate::once::sha256;

/// The hash of one leaf's bytes.
pub(crate) fn leaf_hash(bytes: &[u8]) -> [u8; 32] {
    sha256(&[&[0], bytes])
}

/// A tree that only grows; keeps one hash per level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    count: u64,
    /// Roots of the complete subtrees, largest first: one per set bit of `count`.
    peaks: Vec<[u8; 32]>,
}

impl Tree {
    /// Appends a leaf by its hash.
    pub(crate) fn push(&mut self, leaf: [u8; 32]) {
        let mut node = leaf;
        for _ in 0..self.count.trailing_ones() {
            let left = self.peaks.pop().unwrap_or_default();
            node = join(&left, &node);
        }
        self.peaks.push(node);
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => sha256(&[]),
            Some(last) => peaks.fold(*last, |right, left| join(left, &right)),
        }
    }
}

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, word for word: split at the largest power of two below the count.
    fn by_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                join(&by_definition(&leaves[..half]), &by_definition(&leaves[half..]))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let leaves: Vec<_> = (0..70u8).map(|i| leaf_hash(&[i])).collect();
        let mut tree = Tree::default();
        for n in 0..leaves.len() {
            assert_eq!(tree.root(), by_definition(&leaves[..n]), "{n} leaves");
            assert_eq!(tree.count(), n as u64);
            tree.push(leaves[n]);
        }
    }

    #[test]
    fn the_known_roots_of_certificate_transparency() {
        // From the test vectors of google/certificate-transparency: leaves "", 00.
        let hex = |h: [u8; 32]| h.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut tree = Tree::default();
        assert_eq!(hex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        tree.push(leaf_hash(b""));
        assert_eq!(hex(tree.root()), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        tree.push(leaf_hash(&[0]));
        assert_eq!(hex(tree.root()), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    }
}
