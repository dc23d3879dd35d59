//! Random events and facts. Half of them start from an event of the pack's own cases, which lead deep into its rules; the
//! rest from nothing.

use caveat_model::{
    AccessRequest, AccountKind, Act, Asker, Attribute, AttributeValue, Basis, CallTraits, CaptureEvent,
    Cipher, Consent, ConsentForm, Direction, Disposal, Element, Event, Factor, FactorKind, Facts, Form, Hold,
    Key, KeyState, Keyed, Label, LabelKind, Moment, Notice, NoticeKind, NumberKind, Party, PartyRole,
    PartyTraits, Pause, PauseCause, Person, PersonTraits, Placement, PlacementTraits, Purpose, Region,
    RegionEvidence, RegionSource, Role, Span, Speech, Stage, Standing, StorageEvent, StoreKind, Word,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{FactType, Manifest};

/// 2026-01-05, and the ten years before and after it in which things happen.
const ABOUT: u64 = 1_767_571_200_000;
const YEARS_MS: u64 = 10 * 365 * 86_400_000;

const PLACES: [&str; 12] = ["TX", "FL", "CA", "WA", "NY", "MA", "NV", "OR", "PR", "@DE", "@CA-ON", "@GB"];
const SAID: [&str; 8] = [
    "hello",
    "this call is recorded",
    "can i have your card number please",
    "four one one one one one one one one one one one one one one one",
    "and the security code is one two three",
    "i have diabetes and take insulin",
    "no i do not want to be recorded",
    "\u{0}\u{fffd} \u{1f600} 4111111111111111",
];

/// Gives events and facts, the same for the same seed.
pub(crate) struct Source<'a> {
    rng: StdRng,
    manifest: &'a Manifest,
    known: Vec<(Event, Facts)>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(seed: u64, manifest: &'a Manifest, known: Vec<(Event, Facts)>) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), manifest, known }
    }

    pub(crate) fn next(&mut self) -> (Event, Facts) {
        let known = if self.rng.random_bool(0.5) { self.known.choose(&mut self.rng).cloned() } else { None };
        if let Some((event, mut facts)) = known {
            for _ in 0..self.rng.random_range(0..3) {
                self.disturb(&mut facts);
            }
            return (event, facts);
        }
        let facts = self.facts();
        let stages: &[Stage] = &self.manifest.pack.stages;
        let event = match stages.choose(&mut self.rng) {
            Some(Stage::Storage) => Event::Storage(self.storage()),
            Some(Stage::Access) => Event::Access(self.access(facts.now)),
            _ => Event::Capture(self.capture(&facts)),
        };
        (event, facts)
    }

    /// Replaces one thing that is known.
    fn disturb(&mut self, facts: &mut Facts) {
        let other = self.facts();
        match self.rng.random_range(0..9) {
            0 => facts.direction = other.direction,
            1 => facts.traits = other.traits,
            2 => facts.recorder_region = other.recorder_region,
            3 => facts.purposes = other.purposes,
            4 => facts.notices = other.notices,
            5 => facts.labels = other.labels,
            6 => facts.placements = other.placements,
            7 => facts.holds = other.holds,
            _ => facts.attributes.extend(other.attributes),
        }
    }

    fn facts(&mut self) -> Facts {
        let began = self.moment();
        let parties: Vec<Party> = (0..self.rng.random_range(0..4)).map(|id| self.party(id)).collect();
        let count = parties.len();
        Facts {
            now: began.plus_millis(self.rng.random_range(0..7_200_000)),
            began,
            direction: self.one(&[
                Direction::Inbound,
                Direction::Outbound,
                Direction::Internal,
                Direction::Unknown,
            ]),
            traits: CallTraits {
                emergency: self.rng.random_bool(0.05),
                emergency_line: self.rng.random_bool(0.05),
                captured: self.flag(),
                can_pause: self.flag(),
                medical_record: self.flag(),
            },
            recorder_region: self.place(),
            purposes: self.some(2, Self::purpose),
            notices: self.some(2, |s| s.notice(count)),
            consents: self.some(2, |s| s.consent(count)),
            labels: self.some(3, Self::label),
            paused: self.flag().then(|| Pause {
                since: self.rng.random_range(0..60_000),
                cause: self.one(&[
                    PauseCause::Asked,
                    PauseCause::CardEntry,
                    PauseCause::Protocol,
                    PauseCause::Verdict,
                ]),
            }),
            placements: self.some(2, Self::placement),
            holds: if self.rng.random_bool(0.1) { vec![self.hold()] } else { vec![] },
            attributes: self.attributes(),
            parties,
        }
    }

    fn capture(&mut self, facts: &Facts) -> CaptureEvent {
        let somebody = facts.parties.choose(&mut self.rng).map(|p| p.id);
        let askers = [Asker::Person, Asker::CardEntry, Asker::Protocol, Asker::Timer];
        match (self.rng.random_range(0..14), somebody) {
            (0, Some(id)) => CaptureEvent::PartyJoined(id),
            (1, Some(id)) => CaptureEvent::PartyLeft(id),
            (2, Some(id)) => CaptureEvent::RegionLearned(id),
            (3, Some(id)) => CaptureEvent::ConsentGiven(id),
            (4, Some(id)) => CaptureEvent::ConsentRefused(id),
            (5, Some(id)) => CaptureEvent::Held(id),
            (6, Some(id)) => CaptureEvent::Unheld(id),
            (7, _) => CaptureEvent::NoticePlayed,
            (8, _) => CaptureEvent::Words(Speech {
                heard: self.some(3, Self::word),
                before: self.some(6, Self::word),
            }),
            (9, _) => CaptureEvent::Keys(Keyed {
                pressed: self.key(),
                before: self.some(19, Self::key),
                words: self.some(4, Self::word),
            }),
            (10, _) => CaptureEvent::PauseAsked(self.one(&askers)),
            (11, _) => CaptureEvent::ResumeAsked(self.one(&askers)),
            (12, _) => CaptureEvent::Ended,
            _ => CaptureEvent::Offered,
        }
    }

    fn storage(&mut self) -> StorageEvent {
        let what = self.one(&[
            Element::Recording,
            Element::Audio,
            Element::Transcript,
            Element::Segment,
            Element::Template,
            Element::Backup,
            Element::AuditLog,
        ]);
        let basis = self.one(&[
            Basis::Schedule,
            Basis::PersonAsks,
            Basis::ErasureRequest,
            Basis::ContractEnd,
            Basis::Rules,
        ]);
        match self.rng.random_range(0..8) {
            0 => StorageEvent::Seal(self.placement()),
            1 => StorageEvent::Place(self.placement()),
            2 => StorageEvent::Move(self.placement()),
            3 => StorageEvent::Review(what),
            4 | 5 => StorageEvent::Dispose(Disposal { what, basis }),
            6 => StorageEvent::HoldSet(self.hold()),
            _ => StorageEvent::BreachFound,
        }
    }

    fn access(&mut self, now: Moment) -> AccessRequest {
        const ACTS: [Act; 9] = [
            Act::SignIn,
            Act::Search,
            Act::Play,
            Act::Export,
            Act::Share,
            Act::Redact,
            Act::Disclose,
            Act::Delete,
            Act::Amend,
        ];
        const ROLES: [Role; 8] = [
            Role::Agent,
            Role::Supervisor,
            Role::Trainer,
            Role::Compliance,
            Role::Auditor,
            Role::Integrator,
            Role::Admin,
            Role::Outsider,
        ];
        let person = Person {
            role: self.one(&ROLES),
            function: self.one(&["", "billing", "nurse", "clinician", "disputes"]).to_owned(),
            factors: self.some(2, |s| Factor {
                kind: s.one(&[
                    FactorKind::Password,
                    FactorKind::Totp,
                    FactorKind::Passkey,
                    FactorKind::Federated,
                ]),
                at: now,
            }),
            idle_s: self.one(&[0, 0, 60, 1_000]),
            unused_days: self.one(&[0, 0, 30, 100]),
            account: self.one(&[AccountKind::Individual, AccountKind::Individual, AccountKind::Service]),
            standing: self.one(&[
                Standing::Active,
                Standing::Active,
                Standing::Inactive,
                Standing::Suspended,
            ]),
            traits: PersonTraits {
                remote: self.flag(),
                treating: self.flag(),
                own_recording: self.flag(),
                verified: self.flag(),
                full_need: self.flag(),
                break_glass: self.flag(),
            },
        };
        let form = self.one(&[Form::Original, Form::Redacted, Form::Transcript, Form::FactsOnly]);
        let span = self.flag().then(|| self.span());
        AccessRequest { act: self.one(&ACTS), purpose: self.purpose(), form, span, person }
    }

    fn party(&mut self, id: u8) -> Party {
        Party {
            id,
            role: match id {
                0 => PartyRole::Agent,
                1 => PartyRole::Customer,
                _ => self.one(&[
                    PartyRole::Supervisor,
                    PartyRole::OtherParty,
                    PartyRole::Vendor,
                    PartyRole::Unknown,
                ]),
            },
            leg: Some(id),
            number: self.one(&[
                NumberKind::Geographic,
                NumberKind::TollFree,
                NumberKind::Withheld,
                NumberKind::Missing,
            ]),
            regions: self.some(2, Self::evidence).into_iter().flatten().collect(),
            language: self.one(&["", "en", "es-MX"]).to_owned(),
            joined: 0,
            left: None,
            traits: PartyTraits {
                present: self.rng.random_bool(0.9),
                silent: self.rng.random_bool(0.1),
                on_hold: self.rng.random_bool(0.1),
                minor: self.rng.random_bool(0.1),
                remote_worker: self.flag(),
            },
        }
    }

    fn evidence(&mut self) -> Option<RegionEvidence> {
        let source = self.one(&[RegionSource::Stated, RegionSource::OnFile, RegionSource::Number]);
        Some(RegionEvidence { region: self.place()?, source, learned: 0 })
    }

    fn notice(&mut self, parties: usize) -> Notice {
        Notice {
            kind: self.one(&[NoticeKind::Spoken, NoticeKind::Beep, NoticeKind::Written]),
            at: self.rng.random_range(0..60_000),
            recorded: self.flag(),
            late: self.rng.random_bool(0.2),
            heard_by: (0..parties as u8).filter(|_| self.rng.random_bool(0.7)).collect(),
            language: String::new(),
            every_s: self.one(&[0, 14, 15, 60]),
        }
    }

    fn consent(&mut self, parties: usize) -> Consent {
        Consent {
            party: self.rng.random_range(0..parties.max(1)) as u8,
            form: self.one(&[ConsentForm::Express, ConsentForm::Written]),
            at: self.rng.random_range(0..60_000),
            given: self.rng.random_bool(0.7),
            recorded: self.flag(),
        }
    }

    fn placement(&mut self) -> Placement {
        Placement {
            kind: self.one(&[
                StoreKind::Primary,
                StoreKind::Buffer,
                StoreKind::Replica,
                StoreKind::Backup,
                StoreKind::Exported,
            ]),
            region: self.place(),
            cipher: self.one(&[
                Cipher::None,
                Cipher::DiskOnly,
                Cipher::Chacha20Poly1305,
                Cipher::Aes256Gcm,
                Cipher::OtherStrong,
                Cipher::Weak,
            ]),
            key: self.one(&[
                KeyState::None,
                KeyState::Active,
                KeyState::Expired,
                KeyState::Retired,
                KeyState::Compromised,
                KeyState::Destroyed,
            ]),
            traits: PlacementTraits {
                associate_agreement: self.flag(),
                third_party: self.flag(),
                pci_attested: self.flag(),
                immutable: self.flag(),
                audit_trail: self.flag(),
                keys_apart: self.flag(),
                validated_module: self.flag(),
            },
        }
    }

    fn attributes(&mut self) -> Vec<Attribute> {
        let needs = &self.manifest.facts;
        let mut all = Vec::new();
        for _ in 0..if needs.is_empty() { 0 } else { self.rng.random_range(0..5) } {
            let Some(need) = needs.choose(&mut self.rng) else { break };
            let value = match need.kind {
                FactType::Flag => AttributeValue::Flag(self.flag()),
                FactType::Whole => AttributeValue::Whole(self.one(&[0, 1, 7, 500, -1, i64::MAX, i64::MIN])),
                FactType::Text => {
                    AttributeValue::Text(self.one(&["", "hospital", "TX", "yes", "other"]).to_owned())
                }
                FactType::When => AttributeValue::When(self.moment()),
            };
            all.push(Attribute { name: need.name.clone(), value });
        }
        all
    }

    fn purpose(&mut self) -> Purpose {
        self.one(&[
            Purpose::Training,
            Purpose::Quality,
            Purpose::Dispute,
            Purpose::Evidence,
            Purpose::Regulatory,
            Purpose::Treatment,
            Purpose::Payment,
            Purpose::Operations,
            Purpose::OwnRequest,
            Purpose::LawEnforcement,
            Purpose::Emergency,
            Purpose::Marketing,
            Purpose::VendorUse,
            Purpose::Unstated,
        ])
    }

    fn label(&mut self) -> Label {
        let kind = self.one(&[
            LabelKind::CardNumber,
            LabelKind::CardCode,
            LabelKind::CardPin,
            LabelKind::Ssn,
            LabelKind::Health,
            LabelKind::Privileged,
        ]);
        Label { kind, span: self.span(), confidence: self.rng.random_range(0..=100) }
    }

    fn word(&mut self) -> Word {
        let span = self.span();
        Word {
            leg: span.leg.unwrap_or(0),
            start: span.start,
            end: span.end,
            text: self.one(&SAID).to_owned(),
        }
    }

    fn key(&mut self) -> Key {
        let span = self.span();
        let symbol = self.one(&['0', '1', '4', '9', '*', '#', 'A']);
        Key { leg: span.leg.unwrap_or(0), start: span.start, end: span.end, symbol }
    }

    fn span(&mut self) -> Span {
        let start = self.rng.random_range(0..3_600_000);
        Span { leg: self.one(&[None, Some(0), Some(1)]), start, end: start + self.rng.random_range(0..5_000) }
    }

    fn hold(&mut self) -> Hold {
        Hold { matter: "matter-1".to_owned(), since: self.moment() }
    }

    fn moment(&mut self) -> Moment {
        Moment::from_millis(self.rng.random_range(ABOUT - YEARS_MS..ABOUT + YEARS_MS))
    }

    fn place(&mut self) -> Option<Region> {
        if self.rng.random_bool(0.2) { None } else { self.one(&PLACES).parse().ok() }
    }

    fn flag(&mut self) -> bool {
        self.rng.random_bool(0.5)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())].clone()
    }

    fn some<T>(&mut self, at_most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.rng.random_range(0..=at_most)).map(|_| make(self)).collect()
    }
}
