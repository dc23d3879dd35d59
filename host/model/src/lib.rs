//! The words of the house: facts, events, rulings, verdicts and their merge, the clock.
//!
//! Never does IO, never waits, never reads the time by itself. Mirrors `wit/` in plain Rust, so that every other crate
//! can speak of rules without naming WebAssembly. Start at [`Event`], then [`Ruling`], then [`Verdict`].

mod event;
mod facts;
mod ids;
pub mod numbering;
mod party;
mod ruling;
mod span;
mod terms;
mod time;
mod verdict;

pub use event::{
    AccessRequest, AccountKind, Act, Asker, Basis, CaptureEvent, Disposal, Element, Event, Factor,
    FactorKind, Form, Key, Keyed, Person, PersonTraits, Role, Speech, Stage, Standing, StorageEvent, Word,
};
pub use facts::{
    Attribute, AttributeValue, CallTraits, Cipher, Consent, ConsentForm, Direction, Facts, Hold, KeyState,
    Label, LabelKind, Notice, NoticeKind, Pause, PauseCause, Placement, PlacementTraits, Purpose, StoreKind,
};
pub use ids::{ClientId, Digest, IdError, PackRef, PersonId, RecordingId};
pub use party::{NumberKind, Party, PartyId, PartyRole, PartyTraits, Region, RegionEvidence, RegionSource};
pub use ruling::{Duty, Obligation, Outcome, Reason, Remedy, Ruling, Score, Task};
pub use span::{Offset, Span, SpanSet};
pub use terms::Terms;
pub use time::{Clock, ManualClock, Moment, MomentError, SystemClock};
pub use verdict::{Conflict, ConflictKind, Decision, Mode, PackRuling, Verdict};
