//! Sound as Opus: what a WAV has, under the same ruling and in the same log, as decoders of others hear it (opus-tools).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{f64::consts::TAU, path::Path, process::Command};

use caveat_tests::{
    house::{House, call, heard, sealed},
    people::{Person, loudness},
    twilio::{AGENT, CUSTOMER},
};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE, VARY},
};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
after-call = "silence"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

const SECONDS: u32 = 5;

/// A tone with overtones that gets louder and softer, never silent.
fn voice(pitch_hz: f64) -> Vec<i16> {
    let sample = |n: u32| {
        let at = f64::from(n) / 8_000.0;
        let tone: f64 = (1..6).map(f64::from).map(|n| (n * pitch_hz * at * TAU).sin() / n).sum();
        (tone * (1.3 + (at * 9.0).sin()) * 3_000.0) as i16
    };
    (0..SECONDS * 8_000).map(sample).collect()
}

/// A recording with a card number in it, which nobody hears.
async fn recorded(house: &House, person: &Person) -> String {
    let mut script = call("CA1");
    script.sounds(&voice(150.0), &voice(230.0));
    let digits = "four one one one one one one one one one one one one one one one";
    let word = |(i, text): (u32, &str)| json!({"leg": 1, "start": 1_500 + i * 100, "end": 1_590 + i * 100, "text": text});
    let words: Vec<Value> = (0..).zip(digits.split(' ')).map(word).collect();
    script.event(json!({ "words": words }));
    script.play(&house.host.url, &house.token).await.unwrap();
    sealed(person, 1).await.unwrap().remove(0)
}

fn header(answer: &Response, name: impl reqwest::header::AsHeaderName) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// What somebody else's programs make of it: no complaint, and samples per channel.
fn decoded(opus: &[u8], dir: &Path) -> Vec<Vec<i16>> {
    let (file, wav) = (dir.join("sound.opus"), dir.join("sound.wav"));
    std::fs::write(&file, opus).unwrap();
    let info =
        Command::new("opusinfo").arg(&file).output().expect("run `cargo xtask test`, which installs it");
    let info = String::from_utf8_lossy(&[info.stdout, info.stderr].concat()).into_owned();
    // Nothing is skipped at the beginning: what the encoder is late by was taken off before.
    let info = info.replace("WARNING: Implausibly low preskip", "");
    assert!(!info.contains("WARNING") && info.contains("Logical stream 1 ended"), "{info}");
    let output = Command::new("opusdec").args(["--rate", "8000", "--no-dither"]).args([&file, &wav]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = hound::WavReader::open(&wav).unwrap();
    let count = usize::from(reader.spec().channels);
    let mut channels = vec![Vec::new(); count];
    for (i, sample) in reader.samples::<i16>().enumerate() {
        channels[i % count].push(sample.unwrap());
    }
    channels
}

/// In dB, how much of it is not as it was.
fn noise(was: &[i16], is: &[i16]) -> f64 {
    let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|sample| sample * sample).sum::<f64>();
    let signal = power(&mut was.iter().map(|sample| f64::from(*sample)));
    let error = power(&mut was.iter().zip(is).map(|(was, is)| f64::from(*was) - f64::from(*is)));
    10.0 * (error / signal).log10()
}

#[tokio::test(flavor = "multi_thread")]
async fn opus_sounds_as_the_wav_does_and_is_silent_where_it_is() {
    let mut house = House::start(CONFIG, &[("ann", "compliance"), ("tom", "agent")]).unwrap();
    let ann = house.person("ann").await.unwrap();
    let id = recorded(&house, &ann).await;
    let wav = heard(&ann, &id).await.unwrap();

    let path = format!("/v1/recordings/{id}/audio?purpose=quality");
    let answer = ann.asks(&path, &[(ACCEPT, "audio/ogg, audio/wav;q=0.5")]).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, CONTENT_TYPE), "audio/ogg; codecs=opus");
    assert_eq!(header(&answer, VARY), "accept");
    let decided: Value = serde_json::from_str(&header(&answer, "caveat-decided")).unwrap();
    let silenced = &decided["silenced"][0];
    let (from, to) = (silenced["start"].as_u64().unwrap() as u32, silenced["end"].as_u64().unwrap() as u32);
    let (length, tag) = (header(&answer, CONTENT_LENGTH), header(&answer, ETAG));
    let opus = answer.bytes().await.unwrap();
    assert_eq!(opus.len().to_string(), length);
    let wav_bytes = wav.iter().map(|leg| leg.len() * 2).sum::<usize>();
    assert!(opus.len() * 7 < wav_bytes, "{} bytes, as a WAV {wav_bytes}", opus.len());

    let dir = tempfile::tempdir().unwrap();
    let sound = decoded(&opus, dir.path());
    assert_eq!(sound.iter().map(Vec::len).collect::<Vec<_>>(), wav.iter().map(Vec::len).collect::<Vec<_>>());
    for leg in [AGENT, CUSTOMER].map(usize::from) {
        let noise = noise(&wav[leg], &sound[leg]);
        println!("leg {leg}: {noise:.1} dB");
        assert!(noise < -6.0, "leg {leg}: {noise} dB");
    }
    // The customer's card number is silence, also where the agent is loud; 40 ms on, nothing rings any more.
    let (customer, agent) = (&sound[usize::from(CUSTOMER)], &sound[usize::from(AGENT)]);
    assert!(loudness(&wav[usize::from(CUSTOMER)], from, to) == 0, "{decided}");
    let loudest =
        customer[from as usize * 8..to as usize * 8].iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest < Some(40), "{loudest:?} from {from} to {to} ms");
    assert!(loudness(agent, from, to) > 500);

    // Ranges are parts of the very same bytes, and belong to one play.
    let before = plays(&house);
    let asked = format!("{path}&format=opus");
    let mut joined = Vec::new();
    for (first, last) in [(0, 99), (100, 4_999), (5_000, opus.len() - 1)] {
        let range = format!("bytes={first}-{last}");
        let part = ann.asks(&asked, &[(RANGE, &range), (IF_RANGE, &tag)]).await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(header(&part, CONTENT_RANGE), format!("bytes {first}-{last}/{}", opus.len()));
        joined.extend(part.bytes().await.unwrap());
    }
    assert!(joined == opus);
    assert_eq!(plays(&house), before + 1, "one play");
    let none = ann.asks(&asked, &[(RANGE, "bytes=99999999-")]).await.unwrap();
    assert_eq!(none.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    // The tag of one is not that of the other, and the query goes before the header.
    let as_wav = format!("{path}&format=wav");
    let other =
        ann.asks(&as_wav, &[(ACCEPT, "audio/ogg"), (RANGE, "bytes=0-3"), (IF_RANGE, &tag)]).await.unwrap();
    assert_eq!((other.status(), header(&other, CONTENT_TYPE)), (StatusCode::OK, "audio/wav".to_owned()));

    // A part in time is that part.
    let part = ann.asks(&format!("{asked}&from-ms=1000&to-ms=3000"), &[]).await.unwrap();
    let part = decoded(&part.bytes().await.unwrap(), dir.path());
    assert_eq!(part[0].len(), 16_000);
    let agent = usize::from(AGENT);
    assert!(noise(&wav[agent][8_000..24_000], &part[agent]) < -6.0);

    let tom = house.person("tom").await.unwrap();
    assert_eq!(tom.asks(&asked, &[]).await.unwrap().status(), StatusCode::FORBIDDEN, "an agent has none");
    assert_eq!(house.host.stop().unwrap(), 0);
}

/// How often somebody asked to play something, as the log has it.
fn plays(house: &House) -> usize {
    let bundle = format!("bundle-{}", uuid::Uuid::now_v7());
    house.host.audit("acme", &bundle).unwrap().matches("\"act\":\"play\"").count()
}
