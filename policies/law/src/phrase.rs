//! Phrases in what was recognized, whatever the case and punctuation.

use caveat_sdk::{
    Facts,
    capture::{Speech, Word},
    facts::{LabelKind, Role, Span},
};

/// How many words `...` in a phrase may stand for.
const GAP_WORDS_MAX: usize = 6;

/// Words to listen for, one after the other; `...` stands for a few others between them.
#[derive(Debug, Clone)]
pub struct Phrase(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Said(String),
    Gap,
}

impl Phrase {
    /// None when there is no word in it.
    pub fn new(text: &str) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        for piece in text.split("...") {
            if !parts.is_empty() {
                parts.push(Part::Gap);
            }
            parts.extend(words(piece).map(Part::Said));
        }
        while parts.last() == Some(&Part::Gap) {
            parts.pop();
        }
        parts.first().is_some_and(|first| *first != Part::Gap).then_some(Self(parts))
    }

    /// Every phrase of a list; those without a word are left out.
    pub fn all(texts: &[&str]) -> Vec<Self> {
        texts.iter().filter_map(|text| Self::new(text)).collect()
    }

    /// Where it was said on a leg, if it ended in what was just heard.
    pub fn places(&self, speech: &Speech, leg: u8) -> Vec<Span> {
        let before = on_leg(&speech.before, leg);
        let old = before.len();
        let said = [before, on_leg(&speech.heard, leg)].concat();
        let mut places = Vec::new();
        for first in 0..said.len() {
            let end = end_of(&self.0, &said, first).filter(|end| *end > old);
            let bounds = end.and_then(|end| Some((said.get(first)?.1, said.get(end - 1)?.1)));
            if let Some((first, last)) = bounds {
                places.push(Span { leg: Some(leg), start: first.start, end: last.end });
            }
        }
        places
    }
}

/// Where any of these was said on any of the legs.
pub fn places_of(phrases: &[Phrase], speech: &Speech, legs: &[u8]) -> Vec<Span> {
    let each = |leg: &u8| phrases.iter().flat_map(|p| p.places(speech, *leg)).collect::<Vec<_>>();
    legs.iter().flat_map(each).collect()
}

/// The legs that carry parties of this role.
pub fn legs_of(facts: &Facts, role: Role) -> Vec<u8> {
    facts.parties.iter().filter(|p| p.role == role).filter_map(|p| p.leg).collect()
}

/// Where something of this kind was found before, with just this confidence: by that a pack knows its own labels again.
pub fn labeled_with(facts: &Facts, kind: LabelKind, confidence: u8) -> impl Iterator<Item = Span> + '_ {
    let own = facts.labels.iter().filter(move |label| label.kind == kind && label.confidence == confidence);
    own.map(|label| label.where_)
}

/// The word after the last, when the parts stand in `said` from `at` on.
fn end_of(parts: &[Part], said: &[(String, &Word)], at: usize) -> Option<usize> {
    match parts.split_first() {
        None => Some(at),
        Some((Part::Said(word), rest)) => {
            said.get(at).filter(|(text, _)| text == word)?;
            end_of(rest, said, at + 1)
        }
        Some((Part::Gap, rest)) => (at..=at + GAP_WORDS_MAX).find_map(|next| end_of(rest, said, next)),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn said(text: &str) -> Vec<Word> {
        let at = |n: usize| n as u32 * 100;
        text.split(' ')
            .enumerate()
            .map(|(n, w)| Word { leg: 0, start: at(n), end: at(n + 1), text: w.into() })
            .collect()
    }

    fn starts(phrase: &str, before: &str, heard: &str) -> Vec<u32> {
        let all = said(&format!("{before} {heard}"));
        let (before, heard) = all.split_at(before.split(' ').count());
        let speech = Speech { heard: heard.to_vec(), before: before.to_vec() };
        Phrase::new(phrase).unwrap().places(&speech, 0).iter().map(|s| s.start).collect()
    }

    #[test]
    fn a_phrase_is_found_once_where_it_ends() {
        assert_eq!(starts("attempt to collect a debt", "this is an attempt", "to collect a Debt."), [300]);
        assert_eq!(starts("this is", "this is an attempt", "to collect a debt"), Vec::<u32>::new());
    }

    #[test]
    fn a_gap_stands_for_a_few_words() {
        assert_eq!(starts("take me ... list", "please take me", "off of your calling list"), [100]);
        assert_eq!(starts("take me ... list", "please take me", "a b c d e f g list"), Vec::<u32>::new());
        assert!(Phrase::new(" ... ").is_none());
    }
}
