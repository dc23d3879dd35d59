#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_sdk::{
    capture::{Duty, Key, Outcome, Word},
    facts::Pause,
};

use super::*;
use crate::testing::{attribute, call, pack, sorted};

/// Milliseconds a word takes in these calls.
const WORD_MS: u32 = 400;

/// Turns of a call, "a: ..." for the agent and "c: ..." for the customer; `...` is a silence of ten seconds.
fn talk(turns: &[&str]) -> Vec<Vec<Word>> {
    let mut at = 0;
    let mut turn = |text: &&str| -> Vec<Word> {
        let (who, said) = text.split_once(": ").unwrap();
        let leg = u8::from(who == "c");
        let mut words = Vec::new();
        for text in said.split(' ') {
            if text == "..." {
                at += 10_000;
                continue;
            }
            words.push(Word { leg, start: at, end: at + WORD_MS - 50, text: text.into() });
            at += WORD_MS;
        }
        words
    };
    turns.iter().map(&mut turn).collect()
}

/// The event of the last turn, after the others.
fn last_turn(turns: &[&str]) -> Event {
    let mut turns = talk(turns);
    let heard = turns.pop().unwrap();
    Event::Words(Speech { heard, before: turns.concat() })
}

/// The event of the last key, after words and the keys before it.
fn last_key(turns: &[&str], keys: &str) -> Event {
    let words = talk(turns).concat();
    let from = words.last().map_or(0, |w| w.end) + 500;
    let mut keys: Vec<Key> = (0..)
        .zip(keys.chars())
        .map(|(i, symbol)| Key { leg: 1, start: from + i * 400, end: from + i * 400 + 90, symbol })
        .collect();
    let pressed = keys.pop().unwrap();
    Event::Keys(Keyed { pressed, before: keys, words })
}

/// What a ruling comes to: outcome, kinds of duties, kinds of labels.
fn gist(ruling: &Ruling) -> (Outcome, Vec<String>, Vec<LabelKind>) {
    let duty = |d: &Duty| match d {
        Duty::Purge(_) => "purge",
        Duty::Redact(_) => "redact",
        Duty::MaskKeys => "mask-keys",
        _ => "other",
    };
    let mut labels: Vec<_> = ruling.labels.iter().map(|l| l.kind).collect();
    labels.sort_unstable();
    labels.dedup();
    (ruling.outcome, sorted(ruling.obligations.iter().map(|o| duty(&o.duty))), labels)
}

fn check_in(facts: &Facts, event: &Event, outcome: Outcome, duties: &[&str], labels: &[LabelKind]) {
    let ruling = pack("{}").capture(event, facts);
    let want = (outcome, sorted(duties.iter().copied()), labels.to_vec());
    assert_eq!(gist(&ruling), want, "{event:?}\n{:?}", ruling.reasons);
}

fn check(turns: &[&str], outcome: Outcome, duties: &[&str], labels: &[LabelKind]) {
    check_in(&call(), &last_turn(turns), outcome, duties, labels);
}

fn paused(cause: PauseCause, since: u32) -> Facts {
    Facts { paused: Some(Pause { since, cause }), ..call() }
}

use LabelKind::{CardCode, CardExpiry, CardNumber, CardPin};
use Outcome::{Allow, Refuse, Suspend};

const VISA: &str = "four one one one one one one one one one one one one one one one";

#[test]
fn nothing_is_kept_from_the_question_on() {
    check(&["a: can i have your card number please"], Suspend, &["mask-keys"], &[]);
    check(&["a: can i have your", "a: card number please"], Suspend, &["mask-keys"], &[]);
    check(&["a: what's the security code on the back"], Suspend, &["mask-keys"], &[]);
    check(&["a: can i have your order number please"], Allow, &[], &[]);
    check(&["a: what are the last four digits of your card"], Allow, &[], &[]);
    check(&["a: your card was declined i am sorry"], Allow, &[], &[]);
}

#[test]
fn card_data_unasked_for_is_masked_or_dropped() {
    let number = format!("c: my card number is {VISA}");
    check(&[&number], Suspend, &["mask-keys", "redact"], &[CardNumber]);
    check(&["c: it is 4111 1111 1111 1111"], Suspend, &["mask-keys", "redact"], &[CardNumber]);
    check(
        &["c: the security code on the back is one two three"],
        Suspend,
        &["mask-keys", "purge"],
        &[CardCode],
    );
    check(&["c: my pin is four nine two eight"], Suspend, &["mask-keys", "purge"], &[CardPin]);
    check(
        &[
            "c: my amex is three seven eight two eight two two four six three one zero zero zero five",
            "a: and the code",
            "c: one two three four",
        ],
        Suspend,
        &["mask-keys", "purge"],
        &[CardCode],
    );
    check(
        &["c: my card number is 4111 1111 1111 1111 expires oh four twenty nine security code one two three"],
        Suspend,
        &["mask-keys", "purge", "redact"],
        &[CardNumber, CardCode, CardExpiry],
    );
    // What is no card data: scope is the card number.
    check(&["c: order number four two two two two two two two two two two two three"], Allow, &[], &[]);
    check(&["c: my social security number is one two three four five six seven eight nine"], Allow, &[], &[]);
    check(&["c: we are in room one two three"], Allow, &[], &[]);
}

#[test]
fn a_number_in_parts_is_masked_in_all_of_them() {
    let turns = [
        "a: what's your card number",
        "c: four one one one one one one one",
        "a: four one one one one one one one okay",
        "c: one one one one one one one one",
    ];
    let ruling = pack("{}").capture(&last_turn(&turns), &call());
    assert_eq!(gist(&ruling), (Suspend, sorted(["mask-keys", "redact"]), vec![CardNumber]));
    let legs = |leg| ruling.labels.iter().filter(|l| l.where_.leg == Some(leg)).count();
    assert!(legs(1) >= 2, "both turns of the customer: {:?}", ruling.labels);
    assert!(legs(0) >= 1, "the read-back: {:?}", ruling.labels);
}

#[test]
fn what_is_misheard_is_suspected() {
    let turns =
        ["a: what's your card number", "c: four one one one one one one one one one one one one one one two"];
    let ruling = pack("{}").capture(&last_turn(&turns), &call());
    assert_eq!(gist(&ruling), (Suspend, sorted(["mask-keys", "redact"]), vec![CardNumber]));
    assert!(ruling.labels.iter().all(|l| l.confidence < SURE));
}

#[test]
fn spans_have_a_margin() {
    let event = last_turn(&["c: the security code on the back is one two three"]);
    let ruling = pack(r#"{ "margin-ms": 300 }"#).capture(&event, &call());
    let Event::Words(speech) = &event else { unreachable!() };
    let first = speech.heard.iter().find(|w| w.text == "one").unwrap().start;
    let last = speech.heard.last().unwrap().end;
    let span = Span { leg: Some(1), start: first - 300, end: last + 300 };
    assert!(ruling.obligations.iter().any(|o| o.duty == Duty::Purge(span)), "{:?}", ruling.obligations);
}

#[test]
fn a_number_nobody_needs_is_dropped() {
    let event = last_turn(&["c: my card number is 4111 1111 1111 1111"]);
    for settings in [r#"{ "pan-business-need": false }"#, r#"{ "options": ["no-pan-business-need"] }"#] {
        let ruling = pack(settings).capture(&event, &call());
        assert_eq!(gist(&ruling).1, sorted(["mask-keys", "purge"]), "{settings}");
    }
}

#[test]
fn an_asked_pause_holds_by_itself() {
    let number = "c: my card number is 4111 1111 1111 1111 and the security code is one two three";
    for cause in [PauseCause::Asked, PauseCause::CardEntry, PauseCause::Protocol] {
        check_in(&paused(cause, 0), &last_turn(&[number]), Allow, &[], &[]);
    }
    // Said before the pause, delivered in it.
    let late = paused(PauseCause::Asked, 60_000);
    check_in(&late, &last_turn(&[number]), Allow, &["purge", "redact"], &[CardNumber, CardCode]);
    for event in [Event::PauseAsked(Asker::CardEntry), Event::ResumeAsked(Asker::CardEntry), Event::Ended] {
        check_in(&paused(PauseCause::CardEntry, 0), &event, Allow, &[], &[]);
    }
}

#[test]
fn our_pause_holds_until_the_payment_is_made() {
    let asked = "a: can i have your card number please";
    let facts = paused(PauseCause::Verdict, 2_500);
    let check = |turns: &[&str], outcome| {
        let ruling = pack("{}").capture(&last_turn(turns), &facts);
        assert_eq!(ruling.outcome, outcome, "{turns:?} {:?}", ruling.reasons);
    };
    check(&[asked, "c: sure one moment"], Suspend);
    let number = format!("c: {VISA}");
    check(&[asked, &number], Suspend);
    check(&[asked, &number, "a: thank you"], Suspend);
    check(&[asked, &number, "a: great that went through"], Allow);
    check(&[asked, &number, "a: great that", "a: went through"], Allow);
    check(&[asked, "c: ... ... ... so how is the weather"], Allow);
    // Resumed too early: the answer begins after the pause ran out.
    let facts = call();
    let answer = last_turn(&[asked, "c: ... ... ... okay it is", "c: four one one"]);
    assert_eq!(pack("{}").capture(&answer, &facts).outcome, Suspend);
    // A pause that another pack asked for, and no card in sight.
    check_in(&paused(PauseCause::Verdict, 0), &last_turn(&["c: hello there"]), Allow, &[], &[]);
}

#[test]
fn a_hold_in_the_middle_does_not_end_it() {
    let at = |ms| Facts { now: ms, ..paused(PauseCause::Verdict, 10_000) };
    check_in(&at(15_000), &Event::Held(1), Suspend, &["mask-keys"], &[]);
    check_in(&at(60_000), &Event::Held(1), Allow, &[], &[]);
    check_in(&at(15_000), &Event::NoticePlayed, Allow, &[], &[]);
    check_in(&call(), &Event::Held(1), Allow, &[], &[]);
}

#[test]
fn keyed_data_is_masked_or_dropped() {
    let check = |turns: &[&str], keys: &str, outcome, duties: &[&str], labels: &[LabelKind]| {
        check_in(&call(), &last_key(turns, keys), outcome, duties, labels);
    };
    let ask = ["a: please enter your card number"];
    check(&ask, "4111111111111111", Suspend, &["mask-keys", "redact"], &[CardNumber]);
    check(&ask, "4", Allow, &["mask-keys"], &[]);
    check(&ask, "41111", Suspend, &["mask-keys"], &[]);
    check(&["a: hello"], "4111111111111111", Suspend, &["mask-keys", "redact"], &[CardNumber]);
    check(&["a: hello"], "41111", Allow, &[], &[]);
    check(
        &["a: please enter the three digits on the back of your card"],
        "123",
        Suspend,
        &["mask-keys", "purge"],
        &[CardCode],
    );
    check(&["a: hello"], "4111111111111111123", Suspend, &["mask-keys", "purge"], &[CardCode]);
    check(&["a: hello"], "41111111111111110429123", Suspend, &["mask-keys", "purge"], &[CardCode]);
    check(&["a: hello"], "41111111111111111", Allow, &[], &[]);
    check(&["a: please enter your pin"], "4928", Suspend, &["mask-keys", "purge"], &[CardPin]);
    check(&["a: for sales press one"], "1", Allow, &[], &[]);
    check(&["a: please enter your order number"], "4222222222223", Allow, &[], &[]);
    check_in(&paused(PauseCause::CardEntry, 0), &last_key(&ask, "4111111111111111"), Allow, &[], &[]);
    let holds = paused(PauseCause::Verdict, 100);
    check_in(&holds, &last_key(&ask, "4"), Suspend, &["mask-keys"], &[]);
}

#[test]
fn without_a_way_to_pause() {
    let event = last_turn(&["a: can i have your card number please"]);
    // Not said: the host keeps nothing of it. Certain: it is not recorded.
    check_in(&Facts::empty(), &event, Suspend, &["mask-keys"], &[]);
    let certain = Facts { attributes: vec![attribute("call.can-pause", "no")], ..Facts::empty() };
    check_in(&certain, &event, Refuse, &[], &[]);
    let next = last_turn(&["a: can i have your card number please", "c: sure one moment"]);
    check_in(&certain, &next, Refuse, &[], &[]);
    let over = last_turn(&["a: can i have your card number please", "a: great that went through"]);
    check_in(&certain, &over, Allow, &[], &[]);
}

#[test]
fn nobody_resumes_before_authorization() {
    let early =
        Facts { attributes: vec![attribute("payment.authorized", "no")], ..paused(PauseCause::Asked, 0) };
    check_in(&early, &Event::ResumeAsked(Asker::Person), Suspend, &["mask-keys"], &[]);
    check_in(&paused(PauseCause::Asked, 0), &Event::ResumeAsked(Asker::Person), Allow, &[], &[]);
}

#[test]
fn plain_media_over_open_networks() {
    let offered = |attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(n, v)| attribute(n, v)).collect();
        pack("{}").capture(&Event::Offered, &Facts { attributes, ..call() }).outcome
    };
    assert_eq!(offered(&[("call.public-network", "yes"), ("call.media-encrypted", "no")]), Refuse);
    assert_eq!(offered(&[("call.public-network", "yes"), ("call.media-encrypted", "yes")]), Allow);
    assert_eq!(offered(&[]), Allow);
}
