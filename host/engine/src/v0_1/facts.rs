//! `wit/facts.wit`, as the host hands it in: views that borrow from the model.

use caveat_model as model;
use wasmtime::component::{ComponentType, Lift, Lower, flags};

use super::{
    block::{Block, Write, record, variant},
    list::List,
};

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
        impl From<&model::$name> for $name {
            fn from(value: &model::$name) -> Self {
                (*value).into()
            }
        }
        impl From<$name> for model::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$case => Self::$case),+ }
            }
        }
        impl Write for $name {
            fn write(&self, block: &mut Block, at: usize) {
                (*self as u8).write(block, at);
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
        /// Up to eight flags are one byte.
        impl Write for $name {
            fn write(&self, block: &mut Block, at: usize) {
                let [flags] = self.as_array();
                (flags as u8).write(block, at);
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

record! {
    /// The whole of what a pack is told with an event.
    pub(super) struct Facts<'a> {
        now: u64,
        began: u64,
        direction: Direction,
        traits: CallTraits,
        #[component(name = "recorder-region")]
        recorder_region: &'a str,
        purposes: List<'a, model::Purpose, Purpose>,
        parties: List<'a, model::Party, Party<'a>>,
        notices: List<'a, model::Notice, Notice<'a>>,
        consents: List<'a, model::Consent, Consent>,
        labels: List<'a, model::Label, Label>,
        paused: Option<Pause>,
        placements: List<'a, model::Placement, Placement<'a>>,
        holds: List<'a, model::Hold, Hold<'a>>,
        attributes: List<'a, &'a model::Attribute, Attribute<'a>>,
    }
}

impl<'a> Facts<'a> {
    /// Everything, with these attributes.
    pub(super) fn new(f: &'a model::Facts, attributes: &'a [&'a model::Attribute]) -> Self {
        Self {
            now: f.now.as_millis(),
            began: f.began.as_millis(),
            direction: f.direction.into(),
            traits: f.traits.into(),
            recorder_region: region(f.recorder_region.as_ref()),
            purposes: List::of(&f.purposes),
            parties: List::of(&f.parties),
            notices: List::of(&f.notices),
            consents: List::of(&f.consents),
            labels: List::of(&f.labels),
            paused: f.paused.map(|p| Pause { since: p.since, cause: p.cause.into() }),
            placements: List::of(&f.placements),
            holds: List::of(&f.holds),
            attributes: List::of(attributes),
        }
    }
}

/// The contract's word for an unknown place is the empty string.
fn region(region: Option<&model::Region>) -> &str {
    region.map_or("", model::Region::as_str)
}

record! {
    pub(super) struct Party<'a> {
        id: u8,
        role: PartyRole,
        leg: Option<u8>,
        number: NumberKind,
        regions: List<'a, model::RegionEvidence, RegionEvidence<'a>>,
        language: &'a str,
        joined: u32,
        left: Option<u32>,
        traits: PartyTraits,
    }
}

impl<'a> From<&'a model::Party> for Party<'a> {
    fn from(p: &'a model::Party) -> Self {
        Self {
            id: p.id,
            role: p.role.into(),
            leg: p.leg,
            number: p.number.into(),
            regions: List::of(&p.regions),
            language: &p.language,
            joined: p.joined,
            left: p.left,
            traits: p.traits.into(),
        }
    }
}

record! {
    pub(super) struct RegionEvidence<'a> {
        region: &'a str,
        source: RegionSource,
        learned: u32,
    }
}

impl<'a> From<&'a model::RegionEvidence> for RegionEvidence<'a> {
    fn from(e: &'a model::RegionEvidence) -> Self {
        Self { region: e.region.as_str(), source: e.source.into(), learned: e.learned }
    }
}

record! {
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

record! {
    pub(super) struct Consent {
        party: u8,
        form: ConsentForm,
        at: u32,
        given: bool,
        recorded: bool,
    }
}

impl From<&model::Consent> for Consent {
    fn from(c: &model::Consent) -> Self {
        Self { party: c.party, form: c.form.into(), at: c.at, given: c.given, recorded: c.recorded }
    }
}

record! {
    #[derive(Clone, Copy, Lift)]
    pub(super) struct Span {
        pub(super) leg: Option<u8>,
        pub(super) start: u32,
        pub(super) end: u32,
    }
}

impl From<model::Span> for Span {
    fn from(model::Span { leg, start, end }: model::Span) -> Self {
        Self { leg, start, end }
    }
}

record! {
    #[derive(Clone, Copy, Lift)]
    pub(super) struct Label {
        pub(super) kind: LabelKind,
        #[component(name = "where")]
        pub(super) span: Span,
        pub(super) confidence: u8,
    }
}

impl From<&model::Label> for Label {
    fn from(l: &model::Label) -> Self {
        Self { kind: l.kind.into(), span: l.span.into(), confidence: l.confidence }
    }
}

record! {
    pub(super) struct Pause {
        since: u32,
        cause: PauseCause,
    }
}

record! {
    pub(super) struct Placement<'a> {
        kind: StoreKind,
        region: &'a str,
        cipher: Cipher,
        key: KeyState,
        traits: PlacementTraits,
    }
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

record! {
    pub(super) struct Hold<'a> {
        matter: &'a str,
        since: u64,
    }
}

impl<'a> From<&'a model::Hold> for Hold<'a> {
    fn from(h: &'a model::Hold) -> Self {
        Self { matter: &h.matter, since: h.since.as_millis() }
    }
}

record! {
    #[derive(Clone, Copy)]
    pub(super) struct Attribute<'a> {
        name: &'a str,
        value: AttributeValue<'a>,
    }
}

impl<'a> From<&'a &'a model::Attribute> for Attribute<'a> {
    fn from(a: &'a &'a model::Attribute) -> Self {
        let value = match &a.value {
            model::AttributeValue::Flag(b) => AttributeValue::Flag(*b),
            model::AttributeValue::Whole(n) => AttributeValue::Whole(*n),
            model::AttributeValue::Text(t) => AttributeValue::Text(t),
            model::AttributeValue::When(m) => AttributeValue::When(m.as_millis()),
        };
        Self { name: &a.name, value }
    }
}

variant! {
    #[derive(Clone, Copy)]
    pub(super) enum AttributeValue<'a> {
        #[component(name = "flag")]
        Flag(it: bool),
        #[component(name = "whole")]
        Whole(it: i64),
        #[component(name = "text")]
        Text(it: &'a str),
        #[component(name = "when")]
        When(it: u64),
    }
}
