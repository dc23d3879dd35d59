//! Keyed digits: what an IVR is given by DTMF.

use super::{
    Found, Heard, Kind, Pressed, card,
    cues::{Talk, Topic},
    lex,
    numbers::is_ssn,
};

/// Keys further apart are not one number, in milliseconds.
const PAUSE_MS: u32 = 15_000;
/// So many keys begin a card number when one was asked for: a menu takes fewer.
const BEGUN: usize = 5;

/// One number as keyed: digits between `#`, `*`, a pause, or words of an announcement.
struct Entry<'a> {
    keys: Vec<&'a Pressed>,
    digits: Vec<u8>,
}

/// What the key just pressed completes, continues or is. `before` and `words` are of all legs, in order of time.
pub fn in_keys(before: &[Pressed], pressed: &Pressed, words: &[Heard<'_>]) -> Vec<Found> {
    let keys = before.iter().chain([pressed]).filter(|k| k.leg == pressed.leg);
    let entries = entries(keys, words);
    let Some((entry, earlier)) = entries.split_last() else { return Vec::new() };
    let n = entry.digits.len();
    let brand = card::valid(&entry.digits);
    let earlier_card = earlier.iter().rev().find_map(|e| card::valid(&e.digits));
    let code_len = earlier_card.map_or(3, |b| usize::from(b.code_len));
    let is_expiry =
        |e: &Entry<'_>| matches!(e.digits[..], [m, y, 2..=4, _] if (1..=12).contains(&(m * 10 + y)));
    let dated = earlier.iter().any(is_expiry);
    let asked = asked_for(entry, words);
    let found = |kind, confidence| vec![entry.found(kind, confidence, brand.map(|b| b.name))];
    match asked {
        _ if brand.is_some() => found(Kind::CardNumber, 95),
        Some(Topic::CardCode) if n == 3 || n == 4 => found(Kind::CardCode, 95),
        Some(Topic::CardPin) if (4..=12).contains(&n) => found(Kind::CardPin, 95),
        Some(Topic::CardExpiry) if n == 4 || n == 6 => found(Kind::CardExpiry, 90),
        Some(Topic::Ssn) if n == 9 => found(Kind::Ssn, if is_ssn(&entry.digits) { 95 } else { 60 }),
        Some(Topic::Bank) if n >= 6 => found(Kind::BankAccount, 80),
        Some(Topic::Birth) if n == 8 || n == 6 => found(Kind::BirthDate, 80),
        Some(Topic::Phone) if n == 10 => found(Kind::PhoneNumber, 80),
        Some(Topic::Phone | Topic::Other | Topic::Amount | Topic::LastDigits) => Vec::new(),
        _ if earlier_card.is_some() && is_expiry(entry) && !dated && code_len == 3 => {
            found(Kind::CardExpiry, 80)
        }
        _ if earlier_card.is_some() && n == code_len => found(Kind::CardCode, 85),
        _ if earlier_card.is_some() && is_expiry(entry) => found(Kind::CardExpiry, 80),
        // Asked for, long enough, and the check digit is wrong: a key lost or pressed twice.
        Some(Topic::Card) if n >= 12 => found(Kind::CardNumber, 60),
        Some(Topic::Card) if n >= BEGUN => found(Kind::CardNumber, 40),
        _ => Vec::new(),
    }
}

fn entries<'a>(keys: impl Iterator<Item = &'a Pressed>, words: &[Heard<'_>]) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut open = false;
    for key in keys {
        if let Some(last) = entries.last().and_then(|e| e.keys.last()) {
            let paused = key.start.saturating_sub(last.end) > PAUSE_MS;
            let told = words.iter().filter(|w| last.end <= w.start && w.end <= key.start).count() >= 3;
            open = open && !paused && !told;
        }
        let Some(digit) = key.symbol.to_digit(10) else {
            // `#` ends what it follows and belongs to it; `*` takes it back.
            if let Some(entry) = entries.last_mut().filter(|_| open) {
                entry.keys.push(key);
            }
            open = false;
            continue;
        };
        if !open {
            entries.push(Entry { keys: Vec::new(), digits: Vec::new() });
            open = true;
        }
        if let Some(entry) = entries.last_mut() {
            entry.keys.push(key);
            entry.digits.push(digit as u8);
        }
    }
    entries
}

/// What was asked for last, before the entry began.
fn asked_for(entry: &Entry<'_>, words: &[Heard<'_>]) -> Option<Topic> {
    let start = entry.keys.first()?.start;
    let heard = words.iter().filter(|w| w.start <= start);
    // A word of our own at the end: what comes before it is what the entry answers.
    let now = Heard { leg: u8::MAX, start, end: start, text: "·keyed" };
    let talk = Talk::new(lex::pieces(heard.chain([&now])));
    talk.topic_before(talk.pieces.len().checked_sub(1)?)
}

impl Entry<'_> {
    fn found(&self, kind: Kind, confidence: u8, brand: Option<&'static str>) -> Found {
        let (first, last) = (self.keys[0], self.keys[self.keys.len() - 1]);
        Found { kind, leg: first.leg, start: first.start, end: last.end, confidence, brand }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What is found at each key of `keyed`, as the kinds of the last key; `said` is heard before.
    fn check(said: &str, keyed: &str, want: Option<(Kind, u32)>) {
        let words: Vec<Heard<'_>> = (0..)
            .zip(said.split(' '))
            .map(|(i, text)| Heard { leg: 0, start: i * 300, end: i * 300 + 250, text })
            .collect();
        let after = words.last().map_or(0, |w| w.end) + 500;
        let keys: Vec<Pressed> = (0..)
            .zip(keyed.chars())
            .map(|(i, symbol)| Pressed { leg: 1, start: after + i * 400, end: after + i * 400 + 90, symbol })
            .collect();
        let (last, before) = keys.split_last().unwrap();
        let found = in_keys(before, last, &words);
        assert_eq!(found.first().map(|f| (f.kind, (f.start - after) / 400)), want, "{said}: {keyed}");
        assert!(found.iter().all(|f| f.end == last.end), "{said}: {keyed}");
    }

    #[test]
    fn what_is_keyed_is_known_by_its_form_or_the_question() {
        check("hello", "4111111111111111", Some((Kind::CardNumber, 0)));
        check("hello", "4111111111111111#", Some((Kind::CardNumber, 0)));
        check("please enter your card number", "41111", Some((Kind::CardNumber, 0)));
        check("please enter your card number", "4111111111111112", Some((Kind::CardNumber, 0)));
        check("enter the three digits on the back of your card", "123", Some((Kind::CardCode, 0)));
        check("enter your pin", "1234", Some((Kind::CardPin, 0)));
        check("enter your social security number", "123456789", Some((Kind::Ssn, 0)));
        check("hello", "4111111111111111#0429#123", Some((Kind::CardCode, 22)));
        check("hello", "4111111111111111#0429", Some((Kind::CardExpiry, 17)));
        check("hello", "378282246310005#1234", Some((Kind::CardCode, 16)));
        check("for english press one", "1", None);
        check("to pay by card press", "1", None);
        check("please enter your order number", "4111111111112", None);
        check("please enter your zip code", "123", None);
        check("hello", "#", None);
        check("enter your phone number", "4155552671", Some((Kind::PhoneNumber, 0)));
    }
}
