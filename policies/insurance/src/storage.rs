//! Until when a record is kept, and what has to be known before it goes.

use caveat_sdk::{
    Facts,
    storage::{Event, Ruling},
};
use pack_law::{keeping, known};

use crate::{Settings, law, periods};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let confirmed = &settings.counsel_confirmed;
    match event {
        Event::Seal(_) => {
            keeping::announce(&periods::of(settings, facts).kept, confirmed, facts, &mut ruling);
        }
        Event::Review(element) if keeping::is_the_recording(*element) => {
            keeping::announce(&periods::of(settings, facts).kept, confirmed, facts, &mut ruling);
        }
        Event::Dispose(disposal) if keeping::concerns(disposal, facts) => {
            dispose(settings, facts, &mut ruling);
        }
        _ => {}
    }
    ruling
}

fn dispose(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let found = periods::of(settings, facts);
    let Some(first) = found.kept.first() else { return };
    keeping::hold_back(&found.kept, &settings.counsel_confirmed, facts, ruling);
    if found.open {
        ruling.ask(first.rule, "Nobody said when it was closed or ended: it counts as open.");
        ruling.remedy(first.rule, "find-closing");
    }
    if found.unexamined && known::is_not(facts, &["retention.examination-filed"]) {
        ruling.refuse(&law::EXAMINATION, "The examination that reviewed it is not filed yet.");
        ruling.remedy(&law::EXAMINATION, "find-examination");
    } else if found.unexamined {
        ruling.ask(&law::EXAMINATION, "It is not known that the examination that reviewed it was filed.");
        ruling.remedy(&law::EXAMINATION, "find-examination");
    }
    keeping::destroy(&law::DISPOSAL, facts, ruling);
}
