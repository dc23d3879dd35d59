//! How long it is kept, and how it is destroyed. HIPAA sets a period for documentation only; for a medical record the
//! state's law and federal programs do: the latest of all that apply.

use caveat_sdk::{
    Facts, dates,
    facts::{CallTraits, Moment, PartyTraits, Role, StoreKind},
    storage::{Basis, Disposal, Duty, Element, Ruling},
};

use crate::{
    known::{self, spelled},
    rules::{DOCUMENTATION, MEDIA, NO_PERIOD, RECORD_RETENTION, RETURN_OR_DESTROY},
    settings::{Entity, InRecord, Settings},
    tables::{self, Confidence, Holder, State},
};

/// Until when, by whose authority.
pub(crate) struct Period {
    pub(crate) until: Moment,
    pub(crate) citation: &'static str,
    pub(crate) why: String,
}

/// At sealing: the period, where it is known that one runs.
pub(crate) fn announce(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    if ruling.outcome == caveat_sdk::storage::Outcome::Allow
        && let Some(period) = running_period(settings, facts)
    {
        keep(&period, ruling);
    }
}

pub(crate) fn review(settings: &Settings, element: Element, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if is_documentation(element, facts) {
        let until = documentation_until(facts);
        if facts.now < until {
            ruling.because(
                &DOCUMENTATION,
                "Documentation is kept for six years from its creation or last effect.",
            );
            ruling.oblige(&DOCUMENTATION, Duty::RetainUntil(until));
        }
        return ruling;
    }
    if !matches!(element, Element::Template | Element::Segment) {
        announce(settings, facts, &mut ruling);
    }
    ruling
}

pub(crate) fn dispose(settings: &Settings, disposal: &Disposal, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if is_documentation(disposal.what, facts) {
        documentation(facts, &mut ruling);
    } else if !is_copy_or_removal(disposal, facts) {
        if ends_with_the_agreement(settings, disposal, facts) {
            return_or_destroy(settings, facts, &mut ruling);
        } else {
            record(settings, facts, &mut ruling);
        }
    }
    if ruling.outcome == caveat_sdk::storage::Outcome::Allow {
        destroy(facts, &mut ruling);
    }
    ruling
}

/// The period that still runs, where the recording is known to be part of a medical record.
pub(crate) fn running_period(settings: &Settings, facts: &Facts) -> Option<Period> {
    let period = (in_record(settings, facts) == Some(true)).then(|| period(settings, facts))?;
    (facts.now < period.until).then_some(period)
}

fn keep(period: &Period, ruling: &mut Ruling) {
    ruling.because_of(&RECORD_RETENTION, period.citation, &period.why);
    ruling.oblige(&RECORD_RETENTION, Duty::RetainUntil(period.until));
}

fn record(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    match in_record(settings, facts) {
        Some(true) => {
            if let Some(period) = running_period(settings, facts) {
                ruling.refuse(
                    &NO_PERIOD,
                    "HIPAA's six years are for documentation; they end no medical record.",
                );
                keep(&period, ruling);
            }
        }
        Some(false) => {
            ruling.because(&NO_PERIOD, "No part of the medical record: HIPAA sets no period for it.");
        }
        None => {
            ruling.ask(
                &NO_PERIOD,
                "HIPAA sets no period, state law does for medical records: somebody has to decide whether this is part of one.",
            );
            ruling.remedy(&NO_PERIOD, "decide-in-medical-record");
        }
    }
}

/// As said with the call; else, where a state or provider is given for it, the strict side; else by setting.
fn in_record(settings: &Settings, facts: &Facts) -> Option<bool> {
    let said = known::PART_OF_RECORD.flag(facts);
    if said.is_some() {
        return said;
    }
    let hinted = [&known::STATE, &known::PROVIDER, &known::PROGRAM].iter().any(|k| k.text(facts).is_some());
    if facts.traits.contains(CallTraits::MEDICAL_RECORD) || hinted || known::BIRTH_DATE.when(facts).is_some()
    {
        return Some(true);
    }
    match settings.in_medical_record {
        InRecord::Yes => Some(true),
        InRecord::No => Some(false),
        InRecord::Undecided => None,
    }
}

/// Words of `retention.provider` that are one of the table's two columns.
fn columns(provider: &str, state: &'static State) -> Vec<&'static Holder> {
    match provider {
        "physician" | "doctor" | "practice" | "clinic" | "group-practice" | "md" => vec![&state.physician],
        p if p.contains("hospital") => vec![&state.hospital],
        // The longer of the two.
        _ => vec![&state.physician, &state.hospital],
    }
}

/// The latest of the state's period, a minor's, a federal program's, and the contract's.
fn period(settings: &Settings, facts: &Facts) -> Period {
    let provider = known::PROVIDER.word(facts).unwrap_or_else(|| settings.provider.clone());
    let service =
        known::moment(&known::LAST_SERVICE, &known::LAST_SERVICE_DAYS, facts).unwrap_or(facts.began);
    let code = known::STATE.text(facts).unwrap_or(&settings.state).trim().to_ascii_uppercase();
    let state = tables::state(&code);
    let majority = state.map_or(tables::DEFAULT.majority, |s| s.majority);
    let birth = birth(facts, service, majority);

    let mut latest = match state {
        None => by_default(service, birth),
        Some(state) => {
            let confirmed = settings.counsel_confirmed.contains(&code);
            let all = columns(&provider, state).into_iter();
            let periods = all.map(|holder| by_state(holder, majority, service, birth, confirmed));
            periods.reduce(later).unwrap_or_else(|| by_default(service, birth))
        }
    };
    for (years, citation) in programs(&provider, facts) {
        let why = format!("A federal program keeps records for {years} years.");
        latest = later(latest, Period { until: dates::plus_years(service, years), citation, why });
    }
    if let Some(years) = known::CONTRACT_YEARS.few(facts) {
        let why = format!("The contract keeps records for {years} years.");
        latest =
            later(latest, Period { until: dates::plus_years(service, years), citation: "Contract", why });
    }
    latest
}

fn later(a: Period, b: Period) -> Period {
    if b.until > a.until { b } else { a }
}

fn by_default(service: Moment, birth: Option<Moment>) -> Period {
    let rule = &tables::DEFAULT;
    let adult = dates::plus_years(service, rule.years);
    let grown = birth.map_or(0, |b| dates::plus_years(b, rule.minor_until_age));
    let why = "No rule of the state was found: 10 years, and for a minor until the 22nd birthday. Counsel should confirm.";
    Period { until: adult.max(grown), citation: rule.citation, why: why.into() }
}

fn by_state(
    holder: &'static Holder,
    majority: u16,
    service: Moment,
    birth: Option<Moment>,
    confirmed: bool,
) -> Period {
    let fallback = by_default(service, birth);
    let Some(years) = holder.years else { return fallback };
    let adult = dates::plus_years(service, years);
    let minor = birth.map(|birth| match &holder.minor {
        // None was found for minors: the default for them, which is never shorter.
        None => fallback.until,
        Some(minor) => {
            let past = |n: u16| dates::plus_years(birth, majority.saturating_add(n));
            let of_service = minor.years.map(|n| dates::plus_years(service, n));
            let of_age = minor.until_age.map(|n| dates::plus_years(birth, n));
            [of_service, of_age, minor.past_majority.map(past)].into_iter().flatten().max().unwrap_or(adult)
        }
    });
    let of_a_minor = minor.is_some_and(|m| m > adult);
    let whose = if of_a_minor { "a minor's record" } else { "a medical record" };
    let unsure = holder.confidence != Confidence::High && !confirmed;
    let sure = if unsure {
        " This period is uncertain: 10 years, and for a minor until the 22nd birthday, are kept until counsel confirms the state in the settings."
    } else {
        ""
    };
    let space = if holder.note.is_empty() { "" } else { " " };
    let why = format!("State law sets how long {whose} is kept.{space}{}{sure}", holder.note);
    let period = Period { until: minor.map_or(adult, |m| m.max(adult)), citation: holder.citation, why };
    if unsure { Period { until: period.until.max(fallback.until), ..period } } else { period }
}

/// When the patient was born, if they were a minor at the service. From an age the latest possible day, from "a minor"
/// the day of service: both keep longest.
fn birth(facts: &Facts, service: Moment, majority: u16) -> Option<Moment> {
    let minor_patient =
        |p: &caveat_sdk::facts::Party| p.role == Role::Customer && p.traits.contains(PartyTraits::MINOR);
    if let Some(birth) = known::BIRTH_DATE.when(facts) {
        return (dates::whole_years(birth, service) < majority).then_some(birth);
    }
    if let Some(age) = known::AGE_AT_SERVICE.few(facts) {
        return (age < majority).then(|| minus_years(service, age));
    }
    (known::MINOR.is(facts) || facts.parties.iter().any(minor_patient)).then_some(service)
}

fn minus_years(at: Moment, years: u16) -> Moment {
    // Whole days of 365: never earlier than the true date, which is the side that keeps longer.
    at.saturating_sub(u64::from(years) * 365 * dates::DAY_MS)
}

fn programs(provider: &str, facts: &Facts) -> Vec<(u16, &'static str)> {
    let stated = known::PROGRAM.word(facts);
    let medicare = known::MEDICARE.is(facts) && provider.contains("hospital");
    let named = |program: &str| {
        program == provider
            || stated.as_deref() == Some(program)
            || (medicare && program == "medicare-hospital")
    };
    tables::FEDERAL
        .iter()
        .filter(|f| f.programs.iter().any(|p| named(p)))
        .map(|f| (f.years, f.citation))
        .collect()
}

fn is_documentation(element: Element, facts: &Facts) -> bool {
    element == Element::AuditLog
        || known::CLASS.word(facts).is_some_and(|class| tables::lists(tables::DOCUMENTATION, &class))
}

fn documentation_until(facts: &Facts) -> Moment {
    let effective = known::moment(&known::LAST_EFFECTIVE, &known::LAST_EFFECTIVE_DAYS, facts).unwrap_or(0);
    dates::plus_years(effective.max(facts.began), tables::DOCUMENTATION_YEARS)
}

fn documentation(facts: &Facts, ruling: &mut Ruling) {
    let until = documentation_until(facts);
    if facts.now < until {
        ruling.refuse(
            &DOCUMENTATION,
            "Policies, authorizations, accounting and audit logs are kept for six years from their creation or last effect. \
             That this covers audit logs is the prudent reading.",
        );
        ruling.oblige(&DOCUMENTATION, Duty::RetainUntil(until));
    }
}

/// A voiceprint, what the rules themselves remove, or a copy of what lies elsewhere too: no record is lost.
fn is_copy_or_removal(disposal: &Disposal, facts: &Facts) -> bool {
    match disposal.what {
        Element::Template => true,
        Element::Segment => disposal.basis == Basis::Rules,
        Element::Backup => {
            facts.placements.is_empty() || facts.placements.iter().any(|p| p.kind == StoreKind::Primary)
        }
        _ => false,
    }
}

fn ends_with_the_agreement(settings: &Settings, disposal: &Disposal, facts: &Facts) -> bool {
    let associate = settings.entity == Entity::BusinessAssociate
        || known::PROVIDER.word(facts).is_some_and(|p| p == "business-associate");
    disposal.basis == Basis::ContractEnd && associate
}

/// The covered entity keeps the record; its associate keeps nothing.
fn return_or_destroy(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    ruling.because(
        &RETURN_OR_DESTROY,
        "At the end of the agreement the associate returns or destroys what it holds.",
    );
    if in_record(settings, facts) != Some(false) && !known::RETURNED.is(facts) {
        ruling.see_to(&RETURN_OR_DESTROY, "return-to-covered-entity", None);
    }
}

fn destroy(facts: &Facts, ruling: &mut Ruling) {
    let method = known::METHOD.text(facts).map(spelled);
    if method.is_some_and(|m| !tables::lists(tables::SANITIZED, &m)) {
        ruling.obligations.clear();
        ruling.refuse(
            &MEDIA,
            "That way of deleting leaves something to reconstruct (NIST SP 800-88: clear, purge, destroy).",
        );
        ruling.remedy(&MEDIA, "sanitize-media");
        return;
    }
    ruling.because(&MEDIA, "Destroyed so that nothing can be reconstructed (NIST SP 800-88).");
    ruling.oblige(&MEDIA, Duty::SecureDestroy);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use caveat_sdk::{
        facts::{Attribute, AttributeValue::*},
        storage::{Event, Outcome},
    };

    use super::*;
    use crate::storage::{self, tests::codes};

    const RECORDING: Disposal = Disposal { what: Element::Recording, basis: Basis::Schedule };

    fn at(text: &str) -> Moment {
        dates::parse(text).unwrap()
    }

    /// A recording begun then, looked at on 2026-11-23, with retention attributes.
    fn facts(began: &str, attributes: &[(&str, caveat_sdk::facts::AttributeValue)]) -> Facts {
        let mut facts = Facts::empty();
        (facts.now, facts.began) = (at("2026-11-23"), at(began));
        facts.attributes = attributes
            .iter()
            .map(|(name, value)| Attribute { name: format!("retention.{name}"), value: value.clone() })
            .collect();
        facts
    }

    fn deleted(settings: &Settings, disposal: Disposal, facts: &Facts) -> (Outcome, Vec<String>) {
        let ruling = storage::rule(settings, &Event::Dispose(disposal), facts);
        (ruling.outcome, codes(&ruling))
    }

    /// Until when a record of this state, provider, service date and birth is kept; none: it may go.
    #[track_caller]
    fn check(state: &str, provider: &str, began: &str, born: Option<&str>, until: Option<&str>) {
        let mut attributes = vec![
            ("state", Text(state.into())),
            ("provider", Text(provider.into())),
            ("part-of-record", Flag(true)),
        ];
        attributes.extend(born.map(|b| ("birth-date", When(at(b)))));
        let (outcome, codes) = deleted(&Settings::default(), RECORDING, &facts(began, &attributes));
        match until {
            Some(until) => {
                assert_eq!((outcome, codes), (Outcome::Refuse, vec![format!("retain-until-{until}")]))
            }
            None => assert_eq!((outcome, codes), (Outcome::Allow, vec!["secure-destroy".to_owned()])),
        }
    }

    #[test]
    fn the_state_table() {
        check("NC", "hospital", "2014-11-23", Some("2012-03-01"), Some("2042-03-01"));
        check("NC", "hospital", "2014-11-23", None, None);
        check("NC", "hospital", "2016-01-10", None, Some("2027-01-10"));
        // The six years that people take from HIPAA.
        check("TX", "hospital", "2020-11-20", None, Some("2030-11-20"));
        check("TX", "physician", "2019-11-22", None, None);
        check("TX", "physician", "2019-11-24", None, Some("2026-11-24"));
        check("TX", "physician", "2012-01-01", Some("2006-05-05"), Some("2027-05-05"));
        check("MA", "hospital", "2010-01-01", None, Some("2030-01-01"));
        check("NV", "physician", "2015-01-01", Some("2005-06-01"), Some("2028-06-01"));
        check("FL", "physician", "2021-11-22", None, None);
        check("NY", "physician", "2015-01-01", Some("2005-01-01"), Some("2027-01-01"));
        check("NY", "hospital", "2015-01-01", Some("2005-01-01"), None);
        check("SC", "physician", "2014-01-01", Some("2004-01-01"), Some("2027-01-01"));
        check("WA", "hospital", "2016-11-22", Some("2010-01-01"), Some("2042-11-22"));
        check("MD", "physician", "2018-11-22", Some("2015-06-01"), Some("2040-06-01"));
        check("MD", "hospital", "2020-01-01", None, Some("2027-01-01"));
        check("PA", "physician", "2014-01-01", Some("2007-03-01"), Some("2027-03-01"));
    }

    #[test]
    fn coming_of_age_differs() {
        // Mississippi: 21 + 7; Nebraska: 19 + 3; Georgia: 18 + 5.
        check("MS", "hospital", "2012-01-01", Some("2000-01-01"), Some("2028-01-01"));
        check("NE", "hospital", "2012-01-01", Some("2006-01-01"), Some("2028-01-01"));
        check("GA", "hospital", "2012-01-01", Some("2005-01-01"), Some("2028-01-01"));
        // Twenty at the service: a minor in Mississippi, not in Georgia.
        check("MS", "hospital", "2020-06-01", Some("2000-01-01"), Some("2030-06-01"));
    }

    #[test]
    fn where_no_rule_was_found() {
        check("OH", "physician", "2018-01-01", None, Some("2028-01-01"));
        check("ZZ", "physician", "2016-11-22", None, None);
        check("OH", "hospital", "2010-01-01", Some("2006-01-01"), Some("2028-01-01"));
        // Uncertain rows keep the default beneath them, until counsel confirms.
        check("KY", "hospital", "2020-01-01", None, Some("2030-01-01"));
        let confirmed = Settings { counsel_confirmed: vec!["KY".into()], ..Settings::default() };
        let attributes = [("state", Text("KY".into())), ("provider", Text("hospital".into()))];
        assert_eq!(deleted(&confirmed, RECORDING, &facts("2020-01-01", &attributes)).0, Outcome::Allow);
        // A provider of unknown kind: the longer of both.
        check("FL", "", "2020-11-01", None, Some("2027-11-01"));
    }

    /// Every row that is not settled: the default is kept as a floor, the reason says so, and counsel can confirm the state.
    #[test]
    fn an_unsure_row_is_never_kept_shorter_than_the_default() {
        let service = at("2010-03-01");
        let mut walked = 0;
        for state in tables::STATES {
            for holder in [&state.physician, &state.hospital] {
                let unsure = holder.confidence != Confidence::High;
                for born in [None, Some(at("2000-06-01"))] {
                    let table = by_state(holder, state.majority, service, born, true);
                    let (fallback, got) =
                        (by_default(service, born), by_state(holder, state.majority, service, born, false));
                    let wanted = if unsure { table.until.max(fallback.until) } else { table.until };
                    assert_eq!(dates::text(got.until), dates::text(wanted), "{}", state.code);
                    if holder.years.is_some() {
                        assert_eq!(got.why.contains("uncertain"), unsure, "{}: {}", state.code, got.why);
                        assert!(!table.why.contains("uncertain"), "{}: {}", state.code, table.why);
                        walked += usize::from(unsure);
                    }
                }
            }
        }
        assert!(walked >= 60, "only {walked}");
    }

    #[test]
    fn floors_beneath_the_state() {
        let program = |extra: (&'static str, caveat_sdk::facts::AttributeValue)| {
            let attributes = [("state", Text("FL".into())), ("provider", Text("physician".into())), extra];
            deleted(&Settings::default(), RECORDING, &facts("2020-01-01", &attributes))
        };
        let until = |date: &str| (Outcome::Refuse, vec![format!("retain-until-{date}")]);
        assert_eq!(program(("program", Text("medicare-advantage".into()))), until("2030-01-01"));
        assert_eq!(program(("program", Text("Mammography".into()))), until("2030-01-01"));
        assert_eq!(program(("contract-years", Whole(7))), until("2027-01-01"));
        assert_eq!(program(("last-service-days", Whole(365))), until("2030-11-23"));
        assert_eq!(program(("medicare", Flag(true))).0, Outcome::Allow);
    }

    #[test]
    fn an_age_or_a_minor_alone_keeps_longest() {
        let kept = |extra: (&'static str, caveat_sdk::facts::AttributeValue)| {
            let attributes = [("state", Text("NC".into())), ("provider", Text("hospital".into())), extra];
            deleted(&Settings::default(), RECORDING, &facts("2010-06-01", &attributes)).1
        };
        assert_eq!(kept(("minor", Flag(true))), ["retain-until-2040-06-01"]);
        assert_eq!(kept(("patient-age", Whole(10))), ["retain-until-2030-06-03"]);
        assert_eq!(kept(("patient-age", Whole(40))), ["secure-destroy"]);
    }

    #[test]
    fn no_part_of_a_record() {
        let settings = Settings::default();
        let out = facts("2026-01-01", &[("part-of-record", Flag(false)), ("state", Text("MA".into()))]);
        assert_eq!(deleted(&settings, RECORDING, &out), (Outcome::Allow, vec!["secure-destroy".into()]));
        let unknown = facts("2026-01-01", &[]);
        assert_eq!(deleted(&settings, RECORDING, &unknown).0, Outcome::Ask);
        let review = |facts: &Facts| storage::rule(&settings, &Event::Review(Element::Recording), facts);
        assert_eq!(review(&out), Ruling::allow());
        let part =
            facts("2026-01-01", &[("state", Text("MA".into())), ("provider", Text("hospital".into()))]);
        assert_eq!(codes(&review(&part)), ["retain-until-2046-01-01"]);
    }

    #[test]
    fn documentation_is_kept_six_years() {
        let settings = Settings::default();
        let log = Disposal { what: Element::AuditLog, basis: Basis::Schedule };
        let until = |date: &str| (Outcome::Refuse, vec![format!("retain-until-{date}")]);
        assert_eq!(deleted(&settings, log, &facts("2021-01-01", &[])), until("2027-01-01"));
        assert_eq!(deleted(&settings, log, &facts("2020-11-22", &[])).0, Outcome::Allow);
        let policy = |extra: &[(&str, caveat_sdk::facts::AttributeValue)]| {
            let mut all = vec![("class", Text("policy".into()))];
            all.extend_from_slice(extra);
            deleted(&settings, RECORDING, &facts("2015-01-01", &all))
        };
        assert_eq!(policy(&[("last-effective-days", Whole(366))]), until("2031-11-22"));
        assert_eq!(policy(&[]).0, Outcome::Allow);
    }

    #[test]
    fn destroyed_for_good() {
        let settings = Settings::default();
        let by = |method: &str| {
            let attributes = [("part-of-record", Flag(false)), ("method", Text(method.into()))];
            deleted(&settings, RECORDING, &facts("2026-01-01", &attributes)).0
        };
        assert_eq!(by("NIST 800-88"), Outcome::Allow);
        assert_eq!(by("crypto-erase"), Outcome::Allow);
        assert_eq!(by("unlink"), Outcome::Refuse);
        assert_eq!(by("redact"), Outcome::Refuse);
    }

    #[test]
    fn an_associate_returns_what_it_held() {
        let settings = Settings { entity: Entity::BusinessAssociate, ..Settings::default() };
        let end = Disposal { what: Element::Recording, basis: Basis::ContractEnd };
        let got = deleted(&settings, end, &facts("2026-01-01", &[("part-of-record", Flag(true))]));
        assert_eq!(got, (Outcome::Allow, vec!["return-to-covered-entity".into(), "secure-destroy".into()]));
        let got = deleted(&settings, end, &facts("2026-01-01", &[("returned", Flag(true))]));
        assert_eq!(got.1, ["secure-destroy"]);
    }

    #[test]
    fn removal_by_the_rules_is_no_loss_of_a_record() {
        let kept = facts("2026-01-01", &[("part-of-record", Flag(true))]);
        let segment =
            |basis| deleted(&Settings::default(), Disposal { what: Element::Segment, basis }, &kept).0;
        assert_eq!(segment(Basis::Rules), Outcome::Allow);
        assert_eq!(segment(Basis::PersonAsks), Outcome::Refuse);
    }
}
