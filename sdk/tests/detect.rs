//! How well the detectors do on the labelled conversations of `detect_labelled.tsv`, and that they survive any input.
//! `cargo test -p caveat-sdk --test detect -- --nocapture` shows the figures; with `SHOW=dev,es-dev` what is missed and
//! what is wrong there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use caveat_sdk::detect::{
    Found, Heard, Kind, Pressed, card_expected, card_talk_over, in_keys, in_text, in_words,
};

const LABELLED: &str = include_str!("detect_labelled.tsv");
/// From this confidence on a finding counts.
const COUNTS: u8 = 50;

struct Conversation<'a> {
    set: &'a str,
    line: &'a str,
    words: Vec<Heard<'a>>,
    /// Kind, first word, last word.
    expected: Vec<(Kind, usize, usize)>,
}

fn conversations() -> Vec<Conversation<'static>> {
    let lines = LABELLED.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.map(|line| line.split_once('\t').unwrap()).map(|(set, line)| conversation(set, line)).collect()
}

/// A word takes 300 ms with the pause after it, a change of speaker a second.
fn conversation<'a>(set: &'a str, line: &'a str) -> Conversation<'a> {
    let (mut words, mut expected, mut leg, mut now, mut open) = (vec![], vec![], 0, 0, None);
    for token in line.split(' ') {
        match token {
            "A:" | "C:" => (leg, now) = (u8::from(token == "C:"), now + 1000),
            _ if token.starts_with('[') => open = Some((kind(&token[1..]), words.len())),
            _ => {
                let text = token.trim_end_matches(']');
                words.push(Heard { leg, start: now, end: now + 250, text });
                now += 300;
                if text.len() < token.len() {
                    let (kind, first) = open.take().unwrap();
                    expected.push((kind, first, words.len() - 1));
                }
            }
        }
    }
    assert!(open.is_none(), "a bracket is open: {line}");
    Conversation { set, line, words, expected }
}

fn kind(mark: &str) -> Kind {
    match mark {
        "pan" => Kind::CardNumber,
        "code" => Kind::CardCode,
        "pin" => Kind::CardPin,
        "exp" => Kind::CardExpiry,
        "ssn" => Kind::Ssn,
        "dob" => Kind::BirthDate,
        "addr" => Kind::StreetAddress,
        "phone" => Kind::PhoneNumber,
        "email" => Kind::EmailAddress,
        "bank" => Kind::BankAccount,
        _ => panic!("no kind: {mark}"),
    }
}

#[derive(Default, Clone, Copy)]
struct Score {
    found: u32,
    missed: u32,
    wrong: u32,
}

impl Score {
    fn recall(self) -> f64 {
        f64::from(self.found) / f64::from((self.found + self.missed).max(1))
    }
    fn precision(self) -> f64 {
        f64::from(self.found) / f64::from((self.found + self.wrong).max(1))
    }
}

fn covers(f: &Found, word: &Heard<'_>) -> bool {
    f.leg == word.leg && f.start <= word.start && word.end <= f.end
}

/// Found is what has every word of it within findings of its kind; wrong is a finding that touches none of its kind.
fn score(set: &str, show: bool) -> BTreeMap<Kind, Score> {
    let mut scores: BTreeMap<Kind, Score> = BTreeMap::new();
    for c in conversations().iter().filter(|c| c.set == set) {
        let found: Vec<Found> =
            in_words(&[], &c.words).into_iter().filter(|f| f.confidence >= COUNTS).collect();
        let of = |kind| found.iter().filter(move |f| f.kind == kind);
        for &(kind, first, last) in &c.expected {
            let all = c.words[first..=last].iter().all(|w| of(kind).any(|f| covers(f, w)));
            let score = scores.entry(kind).or_default();
            if all {
                score.found += 1
            } else {
                score.missed += 1
            }
            if !all && show {
                println!("  missed {kind:?}: {}", c.line);
            }
        }
        for f in &found {
            let touches = |&&(kind, first, last): &&(Kind, usize, usize)| {
                kind == f.kind
                    && c.words[first..=last]
                        .iter()
                        .any(|w| w.leg == f.leg && w.start < f.end && f.start < w.end)
            };
            if !c.expected.iter().any(|e| touches(&e)) {
                scores.entry(f.kind).or_default().wrong += 1;
                if show {
                    println!("  wrong {:?} ({}): {}", f.kind, f.confidence, c.line);
                }
            }
        }
    }
    scores
}

/// The sets: rules are tuned on the first and third.
const SETS: [&str; 4] = ["dev", "held", "es-dev", "es-held"];

/// Recall and precision that every set has to reach, in percent, English and Spanish: close below what the held sets reach.
/// Some kinds are few: one that is missed is much there, and none that is missed proves little.
const FLOORS: [(Kind, [u8; 2], [u8; 2]); 10] = [
    (Kind::CardNumber, [98, 98], [94, 94]),
    (Kind::CardCode, [95, 95], [87, 87]),
    (Kind::CardPin, [83, 95], [66, 95]),
    (Kind::CardExpiry, [92, 95], [75, 75]),
    (Kind::Ssn, [95, 95], [80, 95]),
    (Kind::BirthDate, [93, 95], [83, 95]),
    (Kind::StreetAddress, [92, 92], [95, 95]),
    (Kind::PhoneNumber, [95, 95], [80, 95]),
    (Kind::EmailAddress, [95, 95], [95, 95]),
    (Kind::BankAccount, [95, 95], [66, 95]),
];

#[test]
fn recall_and_precision_on_labelled_conversations() {
    assert!(conversations().len() >= 600);
    let shown: Vec<String> =
        std::env::var("SHOW").iter().flat_map(|s| s.split(',')).map(str::to_owned).collect();
    let scores = SETS.map(|set| score(set, shown.iter().any(|s| s == set)));
    println!("{:<14}{}", "", SETS.map(|set| format!(" {set:>7} recall precision")).concat());
    for (kind, ..) in FLOORS {
        let row = |s: Score| format!(" {:>7} {:>6.3} {:>9.3}", s.found + s.missed, s.recall(), s.precision());
        println!("{:<14}{}", format!("{kind:?}"), scores.each_ref().map(|s| row(of(s, kind))).concat());
    }
    for (kind, english, spanish) in FLOORS {
        for (set, scores) in SETS.iter().zip(&scores) {
            let [recall, precision] = if set.starts_with("es") { spanish } else { english };
            let s = of(scores, kind);
            let reaches = |reached: f64, floor: u8| reached * 100.0 >= f64::from(floor);
            assert!(reaches(s.recall(), recall), "{kind:?}: recall on {set} is {:.3}", s.recall());
            assert!(
                reaches(s.precision(), precision),
                "{kind:?}: precision on {set} is {:.3}",
                s.precision()
            );
        }
    }
}

fn of(scores: &BTreeMap<Kind, Score>, kind: Kind) -> Score {
    scores.get(&kind).copied().unwrap_or_default()
}

/// As a recording does it: words come a few at a time, and what is found late reaches back to its first word.
#[test]
fn words_that_come_in_pieces_find_the_same() {
    let (mut whole, mut pieced) = (0, 0);
    for c in conversations() {
        for &(kind, first, last) in &c.expected {
            let covered = |found: &[Found]| {
                c.words[first..=last].iter().all(|w| found.iter().any(|f| f.kind == kind && covers(f, w)))
            };
            let all_at_once = covered(&in_words(&[], &c.words));
            let found: Vec<Found> = (0..c.words.len())
                .step_by(3)
                .flat_map(|at| in_words(&c.words[..at], &c.words[at..c.words.len().min(at + 3)]))
                .collect();
            whole += u32::from(all_at_once);
            pieced += u32::from(covered(&found));
            assert!(covered(&found) || !all_at_once, "{kind:?} is lost when it comes in pieces: {}", c.line);
        }
    }
    assert!(pieced >= whole);
}

fn said(text: &str) -> Vec<Heard<'_>> {
    conversation("", text).words
}

#[test]
fn a_number_over_several_turns_is_found_with_its_read_back() {
    let words = said(
        "A: card number C: four one one one A: four one one one C: one one one one A: okay C: one one one one one one one one",
    );
    let found = in_words(&words[..words.len() - 4], &words[words.len() - 4..]);
    let stretches: Vec<(u8, Option<&str>)> = found.iter().map(|f| (f.leg, f.brand)).collect();
    assert_eq!(stretches, [(1, Some("Visa")), (1, Some("Visa")), (1, Some("Visa"))]);
    let read_back: Vec<Found> = in_words(&[], &words).into_iter().filter(|f| f.leg == 0).collect();
    assert_eq!(read_back.len(), 1);
}

#[test]
fn card_data_is_seen_coming() {
    for ask in [
        "A: can I have the card number",
        "A: what's the number on the front of the card",
        "A: read me your sixteen digit number",
        "A: and the security code please",
        "C: here's my credit card number",
        "A: what are the three digits on the back",
        "A: and what is the expiration date on the card",
        "A: which card would you like to use",
        "A: please enter your PIN",
        "A: go ahead with your card details",
        "A: may I have the CVV",
        "A: me da el número de su tarjeta",
        "A: dígame el código de seguridad",
        "A: cuál es la fecha de vencimiento de la tarjeta",
        "A: marque su pin",
    ] {
        assert!(card_expected(&said(ask)), "{ask}");
    }
    for other in [
        "A: can I have the last four of your card",
        "A: what is your order number",
        "C: I lost my card",
        "A: when does your lease expire",
        "A: never give anyone your card number",
        "C: my library card is here",
        "A: what's your phone number",
        "C: that's a wild card",
        "C: can you send me a new card",
        "A: los últimos cuatro de su tarjeta por favor",
        "A: cuál es su número de pedido",
        "A: nunca diga el número de su tarjeta",
    ] {
        assert!(!card_expected(&said(other)), "{other}");
    }
}

#[test]
fn the_end_of_card_talk_is_heard() {
    for over in [
        "A: thank you that went through",
        "A: the payment is approved",
        "A: your payment is complete",
        "A: it was authorized",
        "A: your payment has been processed",
        "A: the transaction was successful",
        "A: su pago fue aprobado",
    ] {
        assert!(card_talk_over(&said(over)), "{over}");
    }
    for open in [
        "A: it did not go through",
        "A: once it is approved you get a mail",
        "A: the card was declined",
        "A: it hasn't gone through yet",
        "A: when the payment is complete you get a receipt",
        "C: is it approved",
        "A: no fue aprobado",
    ] {
        assert!(!card_talk_over(&said(open)), "{open}");
    }
}

/// A linear congruential generator (Knuth, MMIX): the same words on every machine.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn no_words_keys_or_text_make_it_panic() {
    let odd = [
        "",
        " ",
        "-",
        "4",
        "0",
        "00000000000000000000000000000000000000000000",
        "@",
        "@.",
        "a@b.c",
        "3/4",
        "/",
        "1/",
        "99/99/9999",
        "½",
        "٣",
        "é",
        "’",
        "'",
        "$",
        "%",
        "5pm",
        ":",
        "10:",
        "١٢٣",
        "4111-",
        "--",
        "\u{0}",
        "🂡",
        "1,2",
        "1.",
        "ß",
        "İ",
        "31st",
    ];
    let known: Vec<&str> = LABELLED.split_whitespace().collect();
    let mut lcg = Lcg(7);
    for _ in 0..3000 {
        let mut now = 0u32;
        let words: Vec<Heard<'_>> = (0..lcg.below(40))
            .map(|_| {
                // Times that jump, run backwards and overflow.
                now = match lcg.below(30) {
                    0 => lcg.below(u32::MAX as usize) as u32,
                    1 => u32::MAX,
                    _ => now.wrapping_add(lcg.below(2000) as u32),
                };
                let text =
                    if lcg.below(4) == 0 { odd[lcg.below(odd.len())] } else { known[lcg.below(known.len())] };
                Heard {
                    leg: lcg.below(3) as u8,
                    start: now,
                    end: now.wrapping_add(lcg.below(500) as u32),
                    text,
                }
            })
            .collect();
        let (before, heard) = words.split_at(lcg.below(words.len() + 1));
        in_words(before, heard);
        card_expected(heard);
        card_talk_over(heard);
        let text: Vec<&str> = words.iter().map(|w| w.text).collect();
        let text = text.join(" ");
        in_text(&text).into_iter().for_each(|(_, range)| assert!(text.get(range).is_some()));
        let key = |w: &Heard<'_>| Pressed {
            leg: w.leg,
            start: w.start,
            end: w.end,
            symbol: w.text.chars().next().unwrap_or('#'),
        };
        let keys: Vec<Pressed> = before.iter().map(key).collect();
        in_keys(&keys, &Pressed { leg: 0, start: now, end: now, symbol: '4' }, heard);
    }
}
