//! rtpengine as a session recording client: it forks the sound of real calls, in codecs and with keys of its own.

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    rtpengine::Rtpengine,
    sip::{MIXED, Session, with_metadata},
    siprec::metadata,
    watch::Live,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::recorder::{ONE_PARTY, Recorder, played};

/// What the caller sends, and the callee: Hz, and how loud.
const CALLER: (f64, f64) = (600.0, 4_000.0);
const CALLEE: (f64, f64) = (1_500.0, 9_000.0);
const LASTS_MS: usize = 4_000;

/// How a call is forked.
struct Way {
    name: &'static str,
    also: Value,
    /// Of a packet, in milliseconds.
    ptime: u32,
    /// By what its sound is louder than what was sent to rtpengine.
    gain: f64,
}

/// A call through rtpengine that is recorded as `also` has it forked; the id of its recording, and whether the caller is
/// its leg 0.
async fn call(
    engine: &mut Rtpengine,
    recorder: &Recorder,
    live: &mut Live,
    Way { name, also, ptime, .. }: &Way,
) -> (String, bool, Session, [JoinHandle<()>; 2]) {
    let (caller, callee) = (Phone::new(1).await.unwrap(), Phone::new(2).await.unwrap());
    let ports = engine.connects(name, [caller.port(), callee.port()]).await.unwrap();
    let fork = engine.forks(name, also).await.unwrap();
    let label = |sdp: &str, label: &str| sdp.find(&format!("a=label:{label}\r")).unwrap();
    let caller_first = label(&fork.sdp, &fork.labels[0]) < label(&fork.sdp, &fork.labels[1]);
    // As in the metadata the agent is, so on the wire the callee: label by label.
    let named = metadata(ONE_PARTY)
        .replace("<label>1<", "<label>callee<")
        .replace("<label>2<", "<label>caller<")
        .replace("<label>callee<", &format!("<label>{}<", fork.labels[1]))
        .replace("<label>caller<", &format!("<label>{}<", fork.labels[0]));
    let session = Session::begin(recorder.udp, MIXED, &with_metadata(&fork.sdp, &named)).await.unwrap();
    let offered = live.next_on("offered").await.unwrap();
    assert_eq!(offered["state"], "recording", "{name}");
    // A recorder may say how long a packet it likes; ours takes any.
    let answer = session.answer.replace("a=recvonly", &format!("a=ptime:{ptime}\r\na=recvonly"));
    engine.is_answered(&fork, &answer).await.unwrap();
    let to = |port: u16| ([127, 0, 0, 1], port).into();
    let [to_caller, to_callee] = ports.map(to);
    let talking =
        [(caller, to_caller, CALLER), (callee, to_callee, CALLEE)].map(|(mut phone, to, (hz, loud))| {
            tokio::spawn(async move { phone.plays(to, &tone(hz, loud, LASTS_MS)).await.unwrap() })
        });
    (offered["recording"].as_str().unwrap().to_owned(), caller_first, session, talking)
}

/// Records a call for each way of forking, all at the same time.
async fn all_are_recorded(ways: &[Way]) {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut engine = Rtpengine::start().await.unwrap();
    let mut calls = Vec::new();
    for way in ways {
        calls.push(call(&mut engine, &recorder, &mut live, way).await);
    }
    let mut recordings = Vec::new();
    for (id, caller_first, session, talking) in calls {
        for phone in talking {
            phone.await.unwrap();
        }
        session.ends().await.unwrap();
        recordings.push((id, caller_first));
    }
    let kim = recorder.supervisor().await;
    for (Way { name, gain, .. }, (id, caller_first)) in ways.iter().zip(recordings) {
        let legs = played(&kim, &id).await;
        assert_eq!(legs.len(), 2, "{name}");
        let heard = if caller_first { [CALLER, CALLEE] } else { [CALLEE, CALLER] };
        for (leg, ((hz, loud), (other_hz, _))) in
            legs.iter().zip([(heard[0], heard[1]), (heard[1], heard[0])])
        {
            let loud = loud * gain;
            let (own, other) = (amplitude(leg, hz, 1_000, 3_000), amplitude(leg, other_hz, 1_000, 3_000));
            assert!((own - loud).abs() < loud * 0.12, "{name}: {own} at {hz} Hz, sent with {loud}");
            assert!(other < loud * 0.02, "{name}: {other} at {other_hz} Hz, which is the other leg's");
        }
    }
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

fn into(codec: &str) -> Value {
    json!({"codec": {"strip": ["PCMU"], "transcode": [codec]}})
}

fn secure(mut also: Value, suite: &str) -> Value {
    also["transport-protocol"] = "RTP/SAVP".into();
    also["DTLS"] = "off".into();
    also["SDES"] = json!([format!("only-{suite}")]);
    also
}

fn way(name: &'static str, also: Value) -> Way {
    Way { name, also, ptime: 20, gain: 1.0 }
}

/// One channel is spread over two by FFmpeg's resampler, each 3 dB less loud; libopus decodes it to the same.
fn opus(name: &'static str, also: Value, ptime: u32) -> Way {
    Way { ptime, gain: std::f64::consts::FRAC_1_SQRT_2, ..way(name, also) }
}

#[tokio::test(flavor = "multi_thread")]
async fn rtpengine_is_recorded_in_every_codec() {
    all_are_recorded(&[
        way("plain-pcmu", json!({})),
        way("plain-pcma", into("PCMA")),
        way("plain-g722", into("G722")),
        opus("plain-opus", into("opus"), 20),
        opus("plain-opus-60", into("opus"), 60),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rtpengine_is_recorded_with_keys() {
    all_are_recorded(&[
        way("secure-pcmu", secure(json!({}), "AES_CM_128_HMAC_SHA1_80")),
        way("secure-g722", secure(into("G722"), "AES_256_CM_HMAC_SHA1_32")),
        opus("secure-opus", secure(into("opus"), "AEAD_AES_256_GCM"), 20),
        opus("secure-opus-40", secure(into("opus"), "AEAD_AES_128_GCM"), 40),
    ])
    .await;
}
