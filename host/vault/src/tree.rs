//! The key tree of a recording (Goldreich, Goldwasser, Micali 1986): one root, a leaf key per second of a leg.
//!
//! A node's children are HMAC-SHA256(node, 0) and HMAC-SHA256(node, 1), so whoever holds a node holds every leaf below
//! and nothing else. A [`Cover`] is the list of nodes that a recording still has; [`Cover::without`] punctures it.

use std::ops::Range;

use crate::{
    error::Flaw,
    once::{Key, hmac, random_key},
    segment::{INDEX_BITS, LEG_BITS},
};

/// Levels below the root: a leaf's number is its leg, then its second.
pub(crate) const DEPTH: u8 = LEG_BITS + INDEX_BITS;

/// Leaves of a whole tree.
const LEAVES: u32 = 1 << DEPTH;

/// Bytes of a node at rest: depth, path, key.
pub(crate) const NODE_BYTES: usize = 1 + 4 + 32;

#[derive(Clone, PartialEq, Eq)]
struct Node {
    depth: u8,
    /// The path from the root, as the low `depth` bits.
    path: u32,
    key: Key,
}

impl Node {
    fn leaves(&self) -> Range<u32> {
        let below = DEPTH - self.depth;
        self.path << below..(self.path + 1) << below
    }

    fn child(&self, bit: u32) -> Self {
        let key = hmac(&self.key[..], &[&[bit as u8]]).into();
        Self { depth: self.depth + 1, path: self.path << 1 | bit, key }
    }

    /// The child on the way to `leaf`.
    fn towards(&self, leaf: u32) -> Self {
        self.child(leaf >> (DEPTH - self.depth - 1) & 1)
    }
}

/// The nodes a recording still has: disjoint, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Cover(Vec<Node>);

impl Cover {
    /// A fresh root, which covers everything.
    pub(crate) fn random() -> Self {
        Self(vec![Node { depth: 0, path: 0, key: random_key() }])
    }

    /// Where its nodes stand, without their keys.
    pub(crate) fn shape(&self, out: &mut Vec<u8>) {
        for node in &self.0 {
            out.push(node.depth);
            out.extend_from_slice(&node.path.to_be_bytes());
        }
    }

    /// The key of a leaf; none when it was punctured.
    pub(crate) fn leaf(&self, leaf: u32) -> Option<Key> {
        Walk::default().leaf(self, leaf)
    }

    /// A cover from which no leaf of `gone` can be derived, and every other one still can.
    pub(crate) fn without(&self, gone: &Range<u32>) -> Self {
        let mut kept = vec![];
        let mut rest: Vec<Node> = self.0.iter().rev().cloned().collect();
        while let Some(node) = rest.pop() {
            let leaves = node.leaves();
            if leaves.end <= gone.start || gone.end <= leaves.start {
                kept.push(node);
            } else if leaves.start < gone.start || gone.end < leaves.end {
                rest.push(node.child(1));
                rest.push(node.child(0));
            }
        }
        Self(kept)
    }

    /// What this cover has of `wanted`, and nothing else.
    pub(crate) fn within(&self, wanted: &Range<u32>) -> Self {
        self.without(&(0..wanted.start)).without(&(wanted.end..LEAVES))
    }

    /// Both together. No leaf lies in both: a puncture and what was punctured.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut nodes = [self.0.as_slice(), &other.0].concat();
        nodes.sort_unstable_by_key(|node| node.leaves().start);
        Self(nodes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Per node: depth, path, key.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        // Exact, so that no reallocation leaves a copy of keys behind.
        out.reserve_exact(self.0.len() * NODE_BYTES);
        for node in &self.0 {
            out.push(node.depth);
            out.extend_from_slice(&node.path.to_be_bytes());
            out.extend_from_slice(&node.key[..]);
        }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        self.0.len() * NODE_BYTES
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        const BROKEN: Flaw = Flaw::Damaged("its key cover is malformed");
        let mut nodes: Vec<Node> = Vec::with_capacity(bytes.len() / NODE_BYTES);
        let mut chunks = bytes.chunks_exact(NODE_BYTES);
        for chunk in &mut chunks {
            let mut key = Key::default();
            key.copy_from_slice(&chunk[5..]);
            let path = u32::from_be_bytes([chunk[1], chunk[2], chunk[3], chunk[4]]);
            let node = Node { depth: chunk[0], path, key };
            if node.depth > DEPTH || u64::from(path) >= 1 << node.depth {
                return Err(BROKEN);
            }
            if nodes.last().is_some_and(|last| last.leaves().end > node.leaves().start) {
                return Err(BROKEN);
            }
            nodes.push(node);
        }
        if chunks.remainder().is_empty() { Ok(Self(nodes)) } else { Err(BROKEN) }
    }
}

/// Derives leaves in any order and keeps the way to the last one: the next second costs about two HMACs, not 25.
#[derive(Default)]
pub(crate) struct Walk(Vec<Node>);

impl Walk {
    pub(crate) fn leaf(&mut self, cover: &Cover, leaf: u32) -> Option<Key> {
        while self.0.last().is_some_and(|node| !node.leaves().contains(&leaf)) {
            self.0.pop();
        }
        if self.0.is_empty() {
            self.0.push(cover.0.iter().find(|node| node.leaves().contains(&leaf))?.clone());
        }
        loop {
            let node = self.0.last()?;
            if node.depth == DEPTH {
                return Some(node.key.clone());
            }
            let next = node.towards(leaf);
            self.0.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LAST: u32 = (1 << DEPTH) - 1;

    fn keys(cover: &Cover, leaves: &[u32]) -> Vec<Option<Key>> {
        leaves.iter().map(|l| cover.leaf(*l)).collect()
    }

    #[test]
    fn every_leaf_has_its_own_key() {
        let cover = Cover::random();
        let leaves = [0, 1, 2, 3, 1 << INDEX_BITS, LAST - 1, LAST];
        let mut found: Vec<_> = keys(&cover, &leaves).into_iter().map(|k| *k.unwrap()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), leaves.len());
    }

    #[test]
    fn a_walk_gives_the_same_keys_as_the_way_from_the_root() {
        let cover = Cover::random();
        let mut walk = Walk::default();
        for leaf in [5, 6, 7, 8, 7, 5, 1 << INDEX_BITS, 9, LAST, 0] {
            assert_eq!(walk.leaf(&cover, leaf), cover.leaf(leaf), "{leaf}");
        }
    }

    #[test]
    fn a_punctured_range_is_gone_and_nothing_else() {
        let whole = Cover::random();
        let cases: [&[(u32, u32)]; 6] = [
            &[(7, 12)],
            &[(0, 1)],
            &[(LAST, LAST + 1)],
            &[(3, 5), (5, 9), (20, 21)],
            &[(8, 16), (0, 40)],
            &[(5, 5)],
        ];
        for gone in cases {
            let gone: Vec<Range<u32>> = gone.iter().map(|(start, end)| *start..*end).collect();
            let cover = gone.iter().fold(whole.clone(), |c, g| c.without(g));
            for leaf in (0..64).chain([1 << INDEX_BITS, LAST - 1, LAST]) {
                let expected = (!gone.iter().any(|g| g.contains(&leaf))).then(|| whole.leaf(leaf).unwrap());
                assert_eq!(cover.leaf(leaf), expected, "leaf {leaf} without {gone:?}");
            }
        }
        assert!(whole.without(&(0..LAST + 1)).0.is_empty());
    }

    #[test]
    fn what_is_taken_out_can_be_put_back() {
        let whole = Cover::random();
        let (out, rest) = (whole.within(&(7..12)), whole.without(&(7..12)));
        for leaf in (0..32).chain([LAST]) {
            assert_eq!(out.leaf(leaf).is_some(), (7..12).contains(&leaf), "{leaf}");
            assert_eq!(rest.with(&out).leaf(leaf), whole.leaf(leaf), "{leaf}");
        }
        assert!(out.within(&(20..30)).is_empty());
        let mut bytes = vec![];
        out.with(&rest).encode(&mut bytes);
        assert!(Cover::decode(&bytes).is_ok(), "in order");
    }

    #[test]
    fn no_node_left_lies_above_a_punctured_leaf() {
        let cover = Cover::random().without(&(1000..1010));
        assert!(cover.0.iter().all(|n| n.leaves().end <= 1000 || n.leaves().start >= 1010));
        assert!(cover.0.len() <= 2 * usize::from(DEPTH));
    }

    #[test]
    fn a_cover_survives_its_bytes_and_malformed_ones_are_refused() {
        let cover = Cover::random().without(&(70..90));
        let mut bytes = vec![];
        cover.encode(&mut bytes);
        assert_eq!(bytes.len(), cover.encoded_len());
        let back = Cover::decode(&bytes).unwrap();
        assert_eq!(keys(&back, &[0, 69, 70, 90, LAST]), keys(&cover, &[0, 69, 70, 90, LAST]));
        let mut swapped = bytes.clone();
        swapped[..2 * NODE_BYTES].rotate_left(NODE_BYTES);
        for broken in [&bytes[..bytes.len() - 1], &swapped, &[26; NODE_BYTES], &[1; NODE_BYTES]] {
            assert!(Cover::decode(broken).is_err());
        }
    }
}
