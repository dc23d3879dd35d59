#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

/// The judged steps, as event names, and the last of all.
fn translated(text: &str) -> (Vec<&'static str>, Step, Vec<String>) {
    let frame = "id = \"T\"\npacks = []\nkind = \"capture\"\nexpected = { decision = \"allow\" }\n";
    let scenario = Scenario::read(toml::from_str(&format!("{frame}{text}")).unwrap()).unwrap();
    let Translation { steps, notes } = translate(&scenario);
    let judged = steps.iter().filter(|s| s.judged).map(|s| s.event.name()).collect();
    (judged, steps.last().unwrap().clone(), notes)
}

const TWO: &str = r#"parties = [
    { role = "agent", number = "+14045550101", location = "GA" },
    { role = "customer", number = "+13055550113" },
]
"#;

#[test]
fn an_announcement_is_a_notice_that_everyone_heard() {
    let check = |word: &str, recorded, late| {
        let (judged, last, _) =
            translated(&format!("{TWO}consent = {{ announcement = \"{word}\", parties_stay = true }}"));
        assert_eq!(judged, ["notice-played"]);
        let notice = &last.facts.notices[0];
        assert_eq!(
            (notice.recorded, notice.late, notice.heard_by.as_slice()),
            (recorded, late, &[0, 1][..]),
            "{word}"
        );
        assert_eq!(last.facts.traits.captured, late);
    };
    check("played-and-recorded", true, false);
    check("played-not-recorded", false, false);
    check("played-late", true, true);
}

#[test]
fn without_one_the_offer_is_judged() {
    let (judged, last, _) =
        translated(&format!("{TWO}consent = {{ announcement = \"none\", written = [\"customer\"] }}"));
    assert_eq!(judged, ["offered"]);
    assert!(last.facts.notices.is_empty());
    let consent = &last.facts.consents[0];
    assert_eq!((consent.party, consent.form, consent.given), (1, ConsentForm::Written, true));
    let seen = |id: usize| -> Vec<_> {
        last.facts.parties[id].regions.iter().map(|r| (r.region.as_str().to_owned(), r.source)).collect()
    };
    assert_eq!(seen(0), [("GA".to_owned(), RegionSource::Number), ("GA".to_owned(), RegionSource::OnFile)]);
    assert_eq!(seen(1), [("FL".to_owned(), RegionSource::Number)]);
}

#[test]
fn who_does_not_stay_leaves() {
    let (judged, last, _) = translated(&format!(
        "{TWO}consent = {{ announcement = \"played-and-recorded\", parties_stay = false }}"
    ));
    assert_eq!(judged, ["party-left"]);
    assert!(!last.facts.parties[1].traits.present && last.facts.parties[0].traits.present);
}

#[test]
fn a_place_learned_later_is_known_later() {
    let (judged, last, _) = translated(
        r#"parties = [{ role = "agent", location = "TX" },
            { role = "customer", number = "+15125550111", location = "MA", location_known_at_s = 90 }]
        events = ["0s recording starts, no notice", "90s customer: I am in Boston this week"]"#,
    );
    assert_eq!(judged, ["region-learned"]);
    assert!(last.facts.traits.captured);
    assert!(last.facts.parties[1].regions.iter().any(|r| r.region.as_str() == "MA" && r.learned == 90_000));
}

#[test]
fn a_late_joiner_has_not_heard_the_notice() {
    let (judged, last, _) = translated(
        r#"parties = [{ role = "agent", location = "TX" }, { role = "customer", location = "TX" },
            { role = "supervisor", location = "WA", joined_at_s = 200, silent = true }]
        consent = { announcement = "played-and-recorded" }"#,
    );
    assert_eq!(judged, ["party-joined"]);
    assert_eq!(last.facts.notices[0].heard_by, [0, 1]);
    assert!(last.facts.parties[2].traits.silent);
}

#[test]
fn who_is_told_on_joining_has_heard_it_and_who_leaves_is_gone() {
    let (judged, last, _) = translated(
        r#"parties = [{ role = "agent", location = "TX", left_at_s = 300 }, { role = "customer", location = "TX" },
            { role = "third-party", location = "FL", joined_at_s = 200, told = true }]
        consent = { announcement = "played-and-recorded" }"#,
    );
    assert_eq!(judged, ["party-left"]);
    assert_eq!(last.facts.notices[1].heard_by, [0, 1, 2]);
    assert!(!last.facts.parties[0].traits.present);
}

#[test]
fn a_tone_accompanies_the_recording_from_its_start() {
    let check = |said: &str, every_s| {
        let (_, last, _) = translated(&format!("{TWO}consent = {{ announcement = \"none\", {said} }}"));
        let notice = &last.facts.notices[0];
        assert_eq!((notice.kind, notice.late, notice.every_s), (NoticeKind::Beep, false, every_s));
    };
    check("beep_tone = true", 15);
    check("beep = true, beep_interval_s = 60", 60);
}

#[test]
fn keys_answer_a_question_and_masked_ones_do_not_reach_the_recorder() {
    let keyed = |masked| {
        let item = format!("{{ what = \"cvv\", value = \"12\", how = \"keyed\", masked = {masked} }}");
        translated(&format!("content = [{item}]"))
    };
    let (judged, last, _) = keyed(false);
    assert_eq!(judged, ["words", "keys", "keys"]);
    let Event::Capture(CaptureEvent::Keys(keys)) = &last.event else {
        unreachable!("the last key was judged")
    };
    assert_eq!((keys.words[1].text.as_str(), keys.words[1].leg), ("security", 0), "the agent asks");
    assert_eq!(last.facts.paused, None);
    assert!(keyed(true).1.facts.paused.is_some());
}

#[test]
fn what_is_said_while_paused_is_judged_as_such() {
    let (judged, last, notes) = translated(
        r#"events = ["120s payment page opens, pause", "150s card number spoken", "185s authorization complete, resume"]
        content = [{ what = "pan", value = "4111 1111", how = "spoken", while_paused = true },
            { what = "cvv", value = "12", how = "keyed", while_paused = true }]"#,
    );
    assert_eq!(judged, ["words", "words", "keys", "keys"]);
    assert_eq!(last.event, Event::Capture(CaptureEvent::ResumeAsked(Asker::CardEntry)));
    assert_eq!(last.facts.paused.map(|p| p.since), Some(120_000));
    assert_eq!(notes, ["no event stands for `150s card number spoken`"]);
}

#[test]
fn spoken_digits_are_words_and_follow_their_context() {
    let (judged, last, _) = translated(
        r#"content = [{ what = "digits", value = "42", how = "spoken", context = "order number" }]"#,
    );
    assert_eq!(judged, ["words"]);
    let Event::Capture(CaptureEvent::Words(speech)) = &last.event else { unreachable!("words were judged") };
    let texts: Vec<&str> = speech.heard.iter().map(|w| w.text.as_str()).collect();
    assert_eq!(texts, ["order", "number", "four", "two"]);
    assert_eq!(speech.heard[0].leg, 1, "the customer speaks");
}
