//! Dates with a month's name or a slash in them. Only those of birth, or of a card's expiry, are anybody's business.

use super::{
    Kind, Thing,
    cues::{CARD_NAMES, Talk, Topic},
    lex::Lex,
};

pub(super) fn find(talk: &Talk<'_>, taken: &[bool], things: &mut Vec<Thing>) {
    for (_, stream) in &talk.streams {
        let mut at = 0;
        while at < stream.len() {
            let here = &stream[at..];
            let kind_and_len = (!taken[here[0]]).then(|| date_at(talk, here)).flatten();
            let Some((form, len)) = kind_and_len else {
                at += 1;
                continue;
            };
            let (first, last) = (here[0], here[len - 1]);
            let after = talk.topic_after(last).filter(|t| *t == Topic::Birth);
            let kind = match (after.or(talk.topic_before(first)), form) {
                (Some(Topic::Birth), Form::Day) => Some(Kind::BirthDate),
                (Some(t), Form::Month) if t.is_card() && of_a_card(talk, first, things) => {
                    Some(Kind::CardExpiry)
                }
                _ => None,
            };
            if let Some(kind) = kind {
                let pieces = here[..len].to_vec();
                things.push(Thing { kind, confidence: 90, brand: None, pieces, digits: Vec::new() });
            }
            at += len;
        }
    }
}

/// Something expires: a card, not a warranty.
fn of_a_card(talk: &Talk<'_>, date: usize, things: &[Thing]) -> bool {
    let said = things.iter().any(|t| t.kind == Kind::CardNumber && t.pieces[0] < date);
    said || talk.card_is_named(date, &CARD_NAMES) || talk.open(Topic::CardCode, date)
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Month and day, with or without the year.
    Day,
    /// Month and year.
    Month,
}

/// A date that begins here, and the number of its pieces.
fn date_at(talk: &Talk<'_>, here: &[usize]) -> Option<(Form, usize)> {
    let piece = |n: usize| here.get(n).map(|&i| &talk.pieces[i]);
    let lex = |n: usize| piece(n).map_or(Lex::Word, |p| p.lex);
    let skip = |n: usize, words: &[&str]| n + usize::from(piece(n).is_some_and(|p| p.is_any(words)));
    match lex(0) {
        Lex::Slashed => {
            let slashes = piece(0)?.text.matches('/').count();
            let year = piece(0)?.text.rsplit('/').next()?;
            let month_only =
                slashes == 1 && (year.len() == 4 || year.parse().is_ok_and(|y: u16| y > 12 && y < 50));
            Some((if month_only { Form::Month } else { Form::Day }, 1))
        }
        Lex::Month(_) => {
            let n = skip(1, &["the", "of", "de", "del", "el"]);
            // "April twenty nine" is a day, and also April of 2029: what was asked for decides.
            if talk.topic_before(here[0]).is_some_and(Topic::is_card)
                && let Some(year) = year_at(talk, &here[n.min(here.len())..])
            {
                return Some((Form::Month, n + year));
            }
            match day_at(talk, &here[n.min(here.len())..]) {
                Some(len) => {
                    let end = n + len;
                    let year = skip(end, &["of", "in", "de", "del"]);
                    let len = year_at(talk, &here[year.min(here.len())..]);
                    Some((Form::Day, len.map_or(end, |len| year + len)))
                }
                None => {
                    let n = skip(n, &["of", "de", "del"]);
                    year_at(talk, &here[n.min(here.len())..]).map(|y| (Form::Month, n + y))
                }
            }
        }
        // "the third of march nineteen eighty two", "twenty first of june", "tres de marzo de 1982"
        _ => {
            let day = day_at(talk, here)?;
            let n = skip(day, &["of", "de"]);
            let ordinal = matches!(lex(day - 1), Lex::Ordinal(_));
            if !matches!(lex(n), Lex::Month(_)) || !(ordinal || n > day || lex(0).is_number()) {
                return None;
            }
            let after = skip(n + 1, &["de", "del"]);
            let year = year_at(talk, &here[after.min(here.len())..]);
            Some((Form::Day, year.map_or(n + 1, |len| after + len)))
        }
    }
}

/// A day of the month: "third", "3", "twenty third", "twenty three".
fn day_at(talk: &Talk<'_>, here: &[usize]) -> Option<usize> {
    let lex = |n: usize| here.get(n).map_or(Lex::Word, |&i| talk.pieces[i].lex);
    match (lex(0), lex(1)) {
        (Lex::Tens(20 | 30), Lex::Ordinal(1..=9) | Lex::Digit(1..=9)) => Some(2),
        (Lex::Ordinal(_) | Lex::Digit(1..=9) | Lex::Teen(_) | Lex::Tens(20 | 30), _) => Some(1),
        (Lex::Figures, _) => talk.pieces[here[0]].value().is_some_and(|v| (1..=31).contains(&v)).then_some(1),
        _ => None,
    }
}

/// A year: "1982", "82", "nineteen eighty two", "two thousand and five", "twenty oh five", "eighty two".
fn year_at(talk: &Talk<'_>, here: &[usize]) -> Option<usize> {
    let lex = |n: usize| here.get(n).map_or(Lex::Word, |&i| talk.pieces[i].lex);
    let two_digits = |n: usize| match (lex(n), lex(n + 1)) {
        (Lex::Tens(_), Lex::Digit(1..=9)) | (Lex::SoundAlike(0) | Lex::Digit(0), Lex::Digit(_)) => 2,
        (Lex::Tens(_) | Lex::Teen(_), _) => 1,
        (Lex::Figures, _) => usize::from(talk.pieces[here[n]].text.len() == 2),
        _ => 0,
    };
    match (lex(0), lex(1)) {
        (Lex::Digit(2), Lex::Thousand) => {
            let n = 2 + usize::from(here.get(2).is_some_and(|&i| talk.pieces[i].is("and")));
            let units =
                if two_digits(n) > 0 { two_digits(n) } else { usize::from(matches!(lex(n), Lex::Digit(_))) };
            Some(if units > 0 { n + units } else { 2 })
        }
        (Lex::Teen(18 | 19) | Lex::Tens(20), _) if two_digits(1) > 0 => Some(1 + two_digits(1)),
        (Lex::Teen(19), Lex::Hundred) => Some(2 + two_digits(2)),
        // "mil novecientos ochenta y dos"
        (Lex::Thousand, Lex::Digit(8 | 9)) if lex(2) == Lex::Hundred => Some(3 + two_digits(3)),
        (Lex::Figures, _) if talk.pieces[here[0]].value().is_some_and(|v| (1880..=2060).contains(&v)) => {
            Some(1)
        }
        _ => Some(two_digits(0)).filter(|&n| n > 0),
    }
}
