//! Finding a phrase in what was recognized, whatever the case and punctuation.

use caveat_sdk::{
    capture::{Speech, Word},
    facts::Span,
};

/// Words to listen for, one after the other.
pub(crate) struct Phrase(Vec<String>);

impl Phrase {
    /// None when there is no word in it.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let words: Vec<String> = words(text).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Where it was said on a leg, if it ended in what was just heard.
    pub(crate) fn places(&self, speech: &Speech, leg: u8) -> Vec<Span> {
        let before = on_leg(&speech.before, leg);
        let ends_before = before.len();
        let said = [before, on_leg(&speech.heard, leg)].concat();
        let windows = said.windows(self.0.len()).enumerate();
        windows
            .filter(|(first, window)| first + window.len() > ends_before)
            .filter(|(_, window)| window.iter().map(|(text, _)| text).eq(&self.0))
            .map(|(_, window)| {
                let (first, last) = (window[0].1, window[window.len() - 1].1);
                Span { leg: Some(leg), start: first.start, end: last.end }
            })
            .collect()
    }
}

/// A recognized word may hold several ("card-number").
fn on_leg(part: &[Word], leg: u8) -> Vec<(String, &Word)> {
    let mine = part.iter().filter(|word| word.leg == leg);
    mine.flat_map(|word| words(&word.text).map(move |text| (text, word))).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let apart = |c: char| !c.is_alphanumeric() && c != '\'';
    text.split(apart).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
