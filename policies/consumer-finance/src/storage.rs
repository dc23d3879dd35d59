//! How customer information lies, how long, when it has to go, and what a breach asks for.

use caveat_sdk::{
    Facts,
    facts::{Moment, Placement},
    storage::{Disposal, Duty, Element, Event, Ruling},
};
use pack_law::{
    is_listed,
    keeper::{Keeper, is_bare},
    keeping::{self, Kept},
    known,
};

use crate::{Settings, law, periods};

impl Keeper for Settings {
    fn place(&self, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
        encryption(self, place, facts, ruling);
    }
    fn keep(&self, facts: &Facts, ruling: &mut Ruling) {
        keep_and_let_go(self, facts, ruling);
    }
    fn dispose(&self, _: &Disposal, facts: &Facts, ruling: &mut Ruling) {
        dispose(self, facts, ruling);
    }
    fn breach(&self, facts: &Facts, ruling: &mut Ruling) {
        if self.financial_institution {
            breach(self, facts, ruling);
        }
    }
}

fn encryption(settings: &Settings, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
    let approved =
        !settings.compensating_control.is_empty() || known::is(facts, &["storage.compensating-control"]);
    if settings.has_safeguards() && is_bare(place) && !approved {
        ruling.refuse(&law::ENCRYPTION, "Customer information would lie there unencrypted.");
        ruling.remedy(&law::ENCRYPTION, "encrypt");
    }
}

/// Until when it is kept, and by when it is gone.
fn keep_and_let_go(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let found = periods::of(settings, facts);
    keeping::announce(&found.kept, &settings.counsel_confirmed, facts, ruling);
    let needed = found.missing.is_some() || under_investigation(facts) || is_needed(settings, facts);
    if !settings.financial_institution || needed {
        return;
    }
    let by = gone_by(settings, facts);
    let ends = found.kept.iter().map(|k| k.period.after(k.from, &settings.counsel_confirmed));
    let kept_longer = ends.max().is_some_and(|end| end > by && facts.now < end);
    if kept_longer {
        return;
    }
    ruling.because_of(
        &law::DISPOSE_UNUSED,
        law::DESTROY_2_YEARS_AFTER_LAST_USE.citation,
        law::DESTROY_2_YEARS_AFTER_LAST_USE.why,
    );
    if facts.now < by {
        ruling.oblige(&law::DISPOSE_UNUSED, Duty::DestroyBy(by));
    } else {
        ruling.refuse(&law::DISPOSE_UNUSED, "It was last used for the customer more than two years ago.");
        ruling.oblige(&law::DISPOSE_UNUSED, Duty::SecureDestroy);
        ruling.remedy(&law::DISPOSE_UNUSED, "document-business-need");
    }
}

fn gone_by(settings: &Settings, facts: &Facts) -> Moment {
    let used = known::moment(facts, &["retention.last-use"], &["retention.last-use-days"]);
    let from = used.unwrap_or(facts.began).max(facts.began);
    law::DESTROY_2_YEARS_AFTER_LAST_USE.after(from, &settings.counsel_confirmed)
}

/// By business, by law, by a hold.
fn is_needed(settings: &Settings, facts: &Facts) -> bool {
    let said =
        ["retention.business-need", "retention.legal-duty"].iter().any(|name| known::is(facts, &[name]));
    said || !settings.business_need.is_empty() || !facts.holds.is_empty()
}

fn under_investigation(facts: &Facts) -> bool {
    known::is(facts, &["retention.investigation", "retention.under-investigation"])
}

fn dispose(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let found = periods::of(settings, facts);
    keeping::hold_back(&found.kept, &settings.counsel_confirmed, facts, ruling);
    if let Some((rule, action)) = found.missing {
        ruling.ask(rule, "Its period runs from a day that nobody has given.").remedy(rule, action);
    }
    if under_investigation(facts) {
        ruling.refuse(
            &law::INVESTIGATION,
            "It is kept until the investigation or suit is finally disposed of.",
        );
        ruling.remedy(&law::INVESTIGATION, "wait-for-disposition");
    }
    keeping::destroy(&law::DISPOSAL, facts, ruling);
}

/// New York's licensees keep the trail itself.
pub(crate) fn audit_trail(settings: &Settings, event: &Event, facts: &Facts, ruling: &mut Ruling) {
    let licensed = known::flag(facts, &["tenant.nydfs"]).unwrap_or(settings.nydfs);
    let is_trail = matches!(event, Event::Dispose(disposal) if disposal.what == Element::AuditLog);
    if !licensed || !is_trail {
        return;
    }
    let class = known::word(facts, &["retention.class"]).unwrap_or_default();
    let period = if is_listed(law::TRANSACTION_TRAILS, &class) {
        &law::RETAIN_TRANSACTION_TRAIL_5_YEARS
    } else {
        &law::RETAIN_AUDIT_TRAIL_3_YEARS
    };
    let kept = [Kept { rule: &law::AUDIT_TRAIL, period, from: facts.began }];
    keeping::hold_back(&kept, &settings.counsel_confirmed, facts, ruling);
}

fn breach(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let secured = known::is(facts, &["breach.encrypted"])
        && !known::is(facts, &["breach.keys-taken", "breach.key-compromised"]);
    let few =
        known::count(facts, &["breach.persons"]).is_some_and(|n| n < u64::from(law::CONSUMERS_MIN.value));
    if secured || few {
        return;
    }
    let discovered = known::moment(facts, &["breach.discovered"], &["breach.discovered-days-ago"]);
    let due = law::NOTIFY_FTC_30_DAYS.after(discovered.unwrap_or(facts.now), &settings.counsel_confirmed);
    ruling.because(&law::FTC_NOTICE, law::NOTIFY_FTC_30_DAYS.why);
    ruling.see_to(&law::FTC_NOTICE, law::NOTIFY_FTC_30_DAYS.name, Some(due));
}
