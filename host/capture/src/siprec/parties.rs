//! Who is on a recorded call: metadata in, parties and what happens to them out. Pure.
//!
//! Legs are media lines: the first that can be recorded is leg 0, and so on. A participant is on the leg of the first
//! stream it is heard on; several may be on one (a mixed stream). A leg on which nobody is known to be heard has an
//! unknown party, which the packs treat strictly.

use caveat_model::{PartyId, PartyRole};
use caveat_recorder::{Happening, NewParty};

use super::{
    metadata::Metadata,
    settings::{FirstStream, Trunk},
};

/// A leg, and the label of its media line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) number: u8,
    pub(crate) label: Option<String>,
    /// Whether anything is sent on it now.
    pub(crate) sends: bool,
}

/// The parties of a call, as the recorder counts them.
#[derive(Debug, Default)]
pub(crate) struct Parties {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    /// The participant's id; none: somebody unknown on a leg.
    participant: Option<String>,
    party: PartyId,
    leg: Option<u8>,
    present: bool,
    held: bool,
}

/// What has changed for the parties.
#[derive(Debug)]
pub(crate) enum Change {
    /// Somebody appears; whoever tells the recorder says who it became, with [`Parties::joined`].
    Joined(String, NewParty),
    /// Something happens to somebody who is known.
    Other(Happening),
}

impl Parties {
    /// Who is there when a call begins.
    pub(crate) fn at_the_beginning(
        metadata: &Metadata,
        legs: &[Leg],
        trunk: &Trunk,
        parties_max: usize,
    ) -> (Self, Vec<NewParty>) {
        let mut parties = Self::default();
        let mut new = Vec::new();
        for (participant, leg) in placed(metadata, legs) {
            if new.len() + legs.len() < parties_max {
                parties.note(Some(participant.clone()), new.len(), leg);
                new.push(party(metadata, &participant, leg, trunk));
            }
        }
        for leg in legs {
            if !parties.known.iter().any(|p| p.leg == Some(leg.number)) {
                parties.note(None, new.len(), Some(leg.number));
                new.push(placed_as(role_on(leg.number, trunk), None, Some(leg.number), trunk));
            }
        }
        (parties, new)
    }

    /// What an update of metadata or media lines changes. `paused`: nothing is sent at all, which is no hold.
    pub(crate) fn update(
        &mut self,
        metadata: &Metadata,
        legs: &[Leg],
        trunk: &Trunk,
        paused: bool,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for participant in &metadata.participants {
            let is_present = metadata.is_present(&participant.id);
            let known = self.known.iter_mut().find(|p| p.participant.as_deref() == Some(&participant.id));
            match known {
                Some(known) if known.present && !is_present => {
                    known.present = false;
                    changes.push(Change::Other(Happening::PartyLeft(known.party)));
                }
                // Whoever comes back is somebody new to the recorder.
                Some(known) if !known.present && is_present => known.participant = None,
                _ => {}
            }
        }
        // A complete update without somebody says that they are gone.
        for known in &mut self.known {
            let Some(id) = &known.participant else { continue };
            if known.present && !metadata.participants.iter().any(|p| p.id == *id) {
                known.present = false;
                changes.push(Change::Other(Happening::PartyLeft(known.party)));
            }
        }
        for (participant, leg) in placed(metadata, legs) {
            match self.known.iter_mut().find(|p| p.participant.as_ref() == Some(&participant)) {
                // On hold one is heard nowhere, and yet on one's leg.
                Some(known) => known.leg = leg.or(known.leg),
                None => {
                    let new = party(metadata, &participant, leg, trunk);
                    changes.push(Change::Joined(participant, new));
                }
            }
        }
        if !paused {
            changes.extend(self.holds(metadata, legs));
        }
        changes
    }

    /// The recorder has counted somebody who joined.
    pub(crate) fn joined(&mut self, participant: String, party: PartyId, leg: Option<u8>) {
        self.note(Some(participant), party.into(), leg);
    }

    /// A leg on which nothing is sent, or a participant who lost every stream it was heard on, is on hold.
    fn holds(&mut self, metadata: &Metadata, legs: &[Leg]) -> Vec<Change> {
        let streams_are_said = !metadata.voices.is_empty();
        let mut changes = Vec::new();
        for known in self.known.iter_mut().filter(|p| p.present) {
            let Some(number) = known.leg else { continue };
            let silent = legs.iter().any(|leg| leg.number == number && !leg.sends);
            let voiceless = streams_are_said
                && known.participant.as_ref().is_some_and(|id| metadata.labels_of(id).next().is_none());
            let held = silent || voiceless;
            if held != known.held {
                known.held = held;
                let party = known.party;
                changes.push(Change::Other(if held {
                    Happening::Held(party)
                } else {
                    Happening::Unheld(party)
                }));
            }
        }
        changes
    }

    fn note(&mut self, participant: Option<String>, party: usize, leg: Option<u8>) {
        let party = PartyId::try_from(party).unwrap_or(PartyId::MAX);
        self.known.push(Known { participant, party, leg, present: true, held: false });
    }
}

/// Everybody who is there, with their legs. Where no stream is said to be anybody's, participants and legs are taken in
/// their order if there are as many, and all for the one leg if there is one.
fn placed(metadata: &Metadata, legs: &[Leg]) -> Vec<(String, Option<u8>)> {
    let here: Vec<_> = metadata.participants.iter().filter(|p| metadata.is_present(&p.id)).collect();
    let said = metadata.voices.iter().any(|v| !v.sends.is_empty());
    let leg_of = |place: usize, id: &str| {
        if said {
            let number =
                |label: &str| legs.iter().find(|l| l.label.as_deref() == Some(label)).map(|l| l.number);
            return metadata.labels_of(id).find_map(number);
        }
        match legs {
            [one] => Some(one.number),
            _ if legs.len() == here.len() && metadata.voices.is_empty() => legs.get(place).map(|l| l.number),
            _ => None,
        }
    };
    here.iter().enumerate().map(|(place, p)| (p.id.clone(), leg_of(place, &p.id))).collect()
}

fn party(metadata: &Metadata, id: &str, leg: Option<u8>, trunk: &Trunk) -> NewParty {
    let aors = metadata.participants.iter().filter(|p| p.id == id).flat_map(|p| &p.aors);
    let addresses: Vec<String> = aors.map(|aor| address(aor)).collect();
    let role = if trunk.agents.is_empty() {
        leg.map_or(PartyRole::Unknown, |leg| role_on(leg, trunk))
    } else if addresses.iter().any(|a| trunk.agents.iter().any(|pattern| pattern.fits(a))) {
        PartyRole::Agent
    } else if addresses.is_empty() {
        PartyRole::Unknown
    } else {
        PartyRole::Customer
    };
    let number = addresses.iter().find_map(|a| number(a));
    placed_as(role, number, leg, trunk)
}

fn placed_as(role: PartyRole, number: Option<String>, leg: Option<u8>, trunk: &Trunk) -> NewParty {
    let on_file = if role == PartyRole::Agent { trunk.agents_region.clone() } else { None };
    NewParty { role, number, leg, on_file, ..NewParty::default() }
}

fn role_on(leg: u8, trunk: &Trunk) -> PartyRole {
    match (trunk.first_stream, leg) {
        (FirstStream::Unknown, _) => PartyRole::Unknown,
        (FirstStream::Agent, 0) => PartyRole::Agent,
        (FirstStream::Customer, 0) => PartyRole::Customer,
        (FirstStream::Agent, _) => PartyRole::Customer,
        (FirstStream::Customer, _) => PartyRole::Agent,
    }
}

/// An address of record without scheme, parameters and port (RFC 3261 section 19.1, RFC 3966).
fn address(aor: &str) -> String {
    let bare = aor.trim().trim_start_matches('<').split(['>', ';', '?']).next().unwrap_or_default();
    let schemes = ["sips:", "sip:", "tel:"];
    let scheme = schemes.iter().find(|s| bare.get(..s.len()).is_some_and(|b| b.eq_ignore_ascii_case(s)));
    bare.get(scheme.map_or(0, |s| s.len())..).unwrap_or_default().to_owned()
}

/// The fewest digits that are a number and no extension.
const NUMBER_DIGITS_MIN: usize = 7;

/// The number in an address; none where it is a name or an extension.
fn number(address: &str) -> Option<String> {
    let user = address.split('@').next().unwrap_or_default();
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let is_number =
        user.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c)) && digits >= NUMBER_DIGITS_MIN;
    let is_withheld =
        ["anonymous", "restricted", "unavailable", "private"].contains(&user.to_lowercase().as_str());
    (is_number || is_withheld).then(|| user.to_owned())
}

#[cfg(test)]
mod tests;
