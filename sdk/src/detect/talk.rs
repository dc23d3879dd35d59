//! The course of a payment: when card data is about to be said, and when that is over.

use super::{
    Heard,
    cues::{Talk, Topic},
    lex,
};

/// Words that ask for something, or announce it. Two-word phrases hold a space.
const ASKS: [&str; 62] = [
    "can i",
    "may i",
    "could i",
    "can you",
    "could you",
    "would you",
    "will you",
    "what's",
    "what is",
    "what are",
    "whats",
    "give me",
    "read me",
    "read it",
    "read",
    "i need",
    "i'll need",
    "we need",
    "need",
    "go ahead",
    "tell me",
    "please",
    "enter",
    "provide",
    "i'll take",
    "ready",
    "here's",
    "here is",
    "it's",
    "have",
    "let me",
    "get",
    "start",
    "number is",
    "code is",
    "is",
    "type",
    "key",
    "key in",
    "verify",
    "confirm",
    "grab",
    "es",
    "cuál es",
    "cual es",
    "dígame",
    "digame",
    "deme",
    "dame",
    "me da",
    "me puede",
    "puede darme",
    "podría",
    "por favor",
    "necesito",
    "aquí está",
    "marque",
    "ingrese",
    "introduzca",
    "léame",
    "confirme",
    "tiene",
];
/// What undoes an asking: nobody is to say it.
const REFUSALS: [&str; 16] = [
    "don't",
    "dont",
    "never",
    "not",
    "declined",
    "without",
    "won't",
    "stolen",
    "lost",
    "wouldn't",
    "called",
    "call",
    "nunca",
    "perdí",
    "robaron",
    "rechazada",
];
/// What is near an asking, in pieces.
const NEAR: usize = 10;

/// Whether somebody asks for or announces a card number, security code, expiry date or PIN.
pub fn card_expected(words: &[Heard<'_>]) -> bool {
    let talk = Talk::new(lex::pieces(words.iter()));
    talk.cues.iter().any(|cue| {
        let asked_for = match cue.topic {
            Topic::Card => names_the_number(&talk, cue.first, cue.last),
            Topic::CardExpiry => {
                talk.card_talk(cue.first) || talk.card_is_named(usize::MAX, &["card", "visa", "tarjeta"])
            }
            Topic::CardCode | Topic::CardPin => true,
            _ => false,
        };
        asked_for && !only_the_end(&talk, cue.first) && asks(&talk, cue.first, cue.last)
    })
}

/// Whether somebody says that the payment was made: "that went through", "the payment is approved".
pub fn card_talk_over(words: &[Heard<'_>]) -> bool {
    let talk = Talk::new(lex::pieces(words.iter()));
    let open = [
        "not", "n't", "didn't", "hasn't", "wasn't", "isn't", "once", "when", "after", "if", "until", "be",
        "whether", "declined", "can't", "couldn't", "did", "get", "before", "no", "si", "cuando", "hasta",
    ];
    talk.cues.iter().any(|cue| {
        let before: Vec<usize> = talk.before(cue.first).take(5).collect();
        let asks = before.first().is_some_and(|&i| talk.pieces[i].is("it"))
            && before.get(1).is_some_and(|&i| talk.pieces[i].is_any(&["is", "was", "has", "did"]));
        cue.topic == Topic::Over && !asks && !before.iter().any(|&i| talk.pieces[i].is_any(&open))
    }) || says_it_is_done(&talk)
}

/// "payment was successful", "your payment has gone in", "payment accepted".
fn says_it_is_done(talk: &Talk<'_>) -> bool {
    let subject = ["payment", "transaction", "card", "charge"];
    let done = ["complete", "completed", "successful", "successfully", "accepted", "posted", "confirmed"];
    let not = ["not", "isn't", "wasn't", "once", "when", "if", "after", "until", "to"];
    talk.pieces.iter().enumerate().any(|(i, p)| {
        let after: Vec<usize> = talk.after(i).take(5).collect();
        let found = after.iter().position(|&n| talk.pieces[n].is_any(&done));
        let before = talk.before(i).take(3);
        p.is_any(&subject)
            && found.is_some_and(|at| {
                !after[..at].iter().copied().chain(before).any(|n| talk.pieces[n].is_any(&not))
            })
    })
}

/// The card's number, not merely a card: "card number", "number on the card", "sixteen digits", "card details".
fn names_the_number(talk: &Talk<'_>, first: usize, last: usize) -> bool {
    let of_a_card = [
        "number",
        "numbers",
        "digit",
        "digits",
        "details",
        "information",
        "info",
        "front",
        "long",
        "número",
        "numero",
        "números",
        "numeros",
        "dígitos",
        "digitos",
        "datos",
        "frente",
    ];
    let here = (first..=last).chain(talk.before(first).take(5)).chain(talk.after(last).take(4));
    let mut which = talk.before(first).take(1);
    here.into_iter().any(|i| talk.pieces[i].is_any(&of_a_card))
        || which.any(|i| talk.pieces[i].is_any(&["which", "what"]))
}

/// "the last four of your card": what may be said and kept.
fn only_the_end(talk: &Talk<'_>, first: usize) -> bool {
    talk.cues.iter().any(|c| c.topic == Topic::LastDigits && c.first.abs_diff(first) <= NEAR)
}

fn asks(talk: &Talk<'_>, first: usize, last: usize) -> bool {
    let mut near: Vec<usize> = talk.before(first).take(NEAR).collect();
    near.reverse();
    near.extend(first..=last);
    near.extend(talk.after(last).take(4));
    let says = |phrase: &&str| match phrase.split_once(' ') {
        None => near.iter().any(|&i| talk.pieces[i].is(phrase)),
        Some((a, b)) => near.windows(2).any(|w| talk.pieces[w[0]].is(a) && talk.pieces[w[1]].is(b)),
    };
    ASKS.iter().any(says) && !REFUSALS.iter().any(says)
}
