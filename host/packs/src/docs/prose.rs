//! What authors write in manifests, schemas and tables: prose, with names of keys and files between backticks.

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words.
    Plain(&'a str),
    /// What stood between backticks.
    Name(&'a str),
}

/// The parts of a text, in their order. A backtick without its other, or with nothing between the two, is one of the words.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut all = vec![];
    let (mut words_from, mut at) = (0, 0);
    while let Some(open) = text[at..].find('`').map(|n| at + n) {
        let Some(close) = text[open + 1..].find('`').map(|n| open + 1 + n) else { break };
        at = close + 1;
        let name = &text[open + 1..close];
        if name.trim().is_empty() {
            continue;
        }
        all.extend([Piece::Plain(&text[words_from..open]), Piece::Name(name)]);
        words_from = at;
    }
    all.push(Piece::Plain(&text[words_from..]));
    all.retain(|piece| *piece != Piece::Plain(""));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Name, Plain};

    #[test]
    fn names_stand_between_backticks() {
        let check = |text: &str, wanted: &[Piece<'_>]| assert_eq!(pieces(text), wanted, "{text}");
        check("plain", &[Plain("plain")]);
        check("`a` or `b`.", &[Name("a"), Plain(" or "), Name("b"), Plain(".")]);
        check("at the end `a`", &[Plain("at the end "), Name("a")]);
        check("one ` alone", &[Plain("one ` alone")]);
        check("`` and `a`", &[Plain("`` and "), Name("a")]);
        check("", &[]);
    }
}
