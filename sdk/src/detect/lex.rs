//! Words as delivered, taken apart into pieces, each read as what it can mean in a number, a date or a place.

use super::{Heard, by_letter::ByLetter};

/// What a piece can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lex {
    /// Figures, as many as are in the text.
    Figures,
    /// "four", also "niner".
    Digit(u8),
    /// Sounds like a digit and may be one: "for", "to", "oh".
    SoundAlike(u8),
    /// "ten" to "nineteen".
    Teen(u8),
    /// "twenty" to "ninety".
    Tens(u8),
    /// "double", "triple": the next digit so many times.
    Repeat(u8),
    /// "zeros": as many as the digit before says.
    Plural(u8),
    Hundred,
    /// "novecientos": a digit and "hundred" in one word.
    Hundreds(u8),
    Thousand,
    /// "third", "3rd".
    Ordinal(u8),
    /// "march": 3.
    Month(u8),
    /// "3/4", "3/4/1982", "04/2029".
    Slashed,
    /// "$45", "4.50", "1,200", "10:30", "5pm": a number that is no row of digits.
    Quantity,
    /// Makes a quantity of the number before it: "dollars".
    Unit,
    /// "uh", "dash", "okay": may stand inside a row of digits.
    Filler,
    /// "dash", "space": may stand inside, and parts its groups.
    Separator,
    Email,
    Word,
}

impl Lex {
    /// Whether it adds digits to a row for certain.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Figures | Self::Digit(_) | Self::Teen(_) | Self::Tens(_))
    }
    /// Whether people say it while they think, correct themselves or group digits.
    pub(super) fn is_filler(self) -> bool {
        matches!(self, Self::Filler | Self::Separator)
    }
}

/// A part of a word that means something by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Index of its word among all words.
    pub word: usize,
    pub leg: u8,
    pub start: u32,
    pub end: u32,
    pub text: &'a str,
    pub lex: Lex,
}

impl Piece<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.is(w))
    }
    /// Its digits' values, when it is figures.
    pub(super) fn figures(&self) -> impl Iterator<Item = u8> {
        self.text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0')
    }
    /// The number it states by itself; for figures up to four digits.
    pub(super) fn value(&self) -> Option<u16> {
        match self.lex {
            Lex::Digit(n) | Lex::SoundAlike(n) | Lex::Teen(n) | Lex::Tens(n) => Some(n.into()),
            Lex::Figures if self.text.len() <= 4 => {
                Some(self.figures().fold(0, |n, d| n * 10 + u16::from(d)))
            }
            _ => None,
        }
    }
}

/// All pieces, in the order of their words.
pub(super) fn pieces<'a>(words: impl Iterator<Item = &'a Heard<'a>>) -> Vec<Piece<'a>> {
    let mut all = Vec::new();
    for (word, heard) in words.enumerate() {
        for token in heard.text.split_whitespace() {
            let mut push = |text, lex| {
                all.push(Piece { word, leg: heard.leg, start: heard.start, end: heard.end, text, lex });
            };
            let bare = token.trim_matches(|c: char| !c.is_alphanumeric() && !"$€£@%".contains(c));
            match whole(bare) {
                Some(lex) => push(bare, lex),
                None => bare.split(parts).filter(|t| !t.is_empty()).for_each(|t| match lex(t) {
                    Lex::Hundreds(n) => {
                        push(t, Lex::Digit(n));
                        push(t, Lex::Hundred);
                    }
                    lex => push(t, lex),
                }),
            }
        }
    }
    in_spanish(&mut all);
    all
}

/// "Cuarenta y siete" is one number, and "once" is eleven where a number is beside it, or "de".
fn in_spanish(pieces: &mut Vec<Piece<'_>>) {
    let number = |p: &Piece<'_>| p.lex.is_number() && is_spanish(p.text);
    for i in 0..pieces.len() {
        if !pieces[i].is("once") {
            continue;
        }
        let beside = |p: &Piece<'_>| p.leg == pieces[i].leg && (number(p) || p.is_any(&["de", "el", "y"]));
        let before = i.checked_sub(1).and_then(|n| pieces.get(n));
        if before.is_some_and(beside) || pieces.get(i + 1).is_some_and(beside) {
            pieces[i].lex = Lex::Teen(11);
        }
    }
    let joins = |w: &[Piece<'_>]| {
        matches!((w[0].lex, w[2].lex), (Lex::Tens(_), Lex::Digit(1..=9)))
            && w[1].is("y")
            && w.iter().all(|p| p.leg == w[0].leg)
    };
    let joined: Vec<usize> =
        pieces.windows(3).enumerate().filter(|(_, w)| joins(w)).map(|(i, _)| i + 1).collect();
    let mut at = 0;
    pieces.retain(|_| {
        at += 1;
        joined.binary_search(&(at - 1)).is_err()
    });
}

/// A number word that is none in English.
fn is_spanish(word: &str) -> bool {
    let mut rows = WORDS_BY_LETTER.like(word).iter();
    rows.any(|&row| usize::from(row) >= SPANISH_FROM && WORDS[usize::from(row)].0.eq_ignore_ascii_case(word))
}

fn parts(c: char) -> bool {
    !c.is_alphanumeric() && c != '\'' && c != '’'
}

/// Tokens that must not be taken apart.
fn whole(token: &str) -> Option<Lex> {
    let bytes = token.as_bytes();
    if let Some(at) = token.find('@') {
        return (at > 0 && token[at..].contains('.')).then_some(Lex::Email);
    }
    if !bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    if token.starts_with(['$', '€', '£']) || token.ends_with('%') {
        return Some(Lex::Quantity);
    }
    let only = |seps: &str| token.chars().all(|c| c.is_ascii_digit() || seps.contains(c));
    let lens = |sep: char| token.split(sep).map(str::len);
    if token.contains('/') && only("/") {
        let dates = [&[2, 2][..], &[2, 2, 4], &[2, 4]];
        let fits = |max: &&&[usize]| {
            lens('/').count() == max.len() && lens('/').zip(**max).all(|(l, &m)| 0 < l && l <= m)
        };
        return dates.iter().any(|max| fits(&max)).then_some(Lex::Slashed);
    }
    if token.contains(',') && only(",.") {
        let grouped = lens(',').skip(1).all(|l| l == 3 || (l == 6 && token.contains('.')));
        return grouped.then_some(Lex::Quantity);
    }
    if lens('.').count() == 2 && only(".") {
        return Some(Lex::Quantity);
    }
    let hour = token.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '.');
    if hour.len() < token.len() && token[hour.len()..].len() <= 4 && ends_in_am_pm(token) {
        return Some(Lex::Quantity);
    }
    let clock = hour.split_once(':').is_some_and(|(h, m)| h.len() <= 2 && m.len() == 2 && only(":apmAPM."));
    clock.then_some(Lex::Quantity)
}

fn ends_in_am_pm(token: &str) -> bool {
    let mut letters = token.bytes().filter(u8::is_ascii_alphabetic).map(|b| b.to_ascii_lowercase());
    matches!((letters.next(), letters.next(), letters.next()), (Some(b'a' | b'p'), Some(b'm'), None))
}

fn lex(text: &str) -> Lex {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == text.len() {
        return Lex::Figures;
    }
    if digits > 0 {
        let ordinal = ["st", "nd", "rd", "th"].iter().any(|s| text[digits..].eq_ignore_ascii_case(s));
        return match text[..digits].parse() {
            Ok(n @ 1..=31) if ordinal => Lex::Ordinal(n),
            _ => Lex::Word,
        };
    }
    let mut rows = WORDS_BY_LETTER.like(text).iter().map(|&row| &WORDS[usize::from(row)]);
    rows.find(|(w, _)| w.eq_ignore_ascii_case(text)).map_or(Lex::Word, |&(_, lex)| lex)
}

use Lex::{
    Digit as D, Filler as F, Hundred, Hundreds as H, Month as M, Ordinal as O, Plural as P, Repeat as R,
    Separator as Sep, SoundAlike as S, Teen as T, Tens, Thousand, Unit as U,
};

static WORDS_BY_LETTER: ByLetter<{ WORDS.len() }> = ByLetter::new(&WORDS);

/// Where the Spanish rows begin.
const SPANISH_FROM: usize = 185;

/// Number words, months, and what people say among digits, in English and Spanish. What is a word of both is here once, with
/// its English meaning, but for `once` (see [`pieces`]).
#[rustfmt::skip] // One word a line would be pages.
static WORDS: [(&str, Lex); 280] = [
    ("zero", D(0)), ("one", D(1)), ("two", D(2)), ("three", D(3)), ("four", D(4)), ("five", D(5)), ("six", D(6)),
    ("seven", D(7)), ("eight", D(8)), ("nine", D(9)), ("niner", D(9)), ("fife", D(5)), ("nought", D(0)),
    ("naught", D(0)), ("aught", D(0)), ("nil", D(0)),
    ("oh", S(0)), ("o", S(0)), ("owe", S(0)), ("won", S(1)), ("to", S(2)), ("too", S(2)), ("tree", S(3)),
    ("free", S(3)), ("for", S(4)), ("fore", S(4)), ("hive", S(5)), ("sex", S(6)), ("sicks", S(6)),
    ("sixth", O(6)), ("ate", S(8)), ("nein", S(9)), ("fine", S(9)),
    ("ten", T(10)), ("eleven", T(11)), ("twelve", T(12)), ("thirteen", T(13)), ("fourteen", T(14)),
    ("fifteen", T(15)), ("sixteen", T(16)), ("seventeen", T(17)), ("eighteen", T(18)), ("nineteen", T(19)),
    ("twenty", Tens(20)), ("thirty", Tens(30)), ("forty", Tens(40)), ("fourty", Tens(40)), ("fifty", Tens(50)),
    ("sixty", Tens(60)), ("seventy", Tens(70)), ("eighty", Tens(80)), ("ninety", Tens(90)),
    ("double", R(2)), ("triple", R(3)), ("treble", R(3)), ("quadruple", R(4)),
    ("zeros", P(0)), ("zeroes", P(0)), ("ones", P(1)), ("twos", P(2)), ("threes", P(3)), ("fours", P(4)),
    ("fives", P(5)), ("sixes", P(6)), ("sevens", P(7)), ("eights", P(8)), ("nines", P(9)),
    ("hundred", Hundred),
    ("thousand", Thousand),
    ("first", O(1)), ("second", O(2)), ("third", O(3)), ("fourth", O(4)), ("fifth", O(5)), ("seventh", O(7)),
    ("eighth", O(8)), ("ninth", O(9)), ("tenth", O(10)), ("eleventh", O(11)), ("twelfth", O(12)),
    ("thirteenth", O(13)), ("fourteenth", O(14)), ("fifteenth", O(15)), ("sixteenth", O(16)),
    ("seventeenth", O(17)), ("eighteenth", O(18)), ("nineteenth", O(19)), ("twentieth", O(20)),
    ("thirtieth", O(30)),
    ("january", M(1)), ("february", M(2)), ("march", M(3)), ("april", M(4)), ("may", M(5)), ("june", M(6)),
    ("july", M(7)), ("august", M(8)), ("september", M(9)), ("october", M(10)), ("november", M(11)),
    ("december", M(12)), ("jan", M(1)), ("feb", M(2)), ("apr", M(4)), ("aug", M(8)), ("sept", M(9)),
    ("oct", M(10)), ("nov", M(11)), ("dec", M(12)),
    ("dollar", U), ("dollars", U), ("bucks", U), ("cents", U), ("percent", U), ("am", U), ("pm", U),
    ("o'clock", U), ("minute", U), ("minutes", U), ("hour", U), ("hours", U), ("days", U), ("weeks", U),
    ("months", U), ("years", U), ("miles", U), ("pounds", U), ("items", U), ("pieces", U), ("people", U),
    ("times", U), ("degrees", U), ("gigs", U), ("inches", U), ("feet", U), ("business", U), ("seconds", U),
    ("million", U), ("units", U), ("boxes", U), ("copies", U), ("blocks", U), ("hundredths", U),
    ("dash", Sep), ("hyphen", Sep), ("space", Sep), ("slash", Sep), ("then", Sep), ("comma", Sep),
    ("period", Sep), ("dot", Sep),
    ("uh", F), ("um", F), ("er", F), ("ah", F), ("hmm", F), ("mm", F), ("and", F), ("okay", F), ("ok", F),
    ("so", F), ("next", F), ("is", F), ("yeah", F), ("yep", F), ("yes", F), ("right", F), ("alright", F),
    ("sorry", F), ("no", F), ("wait", F), ("like", F), ("well", F), ("actually", F), ("again", F),
    ("followed", F), ("by", F), ("let's", F), ("see", F), ("mean", F), ("i", F), ("a", F), ("scratch", F),
    ("correction", F), ("another", F),
    ("cero", D(0)), ("uno", D(1)), ("dos", D(2)), ("tres", D(3)), ("cuatro", D(4)), ("cinco", D(5)),
    ("seis", D(6)), ("siete", D(7)), ("ocho", D(8)), ("nueve", D(9)), ("diez", T(10)), ("doce", T(12)),
    ("trece", T(13)), ("catorce", T(14)), ("quince", T(15)), ("dieciséis", T(16)), ("dieciseis", T(16)),
    ("diecisiete", T(17)), ("dieciocho", T(18)), ("diecinueve", T(19)), ("veintiuno", T(21)),
    ("veintidós", T(22)), ("veintidos", T(22)), ("veintitrés", T(23)), ("veintitres", T(23)),
    ("veinticuatro", T(24)), ("veinticinco", T(25)), ("veintiséis", T(26)), ("veintiseis", T(26)),
    ("veintisiete", T(27)), ("veintiocho", T(28)), ("veintinueve", T(29)), ("veinte", Tens(20)),
    ("treinta", Tens(30)), ("cuarenta", Tens(40)), ("cincuenta", Tens(50)), ("sesenta", Tens(60)),
    ("setenta", Tens(70)), ("ochenta", Tens(80)), ("noventa", Tens(90)), ("ciento", H(1)), ("doscientos", H(2)),
    ("trescientos", H(3)), ("cuatrocientos", H(4)), ("quinientos", H(5)), ("seiscientos", H(6)),
    ("setecientos", H(7)), ("ochocientos", H(8)), ("novecientos", H(9)), ("mil", Thousand), ("doble", R(2)),
    ("ceros", P(0)), ("primero", O(1)), ("enero", M(1)), ("febrero", M(2)), ("marzo", M(3)), ("abril", M(4)),
    ("mayo", M(5)), ("junio", M(6)), ("julio", M(7)), ("agosto", M(8)), ("septiembre", M(9)),
    ("octubre", M(10)), ("noviembre", M(11)), ("diciembre", M(12)), ("setiembre", M(9)), ("dólares", U),
    ("dolares", U), ("pesos", U), ("centavos", U), ("minutos", U), ("horas", U), ("días", U), ("dias", U),
    ("semanas", U), ("meses", U), ("años", U), ("anos", U), ("veces", U), ("personas", U), ("docenas", U),
    ("guion", Sep), ("guión", Sep), ("espacio", Sep), ("luego", Sep), ("coma", Sep), ("punto", Sep), ("es", F),
    ("sí", F), ("si", F), ("este", F), ("eh", F), ("pues", F), ("bueno", F), ("ver", F),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, Lex)> {
        let heard = [Heard { leg: 0, start: 0, end: 1, text }];
        // The text outlives the words it was put in.
        pieces(heard.iter())
            .iter()
            .map(|p| (&text[text.find(p.text).unwrap_or(0)..][..p.text.len()], p.lex))
            .collect()
    }

    #[test]
    fn tokens_are_taken_apart_where_digits_are_grouped() {
        let check = |text: &str, want: &[(&str, Lex)]| assert_eq!(read(text), want, "{text}");
        check("Forty-one", &[("Forty", Tens(40)), ("one", D(1))]);
        check("4111-2222,", &[("4111", Lex::Figures), ("2222", Lex::Figures)]);
        check("(555)", &[("555", Lex::Figures)]);
        check("cvv:123", &[("cvv", Lex::Word), ("123", Lex::Figures)]);
        check("3rd", &[("3rd", O(3))]);
        check("1Z999", &[("1Z999", Lex::Word)]);
        check("…", &[]);
    }

    #[test]
    fn what_is_no_row_of_digits_stays_whole() {
        for (text, lex) in [
            ("$45.00", Lex::Quantity),
            ("1,200", Lex::Quantity),
            ("10:30", Lex::Quantity),
            ("5pm", Lex::Quantity),
            ("10:30am", Lex::Quantity),
            ("4.50", Lex::Quantity),
            ("3/4/82", Lex::Slashed),
            ("04/2029", Lex::Slashed),
            ("ann@example.com", Lex::Email),
        ] {
            assert_eq!(read(text), [(text, lex)], "{text}");
        }
    }
}
