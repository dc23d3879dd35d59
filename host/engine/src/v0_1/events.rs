//! The events of `wit/{capture,storage,access}.wit`, as the host hands them in.

use caveat_model as model;
use wasmtime::component::{ComponentType, Lift, Lower, flags};

use super::{
    block::{Block, Write, record, variant},
    facts::{Hold, Placement, Purpose, Span, mirror, mirror_flags},
    list::List,
};

mirror! {
    Asker { Person = "person", CardEntry = "card-entry", Protocol = "protocol", Timer = "timer" }
    Element {
        Recording = "recording", Audio = "audio", Transcript = "transcript", Segment = "segment",
        Template = "template", Backup = "backup", AuditLog = "audit-log",
    }
    Basis {
        Schedule = "schedule", PersonAsks = "person-asks", ErasureRequest = "erasure-request",
        ContractEnd = "contract-end", Rules = "rules",
    }
    Role {
        Agent = "agent", Supervisor = "supervisor", Trainer = "trainer", Compliance = "compliance",
        Auditor = "auditor", Integrator = "integrator", Admin = "admin", Outsider = "outsider",
    }
    FactorKind { Password = "password", Totp = "totp", Passkey = "passkey", Federated = "federated" }
    AccountKind { Individual = "individual", Shared = "shared", Service = "service" }
    Standing { Active = "active", Inactive = "inactive", Suspended = "suspended", Terminated = "terminated" }
    Act {
        SignIn = "sign-in", Search = "search", Play = "play", Export = "export", Share = "share",
        Redact = "redact", Disclose = "disclose", Delete = "delete", Amend = "amend",
    }
    Form { Original = "original", Redacted = "redacted", Transcript = "transcript", FactsOnly = "facts-only" }
}

mirror_flags!(PersonTraits {
    remote REMOTE = "remote",
    treating TREATING = "treating",
    own_recording OWN_RECORDING = "own-recording",
    verified VERIFIED = "verified",
    full_need FULL_NEED = "full-need",
    break_glass BREAK_GLASS = "break-glass",
});

variant! {
    /// `capture.event`.
    pub(super) enum Capture<'a> {
        #[component(name = "offered")]
        Offered,
        #[component(name = "party-joined")]
        PartyJoined(it: u8),
        #[component(name = "party-left")]
        PartyLeft(it: u8),
        #[component(name = "region-learned")]
        RegionLearned(it: u8),
        #[component(name = "notice-played")]
        NoticePlayed,
        #[component(name = "consent-given")]
        ConsentGiven(it: u8),
        #[component(name = "consent-refused")]
        ConsentRefused(it: u8),
        #[component(name = "words")]
        Words(it: Speech<'a>),
        #[component(name = "keys")]
        Keys(it: Keyed<'a>),
        #[component(name = "pause-asked")]
        PauseAsked(it: Asker),
        #[component(name = "resume-asked")]
        ResumeAsked(it: Asker),
        #[component(name = "held")]
        Held(it: u8),
        #[component(name = "unheld")]
        Unheld(it: u8),
        #[component(name = "ended")]
        Ended,
    }
}

impl<'a> From<&'a model::CaptureEvent> for Capture<'a> {
    fn from(event: &'a model::CaptureEvent) -> Self {
        use model::CaptureEvent as E;
        match event {
            E::Offered => Self::Offered,
            E::PartyJoined(id) => Self::PartyJoined(*id),
            E::PartyLeft(id) => Self::PartyLeft(*id),
            E::RegionLearned(id) => Self::RegionLearned(*id),
            E::NoticePlayed => Self::NoticePlayed,
            E::ConsentGiven(id) => Self::ConsentGiven(*id),
            E::ConsentRefused(id) => Self::ConsentRefused(*id),
            E::Words(speech) => {
                Self::Words(Speech { heard: List::of(&speech.heard), before: List::of(&speech.before) })
            }
            E::Keys(keyed) => Self::Keys(Keyed {
                pressed: (&keyed.pressed).into(),
                before: List::of(&keyed.before),
                words: List::of(&keyed.words),
            }),
            E::PauseAsked(asker) => Self::PauseAsked((*asker).into()),
            E::ResumeAsked(asker) => Self::ResumeAsked((*asker).into()),
            E::Held(id) => Self::Held(*id),
            E::Unheld(id) => Self::Unheld(*id),
            E::Ended => Self::Ended,
        }
    }
}

record! {
    pub(super) struct Word<'a> {
        leg: u8,
        start: u32,
        end: u32,
        text: &'a str,
    }
}

impl<'a> From<&'a model::Word> for Word<'a> {
    fn from(w: &'a model::Word) -> Self {
        Self { leg: w.leg, start: w.start, end: w.end, text: &w.text }
    }
}

record! {
    pub(super) struct Speech<'a> {
        heard: List<'a, model::Word, Word<'a>>,
        before: List<'a, model::Word, Word<'a>>,
    }
}

record! {
    pub(super) struct Key {
        leg: u8,
        start: u32,
        end: u32,
        symbol: char,
    }
}

impl From<&model::Key> for Key {
    fn from(k: &model::Key) -> Self {
        Self { leg: k.leg, start: k.start, end: k.end, symbol: k.symbol }
    }
}

record! {
    pub(super) struct Keyed<'a> {
        pressed: Key,
        before: List<'a, model::Key, Key>,
        words: List<'a, model::Word, Word<'a>>,
    }
}

variant! {
    /// `storage.event`.
    pub(super) enum Storage<'a> {
        #[component(name = "seal")]
        Seal(it: Placement<'a>),
        #[component(name = "place")]
        Place(it: Placement<'a>),
        #[component(name = "move")]
        Move(it: Placement<'a>),
        #[component(name = "review")]
        Review(it: Element),
        #[component(name = "dispose")]
        Dispose(it: Disposal),
        #[component(name = "hold-set")]
        HoldSet(it: Hold<'a>),
        #[component(name = "hold-lifted")]
        HoldLifted(it: Hold<'a>),
        #[component(name = "breach-found")]
        BreachFound,
    }
}

impl<'a> From<&'a model::StorageEvent> for Storage<'a> {
    fn from(event: &'a model::StorageEvent) -> Self {
        use model::StorageEvent as E;
        match event {
            E::Seal(placement) => Self::Seal(placement.into()),
            E::Place(placement) => Self::Place(placement.into()),
            E::Move(placement) => Self::Move(placement.into()),
            E::Review(element) => Self::Review((*element).into()),
            E::Dispose(model::Disposal { what, basis }) => {
                Self::Dispose(Disposal { what: (*what).into(), basis: (*basis).into() })
            }
            E::HoldSet(hold) => Self::HoldSet(hold.into()),
            E::HoldLifted(hold) => Self::HoldLifted(hold.into()),
            E::BreachFound => Self::BreachFound,
        }
    }
}

record! {
    pub(super) struct Disposal {
        what: Element,
        basis: Basis,
    }
}

record! {
    /// `access.request`.
    pub(super) struct Request<'a> {
        act: Act,
        purpose: Purpose,
        form: Form,
        #[component(name = "where")]
        span: Option<Span>,
        person: Person<'a>,
    }
}

impl<'a> From<&'a model::AccessRequest> for Request<'a> {
    fn from(r: &'a model::AccessRequest) -> Self {
        Self {
            act: r.act.into(),
            purpose: r.purpose.into(),
            form: r.form.into(),
            span: r.span.map(Into::into),
            person: (&r.person).into(),
        }
    }
}

record! {
    pub(super) struct Person<'a> {
        role: Role,
        function: &'a str,
        factors: List<'a, model::Factor, Factor>,
        #[component(name = "idle-s")]
        idle_s: u32,
        #[component(name = "unused-days")]
        unused_days: u16,
        account: AccountKind,
        standing: Standing,
        traits: PersonTraits,
    }
}

impl<'a> From<&'a model::Person> for Person<'a> {
    fn from(p: &'a model::Person) -> Self {
        Self {
            role: p.role.into(),
            function: &p.function,
            factors: List::of(&p.factors),
            idle_s: p.idle_s,
            unused_days: p.unused_days,
            account: p.account.into(),
            standing: p.standing.into(),
            traits: p.traits.into(),
        }
    }
}

record! {
    pub(super) struct Factor {
        kind: FactorKind,
        at: u64,
    }
}

impl From<&model::Factor> for Factor {
    fn from(f: &model::Factor) -> Self {
        Self { kind: f.kind.into(), at: f.at.as_millis() }
    }
}
