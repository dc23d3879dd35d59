//! Which periods bind a recording: by what it belongs to, and whose law binds.

use caveat_sdk::{Facts, Rule, dates, facts::Role};
use pack_law::{Period, is_listed, keeping::Kept, known};

use crate::{Settings, law};

/// What a recording belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Claim,
    Complaint,
    Policy,
}

/// Rows of states, longest first within a class.
static ROWS: [(Class, &str, &Rule, &Period); 10] = [
    (Class::Claim, "PA", &law::CLAIM_FILES, &law::PA_CLAIMS_7_YEARS),
    (Class::Claim, "NY", &law::CLAIM_FILES, &law::NY_CLAIMS_6_YEARS),
    (Class::Claim, "IL", &law::CLAIM_FILES, &law::IL_CLAIMS_5_YEARS),
    (Class::Claim, "CA", &law::CLAIM_FILES, &law::CA_CLAIMS_4_YEARS),
    (Class::Complaint, "PA", &law::COMPLAINTS, &law::PA_COMPLAINTS_7_YEARS),
    (Class::Complaint, "IL", &law::COMPLAINTS, &law::IL_COMPLAINTS_7_YEARS),
    (Class::Complaint, "NY", &law::COMPLAINTS, &law::NY_COMPLAINTS_6_YEARS),
    (Class::Complaint, "TX", &law::COMPLAINTS, &law::TX_COMPLAINTS_3_YEARS),
    (Class::Policy, "PA", &law::POLICY_RECORDS, &law::PA_POLICIES_7_YEARS),
    (Class::Policy, "NY", &law::POLICY_RECORDS, &law::NY_POLICIES_6_YEARS),
];

/// What binds a recording.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Every period that applies, over or not.
    pub(crate) kept: Vec<Kept>,
    /// Nobody said when it was closed, so that it is open.
    pub(crate) open: bool,
    /// A state keeps it until its examination is filed, and nobody said that it was.
    pub(crate) unexamined: bool,
}

pub(crate) fn of(settings: &Settings, facts: &Facts) -> Found {
    let Some(class) = class(settings, facts) else { return Found::default() };
    let closed = known::moment(facts, &["retention.closed"], &["retention.closed-days"]);
    // Nothing is closed before the call that is part of it.
    let from = dates::year_end(closed.unwrap_or(facts.began).max(facts.began));
    let states = states(settings, facts);
    let bound = |state: &str| states.is_empty() || states.iter().any(|s| s == state);
    let rows: Vec<_> = ROWS.iter().filter(|(of, state, ..)| *of == class && bound(state)).collect();
    let listed = |state: &String| rows.iter().any(|(_, of, ..)| of == state);
    let mut kept: Vec<Kept> = rows.iter().map(|&&(_, _, rule, period)| Kept { rule, period, from }).collect();
    if states.is_empty() || !states.iter().all(listed) {
        kept.push(Kept { rule: &law::ELSEWHERE, period: elsewhere(class), from });
    }
    let unexamined = bound("NY") && !known::is(facts, &["retention.examination-filed"]);
    Found { kept, open: closed.is_none(), unexamined }
}

/// None where the client says that it is no record of these.
fn class(settings: &Settings, facts: &Facts) -> Option<Class> {
    let said = known::word(facts, &["retention.class", "call.topic"]);
    let word = said.unwrap_or_else(|| settings.usual_class.clone());
    match word.as_str() {
        word if is_listed(law::OTHER_CLASSES, word) || is_listed(law::MEDICARE_CLASSES, word) => None,
        word if is_listed(law::COMPLAINT_CLASSES, word) => Some(Class::Complaint),
        word if is_listed(law::POLICY_CLASSES, word) => Some(Class::Policy),
        // Words for claims, and words that nobody knows.
        _ => Some(Class::Claim),
    }
}

fn elsewhere(class: Class) -> &'static Period {
    match class {
        Class::Claim => &law::CLAIMS_ELSEWHERE,
        Class::Complaint => &law::COMPLAINTS_ELSEWHERE,
        Class::Policy => &law::POLICIES_ELSEWHERE,
    }
}

/// Whose law binds; empty where nobody knows.
fn states(settings: &Settings, facts: &Facts) -> Vec<String> {
    if let Some(said) = facts.text("retention.state") {
        let codes = said.split(|c: char| !c.is_alphabetic()).filter(|code| !code.is_empty());
        return codes.map(str::to_ascii_uppercase).collect();
    }
    if !settings.states.is_empty() {
        return settings.states.clone();
    }
    let mut customers = facts.parties.iter().filter(|p| p.role == Role::Customer).peekable();
    if customers.peek().is_none() {
        return vec![];
    }
    let places: Vec<Vec<String>> =
        customers.map(|p| p.regions.iter().map(|r| r.region.clone()).collect()).collect();
    // Somebody whose place nobody knows may be anywhere.
    if places.iter().any(Vec::is_empty) { vec![] } else { places.concat() }
}
