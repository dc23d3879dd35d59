//! While a period runs, nobody ends a record early, and whoever hides part of it says why.

use caveat_sdk::{
    Facts,
    access::{Act, Duty, Request, Ruling},
    storage::Element,
};

use crate::{firm::Settings, law, periods};

pub(crate) fn rule(settings: &Settings, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !matches!(request.act, Act::Delete | Act::Redact | Act::Amend) {
        return ruling;
    }
    let kept = periods::of(settings, Element::Recording, facts).kept;
    let running = kept.iter().find(|k| facts.now < k.period.after(k.from, &settings.counsel_confirmed));
    let Some(running) = running else { return ruling };
    if request.act == Act::Delete {
        let why = running.period.says(&settings.counsel_confirmed);
        ruling.refuse(&law::NO_EARLY_END, "The recording has to be kept.");
        ruling.because_of(running.rule, running.period.citation, &why);
        ruling.remedy(&law::NO_EARLY_END, "wait-for-period");
    } else {
        ruling.because(
            &law::NO_EARLY_END,
            "Who changes what can be seen of a record, when and why, is kept with it.",
        );
        ruling.oblige(&law::NO_EARLY_END, Duty::RecordReason).oblige(&law::NO_EARLY_END, Duty::LogAccess);
    }
    ruling
}
