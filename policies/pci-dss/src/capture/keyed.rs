//! What is keyed right after a card number, without a separator that would make it an entry of its own.

use caveat_sdk::detect::{self, Found, Kind, Pressed};

/// Card numbers have so many digits at least.
const MIN_NUMBER: usize = 13;
/// A code has so many digits at least.
const MIN_TAIL: usize = 3;
/// Expiry date and code together: MMYYYY and four digits.
const MAX_TAIL: usize = 10;
/// It follows a card number by position alone.
const CONFIDENCE: u8 = 60;

/// The keys after a card number, once there are as many as its code has digits. An expiry date among them goes with the
/// code: nobody could tell the two apart, and only the code must go.
pub(super) fn after_number(before: &[Pressed], pressed: &Pressed) -> Option<Found> {
    let keys: Vec<(&Pressed, u8)> = before
        .iter()
        .chain([pressed])
        .filter(|key| key.leg == pressed.leg)
        .filter_map(|key| Some((key, u8::try_from(key.symbol.to_digit(10)?).ok()?)))
        .collect();
    let digits: Vec<u8> = keys.iter().map(|(_, digit)| *digit).collect();
    for tail in MIN_TAIL..=MAX_TAIL.min(digits.len().saturating_sub(MIN_NUMBER)) {
        let (number, _) = digits.split_at(digits.len() - tail);
        let code_len = (MIN_NUMBER..=number.len()).find_map(|len| {
            let number = &number[number.len() - len..];
            detect::brand(number).filter(|brand| brand.certain && detect::luhn(number)).map(|b| b.code_len)
        });
        if code_len.is_some_and(|len| tail >= usize::from(len)) {
            let first = keys[keys.len() - tail].0;
            return Some(Found {
                kind: Kind::CardCode,
                leg: pressed.leg,
                start: first.start,
                end: pressed.end,
                confidence: CONFIDENCE,
                brand: None,
            });
        }
    }
    None
}
