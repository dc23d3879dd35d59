//! Which periods apply to a recording or another record.

use caveat_sdk::{Facts, Rule, facts::Moment, storage::Element};
use pack_law::{Period, is_listed, keeping::Kept, known};

use crate::{
    firm::{Kind, Settings, is_unrelated},
    law,
};

/// Every period that applies, over or not; and what has to be found out where one runs from a day that nobody has given. That
/// day is not before the call, so that until then it runs from the call at least.
pub(crate) struct Found {
    pub(crate) kept: Vec<Kept>,
    /// The action that finds it out.
    pub(crate) missing: Option<&'static str>,
}

pub(crate) fn of(settings: &Settings, element: Element, facts: &Facts) -> Found {
    let class = known::word(facts, &["retention.class"]).unwrap_or_default();
    let is = |list: &[&str]| is_listed(list, &class);
    let from_call = |rule, period| from_day(facts.began, rule, period);
    if is(law::LEDGER_CLASSES) {
        return from_call(&law::BOOKS, &law::RETAIN_6_YEARS_LEDGERS);
    }
    if is(law::COMPLAINT_CLASSES) {
        return from_call(&law::BOOKS, &law::RETAIN_4_YEARS_COMPLAINTS);
    }
    if is(law::DEFAULT_CLASSES) {
        return from_call(&law::DEFAULT_PERIOD, &law::RETAIN_6_YEARS_FINRA_DEFAULT);
    }
    if is(law::CFTC_RECORD_CLASSES) {
        return from_call(&law::REGULATORY_RECORDS, &law::RETAIN_5_YEARS_CFTC_RECORDS);
    }
    if is(law::ACCOUNT_CLASSES) {
        let closed = known::moment(facts, &["retention.account-closed"], &["retention.account-closed-days"]);
        let missing = closed.is_none().then_some("find-account-closed");
        let from = closed.unwrap_or(facts.began);
        return Found { missing, ..from_day(from, &law::BOOKS, &law::RETAIN_6_YEARS_AFTER_ACCOUNT_CLOSED) };
    }
    if is(law::SWAP_CLASSES) {
        let ended = known::moment(
            facts,
            &["retention.swap-ended"],
            &["retention.swap-ended-days", "retention.ended-days"],
        );
        let missing = ended.is_none().then_some("find-swap-end");
        let from = ended.unwrap_or(facts.began);
        return Found {
            missing,
            ..from_day(from, &law::REGULATORY_RECORDS, &law::RETAIN_SWAP_5_YEARS_AFTER_END)
        };
    }
    if is(law::ORAL_CLASSES) {
        return Found { kept: vec![oral(element, facts)], missing: None };
    }
    Found { kept: of_a_call(settings, element, facts), missing: None }
}

/// Of a recording, all that bind the firm.
fn of_a_call(settings: &Settings, element: Element, facts: &Facts) -> Vec<Kept> {
    let mut kept = Vec::new();
    let mut keep = |rule, period| kept.push(Kept { rule, period, from: facts.began });
    let business = known::flag(facts, &["retention.business-as-such"]).unwrap_or(true);
    if settings.is(Kind::BrokerDealer, facts) && business {
        keep(&law::BUSINESS_COMMUNICATIONS, &law::RETAIN_3_YEARS_BUSINESS_COMMUNICATIONS);
    }
    if settings.is_taping_firm(facts) {
        keep(&law::TAPED_PERIOD, &law::RETAIN_3_YEARS_TAPED);
    }
    if settings.nfa_enhanced_supervision {
        keep(&law::ENHANCED_SUPERVISION, &law::RETAIN_5_YEARS_NFA);
    }
    if settings.is(Kind::Adviser, facts) && business {
        keep(&law::ADVISER_PERIOD, &law::RETAIN_5_YEARS_ADVISER);
    }
    if is_unrelated(facts) {
        return kept;
    }
    if settings.is(Kind::SecurityBasedSwapDealer, facts) {
        keep(&law::SWAP_ENTITY_PERIOD, &law::RETAIN_3_YEARS_SECURITY_BASED_SWAPS);
    }
    if settings.is(Kind::SwapDealer, facts) {
        keep(&law::ORAL_PERIOD, &law::RETAIN_1_YEAR_SWAPS);
    }
    if settings.is(Kind::Futures, facts) {
        kept.push(oral(element, facts));
    }
    kept
}

fn oral(element: Element, facts: &Facts) -> Kept {
    let written = element == Element::Transcript;
    let period = if written { &law::RETAIN_TRANSCRIPT_1_YEAR } else { &law::RETAIN_1_YEAR_ORAL };
    Kept { rule: &law::ORAL_PERIOD, period, from: facts.began }
}

fn from_day(from: Moment, rule: &'static Rule, period: &'static Period) -> Found {
    Found { kept: vec![Kept { rule, period, from }], missing: None }
}
