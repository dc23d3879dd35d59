//! What is logged: one JSON object a leaf, in a fixed order of fields. The bytes are hashed as stored and never encoded again.
//!
//! Nothing here may name or describe a person: recordings, people and matters appear under pseudonyms, everything else is
//! a digest, a rule id, a code or a count.

use caveat_model::{
    Act, Basis, ConflictKind, Digest, Element, Mode, Moment, Outcome, PackRef, PackRuling, Purpose, Stage,
    Verdict,
};
use serde::{Deserialize, Serialize};

/// Version of the entry format, the `v` of every entry.
pub const VERSION: u8 = 1;

/// One leaf of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`VERSION`].
    pub v: u8,
    /// The host's clock when the entry was taken up for writing.
    pub at: Moment,
    /// The host that wrote it.
    pub host: String,
    /// That host's own count of entries in this client's log: 1, 2, 3, without a gap.
    pub seq: u64,
    /// What happened.
    pub event: EntryKind,
}

/// Where an entry came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From the beginning of the log; the first is 0.
    pub index: u64,
    /// RFC 6962 leaf hash: SHA-256 of a zero byte and the entry.
    pub leaf_hash: Digest,
}

/// What happened. `recording`, `person` and `hold` are pseudonyms; `verdict` and `intent` are indices of earlier entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum EntryKind {
    /// The packs were asked, and this was decided.
    Verdict {
        /// About which recording; none for a sign-in or a search.
        recording: Option<String>,
        /// Kind of event.
        stage: Stage,
        /// Name of the event in the contract ("notice-played", "play").
        event: String,
        /// After the merge.
        outcome: Outcome,
        /// What each pack said, monitored ones too.
        packs: Vec<PackEntry>,
        /// Demands at odds.
        conflicts: Vec<ConflictKind>,
        /// What must be done.
        obligations: Vec<Asked>,
        /// Of the sealed blob that holds event and facts, kept beside the log.
        detail: Option<Digest>,
    },
    /// A recording begins.
    RecordingOpened {
        /// Which.
        recording: String,
    },
    /// So much of a running recording is fixed.
    InterimRoot {
        /// Which.
        recording: String,
        /// Frames under the root.
        frames: u64,
        /// Merkle root over frame digests.
        root: Digest,
    },
    /// A recording is complete.
    Sealed {
        /// Which.
        recording: String,
        /// Frames under the root.
        frames: u64,
        /// Length of the timeline, gaps included, in milliseconds.
        duration_ms: u64,
        /// Merkle root over frame digests.
        root: Digest,
        /// Of the sealed object.
        object_digest: Digest,
        /// Why it ended ("ended", "interrupted").
        reason: String,
    },
    /// A recording was closed and nothing of it kept.
    Discarded {
        /// Which.
        recording: String,
        /// Rule id or code.
        why: String,
    },
    /// Somebody asked, and is about to be served or was refused. Logged before the act.
    AccessIntent {
        /// Which; none for a sign-in or a search.
        recording: Option<String>,
        /// Who.
        person: String,
        /// For what.
        act: Act,
        /// Why.
        purpose: Purpose,
        /// Index of the verdict it rests on.
        verdict: u64,
        /// Whether it was granted.
        grant: bool,
    },
    /// What came of an access.
    AccessResult {
        /// Index of the intent.
        intent: u64,
        /// Whether anything was served.
        ok: bool,
        /// Served.
        bytes: u64,
        /// Of the file that left the house, for an export.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// Something is about to be destroyed. Logged before the act.
    DisposalIntent {
        /// Which recording.
        recording: String,
        /// What of it.
        what: Element,
        /// On whose account.
        basis: Basis,
        /// Index of the verdict it rests on.
        verdict: u64,
        /// Index of the agreement of two people, where a person asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<u64>,
    },
    /// What came of a disposal.
    DisposalResult {
        /// Index of the intent.
        intent: u64,
        /// Whether it is destroyed.
        ok: bool,
    },
    /// A stretch is about to be hidden, its keys to go to escrow, or to be shown again. Logged before the act.
    MaskIntent {
        /// Of which recording.
        recording: String,
        /// False: it is to be hidden. True: what was hidden is to be brought back.
        lift: bool,
        /// The mask that is to be lifted; where one is to be made, its result has the number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
        /// On whose account.
        basis: Basis,
        /// Index of the verdict it rests on.
        verdict: u64,
        /// Index of the agreement of two people, without which no mask is lifted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<u64>,
    },
    /// What came of hiding or bringing back.
    MaskResult {
        /// Index of the intent.
        intent: u64,
        /// Whether it was done.
        ok: bool,
        /// Number of the mask within its recording.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u32>,
    },
    /// Two people want what one alone may not do: one asked, another confirmed.
    Agreed {
        /// What, as the table of roles calls it ("shred-recording").
        act: String,
        /// About which recording or hold; of keys, [`keys_before`].
        subject: Option<String>,
        /// Who asked.
        asked: String,
        /// Who confirmed.
        confirmed: String,
    },
    /// A person decided what the rules could not.
    Decided {
        /// About which recording.
        recording: String,
        /// Who.
        person: String,
        /// False: it is kept. True: it may be destroyed where a verdict left that to a person.
        destroy: bool,
    },
    /// A hold is in force from here.
    HoldSet {
        /// On which recording.
        recording: String,
        /// Which hold.
        hold: String,
    },
    /// A hold is no longer in force.
    HoldLifted {
        /// On which recording.
        recording: String,
        /// Which hold.
        hold: String,
        /// Index of the agreement of two people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<u64>,
    },
    /// What a verdict on a running call asked of somebody was done, or was not in time.
    Duty {
        /// Which recording.
        recording: String,
        /// What was asked ("announce").
        code: String,
        /// The rule that asked.
        rule: String,
        /// Whether it was done.
        done: bool,
    },
    /// An authority vouches for the time of a checkpoint (RFC 3161): what the log had then, it had before that time.
    Timestamped {
        /// Entries that the checkpoint vouches for.
        size: u64,
        /// The signed root.
        root: Digest,
        /// Of the authority's answer, which is kept beside the log.
        token: Digest,
        /// The authority's time.
        at: Moment,
    },
    /// Something is done to the client's own key. Logged before the act.
    Keys {
        /// What.
        act: KeyAct,
        /// The version made; or, of destroying, the first that stays.
        version: u32,
        /// Who; none for what the host does by itself.
        person: Option<String>,
        /// Index of the entry by which two people agreed, to destroy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<u64>,
    },
    /// Somebody's account is about to be changed. Logged before the act.
    AccountChanged {
        /// Whose.
        person: String,
        /// By which administrator; none: by themselves, with an invitation.
        by: Option<String>,
        /// What ("invited as agent", "role auditor", "standing suspended", "enrolled").
        what: String,
    },
    /// From here on these packs are asked.
    PacksChanged {
        /// All of them.
        packs: Vec<PackRef>,
    },
    /// A host came up.
    HostStarted {
        /// Of Caveat.
        version: String,
    },
    /// An operator's remark about the host; never about a call or a person.
    Note {
        /// Plain words.
        text: String,
    },
}

/// What is done to a client's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAct {
    /// Another version is made, which wraps from now on.
    Rotate,
    /// Everything is wrapped under the newest version.
    Rewrapped,
    /// Older versions are about to be destroyed.
    Destroy,
    /// They are destroyed.
    Destroyed,
}

/// What two people agree about who destroy every version of a key before this one.
pub fn keys_before(version: u32) -> String {
    format!("keys-before-{version}")
}

/// One pack's part in a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackEntry {
    /// Its name in the manifest.
    pub name: String,
    /// Its version in the manifest.
    pub version: String,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Of its settings.
    pub settings: Digest,
    /// Whether it is obeyed.
    pub mode: Mode,
    /// What it said.
    pub outcome: Outcome,
    /// Rules that had a say.
    pub rules: Vec<String>,
    /// Units of fuel it used.
    pub fuel: u64,
    /// It could not answer; the outcome is its declared safe one.
    pub failed: bool,
}

/// An obligation, as a code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// What must be done ("retain-until-2042-03-01").
    pub code: String,
    /// The pack that asks.
    pub pack: String,
    /// The rule that asks.
    pub rule: String,
}

impl EntryKind {
    /// The entry for a verdict on the event named `event`; `detail` is the digest that [`crate::Ledger::put_detail`] gave.
    pub fn of_verdict(
        recording: Option<String>,
        event: &str,
        verdict: &Verdict,
        detail: Option<Digest>,
    ) -> Self {
        let asked = |(pack, obligation): (&PackRef, &caveat_model::Obligation)| Asked {
            code: obligation.duty.code(),
            pack: pack.name.clone(),
            rule: obligation.rule.clone(),
        };
        Self::Verdict {
            recording,
            stage: verdict.stage,
            event: event.to_owned(),
            outcome: verdict.outcome,
            packs: verdict.rulings.iter().map(PackEntry::from).collect(),
            conflicts: verdict.conflicts.iter().map(|c| c.kind).collect(),
            obligations: verdict.obligations().map(asked).collect(),
            detail,
        }
    }

    /// The recording that this is about, by its pseudonym; none for what is about no recording, and for results, which
    /// name their intent.
    pub fn recording(&self) -> Option<&str> {
        match self {
            Self::Verdict { recording, .. }
            | Self::AccessIntent { recording, .. }
            | Self::Agreed { subject: recording, .. } => recording.as_deref(),
            Self::RecordingOpened { recording }
            | Self::InterimRoot { recording, .. }
            | Self::Sealed { recording, .. }
            | Self::Discarded { recording, .. }
            | Self::DisposalIntent { recording, .. }
            | Self::MaskIntent { recording, .. }
            | Self::Decided { recording, .. }
            | Self::HoldSet { recording, .. }
            | Self::HoldLifted { recording, .. }
            | Self::Duty { recording, .. } => Some(recording),
            Self::AccessResult { .. }
            | Self::DisposalResult { .. }
            | Self::MaskResult { .. }
            | Self::Keys { .. }
            | Self::Timestamped { .. }
            | Self::PacksChanged { .. }
            | Self::HostStarted { .. }
            | Self::AccountChanged { .. }
            | Self::Note { .. } => None,
        }
    }

    /// The intent that this is the result of.
    pub fn intent(&self) -> Option<u64> {
        match self {
            Self::AccessResult { intent, .. }
            | Self::DisposalResult { intent, .. }
            | Self::MaskResult { intent, .. } => Some(*intent),
            _ => None,
        }
    }

    /// The sealed detail that this speaks of.
    pub fn detail(&self) -> Option<Digest> {
        match self {
            Self::Verdict { detail, .. } => *detail,
            _ => None,
        }
    }
}

impl From<&PackRuling> for PackEntry {
    fn from(r: &PackRuling) -> Self {
        let mut rules: Vec<String> = r.ruling.reasons.iter().map(|reason| reason.rule.clone()).collect();
        rules.dedup();
        Self {
            name: r.pack.name.clone(),
            version: r.pack.version.clone(),
            digest: r.pack.digest,
            settings: r.pack.settings,
            mode: r.mode,
            outcome: r.ruling.outcome,
            rules,
            fuel: r.fuel,
            failed: r.failure.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_stored_form_is_fixed() {
        let check = |event: EntryKind, text: &str| {
            let entry = Entry { v: VERSION, at: Moment::from_millis(0), host: "h1".into(), seq: 7, event };
            let json = serde_json::to_string(&entry).unwrap();
            let expected = format!(
                r#"{{"v":1,"at":"1970-01-01T00:00:00.000Z","host":"h1","seq":7,"event":{{"kind":{text}}}}}"#
            );
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        };
        check(EntryKind::Note { text: "two\nlines".into() }, r#""note","text":"two\nlines""#);
        check(
            EntryKind::AccessIntent {
                recording: None,
                person: "p1".into(),
                act: Act::Search,
                purpose: Purpose::Training,
                verdict: 3,
                grant: true,
            },
            r#""access-intent","recording":null,"person":"p1","act":"search","purpose":"training","verdict":3,"grant":true"#,
        );
        let root = Digest([0xab; 32]);
        check(
            EntryKind::Sealed {
                recording: "r1".into(),
                frames: 2,
                duration_ms: 1900,
                root,
                object_digest: root,
                reason: "ended".into(),
            },
            &format!(
                r#""sealed","recording":"r1","frames":2,"duration-ms":1900,"root":"{root}","object-digest":"{root}","reason":"ended""#
            ),
        );
    }
}
