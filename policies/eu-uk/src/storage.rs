//! Where recordings lie, how long, what erases them and what keeps them, and what a breach asks for.

use caveat_sdk::{
    Facts, dates,
    facts::{Placement, PlacementTraits},
    storage::{Basis, Disposal, Duty, Event, Outcome, Ruling},
};
use pack_law::{
    is_listed,
    keeper::{Keeper, is_bare},
    keeping::{self, Kept},
    known,
};

use crate::{law, scope::Settings};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    if settings.covers(facts) { settings.rule(event, facts) } else { Ruling::allow() }
}

impl Keeper for Settings {
    fn place(&self, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
        placed(self, place, facts, ruling);
    }
    fn keep(&self, facts: &Facts, ruling: &mut Ruling) {
        keeping::announce(&kept(self, facts), &self.counsel_confirmed, facts, ruling);
        limit(self, facts, ruling);
        register(self, facts, ruling);
    }
    fn dispose(&self, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
        dispose(self, disposal, facts, ruling);
    }
    fn breach(&self, facts: &Facts, ruling: &mut Ruling) {
        breach(facts, ruling);
    }
    fn copy(&self, facts: &Facts, ruling: &mut Ruling) {
        copy(facts, ruling);
    }
}

fn placed(settings: &Settings, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
    if is_bare(place) {
        ruling.refuse(&law::SECURITY, "It would lie there unencrypted.").remedy(&law::SECURITY, "encrypt");
    }
    let country = place.region.split('-').next().unwrap_or_default();
    let protected = is_listed(law::COVERED, country)
        || is_listed(law::ADEQUATE, country)
        || (is_listed(law::ADEQUATE_FOR_THE_EU, country) && !settings.may_be_of_the_uk(facts));
    let safeguard =
        known::word(facts, &["storage.transfer-safeguard"]).is_some_and(|s| is_listed(law::SAFEGUARDS, &s));
    if !protected && !safeguard {
        ruling.refuse(
            &law::TRANSFER,
            "It would lie where its protection does not go with it, or nobody knows where.",
        );
        ruling.remedy(&law::TRANSFER, "add-transfer-safeguard");
    }
    let contract =
        known::flag(facts, &["storage.processor-contract"]).unwrap_or(settings.processors_under_contract);
    if place.traits.contains(PlacementTraits::THIRD_PARTY) && !contract {
        ruling.refuse(&law::PROCESSOR, "A third party would keep it without a processor's contract.");
        ruling.remedy(&law::PROCESSOR, "sign-processor-contract");
    }
    let lasting = place.traits.contains(PlacementTraits::IMMUTABLE)
        || place.traits.contains(PlacementTraits::AUDIT_TRAIL);
    if settings.is_order(facts) && !lasting {
        ruling.refuse(
            &law::DURABLE_MEDIUM,
            "The place can be rewritten, and no audit trail creates the original again.",
        );
        ruling.remedy(&law::DURABLE_MEDIUM, "use-durable-medium");
    }
}

fn kept(settings: &Settings, facts: &Facts) -> Vec<Kept> {
    if !settings.is_order(facts) {
        return vec![];
    }
    let seven =
        known::flag(facts, &["retention.authority-asked"]).unwrap_or(settings.authority_asked_7_years);
    let period = if seven { &law::RETAIN_ORDERS_7_YEARS } else { &law::RETAIN_ORDERS_5_YEARS };
    vec![Kept { rule: &law::ORDER_PERIOD, period, from: facts.began }]
}

/// What keeps it against everything else: art. 17(3)(b) and (e).
fn is_needed(facts: &Facts) -> bool {
    let said = known::is(facts, &["retention.legal-duty"]) || known::is(facts, &["retention.legal-claim"]);
    said || !facts.holds.is_empty()
}

/// The controller's own time for it.
fn limit(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let end = |k: &Kept| k.period.after(k.from, &settings.counsel_confirmed);
    let running = kept(settings, facts).iter().any(|k| facts.now < end(k));
    if running || is_needed(facts) {
        return;
    }
    let by = settings.max_age_days.map(|days| dates::plus_days(facts.began, days));
    if known::is(facts, &["retention.expired"]) || by.is_some_and(|by| facts.now >= by) {
        ruling.refuse(&law::STORAGE_LIMITATION, "It is past the time that its purpose has.");
        ruling.oblige(&law::STORAGE_LIMITATION, Duty::SecureDestroy);
    } else if let Some(by) = by {
        ruling.because(&law::STORAGE_LIMITATION, "The controller has set a time for it.");
        ruling.oblige(&law::STORAGE_LIMITATION, Duty::DestroyBy(by));
    }
}

fn register(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    if settings.is_unregistered(facts) {
        ruling.because(
            &law::RECORDS_OF_PROCESSING,
            "The records of processing have no entry on this recording.",
        );
        ruling.see_to(&law::RECORDS_OF_PROCESSING, "record-processing-activity", None);
    }
}

fn copy(facts: &Facts, ruling: &mut Ruling) {
    let outlives = known::count(facts, &["retention.primary-deleted-days-ago"]).is_some_and(|days| days > 0);
    if outlives && !is_needed(facts) {
        ruling.refuse(&law::EVERY_COPY, "What this is a copy of is deleted.");
        ruling.see_to(&law::EVERY_COPY, "purge-backup-or-crypto-erase", None);
    }
}

fn dispose(settings: &Settings, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
    let asked = disposal.basis == Basis::ErasureRequest;
    keeping::hold_back(&kept(settings, facts), &settings.counsel_confirmed, facts, ruling);
    if is_needed(facts) {
        ruling.refuse(&law::ERASURE, "A legal obligation or a legal claim keeps it (art. 17(3)).");
    }
    if ruling.outcome != Outcome::Allow {
        if asked {
            ruling.because(&law::ERASURE, "The person is told why it is not erased, and it is restricted.");
            ruling.see_to(&law::ERASURE, "reply-with-reason", Some(answer_by(facts)));
            ruling.see_to(&law::ERASURE, "restrict-processing", None);
        }
        return;
    }
    if asked {
        ruling.because(&law::ERASURE, "The person asked, and nothing keeps it.");
        ruling.see_to(&law::ERASURE, law::ANSWER_WITHIN_1_MONTH.name, Some(answer_by(facts)));
    }
    keeping::destroy(&law::DISPOSAL, facts, ruling);
}

/// A month after the request, or after now where nobody said when it came.
pub(crate) fn answer_by(facts: &Facts) -> u64 {
    let asked = known::moment(facts, &["access.requested"], &["access.requested-days-ago"]);
    law::ANSWER_WITHIN_1_MONTH.after(asked.unwrap_or(facts.now), &[])
}

fn breach(facts: &Facts, ruling: &mut Ruling) {
    if known::is(facts, &["breach.risk-unlikely"]) {
        return;
    }
    let discovered = known::moment(facts, &["breach.discovered"], &["breach.discovered-days-ago"]);
    let due = law::NOTIFY_AUTHORITY_72_HOURS.after(discovered.unwrap_or(facts.now), &[]);
    ruling.because(&law::AUTHORITY_NOTICE, law::NOTIFY_AUTHORITY_72_HOURS.why);
    ruling.see_to(&law::AUTHORITY_NOTICE, law::NOTIFY_AUTHORITY_72_HOURS.name, Some(due));
    let keys_taken = known::is(facts, &["breach.keys-taken", "breach.key-compromised"]);
    let secured = known::is(facts, &["breach.encrypted"]) && !keys_taken;
    if !known::is_not(facts, &["breach.high-risk"]) && !secured {
        ruling.because(&law::SUBJECT_NOTICE, "The risk is or may be high, and what got out can be read.");
        ruling.see_to(&law::SUBJECT_NOTICE, "notify-data-subjects", None);
    }
}
