//! Writes a log into a folder that an auditor can check without us: the objects under their names, the checkpoint, and the
//! public key. The key in the folder is for convenience; an auditor takes it from elsewhere and compares.

use std::path::Path;

use caveat_model::ClientId;
use tlog_tiles::Tile;

use crate::{
    Ledger, LedgerError, checkpoint,
    objects::{HEIGHT, tile_name},
    tree::Root,
};

/// Files of a bundle beside the tiles.
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const VKEY: &str = "vkey.txt";

impl Ledger {
    /// Writes the log of `client`, as it is now, into `dir`, which must be empty or not there; gives the number of entries.
    ///
    /// # Errors
    /// [`LedgerError::File`]; else as [`Ledger::prove`]. What was written until then stays.
    pub async fn export(&self, client: &ClientId, dir: &Path) -> Result<u64, LedgerError> {
        only_if_empty(dir).await?;
        let Root { size, hash } = self.head(client).await?.now;
        for tile in tiles_of(size) {
            let bytes = self.shared.read_tile(client, &tile).await?;
            write(dir, &tile_name(&tile), &bytes).await?;
        }
        for stamp in self.stamps(client).await? {
            write(dir, &stamp.checkpoint_name(), stamp.checkpoint.as_bytes()).await?;
            write(dir, &stamp.token_name(), &stamp.token).await?;
        }
        write(dir, VKEY, format!("{}\n", self.vkey(client)).as_bytes()).await?;
        // Last, so that a folder without a checkpoint is an export that did not finish.
        let note = checkpoint::sign(&self.shared.signer, client, size, hash)?;
        write(dir, CHECKPOINT, note.as_bytes()).await?;
        Ok(size)
    }
}

/// Every tile of hashes and entries in a tree of this size, each in its final width.
pub(crate) fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    Tile::new_tiles(HEIGHT, 0, size).into_iter().flat_map(|tile| {
        let data = (tile.level() == 0).then(|| {
            let mut data = tile;
            data.set_is_data();
            data
        });
        [tile].into_iter().chain(data)
    })
}

async fn only_if_empty(dir: &Path) -> Result<(), LedgerError> {
    tokio::fs::create_dir_all(dir).await.map_err(LedgerError::file("create", dir))?;
    let mut there = tokio::fs::read_dir(dir).await.map_err(LedgerError::file("read", dir))?;
    match there.next_entry().await.map_err(LedgerError::file("read", dir))? {
        None => Ok(()),
        Some(_) => {
            let full = std::io::Error::new(std::io::ErrorKind::DirectoryNotEmpty, "it is not empty");
            Err(LedgerError::file("export into", dir)(full))
        }
    }
}

async fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), LedgerError> {
    let path = dir.join(name);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(LedgerError::file("create", folder))?;
    }
    tokio::fs::write(&path, bytes).await.map_err(LedgerError::file("write", path))
}
