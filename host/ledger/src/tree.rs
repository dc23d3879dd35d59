//! The right edge of a tree in memory: enough to grow it by a batch and to know its root. No IO, so that writing a log,
//! taking one up after a restart and verifying one offline are the same code.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tlog_tiles::{EMPTY_HASH, Error, Hash, HashReader, Tile, TileHashReader, TileReader};

use crate::{
    LedgerError,
    objects::{HEIGHT, WIDTH, push_entry, split_bundle},
};

/// The size and root of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Root {
    pub(crate) size: u64,
    pub(crate) hash: Hash,
}

impl Root {
    pub(crate) const EMPTY: Self = Self { size: 0, hash: EMPTY_HASH };
}

/// A tile and its bytes.
pub(crate) type Written = (Tile, Bytes);

/// A tree's root and, by level, its rightmost tile; beside them the rightmost bundle of entries.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Root,
    edge: BTreeMap<u8, Written>,
    bundle: Vec<u8>,
}

impl Tree {
    pub(crate) fn empty() -> Self {
        Self { root: Root::EMPTY, edge: BTreeMap::new(), bundle: vec![] }
    }

    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// The partial tiles a tree of this size ends in: what [`Tree::take_up`] wants. Full tiles left of them are summed up
    /// one level above.
    pub(crate) fn edge_of(size: u64) -> Vec<Tile> {
        let mut tiles = vec![];
        let (mut nodes, mut level) = (size, 0);
        while nodes > 0 {
            let width = (nodes % u64::from(WIDTH)) as u32;
            if width > 0 {
                tiles.push(Tile::new(HEIGHT, level, nodes >> HEIGHT, width, false));
                if level == 0 {
                    tiles.push(Tile::new(HEIGHT, 0, nodes >> HEIGHT, width, true));
                }
            }
            nodes >>= HEIGHT;
            level += 1;
        }
        tiles
    }

    /// Takes up a tree from its edge; the tiles and the entries must give `root`.
    pub(crate) fn take_up(root: Root, edge: Vec<Written>) -> Result<Self, String> {
        let (data, hashes): (Vec<_>, Vec<_>) = edge.into_iter().partition(|(tile, _)| tile.is_data());
        let bundle = data.into_iter().next().map(|(_, bytes)| bytes).unwrap_or_default();
        let tree = Self {
            root,
            edge: hashes.into_iter().map(|(tile, bytes)| (tile.level(), (tile, bytes))).collect(),
            bundle: bundle.to_vec(),
        };
        let nothing_new = HashMap::new();
        let reader = Growing { edge: &tree.edge, fresh: &nothing_new };
        let found = tlog_tiles::tree_hash(root.size, &reader).map_err(|e| e.to_string())?;
        if found != root.hash {
            return Err(format!("the tiles give the root {found}, the log says {}", root.hash));
        }
        let in_bundle = root.size % u64::from(WIDTH);
        let entries = split_bundle(&bundle)?;
        if entries.len() as u64 != in_bundle {
            return Err(format!("{} entries are in the last bundle, {in_bundle} in the tree", entries.len()));
        }
        for (n, entry) in (root.size - in_bundle..).zip(entries) {
            let index = tlog_tiles::stored_hash_index(0, n);
            let leaf = reader.read_hashes(&[index]).map_err(|e| e.to_string())?;
            if leaf != [tlog_tiles::record_hash(&entry)] {
                return Err(format!("entry {n} is not the one in the tree"));
            }
        }
        Ok(tree)
    }

    /// The tree with these entries added, and the tiles and bundles that are new or wider by that, bundles first.
    pub(crate) fn grown(&self, entries: &[Bytes]) -> Result<(Self, Vec<Written>), LedgerError> {
        let impossible = |e: Error| LedgerError::proof(format!("the tree cannot grow: {e}"));
        let mut grown = self.clone();
        let mut written = vec![];
        let mut fresh = HashMap::new();
        for (n, entry) in (self.root.size..).zip(entries) {
            let reader = Growing { edge: &self.edge, fresh: &fresh };
            let hashes = tlog_tiles::stored_hashes(n, entry, &reader).map_err(impossible)?;
            fresh.extend((tlog_tiles::stored_hash_index(0, n)..).zip(hashes));
            push_entry(&mut grown.bundle, entry)?;
            if (n + 1) % u64::from(WIDTH) == 0 {
                let tile = Tile::new(HEIGHT, 0, n >> HEIGHT, WIDTH, true);
                written.push((tile, Bytes::from(std::mem::take(&mut grown.bundle))));
            }
        }
        let size = self.root.size + entries.len() as u64;
        if !grown.bundle.is_empty() && !entries.is_empty() {
            let width = (size % u64::from(WIDTH)) as u32;
            let tile = Tile::new(HEIGHT, 0, size >> HEIGHT, width, true);
            written.push((tile, Bytes::copy_from_slice(&grown.bundle)));
        }
        let reader = Growing { edge: &self.edge, fresh: &fresh };
        for tile in Tile::new_tiles(HEIGHT, self.root.size, size) {
            let bytes = Bytes::from(tile.read_data(&reader).map_err(impossible)?);
            grown.edge.insert(tile.level(), (tile, bytes.clone()));
            written.push((tile, bytes));
        }
        grown.root = Root { size, hash: tlog_tiles::tree_hash(size, &reader).map_err(impossible)? };
        Ok((grown, written))
    }
}

/// Reads hashes from the edge of a tree and from what a batch adds to it.
struct Growing<'a> {
    edge: &'a BTreeMap<u8, Written>,
    fresh: &'a HashMap<u64, Hash>,
}

impl HashReader for Growing<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |&index: &u64| match self.fresh.get(&index) {
            Some(hash) => Ok(*hash),
            None => {
                let level = Tile::from_index(HEIGHT, index).level();
                let (tile, bytes) = self.edge.get(&level).ok_or(Error::IndexesNotInTree)?;
                tile.hash_at_index(bytes, index)
            }
        };
        indexes.iter().map(read).collect()
    }
}

/// Tiles fetched so far. `tlog_tiles` reads synchronously and the store does not: what is missing is noted, fetched, and
/// the computation run again.
#[derive(Default)]
pub(crate) struct Fetched {
    have: HashMap<Tile, Bytes>,
    missing: std::cell::RefCell<Vec<Tile>>,
}

impl Fetched {
    /// Runs `compute` over the tree `root`; its hashes are checked against the root. On failure gives the missing tiles,
    /// none of them when the tree itself is at fault.
    pub(crate) fn run<T>(
        &self,
        root: Root,
        compute: impl Fn(&TileHashReader<'_>) -> Result<T, Error>,
    ) -> Result<T, (Error, Vec<Tile>)> {
        compute(&TileHashReader::new(root.size, root.hash, self)).map_err(|e| (e, self.missing.take()))
    }

    pub(crate) fn add(&mut self, tile: Tile, bytes: Bytes) {
        self.have.insert(tile, bytes);
    }
}

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        HEIGHT
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let missing = tiles.iter().filter(|t| !self.have.contains_key(t));
        self.missing.borrow_mut().extend(missing);
        let read = |t| self.have.get(t).map(|bytes| bytes.to_vec()).ok_or(Error::InvalidTile);
        tiles.iter().map(read).collect()
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn entries(range: std::ops::Range<u64>) -> Vec<Bytes> {
        range.map(|n| Bytes::from(format!("entry {n}"))).collect()
    }

    #[test]
    fn the_root_does_not_depend_on_the_batches() {
        let (at_once, _) = Tree::empty().grown(&entries(0..70_000)).unwrap();
        let mut tree = Tree::empty();
        let mut n = 0;
        for step in [1, 2, 252, 1, 1, 255, 65_023, 1, 3000, 1464] {
            tree = tree.grown(&entries(n..n + step)).unwrap().0;
            n += step;
        }
        assert_eq!(tree.root(), at_once.root());
    }

    #[test]
    fn a_tree_is_taken_up_where_it_was_left() {
        for size in [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537] {
            let mut tree = Tree::empty();
            let mut tiles = HashMap::new();
            let (grown, written) = tree.grown(&entries(0..size)).unwrap();
            tree = grown;
            tiles.extend(written);
            let edge: Vec<_> = Tree::edge_of(size).into_iter().map(|t| (t, tiles[&t].clone())).collect();
            let taken = Tree::take_up(tree.root(), edge.clone()).unwrap();
            let more = entries(size..size + 300);
            let (a, b) = (tree.grown(&more).unwrap(), taken.grown(&more).unwrap());
            assert_eq!(a.0.root(), b.0.root(), "size {size}");
            assert_eq!(a.1, b.1, "size {size}");
            for broken in 0..edge.len() {
                let mut edge = edge.clone();
                let mut bytes = edge[broken].1.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                edge[broken].1 = bytes.into();
                assert!(Tree::take_up(tree.root(), edge).is_err(), "size {size}, tile {broken}");
            }
        }
    }
}
