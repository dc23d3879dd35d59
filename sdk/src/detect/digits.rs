//! Rows of digits as people say them, and the ways in which one row can be read.

use super::{
    cues::Talk,
    lex::{Lex, Piece},
};

/// Pieces of one leg that make up a row of digits, with nothing but hesitation between them.
pub(super) struct Row {
    /// The number pieces, in order.
    pub pieces: Vec<usize>,
    /// Followed by a unit: "forty five dollars".
    pub quantity: bool,
}

/// One way to read a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub digits: Vec<u8>,
    /// For each digit, the position in the row's pieces it comes from.
    pub at: Vec<usize>,
}

/// A silence longer than this ends a row, in milliseconds; in card talk people are given more time.
const ROW_PAUSE_MS: u32 = 8_000;
const CARD_ROW_PAUSE_MS: u32 = 25_000;
/// A silence longer than this parts groups of digits, in milliseconds.
const GROUP_PAUSE_MS: u32 = 600;
/// Hesitations in a row, at most; and in card talk other words ("let me turn it over").
const FILLERS: usize = 8;
const CARD_WORDS: usize = 5;
/// Longer rows are cut: nothing that is looked for has as many digits.
const ROW_PIECES: usize = 96;

/// All rows of all legs, in order of their beginning.
pub(super) fn rows(talk: &Talk<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (_, stream) in &talk.streams {
        let mut row: Vec<usize> = Vec::new();
        let (mut fillers, mut words) = (0, 0);
        for (at, &i) in stream.iter().enumerate() {
            let piece = &talk.pieces[i];
            if let Some(&last) = row.last()
                && (talk.turns_between(last, i) || too_late(talk, last, i) || row.len() >= ROW_PIECES)
            {
                close(&mut rows, &mut row, false);
            }
            if belongs(talk, stream, at, row.last().copied()) {
                row.push(i);
                (fillers, words) = (0, 0);
                continue;
            }
            if row.is_empty() {
                continue;
            }
            match piece.lex {
                // A cue that does not end a row ("and the next four digits are").
                _ if talk.used[i] => {}
                lex if lex.is_filler() || matches!(lex, Lex::SoundAlike(_)) => fillers += 1,
                Lex::Word
                | Lex::Ordinal(_)
                | Lex::Hundred
                | Lex::Thousand
                | Lex::Plural(_)
                | Lex::Repeat(_)
                    if talk.card_talk(i) =>
                {
                    words += 1;
                }
                _ => fillers = usize::MAX,
            }
            if fillers > FILLERS || words > CARD_WORDS {
                close(&mut rows, &mut row, piece.lex == Lex::Unit);
                (fillers, words) = (0, 0);
            }
        }
        close(&mut rows, &mut row, false);
    }
    rows.sort_by_key(|r| r.pieces[0]);
    rows
}

fn close(rows: &mut Vec<Row>, row: &mut Vec<usize>, quantity: bool) {
    if !row.is_empty() {
        rows.push(Row { pieces: core::mem::take(row), quantity });
    }
}

fn too_late(talk: &Talk<'_>, last: usize, next: usize) -> bool {
    let pause = talk.pieces[next].start.saturating_sub(talk.pieces[last].end);
    pause > ROW_PAUSE_MS && (pause > CARD_ROW_PAUSE_MS || !talk.card_talk(next))
}

/// Whether the piece adds digits here.
fn belongs(talk: &Talk<'_>, stream: &[usize], at: usize, last: Option<usize>) -> bool {
    let piece = |at: usize| stream.get(at).filter(|&&i| !talk.used[i]).map(|&i| talk.pieces[i].lex);
    let Some(here) = piece(at) else { return false };
    let adjoins = at > 0 && last == Some(stream[at - 1]);
    match here {
        lex if lex.is_number() => true,
        Lex::SoundAlike(0) if adjoins => true,
        Lex::SoundAlike(_) => {
            let next = (at + 1..stream.len()).map(piece).find(|l| !matches!(l, Some(Lex::SoundAlike(_))));
            let before_number = next.flatten().is_some_and(|l| l.is_number() || matches!(l, Lex::Repeat(_)));
            before_number || (adjoins && !matches!(piece(at + 1), Some(Lex::Word)))
        }
        Lex::Repeat(_) => piece(at + 1).is_some_and(|l| l.is_number() || matches!(l, Lex::SoundAlike(_))),
        Lex::Hundred | Lex::Thousand | Lex::Plural(_) => adjoins,
        _ => false,
    }
}

/// How far a reading goes in taking words for digits.
#[derive(Clone, Copy)]
struct Taste {
    oh: bool,
    sound_alikes: bool,
    /// "four thousand one" is 4000 1, not 4001.
    scales_apart: bool,
}

impl Row {
    /// Every way to read it, the likeliest first.
    pub(super) fn readings(&self, talk: &Talk<'_>) -> Vec<Reading> {
        let mut all: Vec<Reading> = Vec::new();
        for (oh, sound_alikes) in [(true, true), (true, false), (false, false)] {
            for scales_apart in [false, true] {
                let reading = self.read(talk, Taste { oh, sound_alikes, scales_apart });
                if !all.contains(&reading) {
                    all.push(reading);
                }
            }
        }
        all
    }

    fn read(&self, talk: &Talk<'_>, taste: Taste) -> Reading {
        let mut out = Reading { digits: Vec::new(), at: Vec::new() };
        let mut repeat: Option<(u8, usize)> = None;
        let mut n = 0;
        let piece = |n: usize| self.pieces.get(n).map(|&i| &talk.pieces[i]);
        while let Some(p) = piece(n) {
            let adjoining = self.pieces.get(n + 1).filter(|&&i| talk.after(self.pieces[n]).next() == Some(i));
            match p.lex {
                Lex::Repeat(times) => repeat = Some((times, n)),
                Lex::SoundAlike(0) if !taste.oh => {}
                Lex::SoundAlike(d) if d != 0 && !taste.sound_alikes => {}
                Lex::Digit(d) | Lex::SoundAlike(d) => out.push_repeated(d, n, repeat.take()),
                Lex::Figures if p.text.len() == 1 => {
                    p.figures().for_each(|d| out.push_repeated(d, n, repeat.take()));
                }
                Lex::Figures => p.figures().for_each(|d| out.push(d, n)),
                Lex::Teen(v) => [v / 10, v % 10].into_iter().for_each(|d| out.push(d, n)),
                Lex::Tens(v) => {
                    out.push(v / 10, n);
                    match adjoining.map(|&i| talk.pieces[i].lex) {
                        Some(Lex::Digit(d @ 1..)) => {
                            n += 1;
                            out.push(d, n);
                        }
                        _ => out.push(0, n),
                    }
                }
                Lex::Plural(d) => out.push_plural(d, n),
                Lex::Hundred => {
                    let zeros = if taste.scales_apart { 2 } else { 2 - width(piece(n + 1)).min(2) };
                    (0..zeros).for_each(|_| out.push(0, n));
                }
                Lex::Thousand => {
                    let hundreds = piece(n + 2).is_some_and(|p| p.lex == Lex::Hundred);
                    let used = if hundreds { 3 } else { width(piece(n + 1)) };
                    let zeros = if taste.scales_apart { 3 } else { 3 - used.min(3) };
                    (0..zeros).for_each(|_| out.push(0, n));
                }
                _ => {}
            }
            n += 1;
        }
        out
    }

    /// The positions at which a new group of digits begins: after a separator, a pause, or between figures.
    pub(super) fn group_starts(&self, talk: &Talk<'_>) -> Vec<usize> {
        let starts = |n: &usize| {
            let (prev, here) = (self.pieces[n - 1], self.pieces[*n]);
            let (p, h) = (&talk.pieces[prev], &talk.pieces[here]);
            let figures = |p: &Piece<'_>| p.lex == Lex::Figures && p.text.len() > 1;
            figures(p)
                || figures(h)
                || h.start.saturating_sub(p.end) > GROUP_PAUSE_MS
                || talk
                    .before(here)
                    .take_while(|&i| i > prev)
                    .any(|i| talk.pieces[i].lex == Lex::Separator || talk.pieces[i].is_any(&["and", "okay"]))
        };
        (1..self.pieces.len()).filter(starts).collect()
    }
}

/// How many digits a piece stands for after "hundred" or "thousand".
fn width(piece: Option<&Piece<'_>>) -> usize {
    match piece.map(|p| (p.lex, p.text.len())) {
        Some((Lex::Digit(_), _)) => 1,
        Some((Lex::Teen(_) | Lex::Tens(_), _)) => 2,
        Some((Lex::Figures, len)) => len,
        _ => 0,
    }
}

impl Reading {
    fn push(&mut self, digit: u8, at: usize) {
        self.digits.push(digit);
        self.at.push(at);
    }
    /// "Double five": the word "double" is the first five.
    fn push_repeated(&mut self, digit: u8, at: usize, repeat: Option<(u8, usize)>) {
        let Some((times, first)) = repeat else { return self.push(digit, at) };
        self.push(digit, first);
        (1..times).for_each(|_| self.push(digit, at));
    }
    /// "Three zeros": the three is a count.
    fn push_plural(&mut self, digit: u8, at: usize) {
        let (times, first) = match (self.digits.last(), self.at.last()) {
            (Some(&times @ 2..=6), Some(&first)) => {
                self.digits.pop();
                self.at.pop();
                (times, first)
            }
            _ => (1, at),
        };
        self.push_repeated(digit, at, Some((times, first)));
    }
    /// The lengths of its groups.
    pub(super) fn groups(&self, starts: &[usize]) -> Vec<usize> {
        let mut groups: Vec<usize> = vec![0];
        let mut passed = 0;
        for &at in &self.at {
            let now = starts.partition_point(|&s| s <= at);
            if now > passed && groups.last() != Some(&0) {
                groups.push(0);
            }
            passed = now;
            if let Some(last) = groups.last_mut() {
                *last += 1;
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Heard, lex};

    /// Every reading of the only row in the text.
    fn readings(text: &str) -> Vec<String> {
        let words: Vec<Heard<'_>> = (0..)
            .zip(text.split(' '))
            .map(|(i, text)| Heard { leg: 0, start: i * 300, end: i * 300 + 250, text })
            .collect();
        let talk = Talk::new(lex::pieces(words.iter()));
        let rows = rows(&talk);
        assert_eq!(rows.len(), 1, "{text}");
        let text = |r: &Reading| r.digits.iter().map(|d| char::from(b'0' + d)).collect();
        rows[0].readings(&talk).iter().map(text).collect()
    }

    #[test]
    fn a_row_is_read_as_it_is_said() {
        let check = |text: &str, want: &str| assert_eq!(readings(text)[0], want, "{text}");
        check("four one one one", "4111");
        check("double five triple oh", "55000");
        check("forty one eleven", "4111");
        check("forty-one 1 1", "4111");
        check("4111-2222 uh 3", "411122223");
        check("three zeros one", "0001");
        check("one hundred twenty three", "123");
        check("nine hundred and five", "905");
        check("nineteen oh four", "1904");
        check("four two um no sorry five", "425");
        check("four thousand", "4000");
        check("twenty thirty one", "2031");
        check("cuarenta y siete cero doble seis", "47066");
        check("veintitrés treinta y cuatro", "2334");
        check("ciento veintitrés", "123");
        check("once cero once", "11011");
    }

    #[test]
    fn what_only_sounds_like_a_digit_has_two_readings() {
        let check = |text: &str, want: &[&str]| assert_eq!(readings(text), want, "{text}");
        check("for one one one", &["4111", "111"]);
        check("four thousand twelve", &["4012", "400012"]);
        check("one two to five", &["1225", "125"]);
    }
}
