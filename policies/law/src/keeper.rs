//! What a pack about the keeping of personal data is asked, in the order in which a recording comes to it.

use caveat_sdk::{
    Facts,
    facts::{Cipher, KeyState, Placement},
    storage::{Disposal, Element, Event, Outcome, Ruling},
};

use crate::keeping;

/// A pack that says where a recording may lie, how long, what ends it, and what a breach asks for.
pub trait Keeper {
    /// Where it is to lie.
    fn place(&self, place: &Placement, facts: &Facts, ruling: &mut Ruling);
    /// Until when, and by when it is gone: at its sealing, where it may lie there, and whenever it is looked at.
    fn keep(&self, facts: &Facts, ruling: &mut Ruling);
    /// It is to be destroyed.
    fn dispose(&self, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling);
    /// Somebody got at it who may not.
    fn breach(&self, facts: &Facts, ruling: &mut Ruling);
    /// A copy of it is looked at.
    fn copy(&self, _facts: &Facts, _ruling: &mut Ruling) {}

    /// Puts an event of storage to it.
    fn rule(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        match event {
            Event::Seal(place) => {
                self.place(place, facts, &mut ruling);
                if ruling.outcome == Outcome::Allow {
                    self.keep(facts, &mut ruling);
                }
            }
            Event::Place(place) | Event::Move(place) => self.place(place, facts, &mut ruling),
            Event::Review(Element::Backup) => self.copy(facts, &mut ruling),
            Event::Review(element) if keeping::is_the_recording(*element) => self.keep(facts, &mut ruling),
            Event::Dispose(disposal) if keeping::concerns(disposal, facts) => {
                self.dispose(disposal, facts, &mut ruling);
            }
            Event::BreachFound => self.breach(facts, &mut ruling),
            _ => {}
        }
        ruling
    }
}

/// Whether what lies there could be read by whoever comes by it.
pub fn is_bare(place: &Placement) -> bool {
    matches!(place.cipher, Cipher::None | Cipher::Weak) || place.key == KeyState::Compromised
}
