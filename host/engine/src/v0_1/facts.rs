//! `wit/facts.wit`, as the host hands it in: views that borrow from the model.

use caveat_model as model;
use wasmtime::component::{ComponentType, Lift, Lower, flags};

/// A WIT enum and its twin in the model. Both conversions are exhaustive matches: a case that is missing on either side
/// does not compile, and a name that differs from the contract is found when a pack is loaded.
macro_rules! mirror {
    ($($name:ident { $($case:ident = $wit:literal),+ $(,)? })+) => {$(
        #[derive(Clone, Copy, ComponentType, Lift, Lower)]
        #[component(enum)]
        #[repr(u8)]
        pub(super) enum $name {
            $(#[component(name = $wit)] $case),+
        }
        impl From<model::$name> for $name {
            fn from(value: model::$name) -> Self {
                match value { $(model::$name::$case => Self::$case),+ }
            }
        }
        impl From<$name> for model::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$case => Self::$case),+ }
            }
        }
    )+};
}
pub(super) use mirror;

/// WIT flags from a struct of booleans; the destructuring makes a field that is missing here a compile error.
macro_rules! mirror_flags {
    ($name:ident { $($field:ident $flag:ident = $wit:literal),+ $(,)? }) => {
        flags! {
            $name { $(#[component(name = $wit)] const $flag;)+ }
        }
        impl From<model::$name> for $name {
            fn from(model::$name { $($field),+ }: model::$name) -> Self {
                let mut flags = Self::default();
                $(if $field { flags |= Self::$flag; })+
                flags
            }
        }
    };
}
pub(super) use mirror_flags;

mirror! {
    PartyRole {
        Agent = "agent", Customer = "customer", Supervisor = "supervisor", Interpreter = "interpreter",
        OtherParty = "other-party", Automaton = "automaton", Vendor = "vendor", Unknown = "unknown",
    }
    RegionSource { Stated = "stated", OnFile = "on-file", Number = "number" }
    NumberKind {
        Geographic = "geographic", TollFree = "toll-free", NonGeographic = "non-geographic", Foreign = "foreign",
        Withheld = "withheld", Malformed = "malformed", Missing = "missing",
    }
    NoticeKind { Spoken = "spoken", Beep = "beep", Written = "written" }
    ConsentForm { Express = "express", Written = "written" }
    LabelKind {
        CardNumber = "card-number", CardCode = "card-code", CardPin = "card-pin", CardExpiry = "card-expiry",
        BankAccount = "bank-account", Ssn = "ssn", BirthDate = "birth-date", StreetAddress = "street-address",
        PersonName = "person-name", PhoneNumber = "phone-number", EmailAddress = "email-address",
        Health = "health", RequiredPhrase = "required-phrase", ForbiddenPhrase = "forbidden-phrase",
        Privileged = "privileged",
    }
    PauseCause { Asked = "asked", CardEntry = "card-entry", Protocol = "protocol", Verdict = "verdict" }
    Purpose {
        Training = "training", Quality = "quality", Oversight = "oversight", Dispute = "dispute",
        Evidence = "evidence", Regulatory = "regulatory", Treatment = "treatment", Payment = "payment",
        Operations = "operations", OwnRequest = "own-request", Legal = "legal",
        LawEnforcement = "law-enforcement", PublicHealth = "public-health", Research = "research",
        Emergency = "emergency", Marketing = "marketing", VendorUse = "vendor-use", Unstated = "unstated",
    }
    Direction { Inbound = "inbound", Outbound = "outbound", Internal = "internal", Unknown = "unknown" }
    Cipher {
        None = "none", DiskOnly = "disk-only", Chacha20Poly1305 = "chacha20-poly1305",
        Aes256Gcm = "aes-256-gcm", OtherStrong = "other-strong", Weak = "weak",
    }
    KeyState {
        None = "none", Active = "active", Expired = "expired", Retired = "retired",
        Compromised = "compromised", Destroyed = "destroyed",
    }
    StoreKind {
        Primary = "primary", Buffer = "buffer", Replica = "replica", Backup = "backup", Exported = "exported",
    }
}

mirror_flags!(PartyTraits {
    present PRESENT = "present",
    silent SILENT = "silent",
    on_hold ON_HOLD = "on-hold",
    minor MINOR = "minor",
    remote_worker REMOTE_WORKER = "remote-worker",
});

mirror_flags!(CallTraits {
    emergency EMERGENCY = "emergency",
    emergency_line EMERGENCY_LINE = "emergency-line",
    captured CAPTURED = "captured",
    can_pause CAN_PAUSE = "can-pause",
    medical_record MEDICAL_RECORD = "medical-record",
});

mirror_flags!(PlacementTraits {
    associate_agreement ASSOCIATE_AGREEMENT = "associate-agreement",
    third_party THIRD_PARTY = "third-party",
    pci_attested PCI_ATTESTED = "pci-attested",
    immutable IMMUTABLE = "immutable",
    audit_trail AUDIT_TRAIL = "audit-trail",
    keys_apart KEYS_APART = "keys-apart",
    validated_module VALIDATED_MODULE = "validated-module",
});

/// The whole of what a pack is told with an event.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Facts<'a> {
    now: u64,
    began: u64,
    direction: Direction,
    traits: CallTraits,
    #[component(name = "recorder-region")]
    recorder_region: &'a str,
    purposes: &'a [Purpose],
    parties: &'a [Party<'a>],
    notices: &'a [Notice<'a>],
    consents: &'a [Consent],
    labels: &'a [Label],
    paused: Option<Pause>,
    placements: &'a [Placement<'a>],
    holds: &'a [Hold<'a>],
    attributes: &'a [Attribute<'a>],
}

/// What is known, made ready once for all packs that are asked.
pub(super) struct Known<'a> {
    facts: &'a model::Facts,
    purposes: Vec<Purpose>,
    parties: Vec<Party<'a>>,
    notices: Vec<Notice<'a>>,
    consents: Vec<Consent>,
    labels: Vec<Label>,
    placements: Vec<Placement<'a>>,
    holds: Vec<Hold<'a>>,
    attributes: Vec<Attribute<'a>>,
}

impl<'a> From<&'a model::Facts> for Known<'a> {
    fn from(f: &'a model::Facts) -> Self {
        Self {
            facts: f,
            purposes: f.purposes.iter().map(|p| (*p).into()).collect(),
            parties: f.parties.iter().map(Into::into).collect(),
            notices: f.notices.iter().map(Into::into).collect(),
            consents: f.consents.iter().map(Into::into).collect(),
            labels: f.labels.iter().map(|l| (*l).into()).collect(),
            placements: f.placements.iter().map(Into::into).collect(),
            holds: f.holds.iter().map(Into::into).collect(),
            attributes: f.attributes.iter().map(Into::into).collect(),
        }
    }
}

impl Known<'_> {
    /// What one pack is told: everything, with `attributes` of [`Self::attributes`].
    pub(super) fn tell<'q>(&'q self, attributes: &'q [Attribute<'q>]) -> Facts<'q> {
        let f = self.facts;
        Facts {
            now: f.now.as_millis(),
            began: f.began.as_millis(),
            direction: f.direction.into(),
            traits: f.traits.into(),
            recorder_region: region(f.recorder_region.as_ref()),
            purposes: &self.purposes,
            parties: &self.parties,
            notices: &self.notices,
            consents: &self.consents,
            labels: &self.labels,
            paused: f.paused.map(|p| Pause { since: p.since, cause: p.cause.into() }),
            placements: &self.placements,
            holds: &self.holds,
            attributes,
        }
    }

    pub(super) fn attributes(&self) -> &[Attribute<'_>] {
        &self.attributes
    }
}

/// The contract's word for an unknown place is the empty string.
fn region(region: Option<&model::Region>) -> &str {
    region.map_or("", model::Region::as_str)
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Party<'a> {
    id: u8,
    role: PartyRole,
    leg: Option<u8>,
    number: NumberKind,
    regions: Vec<RegionEvidence<'a>>,
    language: &'a str,
    joined: u32,
    left: Option<u32>,
    traits: PartyTraits,
}

impl<'a> From<&'a model::Party> for Party<'a> {
    fn from(p: &'a model::Party) -> Self {
        Self {
            id: p.id,
            role: p.role.into(),
            leg: p.leg,
            number: p.number.into(),
            regions: p.regions.iter().map(Into::into).collect(),
            language: &p.language,
            joined: p.joined,
            left: p.left,
            traits: p.traits.into(),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct RegionEvidence<'a> {
    region: &'a str,
    source: RegionSource,
    learned: u32,
}

impl<'a> From<&'a model::RegionEvidence> for RegionEvidence<'a> {
    fn from(e: &'a model::RegionEvidence) -> Self {
        Self { region: e.region.as_str(), source: e.source.into(), learned: e.learned }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Notice<'a> {
    kind: NoticeKind,
    at: u32,
    recorded: bool,
    late: bool,
    #[component(name = "heard-by")]
    heard_by: &'a [u8],
    language: &'a str,
    #[component(name = "every-s")]
    every_s: u16,
}

impl<'a> From<&'a model::Notice> for Notice<'a> {
    fn from(n: &'a model::Notice) -> Self {
        Self {
            kind: n.kind.into(),
            at: n.at,
            recorded: n.recorded,
            late: n.late,
            heard_by: &n.heard_by,
            language: &n.language,
            every_s: n.every_s,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Consent {
    party: u8,
    form: ConsentForm,
    at: u32,
    given: bool,
    recorded: bool,
}

impl From<&model::Consent> for Consent {
    fn from(c: &model::Consent) -> Self {
        Self { party: c.party, form: c.form.into(), at: c.at, given: c.given, recorded: c.recorded }
    }
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Span {
    pub(super) leg: Option<u8>,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl From<model::Span> for Span {
    fn from(model::Span { leg, start, end }: model::Span) -> Self {
        Self { leg, start, end }
    }
}

#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Label {
    pub(super) kind: LabelKind,
    #[component(name = "where")]
    pub(super) span: Span,
    pub(super) confidence: u8,
}

impl From<model::Label> for Label {
    fn from(l: model::Label) -> Self {
        Self { kind: l.kind.into(), span: l.span.into(), confidence: l.confidence }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Pause {
    since: u32,
    cause: PauseCause,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Placement<'a> {
    kind: StoreKind,
    region: &'a str,
    cipher: Cipher,
    key: KeyState,
    traits: PlacementTraits,
}

impl<'a> From<&'a model::Placement> for Placement<'a> {
    fn from(p: &'a model::Placement) -> Self {
        Self {
            kind: p.kind.into(),
            region: region(p.region.as_ref()),
            cipher: p.cipher.into(),
            key: p.key.into(),
            traits: p.traits.into(),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Hold<'a> {
    matter: &'a str,
    since: u64,
}

impl<'a> From<&'a model::Hold> for Hold<'a> {
    fn from(h: &'a model::Hold) -> Self {
        Self { matter: &h.matter, since: h.since.as_millis() }
    }
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    value: AttributeValue<'a>,
}

impl<'a> From<&'a model::Attribute> for Attribute<'a> {
    fn from(a: &'a model::Attribute) -> Self {
        let value = match &a.value {
            model::AttributeValue::Flag(b) => AttributeValue::Flag(*b),
            model::AttributeValue::Whole(n) => AttributeValue::Whole(*n),
            model::AttributeValue::Text(t) => AttributeValue::Text(t),
            model::AttributeValue::When(m) => AttributeValue::When(m.as_millis()),
        };
        Self { name: &a.name, value }
    }
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(variant)]
pub(super) enum AttributeValue<'a> {
    #[component(name = "flag")]
    Flag(bool),
    #[component(name = "whole")]
    Whole(i64),
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "when")]
    When(u64),
}
