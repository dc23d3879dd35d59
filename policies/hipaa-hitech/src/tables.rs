//! The facts of law in `data/`, as `build.rs` lays them out.

use caveat_sdk::facts::{LabelKind, Purpose};

use crate::asking::Job;

/// How sure the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confidence {
    High,
    Medium,
    Low,
}

/// What holds where no rule was found.
pub(crate) struct Fallback {
    pub(crate) years: u16,
    pub(crate) minor_until_age: u16,
    pub(crate) majority: u16,
    pub(crate) citation: &'static str,
}

/// How long records are kept in one state.
pub(crate) struct State {
    pub(crate) code: &'static str,
    pub(crate) majority: u16,
    pub(crate) physician: Holder,
    pub(crate) hospital: Holder,
}

/// By one kind of provider; none means that no rule was found.
pub(crate) struct Holder {
    /// After the last service.
    pub(crate) years: Option<u16>,
    pub(crate) minor: Option<Minor>,
    pub(crate) citation: &'static str,
    pub(crate) confidence: Confidence,
    pub(crate) note: &'static str,
}

/// The latest of those given; none of them: as for adults.
pub(crate) struct Minor {
    pub(crate) years: Option<u16>,
    pub(crate) until_age: Option<u16>,
    pub(crate) past_majority: Option<u16>,
}

/// A federal program's floor.
pub(crate) struct Federal {
    pub(crate) programs: &'static [&'static str],
    pub(crate) years: u16,
    pub(crate) citation: &'static str,
}

/// By when a state wants its residents told of a breach.
pub(crate) struct BreachClock {
    pub(crate) code: &'static str,
    /// Calendar days after discovery.
    pub(crate) days: u16,
    pub(crate) regulator: Option<Regulator>,
    /// Notice under HIPAA is said to do towards residents.
    pub(crate) yields: bool,
    /// The statute is said not to apply to whoever is under HIPAA, neither towards residents nor towards a regulator.
    pub(crate) exempts: bool,
    pub(crate) citation: &'static str,
    pub(crate) note: &'static str,
}

/// The attorney general, or whoever else a state wants told.
pub(crate) struct Regulator {
    /// Calendar days after discovery.
    pub(crate) days: u16,
    /// From how many residents on.
    pub(crate) from: u16,
    pub(crate) action: &'static str,
}

/// One of the 18 of the safe harbor.
pub(crate) struct Identifier {
    pub(crate) letter: char,
    pub(crate) name: &'static str,
    /// What the detectors find of it.
    pub(crate) labels: &'static [LabelKind],
    /// May stay in a limited data set.
    pub(crate) limited: bool,
    /// The voice itself carries it.
    pub(crate) in_audio: bool,
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// The row of a state, by its USPS code.
pub(crate) fn state(code: &str) -> Option<&'static State> {
    STATES.binary_search_by(|s| s.code.cmp(code)).ok().map(|n| &STATES[n])
}

/// Whether a sorted list has this word.
pub(crate) fn lists(list: &[&str], word: &str) -> bool {
    list.binary_search(&word).is_ok()
}

/// What a word of a sorted table stands for.
pub(crate) fn meaning<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.binary_search_by(|(w, _)| (*w).cmp(word)).ok().map(|n| table[n].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found() {
        assert_eq!(state("NC").and_then(|s| s.hospital.years), Some(11));
        assert!(state("XX").is_none());
        assert_eq!(state("MS").map(|s| s.majority), Some(21));
        assert_eq!(meaning(JOBS, "billing"), Some(Job::Workforce));
        assert_eq!(meaning(JOBS, "astronaut"), None);
    }

    #[test]
    fn the_voice_is_among_the_identifiers() {
        assert!(IDENTIFIERS.iter().any(|i| i.letter == 'P' && i.in_audio && i.name.contains("voice")));
        assert!(IDENTIFIERS.iter().filter(|i| i.limited).all(|i| !i.in_audio));
    }
}
