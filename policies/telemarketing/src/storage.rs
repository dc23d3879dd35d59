//! How long records of telemarketing are kept.

use caveat_sdk::{
    Facts,
    storage::{Event, Ruling},
};
use pack_law::{
    is_listed,
    keeping::{self, Kept},
    known,
};

use crate::{Settings, is_verification, law};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let confirmed = &settings.counsel_confirmed;
    match event {
        Event::Seal(_) => keeping::announce(&kept(settings, facts), confirmed, facts, &mut ruling),
        Event::Review(element) if keeping::is_the_recording(*element) => {
            keeping::announce(&kept(settings, facts), confirmed, facts, &mut ruling);
        }
        Event::Dispose(disposal) if keeping::concerns(disposal, facts) => {
            let kept = kept(settings, facts);
            if !kept.is_empty() {
                keeping::hold_back(&kept, confirmed, facts, &mut ruling);
                keeping::destroy(&law::DISPOSAL, facts, &mut ruling);
            }
        }
        _ => {}
    }
    ruling
}

fn kept(settings: &Settings, facts: &Facts) -> Vec<Kept> {
    let class = known::word(facts, &["retention.class"]).unwrap_or_default();
    let is = |list: &[&str]| is_listed(list, &class);
    let last_use = known::moment(facts, &["retention.last-use"], &["retention.last-use-days"]);
    let used = last_use.unwrap_or(facts.began).max(facts.began);
    let mut all = Vec::new();
    let mut keep = |rule, period, from| all.push(Kept { rule, period, from });
    if is_verification(facts) {
        keep(&law::VERIFICATION_PERIOD, &law::RETAIN_VERIFICATION_2_YEARS, facts.began);
    }
    if is(law::UWG_CLASSES) {
        keep(&law::GERMAN_CONSENT, &law::RETAIN_UWG_CONSENT_5_YEARS, used);
    }
    if !settings.is_marketing(facts) {
        return all;
    }
    if is(law::LAST_USE_CLASSES) {
        keep(&law::RECORDS, &law::RETAIN_5_YEARS_FROM_LAST_USE, used);
        return all;
    }
    keep(&law::RECORDS, &law::RETAIN_5_YEARS_FROM_RECORD, facts.began);
    if is(law::CONSENT_CLASSES) {
        keep(&law::CONSENT_EVIDENCE, &law::RETAIN_CONSENT_4_YEARS, used);
    }
    if is(law::DO_NOT_CALL_CLASSES) {
        keep(&law::DO_NOT_CALL_PERIOD, &law::RETAIN_DO_NOT_CALL_5_YEARS, facts.began);
    }
    all
}
