//! How long recordings and records of collection are kept.

use caveat_sdk::{
    Facts,
    storage::{Event, Ruling},
};
use pack_law::{
    is_listed,
    keeping::{self, Kept},
    known,
};

use crate::{Settings, law};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    match event {
        Event::Seal(_) => {
            keeping::announce(&kept(settings, facts), &settings.counsel_confirmed, facts, &mut ruling)
        }
        Event::Review(element) if keeping::is_the_recording(*element) => {
            keeping::announce(&kept(settings, facts), &settings.counsel_confirmed, facts, &mut ruling);
        }
        Event::Dispose(disposal) if keeping::concerns(disposal, facts) => {
            keeping::hold_back(&kept(settings, facts), &settings.counsel_confirmed, facts, &mut ruling);
            if counts_from_activity(settings, facts) && last_activity(facts).is_none() {
                ruling.ask(
                    &law::RECORD_PERIOD,
                    "Nobody knows when the last collection activity on the debt was.",
                );
                ruling.remedy(&law::RECORD_PERIOD, "find-last-activity");
            }
            keeping::destroy(&law::DISPOSAL, facts, &mut ruling);
        }
        _ => {}
    }
    ruling
}

fn kept(settings: &Settings, facts: &Facts) -> Vec<Kept> {
    let mut all = Vec::new();
    if !is_other_record(facts) {
        all.push(Kept {
            rule: &law::RECORDING_PERIOD,
            period: &law::RETAIN_3_YEARS_FROM_CALL,
            from: facts.began,
        });
    }
    if counts_from_activity(settings, facts) {
        // The last activity is not before the call: its three years are not over before those from the call are.
        let from = last_activity(facts).unwrap_or(facts.began);
        all.push(Kept { rule: &law::RECORD_PERIOD, period: &law::RETAIN_3_YEARS_FROM_LAST_ACTIVITY, from });
    }
    all
}

fn counts_from_activity(settings: &Settings, facts: &Facts) -> bool {
    settings.recordings_are_records || is_other_record(facts)
}

fn is_other_record(facts: &Facts) -> bool {
    known::word(facts, &["retention.class"]).is_some_and(|class| is_listed(law::RECORD_CLASSES, &class))
}

fn last_activity(facts: &Facts) -> Option<u64> {
    known::moment(
        facts,
        &["retention.last-collection-activity"],
        &["retention.last-collection-activity-days"],
    )
}
