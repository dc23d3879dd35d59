//! Genesys AudioHook: a session with everything in it, a probe, and those that should not get through.

use std::time::Duration;

use caveat_tests::audiohook::{Integration, connect};
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::house::{API_KEY, CLIENT_SECRET, house, stretches};

const PROBE: &str = "00000000-0000-0000-0000-000000000000";

fn genesys() -> Integration {
    Integration::new(API_KEY, CLIENT_SECRET)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_recorded_with_its_pauses_and_losses() {
    let house = house().await;
    let mut session = genesys().connect(&house.host.url).await.unwrap().unwrap();
    // The stream's own time is the clock's, however busy the machine is: what is not said is discarded.
    let began = Instant::now();
    let opened = session.open("conv-1").await.unwrap();
    assert_eq!(opened["media"][0]["channels"], json!(["external", "internal"]));
    assert_eq!((&opened["media"][0]["format"], &opened["startPaused"]), (&json!("PCMU"), &json!(false)));
    session.send("ping", json!({"rtt": "PT0.1S"})).await.unwrap();
    session.expect("pong").await.unwrap();
    session.send("update", json!({"language": "es-US"})).await.unwrap();
    session.expect("updated").await.unwrap();

    session.say(6_000, 3_000, 1_000).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lost = session.catch_up(began);
    session.send("discarded", lost).await.unwrap();
    let second = session.position_ms();
    session.say(6_000, 3_000, 1_000).await.unwrap();
    session.send("dtmf", json!({"digit": "5"})).await.unwrap();

    // The agent's desktop asks for a pause: what must not be kept is not even sent.
    let answer = house.happens("conv-1", json!({"pause-asked": "person"})).await;
    assert_eq!(answer["state"], "suspended");
    session.expect("pause").await.unwrap();
    session.send("paused", json!({})).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(house.happens("conv-1", json!({"resume-asked": "person"})).await["state"], "recording");
    session.expect("resume").await.unwrap();
    let lost = session.catch_up(began);
    session.send("resumed", lost).await.unwrap();
    let third = session.position_ms();
    session.say(6_000, 3_000, 1_000).await.unwrap();

    // They pause by themselves, as for a secure flow.
    session.send("paused", json!({})).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lost = session.catch_up(began);
    session.send("resumed", lost).await.unwrap();
    session.send("ping", json!({})).await.unwrap();
    session.expect("pong").await.unwrap();
    session.say(6_000, 3_000, 1_000).await.unwrap();
    let end = session.position_ms();

    // Something got lost that they do not tell of, but their position does.
    tokio::time::sleep(Duration::from_millis(400)).await;
    session.catch_up(began);
    session.send("ping", json!({})).await.unwrap();
    session.expect("pong").await.unwrap();
    let fifth = session.position_ms();
    session.say(6_000, 3_000, 400).await.unwrap();
    session.send("close", json!({"reason": "end"})).await.unwrap();
    session.expect("closed").await.unwrap();

    let sound = house.sound().await;
    let loudest = |leg: &[i16]| leg.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!(loudest(&sound[0]).abs_diff(3_000) < 150 && loudest(&sound[1]).abs_diff(6_000) < 300);
    for leg in &sound {
        let heard = stretches(leg);
        assert_eq!(heard.len(), 5, "{heard:?}");
        // Where their positions say, to the millisecond; only what a pause cuts off depends on when it took effect.
        let places = (heard[0], heard[1].0, heard[2].0, heard[3].1, heard[4]);
        assert_eq!(places, ((0, 1_000), second, third, end, (fifth, fifth + 400)), "{heard:?}");
    }
    let entries = house.host.audit("acme", "bundle").unwrap();
    for event in ["pause-asked", "resume-asked", "keys"] {
        assert!(entries.contains(&format!("\"event\":\"{event}\"")), "no {event}");
    }
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_breaks_off_goes_on_in_another() {
    let house = house().await;
    let mut first = genesys().connect(&house.host.url).await.unwrap().unwrap();
    first.open("conv-1").await.unwrap();
    first.say(6_000, 3_000, 600).await.unwrap();
    drop(first);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut second = genesys().connect(&house.host.url).await.unwrap().unwrap();
    second.open("conv-1").await.unwrap();
    second.say(6_000, 3_000, 600).await.unwrap();
    second.send("close", json!({"reason": "end"})).await.unwrap();
    second.expect("closed").await.unwrap();
    let heard = stretches(&house.sound().await[1]);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[1].0 - heard[0].1 >= 650, "{heard:?}");
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_and_is_no_call() {
    let house = house().await;
    let mut session = genesys().connect(&house.host.url).await.unwrap().unwrap();
    assert_eq!(session.open(PROBE).await.unwrap()["media"], json!([]));
    session.send("ping", json!({})).await.unwrap();
    session.expect("pong").await.unwrap();
    session.send("close", json!({"reason": "end"})).await.unwrap();
    session.expect("closed").await.unwrap();
    assert_eq!(house.get("/v1/calls").await, json!([]));
    assert_eq!(house.kim.recordings("quality").await.unwrap(), []);
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_who_they_say_gets_no_session() {
    let house = house().await;
    let url = house.host.url.clone();
    let refused = async |integration: Integration| integration.connect(&url).await.unwrap().err();
    let (mut old, mut elsewhere) = (genesys(), genesys());
    old.age_s = 60;
    elsewhere.organization = "00000305-0972-4844-938e-9060eef73d05".to_owned();
    let wrong = Integration::new(API_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let unknown = Integration::new("another", CLIENT_SECRET);
    for (what, who) in [("wrong", wrong), ("unknown", unknown), ("old", old), ("elsewhere", elsewhere)] {
        assert_eq!(refused(who).await, Some(401), "{what}");
    }
    // The same request again, header by header.
    let request = genesys().request(&url, "11111111-1111-4111-8111-111111111111").unwrap();
    let again = async || connect(request.clone(), genesys(), "x".to_owned()).await.unwrap();
    let first = again().await;
    assert!(first.is_ok());
    assert_eq!(again().await.err(), Some(401), "a replay");
    // Signed, but for another session.
    let mut request = genesys().request(&url, "22222222-2222-4222-8222-222222222222").unwrap();
    request.headers_mut().insert("audiohook-session-id", "33333333".parse().unwrap());
    assert_eq!(connect(request, genesys(), "x".to_owned()).await.unwrap().err(), Some(401));
    // Not signed at all.
    let mut request = genesys().request(&url, "44444444-4444-4444-8444-444444444444").unwrap();
    request.headers_mut().remove("signature");
    assert_eq!(connect(request, genesys(), "x".to_owned()).await.unwrap().err(), Some(401));
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_sessions_are_told_why_and_disturb_nobody() {
    let house = house().await;
    let mut good = genesys().connect(&house.host.url).await.unwrap().unwrap();
    good.open("good").await.unwrap();
    let good = tokio::spawn(async move {
        good.say(6_000, 3_000, 4_000).await.unwrap();
        good
    });
    let fresh = async || genesys().connect(&house.host.url).await.unwrap().unwrap();

    let mut early = fresh().await;
    early.raw(Message::binary(vec![0xff; 320])).await.unwrap();
    assert!(early.sent_away().await.unwrap().contains("`open` comes first"));

    let mut odd = fresh().await;
    odd.open("odd").await.unwrap();
    odd.raw(Message::binary(vec![0xff; 321])).await.unwrap();
    assert!(odd.sent_away().await.unwrap().contains("2 channels"));

    let mut disorder = fresh().await;
    disorder.open("disorder").await.unwrap();
    disorder.seq += 1;
    disorder.send("ping", json!({})).await.unwrap();
    let why = disorder.expect("disconnect").await.unwrap();
    assert!(why["info"].as_str().unwrap().contains("seq"), "{why}");

    let mut paused = fresh().await;
    paused.open("paused").await.unwrap();
    paused.send("paused", json!({})).await.unwrap();
    paused.raw(Message::binary(vec![0xff; 320])).await.unwrap();
    assert!(paused.sent_away().await.unwrap().contains("paused"));

    let mut twice = fresh().await;
    twice.open("twice").await.unwrap();
    twice
        .send(
            "open",
            json!({"organizationId": "d7934305-0972-4844-938e-9060eef73d05", "conversationId": "x"}),
        )
        .await
        .unwrap();
    assert!(twice.sent_away().await.unwrap().contains("one `open`"));

    let mut other = fresh().await;
    other.send("open", json!({"organizationId": "another", "conversationId": "x"})).await.unwrap();
    assert!(other.sent_away().await.unwrap().starts_with("unauthorized"));

    let mut future = fresh().await;
    future.open("future").await.unwrap();
    future.send("discarded", json!({"start": "PT0S", "discarded": "PT4000S"})).await.unwrap();
    assert!(future.sent_away().await.unwrap().contains("has not come"));

    let mut silent = fresh().await;
    silent.open("silent").await.unwrap();
    // It says nothing any more; its call is held, and then sealed as broken off.
    let mut large = fresh().await;
    large.raw(Message::text("x".repeat(100_000))).await.unwrap();
    large.expect("disconnect").await.unwrap();

    // An hour of audio in a moment: what is ahead of time is dropped.
    let mut flood = fresh().await;
    flood.open("flood").await.unwrap();
    for _ in 0..1_000 {
        flood.raw(Message::binary(vec![0x80; 57_600])).await.unwrap();
    }
    flood.send("close", json!({"reason": "end"})).await.unwrap();
    flood.expect("closed").await.unwrap();

    let mut good = good.await.unwrap();
    good.send("close", json!({"reason": "end"})).await.unwrap();
    good.expect("closed").await.unwrap();
    let sealed = house.listed("sealed", 2).await;
    let mut sounds = vec![];
    for id in &sealed {
        sounds.push(house.play(id).await);
    }
    assert!(sounds.iter().any(|legs| stretches(&legs[0]) == [(0, 4_000)]), "the good session was disturbed");
    // "odd", "disorder", "paused", "twice", "future", "silent".
    house.listed("interrupted", 6).await;
    house.stop();
}
