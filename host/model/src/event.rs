//! What is about to happen to a recording. Mirrors `wit/{capture,storage,access}.wit`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Hold, Moment, Offset, PartyId, Placement, Purpose, Span};

/// The three kinds of events; a pack is asked about those it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// May this be recorded?
    Capture,
    /// May, must it be kept?
    Storage,
    /// May this person have it?
    Access,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Capture, Self::Storage, Self::Access];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capture => "capture",
            Self::Storage => "storage",
            Self::Access => "access",
        })
    }
}

/// Something about to happen to a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// To what is recorded.
    Capture(CaptureEvent),
    /// To what is kept.
    Storage(StorageEvent),
    /// Somebody asks for it.
    Access(AccessRequest),
}

impl Event {
    /// Which kind of event it is.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Capture(_) => Stage::Capture,
            Self::Storage(_) => Stage::Storage,
            Self::Access(_) => Stage::Access,
        }
    }

    /// Its name in the contract ("notice-played", "dispose", "play").
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capture(e) => match e {
                CaptureEvent::Offered => "offered",
                CaptureEvent::PartyJoined(_) => "party-joined",
                CaptureEvent::PartyLeft(_) => "party-left",
                CaptureEvent::RegionLearned(_) => "region-learned",
                CaptureEvent::NoticePlayed => "notice-played",
                CaptureEvent::ConsentGiven(_) => "consent-given",
                CaptureEvent::ConsentRefused(_) => "consent-refused",
                CaptureEvent::Words(_) => "words",
                CaptureEvent::Keys(_) => "keys",
                CaptureEvent::PauseAsked(_) => "pause-asked",
                CaptureEvent::ResumeAsked(_) => "resume-asked",
                CaptureEvent::Held(_) => "held",
                CaptureEvent::Unheld(_) => "unheld",
                CaptureEvent::Ended => "ended",
            },
            Self::Storage(e) => match e {
                StorageEvent::Seal(_) => "seal",
                StorageEvent::Place(_) => "place",
                StorageEvent::Move(_) => "move",
                StorageEvent::Review(_) => "review",
                StorageEvent::Dispose(_) => "dispose",
                StorageEvent::HoldSet(_) => "hold-set",
                StorageEvent::HoldLifted(_) => "hold-lifted",
                StorageEvent::BreachFound => "breach-found",
            },
            Self::Access(r) => match r.act {
                Act::SignIn => "sign-in",
                Act::Search => "search",
                Act::Play => "play",
                Act::Export => "export",
                Act::Share => "share",
                Act::Redact => "redact",
                Act::Disclose => "disclose",
                Act::Delete => "delete",
                Act::Amend => "amend",
            },
        }
    }
}

/// One word as a recognizer heard it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Word {
    /// On which leg.
    pub leg: u8,
    /// From.
    pub start: Offset,
    /// Until.
    pub end: Offset,
    /// As delivered.
    pub text: String,
}

/// Words just heard, with what was heard shortly before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Speech {
    /// New words, on one leg.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Word>,
    /// On all legs, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Word>,
}

/// One DTMF digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Key {
    /// On which leg.
    pub leg: u8,
    /// From.
    pub start: Offset,
    /// Until.
    pub end: Offset,
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub symbol: char,
}

/// A key just pressed, with what came shortly before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keyed {
    /// The new one.
    pub pressed: Key,
    /// Earlier keys on all legs, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Key>,
    /// What was heard on all legs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
}

/// Who or what asks for a pause or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// `person`.
    Person,
    /// A payment page or desktop integration.
    CardEntry,
    /// The recording client.
    Protocol,
    /// The limit on a pause has run out.
    Timer,
}

/// Capture: something happens on the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureEvent {
    /// A call begins, or a recording is offered.
    Offered,
    /// Somebody joined.
    PartyJoined(PartyId),
    /// Somebody left.
    PartyLeft(PartyId),
    /// Where a party is has become better known.
    RegionLearned(PartyId),
    /// The last notice in the facts was completed.
    NoticePlayed,
    /// A party agreed.
    ConsentGiven(PartyId),
    /// A party refused.
    ConsentRefused(PartyId),
    /// Words were heard.
    Words(Speech),
    /// A key was pressed.
    Keys(Keyed),
    /// Somebody asks for a pause.
    PauseAsked(Asker),
    /// Somebody asks to go on.
    ResumeAsked(Asker),
    /// A party was put on hold.
    Held(PartyId),
    /// A party was taken off hold.
    Unheld(PartyId),
    /// The call is over.
    Ended,
}

/// What a storage act is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Element {
    /// `recording`.
    Recording,
    /// `audio`.
    Audio,
    /// `transcript`.
    Transcript,
    /// A redacted span.
    Segment,
    /// A voiceprint.
    Template,
    /// `backup`.
    Backup,
    /// `audit-log`.
    AuditLog,
}

/// On whose account something is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// `schedule`.
    Schedule,
    /// `person-asks`.
    PersonAsks,
    /// `erasure-request`.
    ErasureRequest,
    /// `contract-end`.
    ContractEnd,
    /// `rules`.
    Rules,
}

/// Something about to be destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disposal {
    /// What.
    pub what: Element,
    /// On whose account.
    pub basis: Basis,
}

/// Storage: something happens to what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageEvent {
    /// Complete, and about to be sealed here.
    Seal(Placement),
    /// A further copy is about to be made here.
    Place(Placement),
    /// About to leave here for good.
    Move(Placement),
    /// May it, must it, be kept any longer?
    Review(Element),
    /// About to be destroyed.
    Dispose(Disposal),
    /// A hold is set.
    HoldSet(Hold),
    /// A hold is lifted.
    HoldLifted(Hold),
    /// Data may have reached somebody it should not have.
    BreachFound,
}

/// The host's own roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// `agent`.
    Agent,
    /// `supervisor`.
    Supervisor,
    /// `trainer`.
    Trainer,
    /// `compliance`.
    Compliance,
    /// `auditor`.
    Auditor,
    /// `integrator`.
    Integrator,
    /// `admin`.
    Admin,
    /// Anyone without one.
    Outsider,
}

/// What somebody showed to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// `password`.
    Password,
    /// RFC 6238.
    Totp,
    /// WebAuthn.
    Passkey,
    /// Vouched for by an identity provider.
    Federated,
}

/// One thing shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Factor {
    /// What.
    pub kind: FactorKind,
    /// When it was last shown.
    pub at: Moment,
}

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// `individual`.
    #[default]
    Individual,
    /// `shared`.
    Shared,
    /// `service`.
    Service,
}

/// Whether a person still may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// `active`.
    #[default]
    Active,
    /// `inactive`.
    Inactive,
    /// `suspended`.
    Suspended,
    /// `terminated`.
    Terminated,
}

/// Yes-or-no facts about a person who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PersonTraits {
    /// From outside the client's network.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remote: bool,
    /// Treats the patient recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub treating: bool,
    /// Is the person recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_recording: bool,
    /// Identity and authority were checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// Has a documented need for what the rules would hide.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full_need: bool,
    /// Invokes emergency access.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Person {
    /// Role at the host.
    pub role: Role,
    /// Job or relation, in the client's words, lower case.
    #[serde(default)]
    pub function: String,
    /// What was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Factor>,
    /// Seconds since the session was last used.
    #[serde(default)]
    pub idle_s: u32,
    /// Days since the account was last used.
    #[serde(default)]
    pub unused_days: u16,
    /// Whose account.
    #[serde(default)]
    pub account: AccountKind,
    /// Whether they still may.
    #[serde(default)]
    pub standing: Standing,
    /// Yes-or-no facts.
    #[serde(default)]
    pub traits: PersonTraits,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// `sign-in`.
    SignIn,
    /// `search`.
    Search,
    /// `play`.
    Play,
    /// `export`.
    Export,
    /// `share`.
    Share,
    /// `redact`.
    Redact,
    /// `disclose`.
    Disclose,
    /// `delete`.
    Delete,
    /// `amend`.
    Amend,
}

/// In which form.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `original`.
    #[default]
    Original,
    /// Labelled spans silenced.
    Redacted,
    /// `transcript`.
    Transcript,
    /// No content.
    FactsOnly,
}

/// Access: somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessRequest {
    /// For what.
    pub act: Act,
    /// Why.
    #[serde(default)]
    pub purpose: Purpose,
    /// In which form.
    #[serde(default)]
    pub form: Form,
    /// Which part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Who.
    pub person: Person,
}
