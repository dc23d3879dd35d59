//! Written text: agents' notes, chat, exports.

use core::ops::Range;

use super::{Heard, Kind, cues, lex, things};

/// What is in a written text, as ranges of bytes. The same rules as for words, with the place in the text for the time.
pub fn in_text(text: &str) -> Vec<(Kind, Range<usize>)> {
    let words: Vec<(usize, &str)> =
        text.split_whitespace().map(|w| (w.as_ptr() as usize - text.as_ptr() as usize, w)).collect();
    let heard: Vec<Heard<'_>> =
        (0..).zip(&words).map(|(i, (_, text))| Heard { leg: 0, start: i, end: i, text }).collect();
    let talk = cues::Talk::new(lex::pieces(heard.iter()));
    let mut found: Vec<(Kind, Range<usize>)> = things(&talk)
        .iter()
        .filter(|thing| thing.confidence >= 50)
        .map(|thing| {
            let at = |i: usize| talk.pieces[i].text.as_ptr() as usize - text.as_ptr() as usize;
            let (first, last) = (thing.pieces[0], thing.pieces[thing.pieces.len() - 1]);
            (thing.kind, at(first)..at(last) + talk.pieces[last].text.len())
        })
        .collect();
    found.sort_by_key(|(kind, range)| (range.start, range.end, *kind));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_forms_are_found_where_they_stand() {
        let check = |text: &str, want: &[(Kind, &str)]| {
            let found: Vec<_> = in_text(text).into_iter().map(|(kind, range)| (kind, &text[range])).collect();
            assert_eq!(found, want, "{text}");
        };
        check("card 4111 1111 1111 1111 ok", &[(Kind::CardNumber, "4111 1111 1111 1111")]);
        check("pan=4111-1111-1111-1111;", &[(Kind::CardNumber, "4111-1111-1111-1111")]);
        check("SSN 123-45-6789.", &[(Kind::Ssn, "123-45-6789")]);
        check("cvv: 123", &[(Kind::CardCode, "123")]);
        check("DOB: 03/04/1982", &[(Kind::BirthDate, "03/04/1982")]);
        check("mail ann@example.com", &[(Kind::EmailAddress, "ann@example.com")]);
        check("call (415) 555-2671 now", &[(Kind::PhoneNumber, "415) 555-2671")]);
        check("order 4111111111112, total $123.00", &[]);
        check("Größe ∞ 4 ½ — naïve", &[]);
        check("", &[]);
    }
}
