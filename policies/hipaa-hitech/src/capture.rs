//! Capture. HIPAA neither forbids recording nor says who has to consent; it asks how the audio travels, and what in it is
//! talk of health is labeled for later.

use caveat_sdk::{
    Facts,
    capture::{Duty, Event, Ruling, Speech},
    facts::{LabelKind, Span},
};

use crate::{
    known,
    rules::{HEALTH_CONTENT, TRANSMISSION},
    settings::{Profile, Settings},
    storage, tables,
};

/// How sure a single word makes us, of 100.
const SUSPECTED: u8 = 60;
/// Longer than any listed word: longer ones are not looked up.
const MAX_WORD_BYTES: usize = 24;

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if settings.entity == crate::Entity::None {
        return ruling;
    }
    match event {
        Event::Words(speech) if settings.label_health_words => label_health(speech, &mut ruling),
        _ => {}
    }
    if settings.protects(facts) {
        transmission(settings, facts, &mut ruling);
    }
    ruling
}

fn label_health(speech: &Speech, ruling: &mut Ruling) {
    let mut found = false;
    for word in speech.heard.iter().filter(|w| w.text.len() <= MAX_WORD_BYTES) {
        let text = word.text.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
        if tables::lists(tables::HEALTH_WORDS, &text) {
            let place = Span { leg: Some(word.leg), start: word.start, end: word.end };
            ruling.label(LabelKind::Health, place, SUSPECTED);
            found = true;
        }
    }
    if found {
        ruling.because(
            &HEALTH_CONTENT,
            "Words that suggest talk of health were heard; they are labeled for redacted copies.",
        );
    }
}

/// Addressable: implement, or write down why not and what stands in for it.
fn transmission(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    if !known::TRANSPORT_ENCRYPTED.is_not(facts) {
        return;
    }
    if settings.profile == Profile::Nprm {
        ruling.refuse(
            &TRANSMISSION,
            "The audio arrives unencrypted, which the proposed Security Rule would not allow.",
        );
        ruling.remedy(&TRANSMISSION, "encrypt-transport");
    } else if storage::alternative_documented(settings, facts) {
        ruling.because(&TRANSMISSION, "The audio arrives unencrypted under a documented alternative.");
        ruling.oblige(&TRANSMISSION, Duty::SeeTo(storage::task("risk-analysis-reference")));
    } else {
        ruling.refuse(
            &TRANSMISSION,
            "The audio arrives unencrypted, and no equivalent measure is documented (164.306(d)(3)).",
        );
        ruling.remedy(&TRANSMISSION, "encrypt-transport").remedy(&TRANSMISSION, "document-alternative");
    }
}

#[cfg(test)]
mod tests {
    use caveat_sdk::capture::{Outcome, Word};

    use super::*;

    fn hear(text: &str, settings: &Settings) -> Ruling {
        let words = text.split(' ').enumerate();
        let at = |n: usize| n as u32 * 300;
        let heard =
            words.map(|(n, w)| Word { leg: 1, start: at(n), end: at(n + 1), text: w.into() }).collect();
        rule(settings, &Event::Words(Speech { heard, before: vec![] }), &Facts::empty())
    }

    #[test]
    fn talk_of_health_is_labeled_where_it_is() {
        let ruling = hear("my Diagnosis, is diabetes.", &Settings::default());
        assert_eq!(ruling.outcome, Outcome::Allow);
        assert!(ruling.obligations.is_empty());
        let spans: Vec<u32> = ruling.labels.iter().map(|l| l.where_.start).collect();
        assert_eq!(spans, [300, 900]);
    }

    #[test]
    fn other_talk_is_not() {
        assert_eq!(hear("the parcel arrives on monday", &Settings::default()), Ruling::allow());
        let silent = Settings { label_health_words: false, ..Settings::default() };
        assert_eq!(hear("my diagnosis", &silent), Ruling::allow());
    }
}
