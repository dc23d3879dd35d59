//! Numbers said in parts by several people: read back by the other side, or handed over in pieces.

use super::{
    Kind, Thing, card,
    cues::{Talk, Topic},
    digits::Row,
};

/// A read-back comes within so many pieces of talk.
const REACH: usize = 60;
/// Fewer digits are no read-back: they occur by chance.
const MIN_DIGITS: usize = 3;

/// Adds card numbers that only the legs together complete, then what repeats any number found.
pub(super) fn find(talk: &Talk<'_>, rows: &[Row], things: &mut Vec<Thing>) {
    let free = |row: &&Row, things: &[Thing]| {
        !things.iter().any(|t| t.pieces.contains(&row.pieces[0]) && t.confidence > 60)
    };
    let loose: Vec<&Row> = rows.iter().filter(|r| free(r, things)).collect();
    things.extend(pieced_together(talk, &loose));
    let mut echoes = Vec::new();
    for row in rows.iter().filter(|r| free(r, things)) {
        let reading = row.readings(talk).swap_remove(0);
        let repeats = |t: &&Thing| is_echo(talk, t, row, &reading.digits);
        if let Some(thing) = things.iter().find(repeats) {
            let (kind, brand) = (thing.kind, thing.brand);
            let confidence = thing.confidence.saturating_sub(5);
            echoes.push(Thing {
                kind,
                confidence,
                brand,
                pieces: row.pieces.clone(),
                digits: reading.digits,
            });
        }
    }
    things.extend(echoes);
}

fn is_echo(talk: &Talk<'_>, thing: &Thing, row: &Row, digits: &[u8]) -> bool {
    let (first, last) = (thing.pieces[0], thing.pieces[thing.pieces.len() - 1]);
    let at = row.pieces[0];
    let repeatable = matches!(
        thing.kind,
        Kind::CardNumber | Kind::CardCode | Kind::CardPin | Kind::Ssn | Kind::BankAccount
    );
    if !repeatable
        || thing.confidence < 50
        || digits.len() < MIN_DIGITS
        || talk.pieces[at].leg == talk.pieces[first].leg
    {
        return false;
    }
    // The last four by themselves may be kept and said.
    let last_digits = talk.topic_before(at) == Some(Topic::LastDigits) && digits.len() <= 5;
    // Between the parts of a number nothing else is read out: misheard or not, it is the number.
    let between = thing.kind == Kind::CardNumber && first < at && at < last;
    let repeats = thing.digits.windows(digits.len()).any(|w| w == digits);
    !last_digits && at > first && at <= last + REACH && (between || repeats)
}

/// A card number in parts, with other talk between them or said by both sides in turn.
fn pieced_together(talk: &Talk<'_>, rows: &[&Row]) -> Option<Thing> {
    let mut parts: Vec<(&Row, Vec<u8>)> = Vec::new();
    for row in rows.iter().filter(|r| !r.quantity && talk.card_talk(r.pieces[0])) {
        let topic = talk.topic_before(row.pieces[0]);
        if topic.is_some_and(|t| t != Topic::Card) {
            continue;
        }
        let digits = row.readings(talk).swap_remove(0).digits;
        let echo = parts.iter().any(|(said, d)| {
            *d == digits && talk.pieces[said.pieces[0]].leg != talk.pieces[row.pieces[0]].leg
        });
        if (2..=15).contains(&digits.len()) && !echo {
            parts.push((row, digits));
        }
        for from in 0..parts.len().saturating_sub(1) {
            let whole: Vec<u8> = parts[from..].iter().flat_map(|(_, d)| d).copied().collect();
            if let Some(brand) = card::valid(&whole) {
                let mut pieces: Vec<usize> =
                    parts[from..].iter().flat_map(|(r, _)| &r.pieces).copied().collect();
                pieces.sort_unstable();
                return Some(Thing {
                    kind: Kind::CardNumber,
                    confidence: 85,
                    brand: Some(brand),
                    pieces,
                    digits: whole,
                });
            }
        }
    }
    let whole: Vec<u8> = parts.iter().flat_map(|(_, d)| d).copied().collect();
    let suspected = parts.len() > 1 && (12..=19).contains(&whole.len()) && card::begins_like_a_card(&whole);
    suspected.then(|| {
        let mut pieces: Vec<usize> = parts.iter().flat_map(|(r, _)| &r.pieces).copied().collect();
        pieces.sort_unstable();
        Thing { kind: Kind::CardNumber, confidence: 50, brand: card::brand(&whole), pieces, digits: whole }
    })
}
