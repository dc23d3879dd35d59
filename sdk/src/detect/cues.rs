//! What the talk is about: phrases that announce or ask for something, and how far each one carries.

use super::{by_letter::ByLetter, lex::Piece, phrases::PHRASES};

/// What digits or words after a cue would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Card,
    CardCode,
    CardPin,
    CardExpiry,
    /// The end of a number, which is no number: "last four", "ending in".
    LastDigits,
    Ssn,
    Birth,
    Address,
    Phone,
    Bank,
    /// Any number that is none of ours: order, tracking, ZIP, amount, promotion.
    Other,
    /// A sum that is about to be said.
    Amount,
    /// The payment is over.
    Over,
    /// Uses up words that are no digits: "one moment", "four digits".
    Nothing,
}

impl Topic {
    pub(super) fn is_card(self) -> bool {
        matches!(self, Self::Card | Self::CardCode | Self::CardPin | Self::CardExpiry)
    }
    /// Whether a row of digits ends where it is spoken of.
    fn ends_a_row(self) -> bool {
        !matches!(self, Self::Nothing | Self::LastDigits | Self::Card)
    }
    /// How many pieces of talk it carries over.
    fn reach(self) -> usize {
        match self {
            Self::Card | Self::CardCode | Self::CardPin | Self::CardExpiry => 80,
            Self::Ssn | Self::Birth | Self::Address | Self::Phone | Self::Bank => 45,
            Self::Other | Self::Over => 35,
            Self::Amount => 8,
            Self::LastDigits => 14,
            Self::Nothing => 0,
        }
    }
}

/// A phrase found: its first and last piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cue {
    pub topic: Topic,
    pub first: usize,
    pub last: usize,
}

/// How long a question stays open, in milliseconds: people look for their wallet.
const OPEN_MS: u32 = 120_000;
/// So close to what is asked for, the card is its owner.
const MODIFIER: usize = 5;
/// How far back card talk counts, in pieces and milliseconds.
const CARD_TALK: (usize, u32) = (150, 240_000);

/// A code by itself is a card's only in card talk.
const CODE: [&str; 3] = ["code", "código", "codigo"];

/// What a card is called when it is not a library's or an insurer's.
pub(super) const CARD_NAMES: [&str; 7] =
    ["card", "visa", "mastercard", "amex", "express", "discover", "tarjeta"];

/// The pieces with what was found in them.
pub(super) struct Talk<'a> {
    pub pieces: Vec<Piece<'a>>,
    /// The pieces of each leg, in order.
    pub streams: Vec<(u8, Vec<usize>)>,
    pub cues: Vec<Cue>,
    /// Per piece: whether it belongs to a cue and is no digit.
    pub used: Vec<bool>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(pieces: Vec<Piece<'a>>) -> Self {
        let mut streams: Vec<(u8, Vec<usize>)> = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            match streams.iter_mut().find(|(leg, _)| *leg == piece.leg) {
                Some((_, stream)) => stream.push(i),
                None => streams.push((piece.leg, vec![i])),
            }
        }
        let mut talk = Self { used: vec![false; pieces.len()], cues: Vec::new(), pieces, streams };
        talk.find_cues();
        talk
    }

    fn find_cues(&mut self) {
        for (_, stream) in &self.streams {
            let mut at = 0;
            while at < stream.len() {
                let Some((len, topic)) = phrase_at(&self.pieces, &stream[at..]) else {
                    at += 1;
                    continue;
                };
                let here = &stream[at..at + len];
                self.cues.push(Cue { topic, first: here[0], last: here[len - 1] });
                here.iter().for_each(|&i| self.used[i] = true);
                at += len;
            }
        }
        self.cues.sort_unstable_by_key(|c| c.first);
        for at in 1..self.cues.len() {
            self.settle(at);
        }
        if let Some(first) =
            self.cues.first_mut().filter(|c| self.pieces[c.last].is_any(&CODE) && c.first == c.last)
        {
            first.topic = Topic::Nothing;
        }
    }

    /// What a cue means after the cues before it.
    fn settle(&mut self, at: usize) {
        let here = self.cues[at];
        let meant = self.cues[..at].iter().rev().find(|c| c.topic != Topic::Nothing);
        let prev = *meant.unwrap_or(&self.cues[at - 1]);
        if here.first == here.last && self.pieces[here.first].is_any(&CODE) && !self.card_talk(here.first) {
            self.cues[at].topic = Topic::Nothing;
        }
        // "The security code on the card" asks for the code.
        let one_breath = self.before(here.first).take(MODIFIER).any(|i| i == prev.last);
        if here.topic == Topic::Card && one_breath && prev.topic.is_card() {
            let said = &self.pieces[prev.last + 1..here.first];
            if said.iter().any(|p| p.is_any(&["for", "on", "of", "from", "de", "for the"])) {
                self.cues[at].topic = prev.topic;
            }
        }
    }

    /// Whether a card is spoken of by name in card talk before this piece.
    pub(super) fn card_is_named(&self, piece: usize, names: &[&str]) -> bool {
        let named = |c: &Cue| self.pieces[c.first..=c.last].iter().any(|p| p.is_any(names));
        self.cues.iter().take_while(|c| c.first < piece).any(|c| c.topic.is_card() && named(c))
    }

    /// What was last asked for or announced before this piece, as far as it carries.
    pub(super) fn topic_before(&self, piece: usize) -> Option<Topic> {
        self.cues_before(piece)
            .find(|c| piece - c.last <= c.topic.reach() && self.ms(c, piece) <= OPEN_MS)
            .map(|c| c.topic)
    }

    /// What the speaker says it was: "... is my card number".
    pub(super) fn topic_after(&self, piece: usize) -> Option<Topic> {
        let after: Vec<usize> = self.after(piece).take(6).collect();
        let (&link, rest) = after.split_first()?;
        if !self.pieces[link].is_any(&["is", "that's", "thats", "was", "as", "for", "are", "es"]) {
            return None;
        }
        self.cues.iter().find(|c| c.topic != Topic::Nothing && rest.contains(&c.first)).map(|c| c.topic)
    }

    /// Whether card data is being talked about, whatever else was asked meanwhile.
    pub(super) fn card_talk(&self, piece: usize) -> bool {
        self.cues_before(piece)
            .take_while(|c| c.topic != Topic::Over)
            .any(|c| c.topic.is_card() && piece - c.last <= CARD_TALK.0 && self.ms(c, piece) <= CARD_TALK.1)
    }

    /// Whether this was asked for, and nothing but card data since.
    pub(super) fn open(&self, topic: Topic, piece: usize) -> bool {
        self.cues_before(piece)
            .take_while(|c| c.topic.is_card() || matches!(c.topic, Topic::Nothing | Topic::LastDigits))
            .any(|c| c.topic == topic && self.ms(c, piece) <= OPEN_MS)
    }

    /// Whether something was said between two pieces, on any leg, that ends a row of digits.
    pub(super) fn turns_between(&self, from: usize, to: usize) -> bool {
        let mut between = self.cues.iter().filter(|c| from < c.first && c.first < to);
        between.any(|c| c.topic.ends_a_row() || (c.topic == Topic::Card && !self.card_talk(from)))
    }

    /// The pieces after this one on its leg.
    pub(super) fn after(&self, piece: usize) -> impl Iterator<Item = usize> + '_ {
        let stream = self.stream_of(piece);
        let at = stream.partition_point(|&i| i <= piece);
        stream[at..].iter().copied()
    }

    /// The pieces before this one on its leg, nearest first.
    pub(super) fn before(&self, piece: usize) -> impl Iterator<Item = usize> + '_ {
        let stream = self.stream_of(piece);
        let at = stream.partition_point(|&i| i < piece);
        stream[..at].iter().rev().copied()
    }

    fn stream_of(&self, piece: usize) -> &[usize] {
        let leg = self.pieces[piece].leg;
        self.streams.iter().find(|(l, _)| *l == leg).map_or(&[], |(_, s)| s)
    }

    fn cues_before(&self, piece: usize) -> impl Iterator<Item = &Cue> + '_ {
        self.cues.iter().rev().filter(move |c| c.topic != Topic::Nothing && c.last < piece)
    }

    fn ms(&self, cue: &Cue, piece: usize) -> u32 {
        self.pieces[piece].start.saturating_sub(self.pieces[cue.last].end)
    }
}

/// `PHRASES`, one a row.
static ALL_PHRASES: [(&str, Topic); phrase_count()] = all_phrases();
static PHRASES_BY_LETTER: ByLetter<{ phrase_count() }> = ByLetter::new(&ALL_PHRASES);

const fn phrase_count() -> usize {
    let (mut topic, mut n) = (0, 0);
    while topic < PHRASES.len() {
        n += PHRASES[topic].1.len();
        topic += 1;
    }
    n
}

const fn all_phrases() -> [(&'static str, Topic); phrase_count()] {
    let mut all = [("", Topic::Nothing); phrase_count()];
    let (mut topic, mut n) = (0, 0);
    while topic < PHRASES.len() {
        let mut phrase = 0;
        while phrase < PHRASES[topic].1.len() {
            all[n] = (PHRASES[topic].1[phrase], PHRASES[topic].0);
            (phrase, n) = (phrase + 1, n + 1);
        }
        topic += 1;
    }
    all
}

/// The longest phrase that begins here, and the number of its pieces.
fn phrase_at(pieces: &[Piece<'_>], stream: &[usize]) -> Option<(usize, Topic)> {
    let count = &pieces[stream[0]];
    if let [_, next, ..] = stream
        && (count.lex.is_number() || count.is("few"))
        && pieces[*next]
            .is_any(&["digit", "digits", "numbers", "number", "dígitos", "digitos", "números", "numeros"])
    {
        // "Sixteen digits" asks for a card number; "the three digits" may be anything, and the words after will tell.
        let sixteen = matches!(count.value(), Some(15 | 16));
        return Some((2, if sixteen { Topic::Card } else { Topic::Nothing }));
    }
    let fits = |phrase: &str| {
        let mut len = 0;
        let all = phrase.split(' ').all(|word| {
            len += 1;
            stream.get(len - 1).is_some_and(|&i| pieces[i].is(word))
        });
        all.then_some(len)
    };
    let text = count.text.as_bytes();
    // The first word decides nearly always, and is cheap to compare.
    let begins = |phrase: &[u8]| {
        matches!(phrase.get(text.len()), None | Some(b' '))
            && phrase.get(..text.len()).is_some_and(|first| first.eq_ignore_ascii_case(text))
    };
    let rows = PHRASES_BY_LETTER.like(count.text).iter().map(|&row| ALL_PHRASES[usize::from(row)]);
    rows.filter(|(phrase, _)| begins(phrase.as_bytes()))
        .filter_map(|(phrase, topic)| fits(phrase).map(|len| (len, topic)))
        .max_by_key(|&(len, _)| len)
}
