//! Which periods apply to a recording, by what it holds.

use caveat_sdk::{Facts, Rule, facts::Moment};
use pack_law::{Period, is_listed, keeping::Kept, known};

use crate::{Settings, law};

/// The period that applies, over or not; and what has to be found out where it runs from a day that nobody has given. That day
/// is not before the call, so that until then the period runs from the call at least.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) kept: Vec<Kept>,
    /// The rule that has to know more, and the action that finds it out.
    pub(crate) missing: Option<(&'static Rule, &'static str)>,
}

pub(crate) fn of(settings: &Settings, facts: &Facts) -> Found {
    let said = known::word(facts, &["retention.class"]);
    let class = said.clone().unwrap_or_else(|| settings.usual_class.clone());
    let is = |list: &[&str]| is_listed(list, &class);
    if is(law::OTHER_CLASSES) {
        return Found::default();
    }
    if is(law::CREDIT_CLASSES) {
        return keep(&law::EVIDENCE, &law::RETAIN_2_YEARS_CREDIT, facts.began);
    }
    if is(law::CLOSING_CLASSES) || is(law::MORTGAGE_DISCLOSURE_CLASSES) {
        let period = if is(law::CLOSING_CLASSES) {
            &law::RETAIN_5_YEARS_CLOSING_DISCLOSURES
        } else {
            &law::RETAIN_3_YEARS_MORTGAGE_DISCLOSURES
        };
        // What is disclosed on a call is not disclosed after the closing.
        let closed = known::moment(facts, &["retention.consummated"], &["retention.consummated-days"]);
        return keep(&law::EVIDENCE, period, closed.unwrap_or(facts.began).max(facts.began));
    }
    if is(law::TRANSFER_CLASSES) {
        return keep(&law::EVIDENCE, &law::RETAIN_2_YEARS_TRANSFERS, facts.began);
    }
    if is(law::DISPUTE_CLASSES) {
        return keep(&law::CREDIT_DISPUTE, &law::RETAIN_DISPUTE_5_YEARS, facts.began);
    }
    if is(law::DEBIT_CLASSES) {
        let settled = known::moment(facts, &["retention.settled"], &["retention.settled-days"]);
        return keep(&law::EVIDENCE, &law::RETAIN_2_YEARS_TELEPHONE_DEBIT, settled.unwrap_or(facts.began));
    }
    if is(law::SERVICING_CLASSES) {
        let ended = known::moment(facts, &["retention.loan-ended"], &["retention.loan-ended-days"]);
        let found = keep(&law::EVIDENCE, &law::RETAIN_1_YEAR_SERVICING, ended.unwrap_or(facts.began));
        let missing = ended.is_none().then_some((&law::EVIDENCE, "find-loan-end"));
        return Found { missing, ..found };
    }
    application(said.is_some_and(|said| is_listed(law::APPLICATION_CLASSES, &said)), facts)
}

/// Also what has no known class. What is said to be an application is open until notice of an action is known.
fn application(said_so: bool, facts: &Facts) -> Found {
    let business = known::is(facts, &["retention.business-credit"]);
    let period =
        if business { &law::RETAIN_12_MONTHS_BUSINESS_CREDIT } else { &law::RETAIN_25_MONTHS_FROM_ACTION };
    let notice = known::moment(facts, &["retention.notice-of-action"], &["retention.notice-of-action-days"]);
    let missing = (said_so && notice.is_none()).then_some((&law::APPLICATIONS, "find-notice-of-action"));
    Found { missing, ..keep(&law::APPLICATIONS, period, notice.unwrap_or(facts.began)) }
}

fn keep(rule: &'static Rule, period: &'static Period, from: Moment) -> Found {
    Found { kept: vec![Kept { rule, period, from }], missing: None }
}
