//! What packs look for in words, keys and text: card numbers and codes, social security numbers, dates of birth, street
//! addresses, telephone numbers, e-mail addresses, bank accounts.
//!
//! Plain functions of their input: no state, no clock, no tables made at run time. They lean to finding too much: spans
//! cover every word of a thing, read-backs and corrections included. Start at [`in_words`]. How well they do is shown by
//! `tests/detect.rs` on `tests/detect_labelled.tsv`.

mod by_letter;
mod card;
mod cues;
mod dates;
mod digits;
mod keys;
mod lex;
mod numbers;
mod phrases;
mod places;
mod readback;
mod talk;
mod text;

pub use card::{Brand, brand, luhn};
pub use keys::in_keys;
pub use talk::{card_expected, card_talk_over};
pub use text::in_text;

/// One recognized word of any leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard<'a> {
    /// The audio stream it was said on.
    pub leg: u8,
    /// Its beginning, in milliseconds since the call began.
    pub start: u32,
    /// Its end, in milliseconds since the call began.
    pub end: u32,
    /// As delivered: figures or words, any case, any punctuation.
    pub text: &'a str,
}

/// One DTMF digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    /// The audio stream it was keyed on.
    pub leg: u8,
    /// Its beginning, in milliseconds since the call began.
    pub start: u32,
    /// Its end, in milliseconds since the call began.
    pub end: u32,
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub symbol: char,
}

/// What was found. The names are those of `label-kind` in `wit/facts.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Primary account number (PAN).
    CardNumber,
    /// Card verification code (CVV2, CVC2, CID).
    CardCode,
    /// PIN.
    CardPin,
    /// Expiry date of a card.
    CardExpiry,
    /// US social security number.
    Ssn,
    /// Day and month of birth, with or without the year.
    BirthDate,
    /// House number and street, with what follows up to a ZIP code.
    StreetAddress,
    /// Telephone number of the North American plan.
    PhoneNumber,
    /// E-mail address.
    EmailAddress,
    /// Bank account or routing number.
    BankAccount,
}

/// Where something was found: a stretch of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// On which leg.
    pub leg: u8,
    /// Beginning of its first word, in milliseconds since the call began.
    pub start: u32,
    /// End of its last word, in milliseconds since the call began.
    pub end: u32,
    /// 0 to 100. From 50 on it is to be treated as the thing; below, it may be the beginning of one.
    pub confidence: u8,
    /// For a card number, whose.
    pub brand: Option<&'static str>,
}

/// What the newest words complete, continue or are.
///
/// `before` is what was heard on all legs shortly before, `heard` what is new, both in order of time. A thing that began in
/// `before` is reported with all its stretches: one per leg and turn.
pub fn in_words(before: &[Heard<'_>], heard: &[Heard<'_>]) -> Vec<Found> {
    let talk = cues::Talk::new(lex::pieces(before.iter().chain(heard)));
    let is_new = |thing: &Thing| thing.pieces.iter().any(|&i| talk.pieces[i].word >= before.len());
    let mut all = things(&talk);
    if !all.iter().all(is_new) {
        // What was said before may only now be known for what it is: "... is my social".
        let known = things(&cues::Talk::new(lex::pieces(before.iter())));
        all.retain(|thing| is_new(thing) || !known.iter().any(|k| k.says(thing)));
    }
    let mut found: Vec<Found> = all.iter().flat_map(|thing| thing.stretches(&talk)).collect();
    found.sort_by_key(|f| (f.start, f.leg, f.kind));
    found
}

/// Something found, as the pieces that belong to it.
struct Thing {
    kind: Kind,
    confidence: u8,
    brand: Option<card::Brand>,
    /// In order, of one leg or several.
    pieces: Vec<usize>,
    /// Its digits, where it has any: a read-back is known by them.
    digits: Vec<u8>,
}

fn things(talk: &cues::Talk<'_>) -> Vec<Thing> {
    let rows = digits::rows(talk);
    let mut things = numbers::in_rows(talk, &rows);
    readback::find(talk, &rows, &mut things);
    let mut taken = vec![false; talk.pieces.len()];
    things.iter().flat_map(|t| &t.pieces).for_each(|&i| taken[i] = true);
    dates::find(talk, &taken, &mut things);
    places::find(talk, &taken, &mut things);
    things
}

impl Thing {
    /// Whether whoever knows this learns nothing from the other.
    fn says(&self, other: &Thing) -> bool {
        self.kind == other.kind
            && self.confidence >= other.confidence.min(50)
            && other.pieces.iter().all(|i| self.pieces.contains(i))
    }

    /// One stretch per leg and turn: a turn ends where somebody else says something between.
    fn stretches(&self, talk: &cues::Talk<'_>) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for (leg, _) in &talk.streams {
            let mut last = None;
            for &i in self.pieces.iter().filter(|&&i| talk.pieces[i].leg == *leg) {
                let piece = &talk.pieces[i];
                let same_turn = last.is_some_and(|last| talk.pieces[last..i].iter().all(|p| p.leg == *leg));
                match found.last_mut().filter(|_| same_turn) {
                    Some(stretch) => stretch.end = stretch.end.max(piece.end),
                    None => found.push(Found {
                        kind: self.kind,
                        leg: *leg,
                        start: piece.start,
                        end: piece.end,
                        confidence: self.confidence,
                        brand: self.brand.map(|b| b.name),
                    }),
                }
                last = Some(i);
            }
        }
        found
    }
}
