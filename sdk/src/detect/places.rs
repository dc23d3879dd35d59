//! Street addresses and e-mail addresses.

use super::{
    Kind, Thing,
    cues::{Talk, Topic},
    lex::{Lex, Piece},
};

/// Words that end a street's name and are little else.
const SUFFIXES: [&str; 20] = [
    "street",
    "avenue",
    "ave",
    "road",
    "rd",
    "lane",
    "ln",
    "boulevard",
    "blvd",
    "terrace",
    "parkway",
    "pkwy",
    "highway",
    "hwy",
    "turnpike",
    "crescent",
    "alley",
    "broadway",
    "expressway",
    "causeway",
];
/// Words that end a street's name and mean much else: an address has to be asked for, or be told by what is around it.
const WEAK_SUFFIXES: [&str; 17] = [
    "drive", "dr", "st", "court", "ct", "place", "pl", "circle", "cir", "way", "trail", "square", "loop",
    "plaza", "pike", "run", "ridge",
];
/// Words that are in no street's name: what stands before them is a count.
const NO_NAME: [&str; 44] = [
    "the",
    "a",
    "of",
    "down",
    "my",
    "your",
    "this",
    "that",
    "is",
    "it",
    "on",
    "in",
    "at",
    "or",
    "from",
    "was",
    "were",
    "are",
    "i",
    "you",
    "we",
    "they",
    "minute",
    "hour",
    "mile",
    "more",
    "different",
    "other",
    "another",
    "up",
    "off",
    "by",
    "with",
    "did",
    "do",
    "to",
    "for",
    "but",
    "if",
    "per",
    "each",
    "star",
    "side",
    "when",
];
/// A street's name has at most so many words.
const NAME_WORDS: usize = 4;
/// City, state and ZIP code follow within so many words.
const TAIL_WORDS: usize = 9;

pub(super) fn find(talk: &Talk<'_>, taken: &[bool], things: &mut Vec<Thing>) {
    for (_, stream) in &talk.streams {
        let mut at = 0;
        while at < stream.len() {
            let thing = (!taken[stream[at]])
                .then(|| street_at(talk, stream, at, taken).or_else(|| email_at(talk, stream, at)))
                .flatten();
            at = match thing {
                Some((kind, confidence, from, to)) => {
                    let pieces = stream[from..to].to_vec();
                    things.push(Thing { kind, confidence, brand: None, pieces, digits: Vec::new() });
                    to.max(at + 1)
                }
                None => at + 1,
            };
        }
    }
}

type Stretch = (Kind, u8, usize, usize);

fn street_at(talk: &Talk<'_>, stream: &[usize], at: usize, taken: &[bool]) -> Option<Stretch> {
    let piece = |n: usize| stream.get(n).map(|&i| &talk.pieces[i]);
    let free = |n: usize| stream.get(n).is_some_and(|&i| !taken[i]);
    let asked = talk.topic_before(stream[at]) == Some(Topic::Address);
    if let Some(end) = post_office_box(talk, stream, at) {
        return Some((Kind::StreetAddress, 90, at, tail_end(talk, stream, end)));
    }
    // The house number, which must not be the rest of a longer one.
    let number = (at..stream.len()).take_while(|&n| free(n) && piece(n).is_some_and(is_house_number)).count();
    let inside = at > 0 && piece(at - 1).is_some_and(|p| p.lex.is_number());
    if number == 0 || number > 6 || inside || figures(talk, &stream[at..at + number]) > 6 {
        return None;
    }
    let name = at + number;
    for suffix in name..(name + NAME_WORDS + 1).min(stream.len()) {
        let here = piece(suffix)?;
        let strong = here.is_any(&SUFFIXES);
        if (strong || here.is_any(&WEAK_SUFFIXES)) && (suffix > name || here.is("broadway")) {
            let end = tail_end(talk, stream, suffix + 1);
            let placed = at > 0 && piece(at - 1).is_some_and(|p| p.is_any(&["at", "live", "is", "to", "on"]));
            let tailed = end > suffix + 1;
            return match (asked, strong) {
                (true, _) => Some((Kind::StreetAddress, 95, at, end)),
                (_, true) => Some((Kind::StreetAddress, 75, at, end)),
                _ if tailed || placed => Some((Kind::StreetAddress, 60, at, end)),
                _ => None,
            };
        }
        if here.is_any(&NO_NAME) || matches!(here.lex, Lex::Unit | Lex::Quantity) {
            return None;
        }
    }
    None
}

fn is_house_number(piece: &Piece<'_>) -> bool {
    piece.lex.is_number() || matches!(piece.lex, Lex::Hundred | Lex::Thousand | Lex::SoundAlike(0))
}

fn figures(talk: &Talk<'_>, pieces: &[usize]) -> usize {
    pieces.iter().map(|&i| talk.pieces[i].figures().count().max(1)).sum()
}

fn post_office_box(talk: &Talk<'_>, stream: &[usize], at: usize) -> Option<usize> {
    let is = |n: usize, word: &str| stream.get(n).is_some_and(|&i| talk.pieces[i].is(word));
    let box_at = match () {
        () if is(at, "po") && is(at + 1, "box") => at + 1,
        () if is(at, "p") && is(at + 1, "o") && is(at + 2, "box") => at + 2,
        () if is(at, "post") && is(at + 1, "office") && is(at + 2, "box") => at + 2,
        () => return None,
    };
    let number = stream[box_at + 1..].iter().take_while(|&&i| is_house_number(&talk.pieces[i])).count();
    (number > 0).then_some(box_at + 1 + number)
}

/// A city's name ends the turn within so many words.
const CITY_WORDS: usize = 3;

/// The end of what belongs to an address: apartment, city, state, up to the last digit of the ZIP code.
fn tail_end(talk: &Talk<'_>, stream: &[usize], from: usize) -> usize {
    let mut end = from;
    let mut words = 0;
    let ends_name = ["apartment", "apt", "suite", "unit", "floor", "apartamento", "departamento", "piso"];
    for n in from..stream.len().min(from + TAIL_WORDS * 2) {
        let piece = &talk.pieces[stream[n]];
        if is_house_number(piece) {
            end = n + 1;
        } else if piece.is_any(&ends_name)
            || piece.is_any(&["zip", "code", "zipcode"])
            || talk.pieces[stream[n]].text.len() == 1
        {
            if end == n && piece.text.len() == 1 {
                end = n + 1;
            }
        } else {
            words += 1;
            let foreign = piece.is_any(&[
                "i", "my", "you", "your", "can", "what", "do", "phone", "card", "social", "born", "birthday",
                "email", "order",
            ]);
            if words > TAIL_WORDS || foreign {
                break;
            }
        }
        if talk.turns_between(stream[n.saturating_sub(1)], stream[n])
            && !piece.is_any(&["zip"])
            && !piece.is_any(&ends_name)
            && !is_house_number(piece)
        {
            break;
        }
    }
    let turn = stream[end - 1..].windows(2).take_while(|w| w[1] == w[0] + 1).count();
    let unclaimed = |&i: &usize| !talk.used[i];
    if turn <= CITY_WORDS && stream[end..end + turn].iter().all(unclaimed) { end + turn } else { end }
}

/// "john dot smith at example dot com", or as written.
fn email_at(talk: &Talk<'_>, stream: &[usize], at: usize) -> Option<Stretch> {
    let piece = |n: usize| stream.get(n).map(|&i| &talk.pieces[i]);
    let here = piece(at)?;
    if here.lex == Lex::Email {
        return Some((Kind::EmailAddress, 99, at, at + 1));
    }
    if !here.is_any(&["at", "arroba"]) || at == 0 {
        return None;
    }
    // Behind "at": one to three words, "dot", and the top-level domain.
    let dot = (at + 2..at + 6).find(|&n| piece(n).is_some_and(|p| p.is_any(&["dot", "punto"])))?;
    let domain = piece(dot + 1)?;
    let known = ["com", "net", "org", "edu", "gov", "io", "co", "us", "biz", "info", "me", "mx", "es"];
    if !domain.is_any(&known) {
        return None;
    }
    let joins = |p: &Piece<'_>| {
        p.is_any(&[
            "dot",
            "underscore",
            "dash",
            "hyphen",
            "period",
            "plus",
            "punto",
            "guion",
            "guión",
            "bajo",
        ])
    };
    let mut from = at - 1;
    while from > 0 {
        let (prev, here) = (piece(from - 1)?, piece(from)?);
        let spelled = prev.text.len() == 1 || prev.lex.is_number();
        let part = joins(prev) || joins(here) || spelled || here.lex.is_number() || here.text.len() == 1;
        if !part || (prev.is_any(&["is", "a", "i", "it's", "its"]) && !joins(here)) {
            break;
        }
        from -= 1;
    }
    Some((Kind::EmailAddress, 95, from, dot + 2))
}
