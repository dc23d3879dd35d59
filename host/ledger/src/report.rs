//! What a check of an exported log found.

use std::fmt;

use caveat_model::{Digest, Moment};
use schemars::JsonSchema;
use serde::Serialize;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// To be explained; the log proves what it says.
    Warning,
    /// The log is not whole, or shows that a rule of the house was broken.
    Error,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The public key in the bundle is not the one given.
    Key,
    /// The checkpoint is missing, malformed, of another log or not signed by this key.
    Checkpoint,
    /// A file of the log is not there.
    MissingFile,
    /// A file that is no part of the log.
    StrayFile,
    /// A file cannot be read as what it should be.
    BrokenFile,
    /// A tile does not hold the hashes that the entries give.
    Tile,
    /// The entries do not give the signed root.
    Root,
    /// An entry is in the tree and cannot be understood.
    Entry,
    /// A host's own count has a gap or a repeat.
    Sequence,
    /// The time of a host went back.
    Clock,
    /// Access was granted or served without a verdict that allowed it.
    AccessWithoutGrant,
    /// Something was destroyed without an intent and a verdict that allowed it.
    DisposalWithoutVerdict,
    /// Something was destroyed while it had to be kept.
    DisposalUnderHold,
    /// A hold was lifted that was not in force.
    Hold,
    /// A timestamp is missing, over something else, or not by an authority that was given.
    Timestamp,
    /// Something was hidden or brought back without an intent and a verdict that allowed it.
    MaskWithoutIntent,
    /// What takes two people was done without the agreement of two.
    TwoPeople,
    /// A recording was opened, fixed, closed in an order that makes no sense.
    Recording,
}

impl ProblemKind {
    /// How bad.
    pub fn severity(self) -> Severity {
        match self {
            Self::Clock | Self::StrayFile => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// What it means for whoever relies on the log.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Key => "the bundle may be another log's, or somebody put their own key into it",
            Self::Checkpoint => "nothing in this bundle is vouched for",
            Self::MissingFile => "the bundle is incomplete: entries or their proofs were removed",
            Self::StrayFile => "it was not looked at and proves nothing",
            Self::BrokenFile => "the file was changed or cut after it was written",
            Self::Tile => "the tile or the entries below it were changed after they were logged",
            Self::Root => {
                "these are not the entries that were signed: one was changed, added, removed or moved"
            }
            Self::Entry => "it was written by another version, or by something that is not Caveat",
            Self::Sequence => "entries of this host were lost, repeated or reordered before they were signed",
            Self::Clock => "a clock was set back; the order of entries holds, their times may not",
            Self::AccessWithoutGrant => "somebody had access that no rule allowed",
            Self::DisposalWithoutVerdict => "something was destroyed that no rule allowed to be destroyed",
            Self::DisposalUnderHold => "evidence under a duty to preserve was destroyed",
            Self::MaskWithoutIntent => "a recording plays otherwise than any rule allowed",
            Self::TwoPeople => "one person alone did what takes two",
            Self::Hold => "it cannot be told from the log what was under hold",
            Self::Timestamp => "the time of these entries is the host's word alone",
            Self::Recording => "the log does not tell what became of this recording",
        }
    }
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LogProblem")]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// How bad.
    pub severity: Severity,
    /// Index of the entry, when it is about one.
    pub index: Option<u64>,
    /// Name of the file in the bundle, when it is about one.
    pub file: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What it means.
    pub means: &'static str,
}

impl Problem {
    pub(crate) fn at_entry(kind: ProblemKind, index: u64, what: impl Into<String>) -> Self {
        Self::new(kind, Some(index), None, what.into())
    }

    pub(crate) fn in_file(kind: ProblemKind, file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(kind, None, Some(file.into()), what.into())
    }

    fn new(kind: ProblemKind, index: Option<u64>, file: Option<String>, what: String) -> Self {
        Self { kind, severity: kind.severity(), index, file, what, means: kind.meaning() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })?;
        if let Some(index) = self.index {
            write!(f, ", entry {index}")?;
        }
        if let Some(file) = &self.file {
            write!(f, ", {file}")?;
        }
        write!(f, ": {}: {}", self.what, self.means)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LogReport")]
pub struct Report {
    /// The log's name, once its checkpoint is found good.
    pub log: Option<String>,
    /// Entries that the checkpoint vouches for.
    pub checkpoint_size: u64,
    /// The signed root.
    pub root: Option<Digest>,
    /// Entries read and understood.
    pub entries: u64,
    /// Recordings opened and not closed yet: no problem by itself.
    pub open_recordings: u64,
    /// Times that an authority vouches for, in the order of the log.
    pub timestamps: Vec<BundledStamp>,
    /// In the order found.
    pub problems: Vec<Problem>,
}

/// A timestamp in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BundledStamp {
    /// Which entry tells of it.
    pub index: u64,
    /// So many entries were in the log ...
    pub size: u64,
    /// ... before this time.
    pub at: Moment,
    /// Whether its signature was checked, down from a given authority.
    pub trusted: bool,
}

impl Report {
    /// Whether nothing worse than a warning was found.
    pub fn is_good(&self) -> bool {
        self.problems.iter().all(|p| p.severity < Severity::Error)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        if let Some(last) = self.timestamps.last() {
            let checked =
                if last.trusted { "checked" } else { "its signature not checked: give --timestamp-ca" };
            let (count, size, at) = (self.timestamps.len(), last.size, last.at);
            writeln!(f, "{count} timestamps; the first {size} entries were there before {at} ({checked})")?;
        }
        let log = self.log.as_deref().unwrap_or("unknown log");
        let verdict = if self.is_good() { "good" } else { "NOT GOOD" };
        write!(
            f,
            "{log}: {verdict}; {} of {} entries read, {} recordings open",
            self.entries, self.checkpoint_size, self.open_recordings
        )
    }
}
