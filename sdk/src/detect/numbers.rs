//! What a row of digits is: by its own form where that is enough, else by what was asked for.

use super::{
    Kind, Thing,
    card::{self, Brand},
    cues::{CARD_NAMES, Talk, Topic},
    digits::{Reading, Row},
};

/// A card number heard earlier: a lone row of three digits after it is its code.
struct Card {
    brand: Option<Brand>,
    /// Its last piece.
    last: usize,
}

/// How many pieces of talk after a card number its expiry and code may come unasked.
const CARD_REACH: usize = 40;

pub(super) fn in_rows(talk: &Talk<'_>, rows: &[Row]) -> Vec<Thing> {
    let mut judge = Judge { talk, card: None, things: Vec::new() };
    rows.iter().for_each(|row| judge.row(row));
    judge.things
}

struct Judge<'t, 'a> {
    talk: &'t Talk<'a>,
    card: Option<Card>,
    things: Vec<Thing>,
}

impl Judge<'_, '_> {
    fn row(&mut self, row: &Row) {
        let (first, last) = (row.pieces[0], row.pieces[row.pieces.len() - 1]);
        let before = self.talk.topic_before(first);
        let topic = self.talk.topic_after(last).or(before);
        let readings = row.readings(self.talk);
        if self.card_number(row, &readings, topic) || row.quantity {
            return;
        }
        for reading in &readings {
            if self.by_topic(row, reading, topic) {
                return;
            }
        }
        let _ = self.by_groups(row, &readings[0], topic);
    }

    /// A whole card number: beyond doubt, within a longer row, or suspected because one was asked for.
    fn card_number(&mut self, row: &Row, readings: &[Reading], topic: Option<Topic>) -> bool {
        let first = row.pieces[0];
        let asked = topic.is_some_and(Topic::is_card) || self.talk.card_talk(first);
        let elsewhere =
            topic.is_some_and(|t| !t.is_card() && !matches!(t, Topic::LastDigits | Topic::Nothing));
        for reading in readings {
            let n = reading.digits.len();
            if let Some(brand) = card::valid(&reading.digits)
                && (asked || brand.certain || (n == 16 && !elsewhere))
            {
                let confidence = if elsewhere {
                    65
                } else if asked {
                    99
                } else {
                    90
                };
                self.found_card(row, reading, 0..n, Some(brand), confidence);
                return true;
            }
        }
        for reading in readings {
            if let Some((range, brand)) = window(reading, asked, elsewhere) {
                self.found_card(row, reading, range, Some(brand), if asked { 90 } else { 70 });
                return true;
            }
        }
        let Some(reading) = readings.iter().find(|r| r.digits.len() >= 12) else {
            return self.begun_card(row, &readings[0], topic);
        };
        if !asked || elsewhere {
            return false;
        }
        // Asked for, long enough, and the check digit is wrong: most likely one digit was misheard.
        let brand = card::brand(&reading.digits);
        let n = match brand.or_else(|| card::brand(reading.digits.get(..16)?)) {
            Some(brand) if reading.digits.len() > 16 => {
                if brand.code_len == 4 {
                    15
                } else {
                    16
                }
            }
            _ => reading.digits.len(),
        };
        self.found_card(row, reading, 0..n, brand, if brand.is_some() { 60 } else { 50 });
        true
    }

    /// The beginning of a card number that is being read out: too little to be sure of.
    fn begun_card(&mut self, row: &Row, reading: &Reading, topic: Option<Topic>) -> bool {
        let last = row.pieces[row.pieces.len() - 1];
        let going_on = self.talk.after(last).count() <= 2;
        let begun = topic == Some(Topic::Card)
            && going_on
            && reading.digits.len() >= 7
            && card::begins_like_a_card(&reading.digits);
        if begun {
            self.found(row, reading, 0..reading.digits.len(), Kind::CardNumber, 40, None);
        }
        begun
    }

    /// The number, and in what follows it the expiry date and the code.
    fn found_card(
        &mut self,
        row: &Row,
        reading: &Reading,
        range: core::ops::Range<usize>,
        brand: Option<Brand>,
        confidence: u8,
    ) {
        let n = reading.digits.len();
        let code_len = brand.map_or(3, |b| usize::from(b.code_len));
        let tail = &reading.digits[range.end..];
        let expiry = expiry_len(tail, code_len);
        let code = tail.len() - expiry == code_len || (expiry > 0 && tail.len() - expiry == code_len + 5);
        // What is left over is a correction or a digit too many: part of it, as is what stands before the number.
        let end = if tail.is_empty() || expiry > 0 || code { range.end } else { n };
        self.found(row, reading, 0..end, Kind::CardNumber, confidence, brand);
        if end < n {
            let (dated, coded) = (end + expiry, end + expiry + code_len);
            if expiry > 0 {
                self.found(row, reading, end..dated, Kind::CardExpiry, confidence.min(90), None);
            }
            if code {
                self.found(row, reading, dated..coded, Kind::CardCode, confidence.min(90), None);
            }
        }
        self.card = Some(Card { brand, last: row.pieces[reading.at[n - 1]] });
    }

    fn by_topic(&mut self, row: &Row, reading: &Reading, topic: Option<Topic>) -> bool {
        let (d, n) = (reading.digits.as_slice(), reading.digits.len());
        let first = row.pieces[0];
        let all = |kind, confidence| Some((kind, confidence));
        let verdict = match topic {
            Some(Topic::CardCode | Topic::CardExpiry | Topic::Card) => {
                return self.beside_card(row, reading, topic);
            }
            None | Some(Topic::LastDigits) if self.card_is_near(first) && topic.is_none() => {
                return self.beside_card(row, reading, topic);
            }
            Some(Topic::CardPin) if (4..=12).contains(&n) => all(Kind::CardPin, 90),
            Some(Topic::Ssn) if n == 9 => all(Kind::Ssn, if is_ssn(d) { 95 } else { 55 }),
            // One digit lost or doubled by the recognizer.
            Some(Topic::Ssn) if matches!(n, 8 | 10) => all(Kind::Ssn, 50),
            Some(Topic::Birth) if (4..=8).contains(&n) && is_date(d) => all(Kind::BirthDate, 85),
            Some(Topic::Phone) if is_phone(d) => all(Kind::PhoneNumber, 90),
            Some(Topic::Phone) if n == 7 && d[0] >= 2 => all(Kind::PhoneNumber, 70),
            Some(Topic::Bank) if (6..=17).contains(&n) => all(Kind::BankAccount, 80),
            _ => None,
        };
        if let Some((kind, confidence)) = verdict {
            self.found(row, reading, 0..n, kind, confidence, None);
        }
        verdict.is_some()
    }

    /// Expiry date and code, said apart from the card number.
    fn beside_card(&mut self, row: &Row, reading: &Reading, topic: Option<Topic>) -> bool {
        let (d, n) = (reading.digits.as_slice(), reading.digits.len());
        let first = row.pieces[0];
        let brand = self.card.as_ref().and_then(|c| c.brand);
        let code_len = brand.map_or(3, |b| usize::from(b.code_len));
        let dated = self.talk.open(Topic::CardExpiry, first);
        let coded = self.talk.open(Topic::CardCode, first);
        let near = self.card_is_near(first);
        let expiry = expiry_len(d, code_len);
        let amex = self.talk.card_is_named(first, &["amex", "express", "four", "cuatro"]);
        let front = self.talk.card_is_named(first, &["front", "frente", "enfrente"]);
        let only_expiry = expiry == n && n > 0;
        let parts = match topic {
            _ if only_expiry && n != code_len && (topic == Some(Topic::CardExpiry) || dated || near) => {
                vec![(0..n, Kind::CardExpiry, 90)]
            }
            _ if expiry > 0 && expiry + code_len == n && (near || (dated && coded)) => {
                vec![(0..expiry, Kind::CardExpiry, 90), (expiry..n, Kind::CardCode, 90)]
            }
            Some(Topic::CardCode) if n == code_len => vec![(0..n, Kind::CardCode, 95)],
            Some(Topic::CardCode) if n == 4 && brand.is_none() => {
                vec![(0..n, Kind::CardCode, if amex { 90 } else { 50 })]
            }
            Some(Topic::Card) if n == 4 && amex && (coded || front) && d[0] != 3 => {
                vec![(0..n, Kind::CardCode, 90)]
            }
            Some(Topic::CardExpiry) if only_expiry => vec![(0..n, Kind::CardExpiry, 90)],
            Some(Topic::CardExpiry) if n == code_len && coded => vec![(0..n, Kind::CardCode, 80)],
            _ if near && n == code_len => vec![(0..n, Kind::CardCode, 75)],
            // Another number came on its heels.
            Some(Topic::CardCode) if n > 4 => {
                let lead = reading.groups(&row.group_starts(self.talk))[0];
                if lead == code_len { vec![(0..lead, Kind::CardCode, 70)] } else { Vec::new() }
            }
            _ => Vec::new(),
        };
        let is_card = self.is_card_expiry(first);
        let mut any = false;
        for (range, kind, confidence) in parts {
            if kind != Kind::CardExpiry || is_card {
                any |= self.found(row, reading, range, kind, confidence, None);
            }
        }
        any
    }

    /// Numbers that are known by how they are grouped, whatever was asked for.
    fn by_groups(&mut self, row: &Row, reading: &Reading, topic: Option<Topic>) -> bool {
        let groups = reading.groups(&row.group_starts(self.talk));
        let d = &reading.digits;
        let other = matches!(topic, Some(Topic::Other | Topic::Bank | Topic::Amount));
        let verdict = match groups.as_slice() {
            [3, 2, 4] if is_ssn(d) && topic != Some(Topic::Phone) => (Kind::Ssn, if other { 45 } else { 75 }),
            [3, 3, 4] | [1, 3, 3, 4] if is_phone(d) => (Kind::PhoneNumber, if other { 45 } else { 70 }),
            _ => return false,
        };
        self.found(row, reading, 0..d.len(), verdict.0, verdict.1, None)
    }

    /// Something expires: a card, not a lease.
    fn is_card_expiry(&self, piece: usize) -> bool {
        self.card.is_some()
            || self.talk.card_is_named(piece, &CARD_NAMES)
            || self.talk.open(Topic::CardCode, piece)
    }

    fn card_is_near(&self, piece: usize) -> bool {
        self.card.as_ref().is_some_and(|c| piece > c.last && piece - c.last <= CARD_REACH)
    }

    fn found(
        &mut self,
        row: &Row,
        reading: &Reading,
        range: core::ops::Range<usize>,
        kind: Kind,
        confidence: u8,
        brand: Option<Brand>,
    ) -> bool {
        let digits = &reading.digits[range.clone()];
        let (Some(&from), Some(&to)) = (reading.at[range.clone()].first(), reading.at[range].last()) else {
            return false;
        };
        let pieces = self.with_hesitations(&row.pieces[from..=to]);
        self.things.push(Thing { kind, confidence, brand, pieces, digits: digits.to_vec() });
        true
    }

    /// Everything its speaker said between the digits belongs to it: a correction may be among it.
    fn with_hesitations(&self, pieces: &[usize]) -> Vec<usize> {
        let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
        core::iter::once(first).chain(self.talk.after(first).take_while(|&i| i <= last)).collect()
    }
}

/// A card number within a longer row; without card talk only at its edge, with what may follow a card number after it.
fn window(reading: &Reading, asked: bool, elsewhere: bool) -> Option<(core::ops::Range<usize>, Brand)> {
    let n = reading.digits.len();
    if n < 13 || (elsewhere && !asked) {
        return None;
    }
    let starts_word = |s: usize| s == 0 || reading.at[s] != reading.at[s - 1];
    let plausible = |s: usize, e: usize| {
        asked
            || (e - s >= 15 && s == 0 && (expiry_len(&reading.digits[e..], 3) > 0 || n - e == 3))
            || (e - s >= 15 && e == n && s <= 4)
    };
    [16, 15, 14, 19, 13]
        .into_iter()
        .flat_map(|len| (0..(n + 1).saturating_sub(len)).map(move |s| (s, s + len)))
        .filter(|&(s, e)| starts_word(s) && plausible(s, e))
        .find_map(|(s, e)| card::valid(&reading.digits[s..e]).filter(|b| b.certain).map(|b| (s..e, b)))
}

/// The length of an expiry date at the beginning, when what remains may be a code: MMYY, MM20YY, MYY.
fn expiry_len(d: &[u8], code_len: usize) -> usize {
    let month = |m: &[u8]| (1..=12).contains(&two(m));
    let year = |y: &[u8]| (20..=49).contains(&two(y));
    let rest = |used: usize| [0, code_len, code_len + 5].contains(&(d.len() - used));
    match d {
        [m1, m2, 2, 0, y1, y2, ..] if rest(6) && month(&[*m1, *m2]) && year(&[*y1, *y2]) => 6,
        [m1, m2, y1, y2, ..] if rest(4) && month(&[*m1, *m2]) && year(&[*y1, *y2]) => 4,
        [1..=9, 2, 0, y1, y2, ..] if rest(5) && year(&[*y1, *y2]) => 5,
        [1..=9, y1, y2, ..] if rest(3) && year(&[*y1, *y2]) && d.len() != code_len => 3,
        [1..=9, y1, y2] if year(&[*y1, *y2]) => 3,
        _ => 0,
    }
}

fn two(d: &[u8]) -> u8 {
    d.iter().fold(0, |n, &d| n * 10 + d)
}

/// Nine digits that the Social Security Administration can have issued (20 CFR 422.103; POMS RM 10201.035): no area 000,
/// 666 or 9xx, no group 00, no serial 0000.
pub(super) fn is_ssn(d: &[u8]) -> bool {
    d.len() == 9
        && d[0] != 9
        && !matches!(d[..3], [0, 0, 0] | [6, 6, 6])
        && d[3..5] != [0, 0]
        && d[5..] != [0, 0, 0, 0]
}

/// Ten digits of the North American Numbering Plan, with or without the 1 before them.
pub(super) fn is_phone(d: &[u8]) -> bool {
    match d {
        [1, rest @ ..] if rest.len() == 10 => is_phone(rest),
        _ => d.len() == 10 && d[0] >= 2 && d[3] >= 2 && d[4..6] != [1, 1],
    }
}

/// Month, day and year (two or four digits of it) in any division that makes a date.
pub(super) fn is_date(d: &[u8]) -> bool {
    let in_range = |d: &[u8], max: u8| !d.is_empty() && (1..=max).contains(&two(d));
    [1, 2].into_iter().any(|m| {
        [1, 2].into_iter().any(|day| {
            let Some((year, (md, dd))) = d.get(m + day..).zip(d.get(..m).zip(d.get(m..m + day))) else {
                return false;
            };
            let year = year.len() == 2 || (year.len() == 4 && matches!(year[..2], [1, 9] | [2, 0] | [1, 8]));
            year && in_range(md, 12) && in_range(dd, 31)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssn_rules() {
        let check = |d: [u8; 9], valid: bool| assert_eq!(is_ssn(&d), valid, "{d:?}");
        check([1, 2, 3, 4, 5, 6, 7, 8, 9], true);
        check([0, 0, 0, 4, 5, 6, 7, 8, 9], false);
        check([6, 6, 6, 4, 5, 6, 7, 8, 9], false);
        check([9, 0, 0, 4, 5, 6, 7, 8, 9], false);
        check([1, 2, 3, 0, 0, 6, 7, 8, 9], false);
        check([1, 2, 3, 4, 5, 0, 0, 0, 0], false);
    }

    #[test]
    fn dates_in_any_division() {
        assert!(is_date(&[3, 4, 8, 2]) && is_date(&[0, 3, 0, 4, 1, 9, 8, 2]) && is_date(&[1, 2, 2, 5, 7, 0]));
        assert!(!is_date(&[1, 9, 4, 5, 8]) && !is_date(&[1, 2, 3]) && !is_date(&[]));
    }

    #[test]
    fn expiry_dates_and_what_follows() {
        let check = |d: &[u8], len: usize| assert_eq!(expiry_len(d, 3), len, "{d:?}");
        check(&[0, 4, 2, 9], 4);
        check(&[0, 4, 2, 9, 1, 2, 3], 4);
        check(&[0, 4, 2, 0, 2, 9], 6);
        check(&[4, 2, 9], 3);
        check(&[4, 2, 9, 1, 2, 3], 3);
        check(&[1, 3, 2, 9], 0);
        check(&[0, 4, 2, 9, 1], 0);
        check(&[], 0);
    }
}
