//! Checks an exported log: offline, with the public key alone, trusting no byte of the folder before it is proven.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

use bytes::Bytes;
use caveat_model::{Digest, Moment};
use sha2::{Digest as _, Sha256};
use tlog_tiles::{HASH_SIZE, Tile, TileHashReader};

use crate::{
    Authorities, BundledStamp, ENTRY_BYTES_MAX, Entry, EntryKind, LedgerError, Problem, ProblemKind, Report,
    TOKEN_BYTES_MAX, VERSION, check_timestamp, checkpoint,
    export::{CHECKPOINT, VKEY},
    meaning::Meaning,
    objects::{HEIGHT, WIDTH, split_bundle, tile_name},
    stamps,
    tree::{Fetched, Root, Tree},
};

/// What a check lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyLimits {
    /// How far the time of one host may go back before it is a warning, in milliseconds.
    pub clock_skew_ms: u64,
    /// Most problems told one by one; after that the check stops.
    pub problems: usize,
}

impl Default for VerifyLimits {
    fn default() -> Self {
        Self { clock_skew_ms: 2_000, problems: 1_000 }
    }
}

/// Largest checkpoint or key file read, in bytes.
const NOTE_BYTES_MAX: u64 = 1_000_000;

/// Checks the log that [`crate::Ledger::export`] wrote into `dir` against the public key `vkey`, which should come from
/// elsewhere than the folder: signature, root recomputed from the entries, every tile, and what the entries mean.
///
/// # Errors
/// [`LedgerError::File`] when the folder cannot be read at all. Everything else that is wrong is in the report.
pub fn verify_bundle(dir: &Path, vkey: &str) -> Result<Report, LedgerError> {
    verify_bundle_within(dir, vkey, VerifyLimits::default(), &Authorities::default())
}

/// [`verify_bundle`] with other limits; where authorities are given, every timestamp has to be by one of them.
///
/// # Errors
/// As [`verify_bundle`].
pub fn verify_bundle_within(
    dir: &Path,
    vkey: &str,
    limits: VerifyLimits,
    authorities: &Authorities,
) -> Result<Report, LedgerError> {
    let files = files_in(dir)?;
    let mut check = Check {
        dir,
        files,
        problems: vec![],
        entries: 0,
        stamps: vec![],
        meaning: Meaning::new(limits.clock_skew_ms),
    };
    check.key(vkey.trim());
    let mut report = Report {
        log: None,
        checkpoint_size: 0,
        root: None,
        entries: 0,
        open_recordings: 0,
        timestamps: vec![],
        problems: vec![],
    };
    // Without a signature even the size is a stranger's word, and reading stops here.
    if let Some(tree) = check.checkpoint(vkey.trim()) {
        let root = Root { size: tree.size(), hash: *tree.hash() };
        report.log = Some(tree.origin().to_owned());
        report.checkpoint_size = root.size;
        report.root = Some(Digest(root.hash.0));
        check.tree(root, limits.problems);
        report.timestamps = check.timestamps(root, vkey.trim(), authorities);
        check.strays();
    }
    report.entries = check.entries;
    report.open_recordings = check.meaning.open_recordings();
    report.problems = check.problems;
    Ok(report)
}

struct Check<'a> {
    dir: &'a Path,
    /// Not looked at yet.
    files: BTreeSet<String>,
    problems: Vec<Problem>,
    entries: u64,
    /// Entries that tell of a timestamp, with their indices.
    stamps: Vec<(u64, EntryKind)>,
    meaning: Meaning,
}

impl Check<'_> {
    fn key(&mut self, vkey: &str) {
        if let Some(bytes) = self.read(VKEY, NOTE_BYTES_MAX)
            && bytes != format!("{vkey}\n").as_bytes()
        {
            self.bad(ProblemKind::Key, VKEY, "it is not the public key given");
        }
    }

    fn checkpoint(&mut self, vkey: &str) -> Option<tlog_tiles::Checkpoint> {
        let Some(bytes) = self.read(CHECKPOINT, NOTE_BYTES_MAX) else {
            self.bad(ProblemKind::Checkpoint, CHECKPOINT, "there is no checkpoint to read");
            return None;
        };
        checkpoint::open(&bytes, vkey).map_err(|why| self.bad(ProblemKind::Checkpoint, CHECKPOINT, why)).ok()
    }

    /// Grows the tree again from the entries and compares every tile on the way.
    fn tree(&mut self, root: Root, most_problems: usize) {
        let width = u64::from(WIDTH);
        let mut tree = Tree::empty();
        for n in 0..root.size.div_ceil(width) {
            if self.problems.len() >= most_problems {
                self.bad(ProblemKind::BrokenFile, CHECKPOINT, "too much is wrong: the check was broken off");
                return;
            }
            let in_tile = (root.size - n * width).min(width) as u32;
            let Some(entries) = self.bundle(&Tile::new(HEIGHT, 0, n, in_tile, true)) else {
                // What follows hangs in the air: neither root nor meaning can be told.
                return;
            };
            let grown = tree.grown(&entries);
            let (next, tiles) = match grown {
                Ok(grown) => grown,
                Err(e) => return self.bad(ProblemKind::Tile, CHECKPOINT, e.to_string()),
            };
            tree = next;
            for (tile, bytes) in tiles.iter().filter(|(tile, _)| !tile.is_data()) {
                if is_final(tile, root.size) {
                    self.tile(tile, bytes);
                }
            }
            (n * width..).zip(&entries).for_each(|(index, bytes)| self.entry(index, bytes));
        }
        if tree.root() != root {
            self.bad(ProblemKind::Root, CHECKPOINT, "the entries do not give the signed root");
        }
    }

    fn bundle(&mut self, tile: &Tile) -> Option<Vec<Bytes>> {
        let name = tile_name(tile);
        let most = u64::from(WIDTH) * (2 + ENTRY_BYTES_MAX as u64);
        let bytes = Bytes::from(self.read(&name, most)?);
        match split_bundle(&bytes) {
            Ok(entries) if entries.len() == tile.width() as usize => Some(entries),
            Ok(entries) => {
                let what = format!("{} entries are in it, {} should be", entries.len(), tile.width());
                self.bad(ProblemKind::BrokenFile, name, what);
                None
            }
            Err(why) => {
                self.bad(ProblemKind::BrokenFile, name, why);
                None
            }
        }
    }

    fn tile(&mut self, tile: &Tile, expected: &Bytes) {
        let name = tile_name(tile);
        let Some(bytes) = self.read(&name, u64::from(WIDTH) * HASH_SIZE as u64) else { return };
        if bytes == *expected {
            return;
        }
        // A tile of leaf hashes tells which entry is concerned.
        let differs = bytes.chunks(HASH_SIZE).zip(expected.chunks(HASH_SIZE)).position(|(a, b)| a != b);
        let what = match differs {
            Some(at) if tile.level() == 0 => {
                format!("it does not fit entry {}", tile.level_index() * u64::from(WIDTH) + at as u64)
            }
            Some(at) => format!("its hash {at} is not what the tiles below give"),
            None => format!("it is {} bytes long and should be {}", bytes.len(), expected.len()),
        };
        self.bad(ProblemKind::Tile, name, what);
    }

    fn entry(&mut self, index: u64, bytes: &Bytes) {
        match serde_json::from_slice::<Entry>(bytes) {
            Ok(entry) if entry.v == VERSION => {
                self.entries += 1;
                self.meaning.read(index, &entry, &mut self.problems);
                if matches!(entry.event, EntryKind::Timestamped { .. }) {
                    self.stamps.push((index, entry.event));
                }
            }
            Ok(entry) => {
                let what = format!("it has the format {}, this program knows {VERSION}", entry.v);
                self.problems.push(Problem::at_entry(ProblemKind::Entry, index, what));
            }
            Err(e) => {
                let what = format!("it cannot be read: {e}");
                self.problems.push(Problem::at_entry(ProblemKind::Entry, index, what));
            }
        }
    }

    /// Each is over a checkpoint of this log, of the tree as it was then, and is what the log says it is.
    fn timestamps(&mut self, root: Root, vkey: &str, authorities: &Authorities) -> Vec<BundledStamp> {
        let mut good = vec![];
        for (index, event) in std::mem::take(&mut self.stamps) {
            let EntryKind::Timestamped { size, root: logged, token, at } = event else { continue };
            match self.timestamp(root, vkey, authorities, (size, logged, token, at)) {
                Ok(trusted) => good.push(BundledStamp { index, size, at, trusted }),
                Err(why) => {
                    let what = format!("the timestamp of the first {size} entries: {why}");
                    self.problems.push(Problem::at_entry(ProblemKind::Timestamp, index, what));
                }
            }
        }
        good
    }

    fn timestamp(
        &mut self,
        root: Root,
        vkey: &str,
        authorities: &Authorities,
        (size, logged, token, at): (u64, Digest, Digest, Moment),
    ) -> Result<bool, String> {
        let missing = || "it is not in the bundle".to_owned();
        let checkpoint = self.read(&stamps::checkpoint_name(token), NOTE_BYTES_MAX).ok_or_else(missing)?;
        let answer = self.read(&stamps::token_name(token), TOKEN_BYTES_MAX as u64).ok_or_else(missing)?;
        let tree = checkpoint::open(&checkpoint, vkey)?;
        if (tree.size(), Digest(tree.hash().0)) != (size, logged) {
            return Err("its checkpoint is another than the log says".into());
        }
        if self.root_at(root, size)? != logged {
            return Err("the log did not begin with the entries that it is over".into());
        }
        if Digest(Sha256::digest(&answer).into()) != token {
            return Err("it is another than the log says".into());
        }
        let over = Digest(Sha256::digest(&checkpoint).into());
        let stamped = check_timestamp(&answer, over, None, authorities).map_err(|e| e.to_string())?;
        match stamped.at == at {
            true => Ok(stamped.trusted),
            false => Err(format!("it says {}, the log {at}", stamped.at)),
        }
    }

    /// The root of the tree when it had `size` entries, by tiles that give the root of the whole.
    fn root_at(&self, root: Root, size: u64) -> Result<Digest, String> {
        let mut fetched = Fetched::default();
        if size > root.size {
            return Err("it is over more entries than there are".into());
        }
        loop {
            let compute = |tree: &TileHashReader<'_>| tlog_tiles::tree_hash(size, tree);
            let (error, tiles) = match fetched.run(root, compute) {
                Ok(hash) => return Ok(Digest(hash.0)),
                Err(failed) => failed,
            };
            if tiles.is_empty() {
                return Err(format!("the tiles do not give the root: {error}"));
            }
            for tile in tiles {
                let bytes = fs::read(self.dir.join(tile_name(&tile)));
                fetched.add(tile, bytes.map_err(|e| format!("{}: {e}", tile_name(&tile)))?.into());
            }
        }
    }

    fn strays(&mut self) {
        for name in std::mem::take(&mut self.files) {
            self.bad(ProblemKind::StrayFile, name, "it is no part of this log");
        }
    }

    /// A file of the bundle, marked as looked at; says so when it cannot be had.
    fn read(&mut self, name: &str, most_bytes: u64) -> Option<Vec<u8>> {
        self.files.remove(name);
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = vec![];
            File::open(self.dir.join(name))?.take(most_bytes + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) if bytes.len() as u64 <= most_bytes => return Some(bytes),
            Ok(_) => self.bad(ProblemKind::BrokenFile, name, format!("it is longer than {most_bytes} bytes")),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.bad(ProblemKind::MissingFile, name, "it is missing")
            }
            Err(e) => self.bad(ProblemKind::BrokenFile, name, format!("it cannot be read: {e}")),
        }
        None
    }

    fn bad(&mut self, kind: ProblemKind, file: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem::in_file(kind, file, what));
    }
}

/// Whether a tree of this size ends up with this tile at this width.
fn is_final(tile: &Tile, size: u64) -> bool {
    let nodes = size >> (HEIGHT * tile.level());
    let wanted = nodes.saturating_sub(tile.level_index() << HEIGHT).min(u64::from(WIDTH));
    u64::from(tile.width()) == wanted
}

/// Names of all files below `dir`, with `/` between their parts. Links are files here: they are not followed.
fn files_in(dir: &Path) -> Result<BTreeSet<String>, LedgerError> {
    let mut files = BTreeSet::new();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for item in fs::read_dir(&folder).map_err(LedgerError::file("read", &folder))? {
            let item = item.map_err(LedgerError::file("read", &folder))?;
            let name = format!("{prefix}{}", item.file_name().to_string_lossy());
            let kind = item.file_type().map_err(LedgerError::file("read", item.path()))?;
            if kind.is_dir() {
                folders.push((item.path(), format!("{name}/")));
            } else {
                files.insert(name);
            }
        }
    }
    Ok(files)
}
