//! Data may have reached somebody it should not have: whom to tell, and by when (164.400-414). State breach laws, often
//! shorter, are in a table of those with clocks.

use caveat_sdk::{
    Facts, dates,
    facts::{Cipher, KeyState, Moment, Placement, PlacementTraits},
    storage::Ruling,
};

use crate::{
    known::{self, spelled},
    rules::*,
    settings::{Entity, Settings},
    tables::{
        ASSOCIATE_DAYS, BREACH_CLOCKS, BREACH_FACTORS, BreachClock, HHS_ANNUAL_DAYS, HHS_FROM_PERSONS,
        INDIVIDUALS_DAYS, MEDIA_OVER_RESIDENTS, ORAL_DELAY_DAYS, SUBSTITUTE_FROM_PERSONS,
    },
};

pub(crate) fn rule(settings: &Settings, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let entity = entity(settings, facts);
    if entity == Entity::None || !settings.protects(facts) {
        return ruling;
    }
    if secured(facts) {
        ruling.because(
            &BREACH_SECURED,
            "Encrypted or destroyed as the guidance says, and the keys were not taken: no notice is due.",
        );
        return ruling;
    }
    if excepted(facts) {
        ruling.because(
            &BREACH_EXCEPTION,
            "One of the three exceptions applies; the burden of proof is on the client.",
        );
        ruling.see_to(&BREACH_EXCEPTION, "keep-risk-assessment", None);
        return ruling;
    }
    if low_probability(facts) {
        ruling.because(&BREACH_LOW, "A low probability of compromise is shown by the four factors; the burden of proof is on the client.");
        ruling.see_to(&BREACH_LOW, "keep-risk-assessment", None);
        return ruling;
    }
    if entity == Entity::BusinessAssociate {
        notify_covered_entity(facts, &mut ruling);
    } else {
        notify(settings, facts, &mut ruling);
    }
    ruling
}

fn entity(settings: &Settings, facts: &Facts) -> Entity {
    match known::BREACH_ENTITY.word(facts).as_deref() {
        Some("business-associate" | "ba" | "associate" | "subcontractor") => Entity::BusinessAssociate,
        Some("covered-entity" | "ce") => Entity::CoveredEntity,
        _ => settings.entity,
    }
}

/// Unusable to whoever has it. Redaction does not count, nor does access control; a volume that was unlocked when the
/// intruder used the host was not encrypted to them.
fn secured(facts: &Facts) -> bool {
    let sanitized = known::DESTROYED.is(facts);
    let open = known::KEYS_TAKEN.is(facts)
        || known::UNLOCKED.is(facts)
        || facts.placements.iter().any(|p| p.key == KeyState::Compromised);
    let encrypted =
        known::BREACH_ENCRYPTED.flag(facts).unwrap_or_else(|| all_by_the_guidance(&facts.placements));
    sanitized || (encrypted && !open)
}

/// Nobody said: only what the guidance of 74 FR 19006 plainly covers counts.
fn all_by_the_guidance(placements: &[Placement]) -> bool {
    let covered =
        |p: &Placement| p.cipher == Cipher::Aes256Gcm && p.traits.contains(PlacementTraits::KEYS_APART);
    !placements.is_empty() && placements.iter().all(covered)
}

fn excepted(facts: &Facts) -> bool {
    let named = known::EXCEPTION.text(facts).map(spelled);
    let claimed = named.is_some_and(|e| !e.is_empty() && e != "none")
        || [&known::EXCEPTION, &known::GOOD_FAITH, &known::INADVERTENT, &known::NOT_RETAINED]
            .iter()
            .any(|k| k.is(facts));
    claimed && !known::ASSESSMENT_KEPT.is_not(facts)
}

fn low_probability(facts: &Facts) -> bool {
    let found = known::ASSESSMENT.word(facts);
    let low = known::LOW_PROBABILITY.is(facts)
        || found.is_some_and(|a| {
            ["low", "low-probability", "low-probability-of-compromise"].contains(&a.as_str())
        });
    // Presumed a breach unless all four factors are looked at; nobody said how many: the finding is taken at its word.
    let thorough = known::FACTORS.few(facts).is_none_or(|n| n >= BREACH_FACTORS);
    low && thorough && !known::ASSESSMENT_KEPT.is_not(facts)
}

/// Known or should have been known, to the client or its agent; unless told otherwise, now.
fn discovered(facts: &Facts) -> Moment {
    let own = known::moment(&known::DISCOVERED, &known::DISCOVERED_DAYS, facts).unwrap_or(facts.now);
    known::AGENT_DISCOVERED.when(facts).map_or(own, |agent| agent.min(own))
}

/// The day, put off when law enforcement asked for it.
fn due(day: Moment, facts: &Facts) -> Moment {
    let until = known::DELAY_UNTIL.when(facts);
    // Without a date it was said orally, which lasts 30 days.
    let oral = known::DELAY.is(facts).then(|| dates::plus_days(facts.now, ORAL_DELAY_DAYS.into()));
    until.or(oral).map_or(day, |until| day.max(until))
}

fn notify_covered_entity(facts: &Facts, ruling: &mut Ruling) {
    let days = known::CONTRACT_DAYS.few(facts).unwrap_or(ASSOCIATE_DAYS).min(ASSOCIATE_DAYS);
    let by = due(dates::plus_days(discovered(facts), days.into()), facts);
    ruling.because(
        &BREACH_ASSOCIATE,
        "A business associate tells the covered entity without unreasonable delay, at the latest 60 days after discovery.",
    );
    ruling.see_to(&BREACH_ASSOCIATE, "notify-covered-entity-60-days", Some(by));
    delayed(facts, ruling);
}

fn notify(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let found = discovered(facts);
    let by = due(dates::plus_days(found, INDIVIDUALS_DAYS.into()), facts);
    ruling.because(
        &BREACH_INDIVIDUALS,
        "Each person is told without unreasonable delay, at the latest 60 days after discovery.",
    );
    ruling.see_to(&BREACH_INDIVIDUALS, "notify-individuals-60-days", Some(by));

    substitute(facts, by, ruling);
    by_state_law(settings, facts, found, ruling);

    // Unknown counts take the strict side.
    let persons = known::PERSONS.whole(facts);
    if persons.is_none_or(|n| n >= HHS_FROM_PERSONS.into()) {
        ruling.because(
            &BREACH_HHS,
            "500 or more persons, or nobody knows yet how many: HHS is told when they are.",
        );
        ruling.see_to(&BREACH_HHS, "notify-hhs-60-days", Some(by));
    } else {
        let annual = due(dates::year_end_plus_days(found, HHS_ANNUAL_DAYS), facts);
        ruling.because(
            &BREACH_HHS,
            "Fewer than 500 persons: logged, and told to HHS within 60 days after the end of the year.",
        );
        ruling.see_to(&BREACH_HHS, "hhs-annual-log", Some(annual));
    }
    if known::RESIDENTS.whole(facts).or(persons).is_none_or(|n| n > MEDIA_OVER_RESIDENTS.into()) {
        ruling.because(
            &BREACH_MEDIA,
            "More than 500 residents of one state, or nobody knows yet how they are spread: prominent media there are told.",
        );
        ruling.see_to(&BREACH_MEDIA, "notify-media-60-days", Some(by));
    }
    delayed(facts, ruling);
}

/// For those who cannot be reached at their address.
fn substitute(facts: &Facts, by: Moment, ruling: &mut Ruling) {
    match known::UNREACHABLE.few(facts) {
        None | Some(0) => {}
        Some(n) if n < SUBSTITUTE_FROM_PERSONS => {
            ruling.because(
                &BREACH_SUBSTITUTE,
                "Some persons cannot be reached by mail: another form of notice.",
            );
            ruling.see_to(&BREACH_SUBSTITUTE, "substitute-notice", Some(by));
        }
        Some(_) => {
            ruling.because(
                &BREACH_SUBSTITUTE,
                "Ten persons or more cannot be reached by mail: on the web site for 90 days, or in major media.",
            );
            ruling.see_to(&BREACH_SUBSTITUTE, "substitute-notice-90-days", Some(by));
        }
    }
}

/// The states' own clocks. Whether law enforcement can stop them is theirs to say, so nothing is put off here.
fn by_state_law(settings: &Settings, facts: &Facts, found: Moment, ruling: &mut Ruling) {
    let Some(states) = known::BREACH_STATES.text(facts) else { return };
    let named = |code: &str| states.split(|c: char| !c.is_alphabetic()).any(|s| s.eq_ignore_ascii_case(code));
    let mut earliest = None;
    for clock in BREACH_CLOCKS.iter().filter(|clock| named(clock.code)) {
        let deemed = settings.deemed_by_hipaa.iter().any(|code| code == clock.code);
        if deemed && clock.exempts {
            continue;
        }
        tell_regulator(clock, facts, found, ruling);
        if deemed && clock.yields {
            continue;
        }
        let why = format!(
            "{} has a breach law with a clock of its own: {}{}",
            clock.code,
            clock.note,
            until_counsel_says_so(clock)
        );
        ruling.because_of(&BREACH_STATE, clock.citation, &why);
        let by = dates::plus_days(found, clock.days.into());
        earliest = Some(earliest.map_or(by, |at: Moment| at.min(by)));
    }
    if earliest.is_some() {
        ruling.see_to(&BREACH_STATE, "notify-by-state-law", earliest);
    }
}

/// What is said of HIPAA and the statute, and was not found in its text.
fn until_counsel_says_so(clock: &BreachClock) -> &'static str {
    if clock.exempts {
        " It is said not to apply to whoever is under HIPAA; it counts until counsel says so."
    } else if clock.yields {
        " It is said to take notice under HIPAA for its own; its clock runs until counsel says so."
    } else {
        ""
    }
}

/// Nobody knows how many residents: as many as it takes.
fn tell_regulator(clock: &BreachClock, facts: &Facts, found: Moment, ruling: &mut Ruling) {
    let Some(regulator) = &clock.regulator else { return };
    let residents = known::RESIDENTS.whole(facts).or(known::PERSONS.whole(facts));
    if residents.is_none_or(|n| n >= regulator.from.into()) {
        let why = format!(
            "{} has its attorney general, or another office, told of a breach of so many residents: {}{}",
            clock.code,
            clock.note,
            if clock.exempts { until_counsel_says_so(clock) } else { "" }
        );
        ruling.because_of(&BREACH_REGULATOR, clock.citation, &why);
        let by = dates::plus_days(found, regulator.days.into());
        ruling.see_to(&BREACH_REGULATOR, regulator.action, Some(by));
    }
}

fn delayed(facts: &Facts, ruling: &mut Ruling) {
    if known::DELAY.is(facts) || known::DELAY_UNTIL.when(facts).is_some() {
        ruling.because(
            &BREACH_DELAY,
            "Law enforcement asked to wait: in writing until its date, orally for 30 days.",
        );
        ruling.see_to(&BREACH_DELAY, "keep-delay-request", None);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use caveat_sdk::{
        facts::{Attribute, AttributeValue, AttributeValue::*, Reason},
        storage::{Duty, Outcome},
    };

    use super::*;
    use crate::storage::tests::codes;

    fn found(attributes: &[(&str, AttributeValue)]) -> Ruling {
        found_by(&Settings::default(), attributes)
    }

    fn found_by(settings: &Settings, attributes: &[(&str, AttributeValue)]) -> Ruling {
        let mut facts = Facts::empty();
        facts.now = dates::parse("2026-11-23").unwrap();
        facts.attributes = attributes
            .iter()
            .map(|(name, value)| Attribute { name: format!("breach.{name}"), value: value.clone() })
            .collect();
        rule(settings, &facts)
    }

    #[track_caller]
    fn check(attributes: &[(&str, AttributeValue)], wanted: &[&str]) {
        let ruling = found(attributes);
        assert_eq!(ruling.outcome, Outcome::Allow);
        assert_eq!(codes(&ruling), wanted, "{attributes:?}");
    }

    const FEW: [&str; 2] = ["hhs-annual-log", "notify-individuals-60-days"];
    const MANY: [&str; 2] = ["notify-hhs-60-days", "notify-individuals-60-days"];
    const CROWD: [&str; 3] = ["notify-hhs-60-days", "notify-individuals-60-days", "notify-media-60-days"];

    #[test]
    fn the_thresholds() {
        check(&[("persons", Whole(499))], &FEW);
        check(&[("persons", Whole(500)), ("state", Text("GA".into()))], &MANY);
        check(&[("persons", Whole(501)), ("state", Text("GA".into()))], &CROWD);
        check(&[("persons", Whole(900)), ("state-residents", Whole(500))], &MANY);
        check(&[("persons", Whole(900)), ("state-residents", Whole(501))], &CROWD);
        check(&[], &CROWD);
    }

    #[test]
    fn who_found_it() {
        let ba = ("entity", Text("business-associate".into()));
        check(
            &[("persons", Whole(40)), ("encrypted", Flag(false)), ba.clone()],
            &["notify-covered-entity-60-days"],
        );
        check(&[("persons", Whole(9000)), ("entity", Text("covered-entity".into()))], &CROWD);
        let due = |r: Ruling| match &r.obligations[0].duty {
            Duty::SeeTo(task) => dates::text(task.due.unwrap()),
            other => panic!("{other:?}"),
        };
        assert_eq!(due(found(&[ba.clone(), ("discovered-days-ago", Whole(10))])), "2027-01-12");
        assert_eq!(due(found(&[ba, ("contract-days", Whole(5))])), "2026-11-28");
    }

    #[test]
    fn what_is_no_breach_of_unsecured_phi() {
        check(&[("persons", Whole(900)), ("encrypted", Flag(true))], &[]);
        check(&[("persons", Whole(40)), ("encrypted", Flag(true)), ("keys-taken", Flag(true))], &FEW);
        check(&[("persons", Whole(40)), ("encrypted", Flag(true)), ("unlocked", Flag(true))], &FEW);
        check(&[("persons", Whole(40)), ("destroyed", Flag(true))], &[]);
        check(&[("persons", Whole(40)), ("redacted", Flag(true))], &FEW);
        check(&[("persons", Whole(40)), ("low-probability", Flag(true))], &["keep-risk-assessment"]);
        check(
            &[
                ("persons", Whole(40)),
                ("low-probability", Flag(true)),
                ("risk-assessment-documented", Flag(false)),
            ],
            &FEW,
        );
        check(
            &[("persons", Whole(40)), ("exception", Text("inadvertent".into()))],
            &["keep-risk-assessment"],
        );
    }

    #[test]
    fn states_have_clocks_of_their_own() {
        let ruling = found(&[("persons", Whole(3)), ("state", Text("TX, co".into()))]);
        let by_state = |o: &&caveat_sdk::storage::Obligation| o.rule == BREACH_STATE.id;
        let Duty::SeeTo(task) = &ruling.obligations.iter().find(by_state).unwrap().duty else {
            panic!("a task")
        };
        assert_eq!(dates::text(task.due.unwrap()), "2026-12-23");
        let cited: Vec<_> = ruling.reasons.iter().filter(|r| r.rule == BREACH_STATE.id).collect();
        assert_eq!(cited.len(), 2);
        check(&[("persons", Whole(3)), ("state", Text("GA".into()))], &FEW);
        check(
            &[("persons", Whole(249)), ("state", Text("TX".into()))],
            &["hhs-annual-log", "notify-by-state-law", "notify-individuals-60-days"],
        );
        let texans = found(&[("persons", Whole(250)), ("state", Text("TX".into()))]);
        let task = |rule: &str| {
            texans.obligations.iter().find_map(|o| match &o.duty {
                Duty::SeeTo(task) if o.rule == rule => {
                    Some((task.action.clone(), dates::text(task.due.unwrap())))
                }
                _ => None,
            })
        };
        assert_eq!(task(BREACH_STATE.id).unwrap().1, "2027-01-22");
        let told = ("notify-attorney-general-30-days".to_owned(), "2026-12-23".to_owned());
        assert_eq!(task(BREACH_REGULATOR.id), Some(told));
    }

    #[test]
    fn a_statute_that_is_said_not_to_apply_counts_until_counsel_says_so() {
        for clock in BREACH_CLOCKS.iter().filter(|clock| clock.exempts) {
            let facts = [
                ("persons", Whole(2000)),
                ("state-residents", Whole(2000)),
                ("state", Text(clock.code.into())),
            ];
            let of_state = |ruling: &Ruling| {
                ruling
                    .obligations
                    .iter()
                    .filter(|o| [BREACH_STATE.id, BREACH_REGULATOR.id].contains(&o.rule.as_str()))
                    .count()
            };
            let by_default = found(&facts);
            assert_eq!(of_state(&by_default), 1 + usize::from(clock.regulator.is_some()), "{}", clock.code);
            let said = |r: &Reason| r.message.contains("until counsel says so");
            assert!(by_default.reasons.iter().any(said), "{}", clock.code);
            let counsel = Settings { deemed_by_hipaa: vec![clock.code.into()], ..Settings::default() };
            assert_eq!(of_state(&found_by(&counsel, &facts)), 0, "{}", clock.code);
        }
    }

    #[test]
    fn whoever_cannot_be_reached_is_told_otherwise() {
        let unreachable = |n| found(&[("persons", Whole(40)), ("unreachable", Whole(n))]);
        assert_eq!(codes(&unreachable(0)), FEW);
        assert!(codes(&unreachable(9)).contains(&"substitute-notice".to_owned()));
        assert!(codes(&unreachable(10)).contains(&"substitute-notice-90-days".to_owned()));
    }

    #[test]
    fn a_low_probability_is_shown_by_all_four_factors() {
        let assessed =
            |n| [("persons", Whole(40)), ("low-probability", Flag(true)), ("factors-assessed", Whole(n))];
        check(&assessed(3), &FEW);
        check(&assessed(4), &["keep-risk-assessment"]);
    }

    #[test]
    fn the_annual_log_is_due_in_march() {
        let ruling = found(&[("persons", Whole(3))]);
        let dates: Vec<_> = ruling
            .obligations
            .iter()
            .filter_map(|o| match &o.duty {
                Duty::SeeTo(task) => task.due.map(dates::text),
                _ => None,
            })
            .collect();
        assert_eq!(dates, ["2027-01-22", "2027-03-01"]);
    }

    #[test]
    fn law_enforcement_can_ask_to_wait() {
        let ruling =
            found(&[("persons", Whole(3)), ("delay-until", When(dates::parse("2027-06-01").unwrap()))]);
        assert_eq!(codes(&ruling), ["hhs-annual-log", "keep-delay-request", "notify-individuals-60-days"]);
        let Duty::SeeTo(task) = &ruling.obligations[0].duty else { panic!("a task is wanted") };
        assert_eq!(dates::text(task.due.unwrap()), "2027-06-01");
    }
}
