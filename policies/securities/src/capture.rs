//! Which calls have to be recorded. That they may be is for other packs to say.

use caveat_sdk::{
    Facts, Rule,
    capture::{Duty, Event, Ruling},
    facts::Role,
};
use pack_law::known;

use crate::{
    firm::{Kind, Settings, is_unrelated},
    law,
};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !with_a_customer(facts) {
        return ruling;
    }
    if settings.is_taping_firm(facts) && taping_has_begun(settings, facts) {
        must_record(
            &law::TAPING,
            "A taping firm records every call with an existing or potential customer.",
            &mut ruling,
        );
        if settings.reaches_the_threshold() {
            ruling.because(
                &law::TAPING_THRESHOLD,
                "By its numbers the client is a taping firm: so many of its registered persons came from disciplined firms.",
            );
        }
        if matches!(event, Event::Ended) && known::word(facts, &["call.registered-person"]).is_none() {
            ruling.because(&law::TAPING_INDEX, "Nobody said which registered person was on the call.");
            ruling.see_to(&law::TAPING_INDEX, "catalog-by-person-and-date", None);
        }
    }
    if settings.nfa_enhanced_supervision {
        must_record(
            &law::ENHANCED_SUPERVISION,
            "A firm under enhanced supervision records its sales calls.",
            &mut ruling,
        );
    }
    if is_unrelated(facts) {
        return ruling;
    }
    if settings.is(Kind::Futures, facts) {
        must_record(
            &law::ORDER_CALLS,
            "Oral communications that lead to a commodity interest transaction are recorded; this one is not known to lead to none.",
            &mut ruling,
        );
    }
    if settings.is(Kind::SwapDealer, facts) {
        must_record(
            &law::SWAP_CALLS,
            "Oral communications before a swap is executed are recorded.",
            &mut ruling,
        );
    }
    ruling
}

/// Calls within the firm are nobody's order; whoever is not known may be a customer.
fn with_a_customer(facts: &Facts) -> bool {
    facts.parties.is_empty()
        || facts.parties.iter().any(|p| !matches!(p.role, Role::Agent | Role::Supervisor))
}

fn taping_has_begun(settings: &Settings, facts: &Facts) -> bool {
    let begins = |notice| law::TAPING_BEGINS_60_DAYS.after(notice, &settings.counsel_confirmed);
    let notice = known::moment(facts, &["tenant.taping-notice"], &["tenant.taping-notice-days"]);
    notice.is_none_or(|notice| facts.now >= begins(notice))
}

/// Business that has to be recorded is not done unrecorded.
fn must_record(rule: &Rule, why: &str, ruling: &mut Ruling) {
    ruling.because(rule, why);
    ruling.oblige(rule, Duty::MustRecord).oblige(rule, Duty::EndCallUnlessRecorded);
}
