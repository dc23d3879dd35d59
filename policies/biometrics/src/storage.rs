//! By when a voiceprint is gone. It is kept outside the host: the host tells whoever keeps it.

use caveat_sdk::{
    Facts,
    facts::Moment,
    storage::{Element, Event, Ruling},
};
use pack_law::{Period, known};

use crate::{Settings, law, places};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    match event {
        Event::Review(Element::Template) => review(settings, facts, &mut ruling),
        Event::Dispose(disposal) if disposal.what == Element::Template => dispose(facts, &mut ruling),
        _ => {}
    }
    ruling
}

/// Nothing keeps a voiceprint but a hold.
fn dispose(facts: &Facts, ruling: &mut Ruling) {
    if !facts.holds.is_empty() {
        ruling.ask(&law::HOLD, "A statute orders its destruction and a hold its preservation.");
        ruling.remedy(&law::HOLD, "ask-counsel");
        return;
    }
    ruling.because(
        &law::DESTROY,
        "The voiceprint goes; the recording it was made from has periods of its own.",
    );
    ruling.see_to(&law::DESTROY, "secure-destroy-template", None).see_to(
        &law::DESTROY,
        "keep-recording",
        None,
    );
}

fn review(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let first = ends(settings, facts).into_iter().min_by_key(|(_, end)| *end);
    match first {
        _ if known::is(facts, &["biometric.purpose-satisfied"]) => overdue(settings, None, facts, ruling),
        Some((period, due)) if facts.now >= due => overdue(settings, Some(period), facts, ruling),
        Some((period, due)) => {
            ruling.because_of(&law::DESTROY, period.citation, &period.says(&settings.counsel_confirmed));
            ruling.see_to(&law::DESTROY, "secure-destroy-template", Some(due));
        }
        None => {}
    }
}

/// It must not be kept any longer, unless a hold says so.
fn overdue(settings: &Settings, period: Option<&Period>, facts: &Facts, ruling: &mut Ruling) {
    if !facts.holds.is_empty() {
        ruling.ask(&law::HOLD, "A statute orders its destruction and a hold its preservation.");
        ruling.remedy(&law::HOLD, "ask-counsel");
        return;
    }
    match period {
        Some(period) => {
            ruling.refuse(&law::DESTROY, "The voiceprint must not be kept any longer.");
            ruling.because_of(&law::DESTROY, period.citation, &period.says(&settings.counsel_confirmed));
        }
        None => {
            ruling.refuse(&law::DESTROY, "The purpose of the voiceprint is satisfied.");
        }
    }
    ruling.see_to(&law::DESTROY, "secure-destroy-template", None);
}

/// Every day that some law sets.
fn ends(settings: &Settings, facts: &Facts) -> Vec<(&'static Period, Moment)> {
    let laws = places::laws(settings, facts);
    let interaction =
        known::moment(facts, &["biometric.last-interaction"], &["retention.days-since-last-interaction"]);
    let interaction = interaction.unwrap_or(facts.began);
    let purpose = known::moment(facts, &["biometric.purpose-ended"], &["biometric.purpose-ended-days"]);
    let unneeded = known::moment(facts, &[], &["biometric.not-needed-days"]);
    let mut ends = Vec::new();
    let mut end = |period: &'static Period, from: Moment| {
        ends.push((period, period.after(from, &settings.counsel_confirmed)));
    };
    if laws.illinois {
        end(&law::ILLINOIS_3_YEARS_AFTER_LAST_INTERACTION, interaction);
    }
    if let Some(from) = purpose.filter(|_| laws.texas) {
        end(&law::TEXAS_1_YEAR_AFTER_PURPOSE, from);
    }
    if laws.colorado {
        end(&law::COLORADO_24_MONTHS_AFTER_LAST_INTERACTION, interaction);
    }
    if let Some(from) = unneeded.filter(|_| laws.colorado) {
        end(&law::COLORADO_45_DAYS_AFTER_NEED, from);
    }
    ends
}
