//! What rulings do to the sound that is sealed: keys masked, keys heard, pauses by everybody who may ask for one, and what
//! was found late when the host ended in between.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../host/audio/tests/masking/decoder.rs"]
mod decoder;

use caveat_audio::dtmf;
use caveat_tests::{
    host::Host,
    people::{Heard, Person, code, loudness},
    twilio::{AGENT, CUSTOMER, Script},
    watch::{Live, until},
};
use decoder::decoded;
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = WINDOW

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true
pause-keys = "*71"
resume-keys = "*72"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

struct House {
    host: Host,
    token: String,
    kim: Person,
}

async fn house(window_ms: u32) -> House {
    let mut host = Host::prepare(&CONFIG.replace("WINDOW", &window_ms.to_string())).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();
    House { host, token, kim }
}

fn call(id: &str) -> Script {
    Script::new(id, &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")])
}

/// Somebody says something for so long, which a recognizer delivers at once.
fn words(script: &mut Script, leg: u8, text: &str) {
    let at = script.now();
    let each = text.split_whitespace().count() as u32;
    let word = |(i, text): (u32, &str)| json!({"leg": leg, "start": at + i * 150, "end": at + i * 150 + 140, "text": text});
    let words: Vec<Value> = (0..).zip(text.split_whitespace()).map(word).collect();
    script.silence(each * 150);
    script.event(json!({ "words": words }));
    script.silence(200);
}

/// The samples of every sealed recording, the newest first, and its id.
async fn heard(house: &House, count: usize) -> Vec<Vec<Vec<i16>>> {
    let listed = until("sealed recordings", async || {
        let listed = house.kim.recordings("quality").await?;
        let all_sealed = listed.iter().all(|(_, state)| state == "sealed" || state == "interrupted");
        Ok((listed.len() == count && all_sealed).then_some(listed))
    });
    let mut heard = Vec::new();
    for (id, _) in listed.await.unwrap() {
        match house.kim.play(&id, "quality").await.unwrap() {
            Heard::Sound(channels, _) => heard.push(channels),
            Heard::Refused(why) => panic!("a supervisor may hear it: {why}"),
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_the_sealed_audio_once_masking_is_asked_for() {
    const KEYS: &str = "481516";
    let mut house = house(1_500).await;
    let play = async |mut script: Script, card: bool| {
        if card {
            words(&mut script, AGENT, "please key in your card number");
            words(&mut script, AGENT, "thank you the payment went through");
        }
        script.silence(400);
        let from = script.now();
        for key in KEYS.chars() {
            // Nobody tells of them: they are in the sound only.
            script.sound(CUSTOMER, &dtmf::tone(key, 80 * 8));
            script.silence(80);
        }
        let until = script.now();
        script.sound(CUSTOMER, &[3_000, -2_000, 4_000, -1_000].repeat(2_000));
        let outcome = script.play(&house.host.url, &house.token).await.unwrap();
        assert!(outcome.answers.last().is_none_or(|a| a["state"] == "recording"), "{outcome:?}");
        (from, until)
    };
    play(call("CA1"), false).await;
    let plain = heard(&house, 1).await.remove(0);
    assert_eq!(decoded(&plain[1]), KEYS, "without masking the decoder reads them");

    let (from, until) = play(call("CA2"), true).await;
    let masked = heard(&house, 2).await.remove(0);
    assert_eq!((decoded(&masked[0]), decoded(&masked[1])), (String::new(), String::new()));
    assert!(loudness(&masked[1], from, until) < 10, "{}", loudness(&masked[1], from, until));
    assert!(loudness(&masked[1], until + 250, until + 900) > 1_000, "what is said after the keys is there");
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_keyed_without_a_word_from_the_phone_system_is_heard_and_hidden() {
    // The number is whole, and heard, a second or two after its last digit.
    let mut house = house(6_000).await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let mut script = call("CA1");
    script.silence(500);
    for key in "4111111111111111".chars() {
        script.sound(CUSTOMER, &dtmf::tone(key, 60 * 8));
        script.silence(60);
    }
    script.silence(3_500);
    let running = {
        let (url, token) = (house.host.url.clone(), house.token.clone());
        tokio::spawn(async move { script.play(&url, &token).await })
    };
    let mut suspended = Value::Null;
    for _ in 0..16 {
        let verdict = live.next_on("keys").await.unwrap();
        assert_eq!(verdict["who"]["by"], "host", "{verdict}");
        if verdict["outcome"] == "suspend" {
            suspended = verdict;
        }
    }
    assert!(suspended["obligations"].to_string().contains("mask-keys"), "{suspended}");
    assert!(suspended["not-recording"].to_string().contains("PCI DSS"), "{suspended}");
    running.await.unwrap().unwrap();
    let sound = heard(&house, 1).await.remove(0);
    assert_eq!(decoded(&sound[1]), "", "the digits before the one that gave the number away go with it");
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_says_who_asked_and_never_lifts_what_a_pack_suspended() {
    let mut house = house(1_500).await;
    let url = house.host.url.clone();
    let http = reqwest::Client::new();
    let post = async |what: Value, why: &str| -> Value {
        let request = http.post(format!("{url}/v1/calls/CA1/events")).query(&[("why", why)]).json(&what);
        request.bearer_auth(&house.token).send().await.unwrap().json().await.unwrap()
    };
    let look = async || -> Value {
        let request = http.get(format!("{url}/v1/calls/CA1")).bearer_auth(&house.token);
        request.send().await.unwrap().json().await.unwrap()
    };
    let mut live = Live::open(&url, &house.token).await.unwrap();
    let mut script = call("CA1");
    script.silence(2_000);
    script.key(AGENT, "*71");
    script.silence(2_500);
    script.key(AGENT, "*72");
    script.silence(14_000);
    let running = {
        let (url, token) = (url.clone(), house.token.clone());
        tokio::spawn(async move { script.play(&url, &token).await })
    };
    // By an agent's keys.
    let paused = live.next_on("pause-asked").await.unwrap();
    assert_eq!(
        (&paused["who"]["by"], &paused["state"]),
        (&json!("keys on leg 0"), &json!("suspended")),
        "{paused}"
    );
    let resumed = live.next_on("resume-asked").await.unwrap();
    assert_eq!(
        (&resumed["who"]["by"], &resumed["state"]),
        (&json!("keys on leg 0"), &json!("recording")),
        "{resumed}"
    );

    // By the agent's desktop, which says why.
    let answer = post(json!({"pause-asked": "person"}), "the caller reads a letter").await;
    assert_eq!(answer["state"], "suspended");
    let standing = look().await;
    assert_eq!(standing["pause"]["by"], "token phones", "{standing}");
    assert_eq!(standing["pause"]["why"], "the caller reads a letter");
    assert!(standing["not-recording"].to_string().contains("the caller reads a letter"), "{standing}");
    let paused = live.next_on("pause-asked").await.unwrap();
    assert_eq!(paused["who"]["why"], "the caller reads a letter");
    assert_eq!(post(json!({"resume-asked": "person"}), "").await["state"], "recording");

    // By words; and neither a pause nor its end lifts that.
    let said = |text: &str, at: u64| -> Value {
        let word =
            |(i, t): (u64, &str)| json!({"leg": 0, "start": at + i * 50, "end": at + i * 50 + 40, "text": t});
        json!({"words": (0..).zip(text.split(' ')).map(word).collect::<Vec<_>>()})
    };
    let now = look().await["at"].as_u64().unwrap();
    let answer = post(said("please give me your card number", now), "").await;
    assert_eq!(answer["state"], "suspended", "{answer}");
    assert_eq!(post(json!({"pause-asked": "person"}), "").await["state"], "suspended");
    let answer = post(json!({"resume-asked": "person"}), "").await;
    assert_eq!(answer["state"], "suspended", "{answer}");
    assert!(answer["reasons"].to_string().contains("PCI DSS"), "{answer}");
    let now = look().await["at"].as_u64().unwrap();
    let answer = post(said("thank you the payment went through", now), "").await;
    assert_eq!(answer["state"], "recording", "{answer}");
    running.await.unwrap().unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_late_is_destroyed_by_the_next_start_after_a_power_cut() {
    let mut house = house(1_500).await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &[3_000, -3_000].repeat(6 * 4_000));
    let word = |start, text: &str| json!({"leg": 1, "start": start, "end": start + 200, "text": text});
    let said = (0..).zip(["the", "security", "code", "is", "737"]);
    let said: Vec<Value> = said.map(|(i, text)| word(300 + 300 * i, text)).collect();
    script.event(json!({ "words": said }));
    script.sound(CUSTOMER, &[3_000, -3_000].repeat(60 * 4_000));
    let running = {
        let (url, token) = (house.host.url.clone(), house.token.clone());
        tokio::spawn(async move { script.play(&url, &token).await })
    };
    let verdict = live.next_on("words").await.unwrap();
    assert!(verdict["obligations"].to_string().contains("purge"), "{verdict}");
    house.host.kill().unwrap();
    assert!(running.await.unwrap().is_err());

    house.host.start().unwrap();
    let sound = heard(&house, 1).await.remove(0);
    assert_eq!(loudness(&sound[1], 1_000, 2_000), 0, "the second in which the code was said");
    assert!(loudness(&sound[1], 0, 900) > 1_000 && loudness(&sound[1], 2_200, 3_000) > 1_000);
    house.host.kill().unwrap();
    house.host.start().unwrap();
    let entries = house.host.audit("acme", "bundle").unwrap();
    let (intent, result) =
        (entries.find("disposal-intent").unwrap(), entries.find("disposal-result").unwrap());
    assert!(intent < result);
    assert_eq!(entries.matches("disposal-intent").count(), 1, "a second start has nothing to destroy");
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_sure_of_takes_more_with_it_while_it_is_in_memory() {
    let mut house = house(12_000).await;
    let mut script = call("CA1");
    script.sound(CUSTOMER, &[3_000, -3_000].repeat(9 * 4_000));
    let number = [(1_000, "4111"), (1_250, "1111"), (1_500, "1111"), (1_750, "1111")];
    // Three digits that nobody asked for: they may be the card's code.
    let said = number.into_iter().chain([(7_000, "990")]);
    let said: Vec<Value> = said
        .map(|(start, text)| json!({"leg": 1, "start": start, "end": start + 200, "text": text}))
        .collect();
    script.event(json!({ "words": said }));
    let outcome = script.play(&house.host.url, &house.token).await.unwrap();
    assert!(outcome.answers[0]["duties"].to_string().contains("purge"), "{outcome:?}");

    // The rules take 300 ms at each end, and the host a second more, before anything of it is sealed.
    let sound = heard(&house, 1).await.remove(0);
    assert_eq!(loudness(&sound[1], 5_750, 6_650), 0, "not sure enough to be exact");
    assert!(loudness(&sound[1], 3_700, 5_600) > 1_000, "and no more than that");
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert!(!entries.contains("disposal-intent"), "nothing of it had to be destroyed");
    assert_eq!(house.host.stop().unwrap(), 0);
}
