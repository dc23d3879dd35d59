//! What a page draws of a recording: as loud as it sounds, flat where this person may not hear it, and gone with the sound.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_tests::{
    house::{House, call, heard, noise, sealed},
    people::Person,
    twilio::{AGENT, CUSTOMER},
};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
AFTER_CALL

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

const PEOPLE: [(&str, &str); 3] = [("ann", "compliance"), ("ben", "compliance"), ("tom", "agent")];

async fn drawn(person: &Person, id: &str, more: &str) -> Value {
    let answer = person.get(&format!("/v1/recordings/{id}/waveform?purpose=quality{more}")).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

/// Peaks of a leg, lowest and highest.
fn peaks(drawn: &Value, leg: usize) -> Vec<(i64, i64)> {
    assert_eq!(drawn["legs"][leg]["leg"], leg);
    let pairs = drawn["legs"][leg]["peaks"].as_array().unwrap();
    pairs.iter().map(|pair| (pair[0].as_i64().unwrap(), pair[1].as_i64().unwrap())).collect()
}

/// What the sound itself would be drawn as, in steps of so many milliseconds.
fn of_sound(samples: &[i16], step_ms: usize) -> Vec<(i64, i64)> {
    let in_8_bits = |sample: i16| i64::from(sample) * 127 / 32_768;
    let step = |part: &[i16]| {
        (in_8_bits(*part.iter().min().unwrap()).min(0), in_8_bits(*part.iter().max().unwrap()).max(0))
    };
    samples.chunks(8 * step_ms).map(step).collect()
}

fn gaps<'a>(drawn: &'a Value, reason: &str) -> Vec<&'a Value> {
    drawn["gaps"].as_array().unwrap().iter().filter(|gap| gap["reason"] == reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_drawn_as_it_sounds_and_a_shredded_stretch_is_flat() {
    let mut house = House::start(&CONFIG.replace("AFTER_CALL", ""), &PEOPLE).unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(3_000, 3));
    script.silence(1_000);
    script.sound(AGENT, &noise(2_000, 5));
    script.play(&house.host.url, &house.token).await.unwrap();
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    let listener = ann.person();
    let id = sealed(&listener, 1).await.unwrap().remove(0);
    let whole = drawn(&listener, &id, "").await;
    assert_eq!((&whole["step-ms"], &whole["from-ms"]), (&json!(50), &json!(0)));
    let ms = whole["ms"].as_u64().unwrap() as usize;
    let sound = heard(&listener, &id).await.unwrap();
    for leg in [AGENT, CUSTOMER].map(usize::from) {
        let same = &sound[leg][..ms / 50 * 400];
        assert_eq!(peaks(&whole, leg)[..ms / 50], of_sound(same, 50), "leg {leg}");
    }
    // A coarser picture is the same one, and a part of it is that part.
    let coarse = drawn(&listener, &id, "&steps=10").await;
    let step_ms = coarse["step-ms"].as_u64().unwrap() as usize;
    assert!(step_ms.is_multiple_of(50) && peaks(&coarse, 1).len() <= 10, "{coarse}");
    assert_eq!(peaks(&coarse, 1)[..ms / step_ms], of_sound(&sound[1][..ms / step_ms * step_ms * 8], step_ms));
    let part = drawn(&listener, &id, "&from-ms=1030&to-ms=2200").await;
    assert_eq!((part["from-ms"].as_u64(), peaks(&part, 1).len()), (Some(1_000), 24));
    assert_eq!(peaks(&part, 1)[..], peaks(&whole, 1)[20..44]);

    // It is asked for, ruled on, and logged as playing is.
    let agent = house.person("tom").await.unwrap();
    for content in ["waveform", "audio"] {
        let path = format!("/v1/recordings/{id}/{content}?purpose=quality");
        assert_eq!(agent.get(&path).await.unwrap().status().as_u16(), 403, "an agent has no {content}");
    }
    let none = listener.get(&format!("/v1/recordings/{id}/waveform")).await.unwrap();
    assert_eq!(none.status().as_u16(), 400, "a purpose is asked for");

    let span = ["recording", "redact", &id, "--span", "0.4-2.25", "--mode", "shred", "--reason", "too much"];
    let request = ann.json(&span).unwrap()["id"].to_string();
    ben.json(&["request", "confirm", &request]).unwrap();
    let after = drawn(&listener, &id, "").await;
    let customer = peaks(&after, 1);
    assert!(customer[8..45].iter().all(|step| *step == (0, 0)), "{customer:?}");
    // The steps at both ends are made anew from what is left; sample for sample they are what is heard.
    assert_eq!(customer[..ms / 50], of_sound(&heard(&listener, &id).await.unwrap()[1][..ms / 50 * 400], 50));
    assert_eq!((&customer[..8], &customer[45..60]), (&peaks(&whole, 1)[..8], &peaks(&whole, 1)[45..60]));
    let of_customer: Vec<_> = gaps(&after, "redacted").into_iter().filter(|gap| gap["leg"] == 1).collect();
    let expected = json!({"leg": 1, "from-ms": 400, "to-ms": 2250, "reason": "redacted", "rule": "person"});
    assert_eq!(of_customer, [&expected]);
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert!(entries.matches("\"act\":\"play\"").count() >= 6, "each look is logged");
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_heard_is_not_drawn_either() {
    let silence = CONFIG.replace("AFTER_CALL", "after-call = \"silence\"");
    let mut house = House::start(&silence, &PEOPLE).unwrap();
    let mut script = call("CA1");
    let digits = "four one one one one one one one one one one one one one one one";
    let word = |(i, text): (u32, &str)| json!({"leg": 1, "start": 1_000 + i * 100, "end": 1_090 + i * 100, "text": text});
    let words: Vec<Value> = (0..).zip(digits.split(' ')).map(word).collect();
    script.sound(CUSTOMER, &noise(3_000, 3));
    script.event(json!({ "words": words }));
    script.sound(CUSTOMER, &noise(2_000, 4));
    script.play(&house.host.url, &house.token).await.unwrap();
    let ann = house.person("ann").await.unwrap();
    let id = sealed(&ann, 1).await.unwrap().remove(0);
    let drawn_there = drawn(&ann, &id, "").await;
    let (customer, sound) = (peaks(&drawn_there, 1), heard(&ann, &id).await.unwrap());
    // Steps at the ends of what is hidden are flat as a whole; the sound there is silent by the sample.
    let ms = drawn_there["ms"].as_u64().unwrap() as usize;
    for (at, (drawn, heard)) in customer[..ms / 50].iter().zip(of_sound(&sound[1], 50)).enumerate() {
        assert!(*drawn == heard || *drawn == (0, 0), "{} ms: {drawn:?}, heard {heard:?}", at * 50);
        assert!(heard != (0, 0) || *drawn == (0, 0), "{} ms is drawn and not heard", at * 50);
    }
    assert!(customer[20..50].iter().all(|step| *step == (0, 0)), "{customer:?}");
    assert!(customer[5] != (0, 0), "{customer:?}");
    assert!(!gaps(&drawn_there, "hidden").is_empty(), "{drawn_there}");
    assert_eq!(house.host.stop().unwrap(), 0);
}
