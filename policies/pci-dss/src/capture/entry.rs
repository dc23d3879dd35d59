//! Where in card entry a conversation is.

use caveat_sdk::detect::{self, Heard, Kind};

use crate::tables;

/// A question is complete within so many words.
const TAIL: usize = 12;
/// So many digits answer a question for a card number: fewer are a menu or a count.
const ANSWER: usize = 3;
/// Within so many words of one speaker.
const ANSWER_WORDS: usize = 8;
/// A question is open for so many words of both.
const QUESTION_WORDS: usize = 30;

/// Whether the new words ask for card data.
pub(super) fn asked(before: &[Heard<'_>], new: &[Heard<'_>]) -> bool {
    newly(detect::card_expected, before, new)
}

/// Whether the new words say that the payment was made.
pub(super) fn over(before: &[Heard<'_>], new: &[Heard<'_>]) -> bool {
    newly(detect::card_talk_over, before, new)
}

/// Whether the new words begin to answer a question for a card number that is still open. This is how entry is noticed
/// when it goes on after recording was resumed too early.
pub(super) fn answers(before: &[Heard<'_>], new: &[Heard<'_>]) -> bool {
    let Some(leg) = new.first().map(|w| w.leg) else { return false };
    if !has_digits(new, 1) || !has_digits(&together(&tail(before, leg, ANSWER_WORDS), new), ANSWER) {
        return false;
    }
    let before = &before[before.len().saturating_sub(QUESTION_WORDS)..];
    detect::card_expected(before)
        && !detect::card_talk_over(before)
        && !detect::in_words(&[], before)
            .iter()
            .any(|f| f.kind == Kind::CardNumber && f.confidence >= super::FOUND)
}

/// Whether somebody asks for card data here, or digits are said: a card was the last thing spoken of before them.
pub(super) fn goes_on(recent: &[Heard<'_>]) -> bool {
    has_digits(recent, ANSWER) || detect::card_expected(recent)
}

/// The words of the last seconds before `now_ms`.
pub(super) fn last<'a, 'b>(words: &'a [Heard<'b>], seconds: u32, now_ms: u32) -> &'a [Heard<'b>] {
    let from = now_ms.saturating_sub(seconds.saturating_mul(1000));
    let at = words.iter().position(|w| w.start >= from).unwrap_or(words.len());
    &words[at..]
}

/// Whether the new words, with what the same speaker said just before, say something that was not said before them.
fn newly(says: fn(&[Heard<'_>]) -> bool, before: &[Heard<'_>], new: &[Heard<'_>]) -> bool {
    let Some(leg) = new.first().map(|w| w.leg) else { return false };
    if says(new) {
        return true;
    }
    let tail = tail(before, leg, TAIL);
    says(&together(&tail, new)) && !says(&tail)
}

fn tail<'a>(before: &[Heard<'a>], leg: u8, words: usize) -> Vec<Heard<'a>> {
    let mut tail: Vec<Heard<'a>> =
        before.iter().rev().filter(|w| w.leg == leg).take(words).copied().collect();
    tail.reverse();
    tail
}

fn together<'a>(before: &[Heard<'a>], new: &[Heard<'a>]) -> Vec<Heard<'a>> {
    [before, new].concat()
}

/// Whether there are at least so many digits among these words.
fn has_digits(words: &[Heard<'_>], count: usize) -> bool {
    words.iter().map(|w| digits(w.text)).sum::<usize>() >= count
}

/// Digits in what was delivered as one word, in figures or in letters.
fn digits(text: &str) -> usize {
    let figures = text.bytes().filter(u8::is_ascii_digit).count();
    let words = text.split(|c: char| !c.is_alphanumeric());
    figures + words.filter(|w| tables::lists(tables::DIGITS, w)).count()
}
