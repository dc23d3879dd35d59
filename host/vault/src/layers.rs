//! What a recording's keys open: the object, and the patches that redactions have put over parts of it.
//!
//! A second opens in the newest layer that has its leaf. A puncture goes through every layer, so that nothing older shows
//! through; what a mask takes out waits in escrow, layer by layer, and can be put back.

use std::ops::Range;

use crate::{
    error::Flaw,
    once::Key,
    tree::{Cover, NODE_BYTES, Walk},
};

/// Stands where a node has its depth: from here on, nodes are those of a patch.
const PATCH: u8 = 0x80;
const BROKEN: Flaw = Flaw::Damaged("its key cover is malformed");

/// The covers of one recording.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Of the object.
    pub(crate) cover: Cover,
    /// The oldest first.
    pub(crate) patches: Vec<PatchKeys>,
}

/// What opens a patch, and vouches for it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PatchKeys {
    /// Names its object.
    pub(crate) number: u32,
    /// SHA-256 of its object.
    pub(crate) digest: [u8; 32],
    pub(crate) cover: Cover,
}

/// Where a second lies now, and its leaf key.
pub(crate) enum Lies {
    InObject(Key),
    /// In the patch at this place of [`Layers::patches`].
    InPatch(usize, Key),
}

impl Layers {
    /// None when it was redacted.
    pub(crate) fn leaf(&self, leaf: u32) -> Option<Lies> {
        self.leaf_by(&mut Walk::default(), leaf)
    }

    /// Likewise, by a walk through the object's own cover.
    pub(crate) fn leaf_by(&self, walk: &mut Walk, leaf: u32) -> Option<Lies> {
        let patch = self.patches.iter().enumerate().rev();
        let in_patch = |(i, patch): (usize, &PatchKeys)| Some(Lies::InPatch(i, patch.cover.leaf(leaf)?));
        patch.filter_map(in_patch).next().or_else(|| walk.leaf(&self.cover, leaf).map(Lies::InObject))
    }

    pub(crate) fn without(&self, gone: &[Range<u32>]) -> Self {
        self.map(|cover| gone.iter().fold(cover.clone(), |cover, range| cover.without(range)))
    }

    pub(crate) fn within(&self, wanted: &[Range<u32>]) -> Self {
        let part = |cover: &Cover| {
            let parts = wanted.iter().map(|range| cover.within(range));
            parts.fold(Cover::default(), |all, part| all.with(&part))
        };
        self.map(part)
    }

    /// Both together: what was taken apart by [`Layers::without`] and [`Layers::within`].
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut all = Self { cover: self.cover.with(&other.cover), patches: self.patches.clone() };
        for theirs in &other.patches {
            match all.patches.iter_mut().find(|p| p.number == theirs.number) {
                Some(ours) => ours.cover = ours.cover.with(&theirs.cover),
                None => all.patches.push(theirs.clone()),
            }
        }
        all.patches.sort_unstable_by_key(|p| p.number);
        all
    }

    /// Without a patch, whatever it covers.
    pub(crate) fn without_patch(mut self, number: u32) -> Self {
        self.patches.retain(|p| p.number != number);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cover.is_empty() && self.patches.is_empty()
    }

    pub(crate) fn encoded_len(&self) -> usize {
        let patches = self.patches.iter().map(|p| NODE_BYTES + p.cover.encoded_len());
        self.cover.encoded_len() + patches.sum::<usize>()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve_exact(self.encoded_len());
        self.cover.encode(out);
        for patch in &self.patches {
            out.push(PATCH);
            out.extend_from_slice(&patch.number.to_be_bytes());
            out.extend_from_slice(&patch.digest);
            patch.cover.encode(out);
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        if !bytes.len().is_multiple_of(NODE_BYTES) {
            return Err(BROKEN);
        }
        let starts = (0..bytes.len()).step_by(NODE_BYTES).filter(|at| bytes[*at] == PATCH);
        let starts: Vec<usize> = starts.collect();
        let end_of = |i: usize| starts.get(i).copied().unwrap_or(bytes.len());
        let mut layers = Self { cover: Cover::decode(&bytes[..end_of(0)])?, patches: vec![] };
        for (i, at) in starts.iter().enumerate() {
            let (head, nodes) = bytes[*at..end_of(i + 1)].split_at(NODE_BYTES);
            let number = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            if layers.patches.last().is_some_and(|last| last.number >= number) {
                return Err(BROKEN);
            }
            let digest = std::array::from_fn(|i| head[5 + i]);
            layers.patches.push(PatchKeys { number, digest, cover: Cover::decode(nodes)? });
        }
        Ok(layers)
    }

    /// A patch that covers nothing is left out.
    fn map(&self, change: impl Fn(&Cover) -> Cover) -> Self {
        let patch = |p: &PatchKeys| PatchKeys { cover: change(&p.cover), ..p.clone() };
        let patches = self.patches.iter().map(patch).filter(|p| !p.cover.is_empty()).collect();
        Self { cover: change(&self.cover), patches }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn patched() -> Layers {
        let patch = |number, range: Range<u32>| PatchKeys {
            number,
            digest: [number as u8; 32],
            cover: Cover::random().within(&range),
        };
        let cover = Cover::random().without(&(10..20));
        Layers { cover, patches: vec![patch(1, 10..11), patch(4, 19..20)] }
    }

    fn where_is(layers: &Layers, leaf: u32) -> Option<usize> {
        layers.leaf(leaf).map(|lies| match lies {
            Lies::InObject(_) => 0,
            Lies::InPatch(i, _) => layers.patches[i].number as usize,
        })
    }

    #[test]
    fn a_second_lies_in_the_newest_layer_that_has_it() {
        let layers = patched();
        let found: Vec<_> = [9, 10, 11, 18, 19, 20].map(|leaf| where_is(&layers, leaf)).into();
        assert_eq!(found, [Some(0), Some(1), None, None, Some(4), Some(0)]);
        let less = layers.without(std::slice::from_ref(&(9..11)));
        assert_eq!([where_is(&less, 9), where_is(&less, 10), where_is(&less, 19)], [None, None, Some(4)]);
        assert_eq!(less.patches.len(), 1);
        let taken = layers.within(std::slice::from_ref(&(9..11)));
        // Nodes may be split; what they open is the same.
        assert!((0..32).all(|leaf| where_is(&less.with(&taken), leaf) == where_is(&layers, leaf)));
        assert_eq!(where_is(&layers.without_patch(4), 19), None);
    }

    #[test]
    fn layers_survive_their_bytes_and_malformed_ones_are_refused() {
        let layers = patched();
        let mut bytes = vec![];
        layers.encode(&mut bytes);
        assert_eq!(bytes.len(), layers.encoded_len());
        assert!(Layers::decode(&bytes).unwrap() == layers);
        for cut in 1..NODE_BYTES {
            assert!(Layers::decode(&bytes[..bytes.len() - cut]).is_err());
        }
        let at = bytes.len() - 2 * NODE_BYTES;
        assert_eq!(bytes[at], PATCH);
        // Two patches with one number.
        bytes[at + 4] = 1;
        assert!(Layers::decode(&bytes).is_err());
    }
}
