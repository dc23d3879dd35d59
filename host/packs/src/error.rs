//! What can be wrong with a pack, its settings, or a file about it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use caveat_engine::EngineError;
use caveat_model::{ClientId, Digest};
use caveat_notes::NoteError;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Line in the file, from 1; none when the text is not at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Key path (`on-failure.capture`) or, in settings, a JSON pointer (`/options/0`).
    pub at: String,
    /// What is wrong and what is wanted.
    pub message: String,
}

impl Problem {
    /// A problem whose line is not known (yet).
    pub(crate) fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line: None, at: at.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.at.is_empty() {
            write!(f, "`{}`: ", self.at)?;
        }
        f.write_str(&self.message)
    }
}

/// A client does not take a pack.
#[derive(Debug, thiserror::Error)]
#[error("client `{client}` does not take pack `{pack}` {version} ({digest}): {why}")]
pub struct NotAdmitted {
    /// Which client.
    pub client: ClientId,
    /// The pack's name.
    pub pack: String,
    /// Its version.
    pub version: String,
    /// Of its file.
    pub digest: Digest,
    /// Why not, and what to do.
    pub why: String,
}

/// What can go wrong with packs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A TOML or JSON file does not say what it should.
    #[error("{}{}", path.display(), list(problems))]
    Document {
        /// Which file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Vec<Problem>,
    },
    /// The settings of a pack do not fit its schema.
    #[error("settings of pack `{pack}`{}{}", within(file.as_deref()), list(problems))]
    Settings {
        /// Whose settings.
        pack: String,
        /// Where they are written down, if anywhere; then the problems have lines in it.
        file: Option<PathBuf>,
        /// Each with its JSON pointer.
        problems: Vec<Problem>,
    },
    /// The bytes are no pack that this host can serve.
    #[error("{name} is not a usable pack: {problem}")]
    NotAPack {
        /// File name, or what the caller calls it.
        name: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// No compiler for packs is installed.
    #[error(
        "no compiler for wasm32-unknown-unknown: run `rustup target add wasm32-unknown-unknown`, or on Debian \
         `apt-get install rustc-web cargo-web rust-web-src lld-22` ({problem})"
    )]
    Toolchain {
        /// What was looked for and not found.
        problem: String,
    },
    /// A tool that makes components is not installed.
    #[error("no {program} here: run `{install}` in the pack's folder or anywhere that puts it on the path")]
    Tool {
        /// What was looked for.
        program: &'static str,
        /// What installs it.
        install: String,
    },
    /// Nothing to build, or too much.
    #[error(
        "{}: beside pack.toml, one of Cargo.toml (Rust), app.py (Python) or pack.js (JavaScript) is wanted",
        dir.display()
    )]
    NoSource {
        /// The pack's folder.
        dir: PathBuf,
    },
    /// No pack may be called this.
    #[error("`{name}` is no name for a pack: 1 to 40 lower-case letters, digits and hyphens are wanted")]
    Name {
        /// As asked for.
        name: String,
    },
    /// A new pack wants an empty folder.
    #[error("{} is there already and not empty: choose another name or folder", dir.display())]
    Occupied {
        /// Which.
        dir: PathBuf,
    },
    /// The compiler refused the crate.
    #[error("building {} failed:\n{stderr}", dir.display())]
    Compile {
        /// The crate's folder.
        dir: PathBuf,
        /// What the compiler said.
        stderr: String,
    },
    /// The engine refused the component.
    #[error("pack `{pack}` does not load: {source}")]
    Load {
        /// Its name.
        pack: String,
        /// Why.
        #[source]
        source: Box<EngineError>,
    },
    /// Nobody knows a pack of this name.
    #[error("no pack `{name}` here{}", nearest.as_ref().map(|n| format!(": did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// As asked for.
        name: String,
        /// The closest name there is.
        nearest: Option<String>,
    },
    /// A report cannot be written in the form that was asked for.
    #[error("the {what} report cannot be written: {why}")]
    Report {
        /// Which form.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The folder holds no cases.
    #[error("no case files (*.toml) in {}: write one, the format is in the documentation of `caveat pack test`", dir.display())]
    NoCases {
        /// Where they were looked for.
        dir: PathBuf,
    },
    /// The pack carries no cases.
    #[error(
        "pack `{pack}` carries no cases, and so no events to measure: give its folder, or build it with cases/"
    )]
    NoEvents {
        /// Its name.
        pack: String,
    },
    /// A client does not take this pack.
    #[error(transparent)]
    NotAdmitted(Box<NotAdmitted>),
    /// The lock cannot be read or written.
    #[error("the lock {} cannot be used: {why}", path.display())]
    Lock {
        /// Its file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key or a signature cannot be made or used.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A registry cannot be used.
    #[error("cannot {what} {reference}: {why}")]
    Registry {
        /// What was attempted.
        what: &'static str,
        /// Which artifact.
        reference: String,
        /// Why.
        why: String,
    },
    /// The store of archived packs cannot be used.
    #[error("cannot {what} {path} in the archive of packs: {source}")]
    Archive {
        /// What was attempted.
        what: &'static str,
        /// Which object.
        path: String,
        /// The store's answer.
        #[source]
        source: object_store::Error,
    },
    /// It is not in the archive.
    #[error("{path} is not in the archive: put it back from a backup, or from wherever the pack was shipped")]
    NotArchived {
        /// Which object.
        path: String,
    },
    /// An archived object is not what its name says.
    #[error("{path} in the archive has other bytes than its digest says: put it back from a backup")]
    ArchiveDamaged {
        /// Which object.
        path: String,
    },
}

impl PackError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn not_a_pack(name: &str, problem: impl Into<String>) -> Self {
        Self::NotAPack { name: name.to_owned(), problem: problem.into() }
    }
}

/// ` in FILE`, if they are in one.
fn within(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |path| format!(" in {}", path.display()))
}

/// `: problem` for one; a line each for several.
fn list(problems: &[Problem]) -> String {
    match problems {
        [one] => format!(": {one}"),
        many => many.iter().map(|p| format!("\n  {p}")).collect(),
    }
}
