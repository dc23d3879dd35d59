//! What is still to be done to objects beside bringing them to the store, each a small file, so that a restart goes on
//! with it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
};

use caveat_model::Moment;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Something that the store does not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mark {
    /// It was deleted.
    Gone,
    /// It is to be locked until then.
    Locked(Moment),
}

impl Mark {
    fn kind(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Locked(_) => "lock",
        }
    }
}

/// A file of a mark.
#[derive(Serialize, Deserialize)]
struct Stored {
    object: String,
    mark: Mark,
}

/// The folder of all marks. Every call here blocks.
#[derive(Debug)]
pub(crate) struct Marks {
    dir: PathBuf,
}

impl Marks {
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// Every mark. One that does not read was being written when the host died: nothing was promised for it. One that goes
    /// while this looks was done with: the store knows what it said.
    pub(crate) fn all(&self) -> io::Result<BTreeMap<Path, Vec<Mark>>> {
        let mut all: BTreeMap<Path, Vec<Mark>> = BTreeMap::new();
        for entry in fs::read_dir(&self.dir)? {
            let bytes = match fs::read(entry?.path()) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else { continue };
            if let Ok(object) = Path::parse(&stored.object) {
                all.entry(object).or_default().push(stored.mark);
            }
        }
        Ok(all)
    }

    /// Durable when it returns.
    pub(crate) fn set(&self, object: &Path, mark: Mark) -> io::Result<()> {
        let stored = Stored { object: object.to_string(), mark };
        let text = serde_json::to_vec(&stored).map_err(io::Error::other)?;
        let path = self.path_of(object, mark.kind());
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.dir)?.sync_all()
    }

    /// Forgets one. It may come back after a power cut: doing it twice does no harm.
    pub(crate) fn clear(&self, object: &Path, mark: Mark) {
        let path = self.path_of(object, mark.kind());
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a mark of the spool that is done with stays");
        }
    }

    pub(crate) fn is_gone(&self, object: &Path) -> bool {
        self.path_of(object, Mark::Gone.kind()).exists()
    }

    fn path_of(&self, object: &Path, kind: &str) -> PathBuf {
        let digest = Sha256::digest(object.as_ref().as_bytes());
        let name: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        self.dir.join(format!("{name}.{kind}"))
    }
}
