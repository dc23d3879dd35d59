//! Where recordings lie, in which form, how long, and what a breach asks for.

use caveat_sdk::{
    Facts, dates,
    facts::{Placement, PlacementTraits, StoreKind},
    storage::{Basis, Disposal, Element, Event, Outcome, Ruling},
};
use pack_law::{keeping, known};

use crate::{
    firm::{Settings, Store},
    law,
    periods::{self, Found},
};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let confirmed = &settings.counsel_confirmed;
    match event {
        Event::Seal(place) | Event::Place(place) | Event::Move(place) => {
            let found = periods::of(settings, Element::Recording, facts);
            if is_a_record(&found, facts, settings) {
                format(settings, place, &mut ruling);
                at_hand(settings, event, facts, &mut ruling);
                undertaking(facts, &mut ruling);
            }
            if settings.is_taping_firm(facts) && known::is_not(facts, &["storage.cataloged"]) {
                ruling.because(
                    &law::TAPING_INDEX,
                    "The recording is in no catalog by registered person and date.",
                );
                ruling.see_to(&law::TAPING_INDEX, "catalog-by-person-and-date", None);
            }
            if matches!(event, Event::Seal(_)) && ruling.outcome == Outcome::Allow {
                keeping::announce(&found.kept, confirmed, facts, &mut ruling);
            }
        }
        Event::Review(element) if keeping::is_the_recording(*element) => {
            keeping::announce(&periods::of(settings, *element, facts).kept, confirmed, facts, &mut ruling);
            report(settings, facts, &mut ruling);
        }
        Event::Dispose(disposal) => dispose(settings, disposal, facts, &mut ruling),
        Event::BreachFound => breach(confirmed, facts, &mut ruling),
        _ => {}
    }
    ruling
}

/// Whether it has to be kept now.
fn is_a_record(found: &Found, facts: &Facts, settings: &Settings) -> bool {
    let runs = |kept: &keeping::Kept| facts.now < kept.period.after(kept.from, &settings.counsel_confirmed);
    found.missing.is_some() || found.kept.iter().any(runs)
}

fn format(settings: &Settings, place: &Placement, ruling: &mut Ruling) {
    if matches!(place.kind, StoreKind::Buffer | StoreKind::Exported) {
        return;
    }
    let worm = place.traits.contains(PlacementTraits::IMMUTABLE);
    let trail = place.traits.contains(PlacementTraits::AUDIT_TRAIL);
    let fits = match settings.store {
        Store::Either => worm || trail,
        Store::Worm => worm,
        Store::AuditTrail => trail,
    };
    if !fits {
        ruling.refuse(
            &law::ELECTRONIC_FORMAT,
            "The place can be rewritten, and no audit trail creates the original again.",
        );
        ruling.remedy(&law::ELECTRONIC_FORMAT, "use-worm-or-audit-trail");
    }
}

fn at_hand(settings: &Settings, event: &Event, facts: &Facts, ruling: &mut Ruling) {
    let far = known::is_not(facts, &["storage.easily-accessible"]);
    let until = law::AT_HAND_2_YEARS.after(facts.began, &settings.counsel_confirmed);
    if matches!(event, Event::Move(_) | Event::Seal(_)) && far && facts.now < until {
        ruling.refuse(&law::AT_HAND, law::AT_HAND_2_YEARS.why).remedy(&law::AT_HAND, "keep-at-hand");
    }
}

/// The report on the calendar quarter in which the call was.
fn report(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let missing = known::is_not(facts, &["tenant.taping-report-filed", "tenant.quarterly-report-filed"]);
    if settings.is_taping_firm(facts) && missing {
        let period = &law::REPORT_TO_FINRA_30_DAYS;
        let due = period.after(dates::quarter_end(facts.began), &settings.counsel_confirmed);
        ruling.because(&law::TAPING_REPORTS, &period.says(&settings.counsel_confirmed));
        ruling.see_to(&law::TAPING_REPORTS, period.name, Some(due));
    }
}

fn undertaking(facts: &Facts, ruling: &mut Ruling) {
    if known::is_not(facts, &["tenant.undertaking-on-file"]) {
        ruling.because(&law::UNDERTAKING, "Nobody has promised examiners access to the records.");
        ruling.see_to(&law::UNDERTAKING, "file-undertaking", None);
    }
}

fn dispose(settings: &Settings, disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
    let found = periods::of(settings, disposal.what, facts);
    if is_last_backup(disposal, facts) && is_a_record(&found, facts, settings) {
        ruling.refuse(&law::REDUNDANCY, "It is the last backup of a record that has to be kept.");
        ruling.remedy(&law::REDUNDANCY, "keep-second-copy");
        return;
    }
    if disposal.what == Element::Segment
        && disposal.basis == Basis::Rules
        && is_a_record(&found, facts, settings)
    {
        ruling.because(
            &law::NO_EARLY_END,
            "What must never be kept is removed from the record; the trail says so.",
        );
    }
    if !keeping::concerns(disposal, facts) || (found.kept.is_empty() && found.missing.is_none()) {
        return;
    }
    keeping::hold_back(&found.kept, &settings.counsel_confirmed, facts, ruling);
    if let Some(action) = found.missing {
        let rule = if action == "find-swap-end" { &law::REGULATORY_RECORDS } else { &law::BOOKS };
        ruling.ask(rule, "Its period runs from an end that nobody has given.").remedy(rule, action);
    }
    keeping::destroy(&law::DISPOSAL, facts, ruling);
}

/// The recording itself is there, and no other copy but this one.
fn is_last_backup(disposal: &Disposal, facts: &Facts) -> bool {
    let of = |kinds: &[StoreKind]| facts.placements.iter().filter(|p| kinds.contains(&p.kind)).count();
    disposal.what == Element::Backup
        && of(&[StoreKind::Primary]) > 0
        && of(&[StoreKind::Backup, StoreKind::Replica]) <= 1
}

fn breach(confirmed: &[String], facts: &Facts, ruling: &mut Ruling) {
    let secured = known::is(facts, &["breach.encrypted"])
        && !known::is(facts, &["breach.keys-taken", "breach.key-compromised"]);
    if secured || known::is(facts, &["breach.no-harm-likely"]) {
        return;
    }
    let discovered = known::moment(facts, &["breach.discovered"], &["breach.discovered-days-ago"]);
    let due = law::NOTIFY_CUSTOMERS_30_DAYS.after(discovered.unwrap_or(facts.now), confirmed);
    ruling.because(&law::BREACH_NOTICE, &law::NOTIFY_CUSTOMERS_30_DAYS.says(confirmed));
    ruling.see_to(&law::BREACH_NOTICE, law::NOTIFY_CUSTOMERS_30_DAYS.name, Some(due));
}
