//! Evidence: one file that shows a stranger, offline and with a public key alone, what was recorded, what was decided about
//! it by which rule, and that neither was changed since. `EVIDENCE.md` describes the file; `examples/evidence/verify.py`
//! checks it with nothing of ours.
//!
//! `gather` asks the packs and writes the file, `check` reads it; both derive sound and words from the sealed frames in one way
//! (`sound`).

mod check;
mod container;
mod gather;
mod sound;

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Digest, Facts, Moment, Purpose, RecordingId};
use serde::{Deserialize, Serialize};

pub use check::{EvidenceProblem, EvidenceReport, EvidenceTime, RecordingEvidence, Ruled, verify_evidence};

use crate::{Decided, Listed};

/// The format, and what its signature is given for.
const FORMAT: &str = "caveat-evidence/1";
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const CHECKPOINT: &str = "checkpoint";
/// An authority's word on when the log was so long, the checkpoint that it is over, and the proof that the log only grew.
const TOKEN: &str = "timestamp.tsr";
const TOKEN_OVER: &str = "timestamp.checkpoint";
const TOKEN_GROWN: &str = "timestamp.json";
const ABOUT: &str = "recording.json";
const HEADER: &str = "header.bin";
const FRAMES: &str = "frames.bin";
const SOUND: &str = "audio.wav";
const TRANSCRIPT: &str = "transcript.json";
const ENTRIES: &str = "entries.jsonl";
const DETAILS: &str = "details.jsonl";

/// What is in the file, and who asked for it. Its digest is signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Manifest {
    format: String,
    client: ClientId,
    /// Name of the client's log.
    log: String,
    made: Moment,
    purpose: Purpose,
    /// The matter, where evidence of a whole case was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    recordings: Vec<Part>,
    /// Every member but the manifest and its signature.
    members: Vec<Member>,
}

/// A recording that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Part {
    id: RecordingId,
    /// `sealed`, `interrupted`, or what became of it.
    state: String,
    /// Whether its content is here.
    given: bool,
    /// What was decided about handing it over; none where nothing of it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided: Option<Decided>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Member {
    name: String,
    bytes: u64,
    sha256: Digest,
}

/// What the host knew of a recording: vouched for by its signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct About {
    #[serde(flatten)]
    listed: Listed,
    /// First second of the sound here.
    from_second: u32,
    /// The second after the last.
    to_second: u32,
    facts: Facts,
}

/// An entry of the log with its audit path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Proven {
    index: u64,
    /// Base64 of the stored bytes.
    entry: String,
    /// From the leaf up.
    hashes: Vec<Digest>,
}

/// What lies sealed beside an entry, with the key of this one alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Opened {
    /// Of the entry.
    index: u64,
    /// Base64 of the sealed blob, whose digest is in the entry.
    sealed: String,
    /// Base64.
    key: String,
    /// What it says, for whoever reads the file as it is.
    plain: serde_json::Value,
}

/// A member of one recording.
fn member_of(id: RecordingId, name: &str) -> String {
    format!("recordings/{id}/{name}")
}

/// Whether what lies beside this entry belongs into evidence: what was decided of the recording itself, and of this export.
/// Who else listened, and why, is theirs: the entry tells that somebody did.
fn is_shown(entry: &EntryKind, index: u64, own: Option<u64>) -> bool {
    match entry {
        EntryKind::Verdict { stage, detail: Some(_), .. } => {
            *stage != caveat_model::Stage::Access || Some(index) == own
        }
        _ => false,
    }
}
