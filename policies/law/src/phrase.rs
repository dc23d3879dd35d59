//! Phrases in what was recognized, whatever the case and punctuation.

use caveat_sdk::{
    Facts,
    capture::{Speech, Word},
    facts::{LabelKind, Role, Span},
};

/// How many words `...` in a phrase may stand for.
const GAP_WORDS_MAX: usize = 6;
/// How many gaps a phrase may have: each is tried at every length.
const GAPS_MAX: usize = 3;
/// How many words from before an event are looked at: more than any phrase has.
const WORDS_BACK_MAX: usize = 100;

/// Words to listen for, one after the other; `...` stands for a few others between them.
#[derive(Debug, Clone)]
pub struct Phrase(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Said(String),
    Gap,
}

impl Phrase {
    /// None when there is no word in it, or more than three gaps.
    pub fn new(text: &str) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        for piece in text.split("...") {
            if !parts.is_empty() {
                parts.push(Part::Gap);
            }
            parts.extend(words(piece).map(|word| Part::Said(lower_case(word))));
        }
        while parts.last() == Some(&Part::Gap) {
            parts.pop();
        }
        let gaps = parts.iter().filter(|part| **part == Part::Gap).count();
        let begins_with_a_word = parts.first().is_some_and(|first| *first != Part::Gap);
        (begins_with_a_word && gaps <= GAPS_MAX).then_some(Self(parts))
    }

    /// Every phrase of a list; those without a word are left out.
    pub fn all(texts: &[&str]) -> Vec<Self> {
        texts.iter().filter_map(|text| Self::new(text)).collect()
    }

    /// Where it was said, if it ended in what was just heard.
    pub fn places(&self, said: &Said<'_>) -> Vec<Span> {
        let reach: usize = self.0.iter().map(|p| if *p == Part::Gap { GAP_WORDS_MAX } else { 1 }).sum();
        let mut places = Vec::new();
        for first in said.old.saturating_sub(reach)..said.words.len() {
            let end = end_of(&self.0, &said.words, first).filter(|end| *end > said.old);
            let bounds = end.and_then(|end| Some((said.words.get(first)?.1, said.words.get(end - 1)?.1)));
            if let Some((first, last)) = bounds {
                places.push(Span { leg: Some(said.leg), start: first.start, end: last.end });
            }
        }
        places
    }
}

/// The words of one leg, once for every phrase that is listened for.
#[derive(Debug)]
pub struct Said<'a> {
    leg: u8,
    /// How many of the words are from before the event.
    old: usize,
    /// In lower case; a recognized word may hold several ("card-number").
    words: Vec<(String, &'a Word)>,
}

impl<'a> Said<'a> {
    /// What was said on this leg.
    pub fn on(speech: &'a Speech, leg: u8) -> Self {
        let mine = |part: &'a [Word]| -> Vec<(&'a str, &'a Word)> {
            let mine = part.iter().filter(|word| word.leg == leg);
            mine.flat_map(|word| words(&word.text).map(move |text| (text, word))).collect()
        };
        let before = mine(&speech.before);
        let before = before.get(before.len().saturating_sub(WORDS_BACK_MAX)..).unwrap_or_default();
        let lower = |(text, word): (&str, &'a Word)| (lower_case(text), word);
        let all = before.iter().copied().chain(mine(&speech.heard));
        Self { leg, old: before.len(), words: all.map(lower).collect() }
    }

    /// What was just said on the legs of everybody of this role.
    pub fn by(role: Role, facts: &Facts, speech: &'a Speech) -> Vec<Self> {
        legs_of(facts, role).into_iter().map(|leg| Self::on(speech, leg)).collect()
    }

    /// What was just said by anybody.
    pub fn by_anybody(speech: &'a Speech) -> Vec<Self> {
        let mut legs: Vec<u8> = speech.heard.iter().map(|word| word.leg).collect();
        legs.sort_unstable();
        legs.dedup();
        legs.into_iter().map(|leg| Self::on(speech, leg)).collect()
    }
}

/// Where any of these was said.
pub fn places_of(phrases: &[Phrase], said: &[Said<'_>]) -> Vec<Span> {
    said.iter().flat_map(|said| phrases.iter().flat_map(|phrase| phrase.places(said))).collect()
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

fn words(text: &str) -> impl Iterator<Item = &str> {
    let apart = |c: char| !c.is_alphanumeric() && c != '\'';
    text.split(apart).filter(|word| !word.is_empty())
}

fn lower_case(word: &str) -> String {
    if word.is_ascii() { word.to_ascii_lowercase() } else { word.to_lowercase() }
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
        Phrase::new(phrase).unwrap().places(&Said::on(&speech, 0)).iter().map(|s| s.start).collect()
    }

    #[test]
    fn a_phrase_is_found_once_where_it_ends() {
        assert_eq!(starts("attempt to collect a debt", "this is an attempt", "to collect a Debt."), [300]);
        assert_eq!(starts("this is", "this is an attempt", "to collect a debt"), Vec::<u32>::new());
    }

    #[test]
    fn long_talk_before_hides_nothing() {
        let talk = vec!["blah"; 500].join(" ");
        assert_eq!(starts("collect a debt", &format!("{talk} collect"), "a debt"), [50_000]);
    }

    #[test]
    fn a_gap_stands_for_a_few_words() {
        assert_eq!(starts("take me ... list", "please take me", "off of your calling list"), [100]);
        assert_eq!(starts("take me ... list", "please take me", "a b c d e f g list"), Vec::<u32>::new());
        assert!(Phrase::new(" ... ").is_none() && Phrase::new("a ... b ... c ... d ... e").is_none());
    }
}
