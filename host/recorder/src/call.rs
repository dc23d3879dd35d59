//! What capture tells the recorder about a call, and what the recorder tells it back.

use caveat_audio::SAMPLES_PER_MS;
use caveat_model::{
    Asker, Attribute, CallTraits, ConsentForm, Direction, Key, Moment, NoticeKind, Offset, PartyId,
    PartyRole, PartyTraits, Purpose, Reason, RecordingId, Region, RegionSource, Word,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AskedPause, OpenDuty, PackSaid};

/// A call as its beginning describes it. What is not known is left out: the packs treat it strictly.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NewCall {
    /// The phone system's own id of the call ("CA..."); unique among a client's running calls.
    pub external_id: String,
    /// When it began, for a call that is over: then its time is what [`crate::Call::passed`] says, not the clock. None: now.
    pub began: Option<Moment>,
    /// Who called whom.
    pub direction: Direction,
    /// Yes-or-no facts; `captured` and `can-pause` are the host's to set.
    pub traits: CallTraits,
    /// What the recording is for; empty: the client's usual purposes.
    pub purposes: Vec<Purpose>,
    /// Who is on the call from the start. Their numbers within the call follow this order, from 0.
    pub parties: Vec<NewParty>,
    /// Notices already given.
    pub notices: Vec<NewNotice>,
    /// Facts of an industry.
    pub attributes: Vec<Attribute>,
}

/// A party as it appears.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NewParty {
    /// What it is to the call.
    pub role: PartyRole,
    /// Its number, as the phone system has it. Looked up for its place and then dropped.
    pub number: Option<String>,
    /// The audio stream that carries it.
    pub leg: Option<u8>,
    /// Where it says it is.
    pub stated: Option<Region>,
    /// Where the client's records have it.
    pub on_file: Option<Region>,
    /// BCP 47; empty when unknown.
    pub language: String,
    /// Yes-or-no facts; `present` is the host's to set.
    pub traits: PartyTraits,
    /// It consented in writing before the call.
    pub written_consent: bool,
}

/// A notice of recording as it was given.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewNotice {
    /// How.
    pub kind: NoticeKind,
    /// When it began, if it is to be itself in the recording. The host then starts the recording with it, as long as
    /// its audio is still in memory.
    #[serde(default)]
    pub record_from: Option<Offset>,
    /// Who heard it; none: everyone then on the call, or on the leg of `heard-on`.
    #[serde(default)]
    pub heard_by: Option<Vec<PartyId>>,
    /// The leg that it was played on, where only those on it heard it.
    #[serde(default)]
    pub heard_on: Option<u8>,
    /// BCP 47; empty when unknown.
    #[serde(default)]
    pub language: String,
    /// For a beep: seconds between two tones.
    #[serde(default)]
    pub every_s: u16,
}

/// Something that happens on a call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Happening {
    /// Somebody joins; the answer's verdict is about them.
    PartyJoined(NewParty),
    /// Somebody leaves.
    PartyLeft(PartyId),
    /// Where a party is becomes better known.
    RegionLearned {
        /// Who.
        party: PartyId,
        /// Where.
        region: Region,
        /// How it is known.
        source: RegionSource,
    },
    /// A notice was completed.
    NoticePlayed(NewNotice),
    /// A party answered.
    Consent {
        /// Who.
        party: PartyId,
        /// How.
        form: ConsentForm,
        /// False: refused.
        given: bool,
        /// Whether the answer is in the recording.
        #[serde(default)]
        recorded: bool,
    },
    /// A recognizer heard words, all on one leg.
    Words(Vec<Word>),
    /// A DTMF digit.
    Key(Key),
    /// Somebody asks for a pause.
    PauseAsked(Asker),
    /// Somebody asks to go on.
    ResumeAsked(Asker),
    /// A party was put on hold.
    Held(PartyId),
    /// A party was taken off hold.
    Unheld(PartyId),
    /// What a verdict asked for was done: the code of an open duty ("end-call-unless-recorded"). A notice or a tone is
    /// confirmed by [`Happening::NoticePlayed`] instead: packs have to know of it.
    DutyDone(String),
}

/// What the phone side is told after a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Answer {
    /// The recording this call is kept as.
    pub recording: RecordingId,
    /// What is being done with its audio.
    pub state: RecordingState,
    /// What the phone side has to do ("announce", "beep-every-15-s", "end-call-unless-recorded").
    pub duties: Vec<String>,
    /// What would change the answer.
    pub remedies: Vec<String>,
    /// Why, strictest first: `message (citation)`.
    pub reasons: Vec<String>,
    /// What somebody still has to do, and by when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_duties: Vec<OpenDuty>,
    /// The number of whoever joined, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<PartyId>,
}

/// How a running call stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Running {
    /// The recording it is kept as.
    pub recording: RecordingId,
    /// What is being done with its audio.
    pub state: RecordingState,
    /// Milliseconds since it began.
    pub at: Offset,
    /// Why nothing is being kept, where nothing is: rule, citation, message.
    pub not_recording: Vec<Reason>,
    /// What each pack said when it was asked last.
    #[serde(default)]
    pub packs: Vec<PackSaid>,
    /// The pause that somebody asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<AskedPause>,
    /// What somebody still has to do, and by when.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub open_duties: Vec<OpenDuty>,
}

/// What is being done with a call's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingState {
    /// Kept.
    Recording,
    /// Not kept for now.
    Suspended,
    /// Not kept. The call goes on.
    NotRecorded,
}

/// One frame of one leg: 16-bit samples at 8,000 Hz.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Which leg.
    pub leg: u8,
    /// Which of those that speak on it; 0 where nothing tells them apart. What several speak at once is mixed.
    pub voice: u8,
    /// Of the first sample: samples since the call began. Finer than a millisecond, so that legs stay aligned.
    pub at: u64,
    /// The samples.
    pub samples: Vec<i16>,
}

impl Frame {
    /// A frame whose place is known to the millisecond.
    pub fn at_ms(leg: u8, at: Offset, samples: Vec<i16>) -> Self {
        Self { leg, voice: 0, at: u64::from(at) * u64::from(SAMPLES_PER_MS), samples }
    }
}
