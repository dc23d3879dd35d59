//! The call as these rules see it: who is on it, whose people they are, where they may be.

use caveat_sdk::{Facts, facts::*};

use crate::{
    forms::Standing,
    places::{ABROAD, FEDERAL, Place, Places, UNKNOWN},
};

/// A call at one event.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) facts: &'a Facts,
    /// Every jurisdiction with a link to the call.
    pub(crate) places: Places,
    /// One of the client's own is on the line, heard, and has not refused.
    pub(crate) participates: bool,
    /// And it is an agent.
    pub(crate) agent_participates: bool,
    /// Machines on the call are the client's own.
    own_machines: bool,
    /// Nobody went away because of a notice.
    stayed: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(facts: &'a Facts) -> Self {
        // A machine that talks to the client's people, with nobody else there, stands for somebody outside.
        let somebody = |p: &Party| {
            matches!(p.role, Role::Customer | Role::OtherParty | Role::Unknown | Role::Interpreter)
        };
        let own_machines = facts.parties.iter().any(somebody);
        let mut call = Self {
            facts,
            places: FEDERAL,
            participates: false,
            agent_participates: false,
            own_machines,
            stayed: stayed(facts),
        };
        if facts.parties.is_empty() {
            call.places.insert(UNKNOWN);
        }
        call.places = call.places.or(recorder(facts));
        for party in &facts.parties {
            if !call.counts(party) {
                continue;
            }
            call.places = call.places.or(call.where_is(party));
            if call.is_own(party) && is_heard(party) && !call.has_refused(party) {
                call.participates = true;
                call.agent_participates |= party.role == Role::Agent;
            }
        }
        call
    }

    /// Whoever is on the call.
    fn counted(&self) -> impl Iterator<Item = &'a Party> {
        let facts = self.facts;
        facts.parties.iter().filter(|p| self.counts(p))
    }

    /// Until a party is known to have left, it may be heard. One that went because of the notice never agreed to what was
    /// recorded meanwhile.
    fn counts(&self, party: &Party) -> bool {
        let is_there = party.traits.contains(PartyTraits::PRESENT) || party.left.is_none();
        is_there || (!self.stayed && self.is_outsider(party))
    }

    /// Whoever is on the call and is not the client's own: these have to be told.
    pub(crate) fn outsiders(&self) -> impl Iterator<Item = &'a Party> {
        self.counted().filter(|p| self.is_outsider(p))
    }

    /// Everyone on the call who refused.
    pub(crate) fn refusers(&self) -> impl Iterator<Item = &'a Party> {
        self.counted().filter(|p| self.has_refused(p))
    }

    pub(crate) fn is_outsider(&self, party: &Party) -> bool {
        !self.is_own(party) && party.role != Role::Vendor
    }

    /// Joined when a conversation with an outsider was already going on.
    pub(crate) fn joined_late(&self, party: &Party) -> bool {
        let before = |own: bool| {
            let others = self.facts.parties.iter().filter(|q| q.joined < party.joined);
            others.filter(|q| q.role != Role::Vendor).any(|q| self.is_own(q) == own)
        };
        party.joined > 0 && before(true) && before(false)
    }

    /// The jurisdictions of those who did not join late, and of the recorder.
    pub(crate) fn places_from_the_start(&self) -> Places {
        let start = self.counted().filter(|p| !self.joined_late(p));
        start.fold(self.places.within(FEDERAL).or(recorder(self.facts)), |all, p| all.or(self.where_is(p)))
    }

    /// None of the client's own has come yet, or one of them is on hold: it may be a party again at any time.
    pub(crate) fn may_return(&self) -> bool {
        let mut own = self.facts.parties.iter().filter(|p| self.is_own(p)).peekable();
        own.peek().is_none() || own.any(|p| self.counts(p) && p.traits.contains(PartyTraits::ON_HOLD))
    }

    /// An outsider is on hold, and no other is talking to one of the client's own.
    pub(crate) fn is_left_on_hold(&self) -> bool {
        let on_hold = |p: &Party| p.traits.contains(PartyTraits::ON_HOLD);
        let carried = |p: &Party| p.traits.contains(PartyTraits::PRESENT) || !self.participates;
        let talking = self.participates
            && self.outsiders().any(|p| p.traits.contains(PartyTraits::PRESENT) && !on_hold(p));
        !talking && self.outsiders().any(|p| on_hold(p) && carried(p))
    }

    pub(crate) fn is_emergency_line(&self) -> bool {
        self.facts.traits.contains(CallTraits::EMERGENCY_LINE)
    }

    pub(crate) fn is_emergency(&self) -> bool {
        self.facts.traits.contains(CallTraits::EMERGENCY) || self.is_emergency_line()
    }

    /// Somebody who hears the call, or the recording itself, serves ends that are not the client's.
    pub(crate) fn serves_a_vendor(&self) -> bool {
        self.counted().any(|p| p.role == Role::Vendor) || self.facts.purposes.contains(&Purpose::VendorUse)
    }

    /// The recorder and each of the client's own are known to be somewhere, and nothing puts them in this place.
    pub(crate) fn is_recorded_outside(&self, place: Place) -> bool {
        let recorder = &self.facts.recorder_region;
        let own = || self.counted().filter(|p| !self.is_outsider(p));
        !matches!(Place::of_region(recorder), p if p == place || p == UNKNOWN)
            && own().next().is_some()
            && own().all(|p| is_known(p) && !self.where_is(p).contains(place))
    }

    fn is_own(&self, party: &Party) -> bool {
        match party.role {
            Role::Agent | Role::Supervisor => true,
            Role::Automaton => self.own_machines,
            _ => false,
        }
    }

    fn has_refused(&self, party: &Party) -> bool {
        !self.facts.consents.is_empty() && Standing::of(party, self.facts, true).refused
    }

    /// All evidence counts. Without any, a person is in an unknown place; so is one who works from a home that is not on
    /// file, whatever the number says. The client's own machines and its vendors are nowhere unless somebody says so.
    fn where_is(&self, party: &Party) -> Places {
        let mut places = Places::NONE;
        for evidence in &party.regions {
            places.insert(Place::of_region(&evidence.region));
        }
        let by_number = party.regions.iter().any(|r| r.source == RegionSource::Number);
        if party.number == NumberKind::Foreign && !by_number {
            places.insert(ABROAD);
        }
        let at_an_unknown_home = party.traits.contains(PartyTraits::REMOTE_WORKER) && !is_known(party);
        let is_person = self.is_outsider(party) || matches!(party.role, Role::Agent | Role::Supervisor);
        if is_person && (places.is_empty() || at_an_unknown_home) {
            places.insert(UNKNOWN);
        }
        places
    }
}

/// A recorder abroad adds nothing: only US law asks where it runs.
fn recorder(facts: &Facts) -> Places {
    let mut places = Places::NONE;
    if !facts.recorder_region.is_empty() && !facts.recorder_region.starts_with('@') {
        places.insert(Place::of_region(&facts.recorder_region));
    }
    places
}

/// Whether staying on the line after a notice can be taken for consent.
pub(crate) fn stayed(facts: &Facts) -> bool {
    facts.flag("consent.parties-stay") != Some(false)
}

/// Takes part in the conversation: a silent monitor and somebody on hold do not.
fn is_heard(party: &Party) -> bool {
    let is = |trait_| party.traits.contains(trait_);
    is(PartyTraits::PRESENT) && !is(PartyTraits::SILENT) && !is(PartyTraits::ON_HOLD)
}

fn is_known(party: &Party) -> bool {
    party.regions.iter().any(|r| r.source != RegionSource::Number)
}
