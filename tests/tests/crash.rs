//! A host that ends in the middle of a call, and a line that breaks off: what was sealed stays, is found, and is told of.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_tests::{
    house::{self, House, heard},
    people::{Person, loudness},
    twilio::{AGENT, CUSTOMER, Outcome, Script},
    watch::{Live, until},
};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 2000
interim_every_ms = 1000

[limits.media]
reconnect_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

/// Milliseconds from the end of a second until it is sealed for certain, on a busy machine: the window, a tick, a write.
const SEALED_AFTER_MS: u32 = 3_000;

/// When a [`call`] is over with the card.
const PAID_AT_MS: u32 = 1_500;
/// When the noise begins in it.
const NOISE_AT_MS: u32 = 2_000;

/// A running host, and a supervisor who is signed in.
async fn house() -> (House, Person) {
    let house = House::start(CONFIG, &[("kim", "supervisor")]).unwrap();
    let kim = house.person("kim").await.unwrap();
    (house, kim)
}

/// A recorded call: a card number is heard and paid with in its first seconds, then there is noise to its end.
fn call(id: &str, seconds: u32) -> Script {
    let mut script = house::call(id);
    let word = |leg, start, end, text| json!({"leg": leg, "start": start, "end": end, "text": text});
    script.silence(1_000);
    let number = [word(CUSTOMER, 100, 500, "card"), word(CUSTOMER, 500, 800, "4111111111111111")];
    script.event(json!({"words": number}));
    script.silence(PAID_AT_MS - script.now());
    let thanks = ["thank", "you", "the", "payment", "went", "through"].map(|w| word(AGENT, 1_000, 1_400, w));
    script.event(json!({"words": thanks}));
    script.silence(NOISE_AT_MS - script.now());
    let noise = [4_000, -3_000, 2_000, -5_000].into_iter().cycle();
    script.sound(CUSTOMER, &noise.take(seconds as usize * 8_000).collect::<Vec<i16>>());
    script
}

fn play(script: Script, house: &House) -> tokio::task::JoinHandle<anyhow::Result<Outcome>> {
    let (url, token) = (house.host.url.clone(), house.token.clone());
    tokio::spawn(async move { script.play(&url, &token).await })
}

/// Waits until the host has ruled that the recording goes on after the card number.
async fn paid(live: &mut Live) {
    live.next_on("words").await.unwrap();
    let verdict = live.next_on("words").await.unwrap();
    assert_eq!(verdict["state"], "recording", "{verdict}");
}

/// Waits until so many more roots of what is sealed so far are in the ledger: nothing else happens on the call.
async fn roots(house: &House, count: u64) {
    let http = reqwest::Client::new();
    let size = async || {
        let request = http.get(format!("{}/v1/ledger/checkpoint", house.host.url)).bearer_auth(&house.token);
        let note = request.send().await?.text().await?;
        anyhow::Ok(note.lines().nth(1).unwrap_or_default().parse::<u64>()?)
    };
    let before = size().await.unwrap();
    until("roots", async || Ok((size().await? >= before + count).then_some(()))).await.unwrap();
}

/// The only recording, once it is in this state.
async fn recording_is(kim: &Person, state: &str) -> String {
    until(state, async || {
        let listed = kim.recordings("quality").await?;
        assert!(listed.len() <= 1, "{listed:?}");
        Ok(listed.into_iter().find(|(_, s)| s == state).map(|(id, _)| id))
    })
    .await
    .unwrap()
}

fn count(entries: &str, kind: &str) -> usize {
    entries.matches(&format!("\"kind\":\"{kind}\"")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_every_sealed_second_is_there() {
    let (mut house, kim) = house().await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let running = play(call("CA1", 60), &house);
    paid(&mut live).await;
    let began = tokio::time::Instant::now();
    roots(&house, 6).await;
    let heard_ms = PAID_AT_MS + u32::try_from(began.elapsed().as_millis()).unwrap();
    house.host.kill().unwrap();
    assert!(running.await.unwrap().is_err(), "the line breaks with the host");

    house.host.start().unwrap();
    let id = recording_is(&kim, "interrupted").await;
    let there = heard(&kim, &id).await.unwrap();
    let sealed_ms = (heard_ms - SEALED_AFTER_MS) / 1_000 * 1_000;
    assert!(there[1].len() as u32 / 8 >= sealed_ms, "{} of {sealed_ms} ms", there[1].len() / 8);
    for from in (NOISE_AT_MS..sealed_ms - 100).step_by(100) {
        assert!(loudness(&there[1], from, from + 100) > 1_000, "{from} ms is not there");
    }
    // Peaks are sealed with the end of a call: of this one they are made of the sound.
    let drawn = kim.get(&format!("/v1/recordings/{id}/waveform?purpose=quality")).await.unwrap();
    let drawn: Value = drawn.json().await.unwrap();
    let steps = NOISE_AT_MS as usize / 50..(sealed_ms as usize - 100) / 50;
    let peaks = &drawn["legs"][1]["peaks"].as_array().unwrap()[steps];
    assert!(peaks.iter().all(|p| p[0].as_i64() < Some(-10) && p[1].as_i64() > Some(10)), "{drawn}");
    let entries = house.host.audit("acme", "after-the-cut").unwrap();
    assert!(count(&entries, "interim-root") >= 3, "{entries}");
    assert_eq!((count(&entries, "recording-opened"), count(&entries, "sealed")), (1, 1));

    // What was found in it before the cut still counts: the number is hidden from whoever may not hear it.
    let known = kim.get(&format!("/v1/recordings/{id}?purpose=quality")).await.unwrap();
    let known: Value = known.json().await.unwrap();
    let labels = known["facts"]["labels"].as_array().cloned().unwrap_or_default();
    assert!(labels.iter().any(|l| l["kind"] == "card-number"), "{known}");

    house.host.kill().unwrap();
    house.host.start().unwrap();
    assert_eq!(recording_is(&kim, "interrupted").await, id);
    assert!(heard(&kim, &id).await.unwrap() == there, "a second start changes the recording");
    let entries = house.host.audit("acme", "after-another").unwrap();
    assert_eq!((count(&entries, "recording-opened"), count(&entries, "sealed")), (1, 1));
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_seals_what_is_running() {
    let (mut house, kim) = house().await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let running = play(call("CA1", 60), &house);
    paid(&mut live).await;
    roots(&house, 3).await;
    assert!(!running.is_finished(), "nothing disturbs a call before");
    assert_eq!(house.host.stop().unwrap(), 0);
    assert!(running.await.unwrap().is_err());
    let log = house.host.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");

    let entries = house.host.audit("acme", "after-the-stop").unwrap();
    assert_eq!((count(&entries, "recording-opened"), count(&entries, "sealed")), (1, 1), "{entries}");
    house.host.start().unwrap();
    let id = recording_is(&kim, "interrupted").await;
    let there = heard(&kim, &id).await.unwrap();
    // All of it, the seconds too that were still in memory.
    assert!(loudness(&there[1], NOISE_AT_MS, NOISE_AT_MS + 400) > 1_000);
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_off_leaves_a_recording() {
    let (mut house, kim) = house().await;
    let mut script = call("CA1", 2);
    script.breaks_off = true;
    play(script, &house).await.unwrap().unwrap();
    let id = recording_is(&kim, "interrupted").await;
    let there = heard(&kim, &id).await.unwrap();
    assert!(loudness(&there[1], NOISE_AT_MS, NOISE_AT_MS + 2_000) > 1_000);
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert_eq!((count(&entries, "recording-opened"), count(&entries, "sealed")), (1, 1));
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_that_the_log_has_lost_is_told_of() {
    let (mut house, kim) = house().await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let running = play(call("CA1", 60), &house);
    paid(&mut live).await;
    roots(&house, 4).await;
    house.host.kill().unwrap();
    assert!(running.await.unwrap().is_err(), "the line breaks with the host");
    // A bit of the first frame, of which others lie behind.
    let log = house.host.written().unwrap().into_iter().map(|(path, _)| path);
    let log = log.filter(|path| path.extension().is_some_and(|e| e == "wal")).min().unwrap();
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, bytes).unwrap();

    house.host.start().unwrap();
    let id = recording_is(&kim, "interrupted").await;
    let alerts: Value = kim.get("/v1/alerts").await.unwrap().json().await.unwrap();
    let told = alerts.as_array().unwrap().iter().find(|a| a["rule"] == "host.write-ahead-log");
    assert!(told.unwrap()["message"].as_str().unwrap().contains("in 1 places"), "{alerts}");
    // What is left of it opens.
    let there = heard(&kim, &id).await.unwrap();
    assert!(there[1].len() / 8_000 >= 2, "{} samples", there[1].len());
    assert_eq!(house.host.stop().unwrap(), 0);
}
