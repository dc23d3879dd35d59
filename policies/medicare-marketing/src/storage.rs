//! How long: the sound, the call, the enrollment.

use caveat_sdk::{
    Facts,
    storage::{Element, Event, Ruling},
};
use pack_law::{
    keeping::{self, Kept},
    known,
};

use crate::{Settings, kind::Kind, law};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    match event {
        Event::Seal(_) => keeping::announce(
            &kept(Element::Recording, facts),
            &settings.counsel_confirmed,
            facts,
            &mut ruling,
        ),
        Event::Review(element) if keeping::is_the_recording(*element) => {
            keeping::announce(&kept(*element, facts), &settings.counsel_confirmed, facts, &mut ruling);
        }
        Event::Dispose(disposal) if keeping::concerns(disposal, facts) && Kind::of(facts) != Kind::Other => {
            keeping::hold_back(&kept(disposal.what, facts), &settings.counsel_confirmed, facts, &mut ruling);
            let sound = disposal.what == Element::Audio && Kind::of(facts) == Kind::Sales;
            if sound && !ruling.obligations.is_empty() {
                ruling.remedy(&law::AUDIO, "complete-transcript");
            }
            keeping::destroy(&law::DISPOSAL, facts, &mut ruling);
        }
        _ => {}
    }
    ruling
}

fn kept(element: Element, facts: &Facts) -> Vec<Kept> {
    let from = facts.began;
    let enrollment = Kept { rule: &law::ENROLLMENT, period: &law::RETAIN_ENROLLMENT_10_YEARS, from };
    let audio = Kept { rule: &law::AUDIO, period: &law::RETAIN_AUDIO_3_YEARS, from };
    let sales = Kept { rule: &law::SALES, period: &law::RETAIN_SALES_6_YEARS, from };
    match Kind::of(facts) {
        Kind::Other => vec![],
        Kind::Enrollment => vec![enrollment],
        Kind::Sales => match element {
            Element::Audio if known::is(facts, &["retention.transcript-complete"]) => vec![audio],
            Element::Transcript if known::is(facts, &["retention.audio-kept"]) => vec![],
            Element::Audio => vec![audio, sales],
            _ => vec![sales],
        },
    }
}
