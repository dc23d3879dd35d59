//! What the host knows about a recording when it asks. Mirrors `wit/facts.wit`, where each word is explained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Moment, Offset, Party, PartyId, Region, Span};

/// How a notice is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Words.
    Spoken,
    /// A distinct tone, repeated.
    Beep,
    /// In writing, before the call.
    Written,
}

/// A notice of recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notice {
    /// How.
    pub kind: NoticeKind,
    /// When it was complete.
    #[serde(default)]
    pub at: Offset,
    /// Whether it is itself in the recording.
    #[serde(default)]
    pub recorded: bool,
    /// Whether audio from before it was kept.
    #[serde(default)]
    pub late: bool,
    /// Who heard it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard_by: Vec<PartyId>,
    /// BCP 47; empty when unknown.
    #[serde(default)]
    pub language: String,
    /// For a beep: seconds between two tones.
    #[serde(default)]
    pub every_s: u16,
}

/// How somebody consented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentForm {
    /// Said or keyed yes.
    Express,
    /// In writing, beforehand.
    Written,
}

/// What one party answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Consent {
    /// Who.
    pub party: PartyId,
    /// How.
    pub form: ConsentForm,
    /// When.
    #[serde(default)]
    pub at: Offset,
    /// False: refused.
    pub given: bool,
    /// Whether the answer is in the recording.
    #[serde(default)]
    pub recorded: bool,
}

/// What something in a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// Primary account number (PAN).
    CardNumber,
    /// Card verification code: sensitive authentication data.
    CardCode,
    /// PIN: sensitive authentication data.
    CardPin,
    /// `card-expiry`.
    CardExpiry,
    /// `bank-account`.
    BankAccount,
    /// `ssn`.
    Ssn,
    /// `birth-date`.
    BirthDate,
    /// `street-address`.
    StreetAddress,
    /// `person-name`.
    PersonName,
    /// `phone-number`.
    PhoneNumber,
    /// `email-address`.
    EmailAddress,
    /// Health, care or payment for care of an identified person.
    Health,
    /// A phrase that a standard requires.
    RequiredPhrase,
    /// A phrase that a standard forbids.
    ForbiddenPhrase,
    /// Privileged or otherwise protected talk.
    Privileged,
}

impl LabelKind {
    /// Sensitive authentication data: never kept after authorization, even encrypted (PCI DSS 3.3.1).
    pub fn is_sensitive_authentication_data(self) -> bool {
        matches!(self, Self::CardCode | Self::CardPin)
    }
}

/// Something found in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Label {
    /// What.
    pub kind: LabelKind,
    /// Where.
    #[serde(rename = "where")]
    pub span: Span,
    /// 0 to 100.
    pub confidence: u8,
}

/// Why nothing is being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseCause {
    /// A person or system asked.
    Asked,
    /// Card data is being taken.
    CardEntry,
    /// The recording client's protocol said so.
    Protocol,
    /// A verdict said so.
    Verdict,
}

/// A pause that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pause {
    /// Since when.
    pub since: Offset,
    /// Why.
    pub cause: PauseCause,
}

/// Why a recording is made, or why it is asked for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// `training`.
    Training,
    /// `quality`.
    Quality,
    /// Supervision of agents.
    Oversight,
    /// A complaint or dispute with the person recorded.
    Dispute,
    /// Evidence of a transaction.
    Evidence,
    /// A duty to record or to keep.
    Regulatory,
    /// `treatment`.
    Treatment,
    /// `payment`.
    Payment,
    /// Health-care or business operations.
    Operations,
    /// The person recorded asks for their own.
    OwnRequest,
    /// `legal`.
    Legal,
    /// `law-enforcement`.
    LawEnforcement,
    /// `public-health`.
    PublicHealth,
    /// `research`.
    Research,
    /// `emergency`.
    Emergency,
    /// `marketing`.
    Marketing,
    /// A vendor's own ends.
    VendorUse,
    /// `unstated`.
    #[default]
    Unstated,
}

/// Who called whom.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// `inbound`.
    Inbound,
    /// `outbound`.
    Outbound,
    /// `internal`.
    Internal,
    /// `unknown`.
    #[default]
    Unknown,
}

/// Yes-or-no facts about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CallTraits {
    /// Of an emergency nature.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// On a published emergency line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency_line: bool,
    /// Some audio of it has been kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub captured: bool,
    /// The client can pause or mask during card entry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub can_pause: bool,
    /// The recording is part of a medical record.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub medical_record: bool,
}

/// How something is encrypted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cipher {
    /// `none`.
    #[default]
    None,
    /// Encryption of the disk or volume only.
    DiskOnly,
    /// RFC 8439.
    #[serde(rename = "chacha20-poly1305")]
    Chacha20Poly1305,
    /// NIST SP 800-38D.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    /// Strong cryptography of another kind.
    OtherStrong,
    /// Not strong cryptography.
    Weak,
}

/// What may still be done with a key.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// `none`.
    #[default]
    None,
    /// `active`.
    Active,
    /// `expired`.
    Expired,
    /// `retired`.
    Retired,
    /// `compromised`.
    Compromised,
    /// `destroyed`.
    Destroyed,
}

/// What a copy is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// `primary`.
    #[default]
    Primary,
    /// Held before the rules have had their say.
    Buffer,
    /// `replica`.
    Replica,
    /// `backup`.
    Backup,
    /// A copy that leaves the host.
    Exported,
}

/// Yes-or-no facts about a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlacementTraits {
    /// A business-associate agreement is on file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub associate_agreement: bool,
    /// The holder is a third party.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub third_party: bool,
    /// The holder has attested to PCI DSS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pci_attested: bool,
    /// Non-rewriteable, non-erasable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
    /// Every change can be traced and the original re-created.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub audit_trail: bool,
    /// Keys are kept apart from what they protect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keys_apart: bool,
    /// The module is validated to FIPS 140.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub validated_module: bool,
}

/// Where and how a recording lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Placement {
    /// What the copy is.
    #[serde(default)]
    pub kind: StoreKind,
    /// The place; none when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// How it is encrypted.
    #[serde(default)]
    pub cipher: Cipher,
    /// What may still be done with the key.
    #[serde(default)]
    pub key: KeyState,
    /// Yes-or-no facts.
    #[serde(default)]
    pub traits: PlacementTraits,
}

/// A duty to preserve that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hold {
    /// The client's name for it.
    pub matter: String,
    /// Since when.
    pub since: Moment,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeValue {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// Words.
    Text(String),
    /// A time.
    When(Moment),
}

impl AttributeValue {
    /// What a text stands for where all is text. Only what reads back the same is a number: `007` and `+1415...` are text.
    pub fn of_text(value: String) -> Self {
        if let Ok(flag) = value.parse() {
            Self::Flag(flag)
        } else if let Some(whole) = value.parse::<i64>().ok().filter(|n| n.to_string() == value) {
            Self::Whole(whole)
        } else if let Some(when) = value.parse::<Moment>().ok().filter(|_| value.contains('-')) {
            Self::When(when)
        } else {
            Self::Text(value)
        }
    }
}

/// A fact that only some industry needs. A missing attribute is unknown, not false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Attribute {
    /// Dotted kebab-case, as the pack's manifest names it.
    pub name: String,
    /// What is known.
    pub value: AttributeValue,
}

/// Everything a pack is told with an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Facts {
    /// The host's clock at the event.
    pub now: Moment,
    /// When the call began.
    pub began: Moment,
    /// Who called whom.
    pub direction: Direction,
    /// Yes-or-no facts.
    pub traits: CallTraits,
    /// Where the recorder runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorder_region: Option<Region>,
    /// What the recording is made for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
    /// Who is or was on the call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<Party>,
    /// Notices of recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// What parties answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// Found so far, by any pack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Set while nothing is being kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Where it lies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placements: Vec<Placement>,
    /// Duties to preserve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Facts of an industry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl Facts {
    /// Milliseconds from the beginning of the call to now.
    pub fn elapsed(&self) -> Offset {
        u32::try_from(self.now.since(self.began)).unwrap_or(u32::MAX)
    }
    /// Adds what is told of every call of a client: its traits; and of place, purposes and facts of its industry what the
    /// call does not say itself.
    pub fn add_usual(&mut self, usual: &Self) {
        self.traits.can_pause |= usual.traits.can_pause;
        self.traits.medical_record |= usual.traits.medical_record;
        self.recorder_region = self.recorder_region.take().or_else(|| usual.recorder_region.clone());
        if self.purposes.is_empty() {
            self.purposes.clone_from(&usual.purposes);
        }
        let said = |name: &str| self.attributes.iter().any(|a| a.name == name);
        let mut attributes: Vec<_> = usual.attributes.iter().filter(|a| !said(&a.name)).cloned().collect();
        attributes.append(&mut self.attributes);
        self.attributes = attributes;
    }
    /// The party with this number.
    pub fn party(&self, id: PartyId) -> Option<&Party> {
        self.parties.iter().find(|p| p.id == id)
    }
}
