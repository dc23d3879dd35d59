//! What a call is to be played, where its protocol can carry sound to the people on it.

use std::sync::Arc;

use caveat_audio::beep;
use caveat_model::{Duty, Facts, PartyRole};

use crate::{Doer, OpenDuty, Practice};

/// A notice of recording in one language: 16-bit samples at 8,000 Hz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// BCP 47.
    pub language: String,
    /// The sound.
    pub sound: Arc<Vec<i16>>,
}

/// Something to be played now. Whoever plays it tells the call of it, as [`crate::Happening::NoticePlayed`], when it has
/// been heard to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// Another number is another cue, though it may sound the same.
    pub id: u32,
    /// BCP 47; empty for a tone.
    pub language: String,
    /// The sound.
    pub sound: Arc<Vec<i16>>,
    /// Played again and again at this interval in seconds, as long as the cue stands; none: once.
    pub every_s: Option<u16>,
}

/// The number of the tone: there is one of it on a call.
const BEEP: u32 = 0;

/// Whether the host has what a duty asks to be played.
pub(crate) fn can_play(practice: &Practice, duty: &Duty) -> bool {
    match duty {
        Duty::Announce => !practice.announcements.is_empty(),
        Duty::Beep(_) => true,
        _ => false,
    }
}

/// What is to be played for the duties that are the host's own.
pub(crate) fn of(
    practice: &Practice,
    open: &[OpenDuty],
    beep_every_s: Option<u16>,
    facts: &Facts,
) -> Vec<Cue> {
    let announce = |duty: &&OpenDuty| duty.by == Doer::Host && duty.duty == Duty::Announce.code();
    let announced = open.iter().filter(announce).filter_map(|duty| {
        let Announcement { language, sound } = in_language_of(practice, facts)?.clone();
        Some(Cue { id: duty.id, language, sound, every_s: None })
    });
    let beep = beep_every_s.map(|every_s| Cue {
        id: BEEP,
        language: String::new(),
        sound: Arc::new(beep::tone()),
        every_s: Some(every_s),
    });
    announced.chain(beep).collect()
}

/// In the customer's language, else in another form of it, else the client's first.
fn in_language_of<'a>(practice: &'a Practice, facts: &Facts) -> Option<&'a Announcement> {
    let customer = facts.parties.iter().find(|p| p.role == PartyRole::Customer);
    let wanted = customer.map_or("", |p| p.language.as_str());
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let all = &practice.announcements;
    all.iter()
        .find(|a| a.language.eq_ignore_ascii_case(wanted))
        .or_else(|| all.iter().find(|a| !wanted.is_empty() && primary(&a.language) == primary(wanted)))
        .or(all.first())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::Party;

    #[test]
    fn the_notice_is_in_the_customers_language_if_there_is_one() {
        let announcement = |language: &str| Announcement { language: language.into(), sound: Arc::default() };
        let practice = Practice {
            announcements: vec![announcement("en-US"), announcement("es-MX")],
            ..Practice::default()
        };
        for (language, wanted) in [("es-MX", "es-MX"), ("es-ES", "es-MX"), ("de", "en-US"), ("", "en-US")] {
            let mut party: Party =
                serde_json::from_value(serde_json::json!({"id": 0, "role": "customer"})).unwrap();
            party.language = language.into();
            let facts = Facts { parties: vec![party], ..Facts::default() };
            assert_eq!(in_language_of(&practice, &facts).unwrap().language, wanted, "{language}");
        }
    }
}
