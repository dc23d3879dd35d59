//! Calls in a few words.

use caveat_sdk::{
    CaptureRules, Facts, Pack,
    capture::{Duty, Event, Ruling},
    facts::*,
};
use pack_state_consent::StateConsent;

/// A pack with these settings, in JSON.
pub(crate) fn pack(settings: &str) -> StateConsent {
    StateConsent::new(serde_json::from_str(settings).unwrap()).unwrap()
}

/// What the pack says to an offer with its default settings.
pub(crate) fn rule(facts: &Facts) -> Ruling {
    pack("{}").capture(&Event::Offered, facts)
}

/// The parties of a call, numbered as they come.
pub(crate) fn call(parties: &[Party]) -> Facts {
    let mut facts = Facts::empty();
    facts.parties = parties.to_vec();
    for (n, party) in facts.parties.iter_mut().enumerate() {
        party.id = n as PartyId;
    }
    facts
}

/// Somebody present whose place is on file.
pub(crate) fn at(role: Role, region: &str) -> Party {
    let regions = vec![evidence(region, RegionSource::OnFile)];
    Party { regions, ..nowhere(role, NumberKind::Missing) }
}

/// Somebody present of whom only an area code is known.
pub(crate) fn by_number(role: Role, region: &str) -> Party {
    let regions = vec![evidence(region, RegionSource::Number)];
    Party { regions, ..nowhere(role, NumberKind::Geographic) }
}

/// Somebody present without a place.
pub(crate) fn nowhere(role: Role, number: NumberKind) -> Party {
    Party {
        id: 0,
        role,
        leg: None,
        number,
        regions: vec![],
        language: String::new(),
        joined: 0,
        left: None,
        traits: PartyTraits::PRESENT,
    }
}

pub(crate) fn evidence(region: &str, source: RegionSource) -> RegionEvidence {
    RegionEvidence { region: region.into(), source, learned: 0 }
}

/// A spoken notice in good time.
pub(crate) fn notice(recorded: bool, heard_by: &[PartyId]) -> Notice {
    Notice {
        kind: NoticeKind::Spoken,
        at: 4_000,
        recorded,
        late: false,
        heard_by: heard_by.to_vec(),
        language: String::new(),
        every_s: 0,
    }
}

pub(crate) fn late_notice(at: Offset, heard_by: &[PartyId]) -> Notice {
    Notice { at, late: true, ..notice(true, heard_by) }
}

pub(crate) fn beep(every_s: u16, heard_by: &[PartyId]) -> Notice {
    Notice { kind: NoticeKind::Beep, every_s, ..notice(true, heard_by) }
}

pub(crate) fn yes(party: PartyId) -> Consent {
    Consent { party, form: ConsentForm::Express, at: 8_000, given: true, recorded: true }
}

pub(crate) fn no(party: PartyId) -> Consent {
    Consent { given: false, ..yes(party) }
}

pub(crate) fn written(party: PartyId) -> Consent {
    Consent { form: ConsentForm::Written, at: 0, recorded: false, ..yes(party) }
}

pub(crate) fn flag(name: &str) -> Attribute {
    Attribute { name: name.into(), value: AttributeValue::Flag(true) }
}

pub(crate) fn text(name: &str, value: &str) -> Attribute {
    Attribute { name: name.into(), value: AttributeValue::Text(value.into()) }
}

pub(crate) fn rules(ruling: &Ruling) -> Vec<&str> {
    let mut ids: Vec<&str> = ruling.reasons.iter().map(|r| r.rule.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub(crate) fn remedies(ruling: &Ruling) -> Vec<&str> {
    ruling.remedies.iter().map(|r| r.action.as_str()).collect()
}

pub(crate) fn duties(ruling: &Ruling) -> Vec<&Duty> {
    ruling.obligations.iter().map(|o| &o.duty).collect()
}

pub(crate) fn cites(ruling: &Ruling, citation: &str) -> bool {
    ruling.reasons.iter().any(|r| r.citation.contains(citation))
}
