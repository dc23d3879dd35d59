//! The objects of a log and their names (C2SP tlog-tiles), below `ledger/<client>/`:
//!
//! | name | what | life |
//! |---|---|---|
//! | `tile/<L>/<N>[.p/<W>]` | hash tile of height 8 | never rewritten |
//! | `tile/entries/<N>[.p/<W>]` | entry bundle: each entry after its length, 2 bytes big-endian | never rewritten |
//! | `checkpoint` | signed; a copy for tile readers, the head row in SQL is what counts | overwritten |
//!
//! Partial tiles of a completed tile are deleted, as the specification allows; whoever wants one reads the full tile.

use std::sync::Arc;

use bytes::Bytes;
use caveat_model::ClientId;
use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path};
use tlog_tiles::{HASH_SIZE, Tile};

use crate::LedgerError;

/// Largest entry in bytes: what its 16-bit length can say.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Height of tiles; C2SP tlog-tiles fixes it.
pub(crate) const HEIGHT: u8 = 8;
/// Width of a complete tile.
pub(crate) const WIDTH: u32 = 1 << HEIGHT;

/// A tile's name below its log: `tlog_tiles` writes `tile/8/0/..` and `tile/8/data/..`, the specification `tile/0/..` and
/// `tile/entries/..`.
pub(crate) fn tile_name(tile: &Tile) -> String {
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").unwrap_or(&path);
    match rest.strip_prefix("data/") {
        Some(n) => format!("tile/entries/{n}"),
        None => format!("tile/{rest}"),
    }
}

/// The same tile in full width.
pub(crate) fn full(tile: &Tile) -> Tile {
    Tile::new(HEIGHT, tile.level(), tile.level_index(), WIDTH, tile.is_data())
}

/// Adds one entry to a bundle.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LedgerError> {
    let length = u16::try_from(entry.len())
        .map_err(|_| LedgerError::TooLarge { bytes: entry.len(), max: ENTRY_BYTES_MAX })?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

/// Splits a bundle into its entries, or says where it breaks off.
pub(crate) fn split_bundle(bundle: &Bytes) -> Result<Vec<Bytes>, String> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bundle.len() {
        let broken = || format!("entry {} breaks off at byte {at}", entries.len());
        let length = bundle.get(at..at + 2).ok_or_else(broken)?;
        let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if end > bundle.len() {
            return Err(broken());
        }
        entries.push(bundle.slice(at + 2..end));
        at = end;
    }
    Ok(entries)
}

/// The objects of every client's log.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Writes an object that is never rewritten. One with the same bytes may be there already; one with others means that
    /// two logs were mixed up, and stops the write.
    pub(crate) async fn put_once(
        &self,
        client: &ClientId,
        path: &Path,
        bytes: Bytes,
    ) -> Result<(), LedgerError> {
        let create = PutOptions::from(PutMode::Create);
        match self.store.put_opts(path, bytes.clone().into(), create).await {
            Ok(_) => Ok(()),
            Err(StoreError::AlreadyExists { .. }) => match self.get(path).await? {
                Some(there) if there == bytes => Ok(()),
                _ => Err(LedgerError::Damaged {
                    client: client.clone(),
                    path: path.to_string(),
                    why: "other bytes are there than the log calls for".into(),
                }),
            },
            Err(e) => Err(failed("write", path)(e)),
        }
    }

    pub(crate) async fn overwrite(&self, path: &Path, bytes: Bytes) -> Result<(), LedgerError> {
        self.store.put(path, bytes.into()).await.map(drop).map_err(failed("write", path))
    }

    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>, LedgerError> {
        match self.store.get(path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(failed("read", path)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed("read", path)(e)),
        }
    }

    /// Deletes; false when nothing was there, as far as the store can tell.
    pub(crate) async fn delete(&self, path: &Path) -> Result<bool, LedgerError> {
        match self.store.delete(path).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(e) => Err(failed("delete", path)(e)),
        }
    }

    pub(crate) async fn list(&self, folder: &Path) -> Result<Vec<Path>, LedgerError> {
        let found = self.store.list(Some(folder)).map_ok(|meta| meta.location);
        found.try_collect().await.map_err(failed("list", folder))
    }

    /// A tile of hashes or entries at exactly its width, cut from the full tile when only that is left. None when neither
    /// is there.
    pub(crate) async fn tile(&self, client: &ClientId, tile: &Tile) -> Result<Option<Bytes>, LedgerError> {
        let whole = full(tile);
        let exact = path(client, &tile_name(tile));
        let (found, from) = match self.get(&exact).await? {
            Some(bytes) => (bytes, exact),
            None if tile.width() == WIDTH => return Ok(None),
            None => {
                let wider = path(client, &tile_name(&whole));
                match self.get(&wider).await? {
                    Some(bytes) => (bytes, wider),
                    None => return Ok(None),
                }
            }
        };
        cut(&found, tile).map(Some).map_err(|why| LedgerError::Damaged {
            client: client.clone(),
            path: from.to_string(),
            why,
        })
    }

    /// The same, cut from a partial tile that is wider. None when there is none.
    pub(crate) async fn grown(&self, client: &ClientId, tile: &Tile) -> Result<Option<Bytes>, LedgerError> {
        let partials = self.list(&path(client, &format!("{}.p", tile_name(&full(tile))))).await?;
        let wider = partials.into_iter().filter(|p| width_of(p).is_some_and(|width| width > tile.width()));
        let Some(wider) = wider.min_by_key(width_of) else { return Ok(None) };
        let Some(found) = self.get(&wider).await? else { return Ok(None) };
        cut(&found, tile).map(Some).map_err(|why| LedgerError::Damaged {
            client: client.clone(),
            path: wider.to_string(),
            why,
        })
    }
}

/// The width of a partial tile, which is its name.
fn width_of(partial: &Path) -> Option<u32> {
    partial.filename()?.parse().ok()
}

/// The first `tile.width()` hashes or entries.
fn cut(bytes: &Bytes, tile: &Tile) -> Result<Bytes, String> {
    let width = tile.width() as usize;
    let (there, end) = if tile.is_data() {
        let entries = split_bundle(bytes)?;
        (entries.len(), entries.iter().take(width).map(|entry| 2 + entry.len()).sum())
    } else {
        (bytes.len() / HASH_SIZE, width * HASH_SIZE)
    };
    if there < width {
        return Err(format!("it is {there} wide and should be {width}"));
    }
    Ok(bytes.slice(..end))
}

/// A tile, cut from one of the same place that is as wide or wider.
pub(crate) fn cut_from(tiles: &[(Tile, Bytes)], wanted: &Tile) -> Option<Bytes> {
    let (_, bytes) =
        tiles.iter().find(|(tile, _)| full(tile) == full(wanted) && tile.width() >= wanted.width())?;
    cut(bytes, wanted).ok()
}

/// An object of a client's log.
pub(crate) fn path(client: &ClientId, name: &str) -> Path {
    Path::from(format!("ledger/{client}/{name}"))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(StoreError) -> LedgerError {
    let path = path.to_string();
    move |source| LedgerError::Store { what, path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn tiles_are_named_as_the_specification_names_them() {
        let check = |level, n, width, data, name: &str| {
            assert_eq!(tile_name(&Tile::new(HEIGHT, level, n, width, data)), name);
        };
        check(0, 0, 1, false, "tile/0/000.p/1");
        check(1, 1_234_067, 256, false, "tile/1/x001/x234/067");
        check(0, 5, 256, true, "tile/entries/005");
        check(0, 1_005, 255, true, "tile/entries/x001/005.p/255");
    }

    #[test]
    fn a_bundle_gives_back_its_entries_and_says_where_it_breaks() {
        let mut bundle = vec![];
        let longest = vec![7; ENTRY_BYTES_MAX];
        for entry in [&b"one"[..], b"", &longest] {
            push_entry(&mut bundle, entry).unwrap();
        }
        let entries = split_bundle(&bundle.clone().into()).unwrap();
        assert_eq!(entries, [&b"one"[..], b"", &longest]);
        for cut in [1, 4, 6, bundle.len() - 1] {
            assert!(split_bundle(&bundle[..cut].to_vec().into()).is_err(), "cut at {cut}");
        }
        let refused = push_entry(&mut bundle, &[0; ENTRY_BYTES_MAX + 1]).unwrap_err();
        assert!(matches!(refused, LedgerError::TooLarge { bytes: 65_536, max: 65_535 }), "{refused}");
    }
}
