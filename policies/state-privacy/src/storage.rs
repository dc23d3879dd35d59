//! How long, who deletes it and what keeps it, how it lies, and what a breach asks for.

use caveat_sdk::{
    Facts, dates,
    facts::{Moment, Placement, PlacementTraits},
    storage::{Basis, Disposal, Duty, Event, Outcome, Ruling},
};
use pack_law::{
    is_listed,
    keeper::{Keeper, is_bare},
    keeping::{self, Kept},
    known,
};

use crate::{Settings, law};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    if settings.covers(facts) { settings.rule(event, facts) } else { Ruling::allow() }
}

impl Keeper for Settings {
    fn place(&self, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
        placed(self, place, facts, ruling);
    }
    fn keep(&self, facts: &Facts, ruling: &mut Ruling) {
        limit(self, facts, ruling);
    }
    fn dispose(&self, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
        if !self.carved_out {
            dispose(self, disposal, facts, ruling);
        }
    }
    fn breach(&self, facts: &Facts, ruling: &mut Ruling) {
        breach(self, facts, ruling);
    }
}

fn placed(settings: &Settings, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
    if is_bare(place) {
        ruling.refuse(&law::SECURITY, "It would lie there unencrypted.").remedy(&law::SECURITY, "encrypt");
    }
    let contract =
        known::flag(facts, &["storage.service-contract"]).unwrap_or(settings.providers_under_contract);
    if place.traits.contains(PlacementTraits::THIRD_PARTY) && !contract && !settings.carved_out {
        ruling.refuse(
            &law::SERVICE_PROVIDER,
            "A third party would keep it without a service provider's contract.",
        );
        ruling.remedy(&law::SERVICE_PROVIDER, "sign-service-contract");
    }
}

fn requests(facts: &Facts) -> Vec<Kept> {
    let class = known::word(facts, &["retention.class"]).unwrap_or_default();
    let request =
        Kept { rule: &law::REQUEST_RECORDS, period: &law::RETAIN_REQUESTS_24_MONTHS, from: facts.began };
    if is_listed(law::REQUEST_CLASSES, &class) { vec![request] } else { vec![] }
}

/// What keeps it against a deletion: Cal. Civ. Code 1798.105(d).
fn is_needed(facts: &Facts) -> bool {
    let said = ["retention.legal-duty", "retention.transaction-open", "retention.legal-claim"];
    !facts.holds.is_empty() || said.iter().any(|name| known::is(facts, &[name]))
}

fn limit(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let kept = requests(facts);
    keeping::announce(&kept, &settings.counsel_confirmed, facts, ruling);
    let Some(days) = settings.stated_days else { return };
    if !ruling.obligations.is_empty() || is_needed(facts) || settings.carved_out {
        return;
    }
    let by = dates::plus_days(facts.began, days);
    if facts.now < by {
        ruling.because(&law::RETENTION_STATED, "The notice at collection gave a time for it.");
        ruling.oblige(&law::RETENTION_STATED, Duty::DestroyBy(by));
    } else {
        ruling.refuse(&law::RETENTION_STATED, "It is past the time that the notice at collection gave.");
        ruling.oblige(&law::RETENTION_STATED, Duty::SecureDestroy);
    }
}

fn dispose(settings: &Settings, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
    let asked = disposal.basis == Basis::ErasureRequest;
    keeping::hold_back(&requests(facts), &settings.counsel_confirmed, facts, ruling);
    if is_needed(facts) {
        ruling.refuse(&law::DELETION, "An exception keeps it (Cal. Civ. Code 1798.105(d)).");
    }
    if asked {
        let answer = law::REPLY_WITHIN_45_DAYS.name;
        ruling.because_of(&law::DELETION, law::REPLY_WITHIN_45_DAYS.citation, law::REPLY_WITHIN_45_DAYS.why);
        ruling.see_to(&law::DELETION, answer, Some(answer_by(facts)));
        let more =
            if ruling.outcome == Outcome::Allow { "tell-service-providers" } else { "reply-with-reason" };
        ruling.see_to(&law::DELETION, more, None);
    }
    keeping::destroy(&law::DISPOSAL, facts, ruling);
}

/// 45 days after the request, or after now where nobody said when it came.
pub(crate) fn answer_by(facts: &Facts) -> Moment {
    let asked = known::moment(facts, &["access.requested"], &["access.requested-days-ago"]);
    law::REPLY_WITHIN_45_DAYS.after(asked.unwrap_or(facts.now), &[])
}

fn breach(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let keys_taken = known::is(facts, &["breach.keys-taken", "breach.key-compromised"]);
    if known::is(facts, &["breach.encrypted"]) && !keys_taken {
        return;
    }
    let discovered = known::moment(facts, &["breach.discovered"], &["breach.discovered-days-ago"]);
    let due =
        law::NOTIFY_RESIDENTS_30_DAYS.after(discovered.unwrap_or(facts.now), &settings.counsel_confirmed);
    ruling.because_of(
        &law::BREACH_NOTICE,
        law::NOTIFY_RESIDENTS_30_DAYS.citation,
        &law::NOTIFY_RESIDENTS_30_DAYS.says(&settings.counsel_confirmed),
    );
    ruling.see_to(&law::BREACH_NOTICE, law::NOTIFY_RESIDENTS_30_DAYS.name, Some(due));
    let residents = known::count(facts, &["breach.state-residents", "breach.persons"]);
    if residents.is_none_or(|n| n > u64::from(law::RESIDENTS_OVER.value)) {
        let period = &law::NOTIFY_ATTORNEY_GENERAL_15_DAYS;
        ruling.because_of(&law::ATTORNEY_GENERAL, period.citation, &period.says(&settings.counsel_confirmed));
        let by = period.after(due, &settings.counsel_confirmed);
        ruling.see_to(&law::ATTORNEY_GENERAL, period.name, Some(by));
    }
}
