//! Who keeps it, and what may not be destroyed.

use caveat_sdk::{
    Facts,
    facts::{Placement, PlacementTraits},
    storage::{Disposal, Element, Event, Ruling},
};
use pack_law::{keeping, known};

use crate::{Settings, is_education_record, law};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !is_education_record(facts) {
        return ruling;
    }
    match event {
        Event::Seal(place) | Event::Place(place) | Event::Move(place) => {
            placed(settings, place, facts, &mut ruling);
        }
        Event::Dispose(disposal) => dispose(disposal, facts, &mut ruling),
        _ => {}
    }
    ruling
}

fn placed(settings: &Settings, place: &Placement, facts: &Facts, ruling: &mut Ruling) {
    let controlled = known::flag(facts, &["storage.direct-control"]).unwrap_or(settings.under_direct_control);
    if place.traits.contains(PlacementTraits::THIRD_PARTY) && !controlled {
        ruling.refuse(
            &law::CONTRACTOR,
            "A third party would keep it that is not known to be under the school's direct control.",
        );
        ruling.remedy(&law::CONTRACTOR, "sign-direct-control");
    }
}

fn dispose(disposal: &Disposal, facts: &Facts, ruling: &mut Ruling) {
    if disposal.what == Element::AuditLog {
        if !facts.placements.is_empty() {
            ruling.refuse(&law::RECORD_KEPT, "The recording that it is about is still kept.");
        }
        return;
    }
    let asked = known::moment(facts, &["access.requested"], &["access.requested-days-ago"]).is_some();
    let open = known::flag(facts, &["retention.inspection-open"]).unwrap_or(asked);
    if open && keeping::concerns(disposal, facts) {
        ruling.refuse(&law::NO_DESTRUCTION, "Somebody asked to inspect and review it, and has not yet.");
        ruling.remedy(&law::NO_DESTRUCTION, "finish-inspection");
    }
}
