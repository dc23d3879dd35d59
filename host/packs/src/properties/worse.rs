//! Facts made worse, in ways that hold for any body of law: whoever was careful enough to ask before is asked for no less
//! after. Each way has its reason beside it; a pack for which one does not hold says so in its manifest
//! (`[[not-monotone]]`), with the reason.

use std::fmt;

use caveat_model::{
    AccountKind, CaptureEvent, Cipher, Consent, ConsentForm, Event, Facts, Hold, KeyState, Label, LabelKind,
    NumberKind, Outcome, PartyRole, Placement, Span, Stage, Standing, StorageEvent,
};

/// A way in which facts get worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Worse {
    /// A consent was not given.
    ConsentRemoved,
    /// Somebody refuses.
    ConsentRefused,
    /// A notice was not given.
    NoticeRemoved,
    /// Nobody knows where a party is.
    RegionUnknown,
    /// What was encrypted, under a key in good standing, is not.
    EncryptionRemoved,
    /// The key is in other hands.
    KeyCompromised,
    /// A holder's agreement and attestation are missing.
    AgreementRemoved,
    /// A factor was not shown.
    FactorDropped,
    /// The session was left alone for an hour longer.
    SessionIdle,
    /// Several people use the account.
    AccountShared,
    /// The person left.
    PersonLeft,
    /// A duty to preserve is in force when something is to be destroyed.
    HoldAdded,
    /// A card verification code was found.
    CardCodeAdded,
}

/// An hour, in seconds: longer than any session may idle under the rules we know.
const IDLE_S: u32 = 3_600;

impl Worse {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ConsentRemoved,
        Self::ConsentRefused,
        Self::NoticeRemoved,
        Self::RegionUnknown,
        Self::EncryptionRemoved,
        Self::KeyCompromised,
        Self::AgreementRemoved,
        Self::FactorDropped,
        Self::SessionIdle,
        Self::AccountShared,
        Self::PersonLeft,
        Self::HoldAdded,
        Self::CardCodeAdded,
    ];

    /// As manifests and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConsentRemoved => "consent-removed",
            Self::ConsentRefused => "consent-refused",
            Self::NoticeRemoved => "notice-removed",
            Self::RegionUnknown => "region-unknown",
            Self::EncryptionRemoved => "encryption-removed",
            Self::KeyCompromised => "key-compromised",
            Self::AgreementRemoved => "agreement-removed",
            Self::FactorDropped => "factor-dropped",
            Self::SessionIdle => "session-idle",
            Self::AccountShared => "account-shared",
            Self::PersonLeft => "person-left",
            Self::HoldAdded => "hold-added",
            Self::CardCodeAdded => "card-code-added",
        }
    }

    /// Why no rule may get laxer by it.
    pub fn why(self) -> &'static str {
        match self {
            Self::ConsentRemoved => "consent permits; without it there is nothing more to permit",
            Self::ConsentRefused => "a refusal, later than every consent, takes permission away",
            Self::NoticeRemoved => "a notice given in time informs; without it somebody knows less",
            Self::RegionUnknown => "who may be anywhere may be in the strictest place",
            Self::EncryptionRemoved => "plain data is exposed to whoever holds it",
            Self::KeyCompromised => "data under a key in other hands is as good as plain",
            Self::AgreementRemoved => "a holder that has promised nothing is trusted with no more",
            Self::FactorDropped => "less proof of who asks",
            Self::SessionIdle => "the longer nobody was there, the less it is known who is",
            Self::AccountShared => "nobody can be told apart",
            Self::PersonLeft => "who left has no business here",
            Self::HoldAdded => "what must be preserved may not be destroyed",
            Self::CardCodeAdded => "a recording with a card code is more sensitive than the same without",
        }
    }

    /// Whether the ruling on worse facts lets through what the one before did not: outcomes are compared in their order of
    /// strictness (allow, restrain, refuse). One thing is no laxer: a step-up where proof of who asks was taken away. It
    /// gives nothing, and asks first for that very proof; with it the ruling is the one from before.
    pub(crate) fn is_laxer(self, stage: Stage, before: Outcome, after: Outcome) -> bool {
        let asks_for_proof = self.takes_proof() && stage == Stage::Access && after == Outcome::Restrain;
        after < before && !asks_for_proof
    }

    /// Whether it takes away what a step-up asks for.
    fn takes_proof(self) -> bool {
        matches!(self, Self::FactorDropped | Self::SessionIdle)
    }

    /// The same event with worse facts; none where there is nothing to make worse, or where the event itself says
    /// otherwise (a consent that is being given cannot be missing).
    pub(crate) fn of(self, event: &Event, facts: &Facts) -> Option<(Event, Facts)> {
        let (mut event, mut facts) = (event.clone(), facts.clone());
        let changed = match self {
            Self::ConsentRemoved => {
                let given = facts.consents.iter().rposition(|c| c.given);
                !matches!(event, Event::Capture(CaptureEvent::ConsentGiven(_)))
                    && given.map(|n| facts.consents.remove(n)).is_some()
            }
            Self::ConsentRefused => refuse(&event, &mut facts),
            Self::NoticeRemoved => {
                // A late notice also tells that audio from before it was kept: without it less would be known.
                let in_time = facts.notices.iter().rposition(|n| !n.late);
                !matches!(event, Event::Capture(CaptureEvent::NoticePlayed))
                    && in_time.map(|n| facts.notices.remove(n)).is_some()
            }
            Self::RegionUnknown => forget_place(&event, &mut facts),
            // With a key that may not be used any more, that evil would go as well.
            Self::EncryptionRemoved => on_placements(&mut event, &mut facts, |p| {
                let was_encrypted = p.cipher != Cipher::None && p.key == KeyState::Active;
                if was_encrypted {
                    (p.cipher, p.key) = (Cipher::None, KeyState::None);
                }
                was_encrypted
            }),
            Self::KeyCompromised => on_placements(&mut event, &mut facts, |p| {
                let in_use = matches!(p.key, KeyState::Active | KeyState::Expired | KeyState::Retired);
                if in_use {
                    p.key = KeyState::Compromised;
                }
                in_use
            }),
            Self::AgreementRemoved => on_placements(&mut event, &mut facts, |p| {
                let had = p.traits.associate_agreement || p.traits.pci_attested;
                (p.traits.associate_agreement, p.traits.pci_attested) = (false, false);
                had
            }),
            Self::FactorDropped => match &mut event {
                Event::Access(request) => request.person.factors.pop().is_some(),
                _ => false,
            },
            Self::SessionIdle => match &mut event {
                Event::Access(request) => {
                    request.person.idle_s = request.person.idle_s.saturating_add(IDLE_S);
                    true
                }
                _ => false,
            },
            Self::AccountShared => match &mut event {
                Event::Access(r) if r.person.account == AccountKind::Individual => {
                    r.person.account = AccountKind::Shared;
                    true
                }
                _ => false,
            },
            Self::PersonLeft => match &mut event {
                Event::Access(r) if r.person.standing == Standing::Active => {
                    r.person.standing = Standing::Terminated;
                    true
                }
                _ => false,
            },
            Self::HoldAdded => {
                let destroys = matches!(event, Event::Storage(StorageEvent::Dispose(_)));
                if destroys {
                    facts.holds.push(Hold { matter: "added".to_owned(), since: facts.now });
                }
                destroys
            }
            Self::CardCodeAdded => {
                let span = Span { leg: Some(1), start: 1_000, end: 2_000 };
                facts.labels.push(Label { kind: LabelKind::CardCode, span, confidence: 95 });
                true
            }
        };
        changed.then_some((event, facts))
    }
}

/// A party that is on the call and not the client's own says no.
fn refuse(event: &Event, facts: &mut Facts) -> bool {
    if matches!(event, Event::Capture(CaptureEvent::ConsentGiven(_))) {
        return false;
    }
    let theirs = facts.parties.iter().find(|p| p.traits.present && p.role == PartyRole::Customer);
    let Some(party) = theirs.map(|p| p.id) else { return false };
    let last = facts.consents.iter().map(|c| c.at).max().unwrap_or(0);
    let at = last.saturating_add(1).max(facts.elapsed());
    facts.consents.push(Consent { party, form: ConsentForm::Express, at, given: false, recorded: true });
    true
}

/// A party abroad is left alone: a place outside the law that a pack knows may well be stricter than any within it. So is
/// everybody on a published emergency line: what the law exempts there is the line, wherever its callers are.
fn forget_place(event: &Event, facts: &mut Facts) -> bool {
    if matches!(event, Event::Capture(CaptureEvent::RegionLearned(_))) || facts.traits.emergency_line {
        return false;
    }
    let known = |p: &&mut caveat_model::Party| {
        !p.regions.is_empty()
            && p.role == PartyRole::Customer
            && p.regions.iter().all(|r| !r.region.as_str().starts_with('@'))
    };
    let Some(party) = facts.parties.iter_mut().find(known) else { return false };
    party.regions.clear();
    party.number = NumberKind::Missing;
    true
}

/// Changes every placement that is spoken of; whether any changed.
fn on_placements(
    event: &mut Event,
    facts: &mut Facts,
    mut change: impl FnMut(&mut Placement) -> bool,
) -> bool {
    let mut changed = false;
    if let Event::Storage(StorageEvent::Seal(p) | StorageEvent::Place(p) | StorageEvent::Move(p)) = event {
        changed |= change(p);
    }
    for placement in &mut facts.placements {
        changed |= change(placement);
    }
    changed
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
