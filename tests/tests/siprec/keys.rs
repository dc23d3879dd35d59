//! Keys that a gateway takes out of the sound and tells of by packets of their own (RFC 4733): what it let through of a tone
//! before it knew is not in the recording either.

use caveat_audio::dtmf;
use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, Session, with_metadata},
    siprec::metadata,
};
use serde_json::json;

use crate::{
    dialogs::offer,
    recorder::{Keys, ONE_PARTY, Recorder},
};

const NUMBER: &str = "4929";
/// What a gateway lets through of a tone before it knows what it is.
const LEAKS_MS: usize = 40;
const SPEECH: (f64, f64) = (500.0, 6_000.0);

#[tokio::test(flavor = "multi_thread")]
async fn no_key_that_is_told_of_is_in_the_sealed_sound_nor_its_beginning() {
    let packs = "[[client.pack]]\nfile = \"PACKS/pci-dss-0.1.0.wasm\"";
    let mut recorder = Recorder::with(&Keys { packs, ..Keys::default() });
    let mut live = recorder.live().await;
    let lines = offer(&[("1", "sendonly"), ("2", "sendonly")]).replace(
        "RTP/AVP 0\r\n",
        "RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
    );
    let session =
        Session::begin(recorder.udp, MIXED, &with_metadata(&lines, &metadata(ONE_PARTY))).await.unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    let mut phone = Phone::new(7).await.unwrap();
    let to = session.media()[1].unwrap();
    let says = |ms| tone(SPEECH.0, SPEECH.1, ms);
    phone.plays(to, &says(1_000)).await.unwrap();
    // Somebody asks for the card: from here on keys are silenced.
    let word =
        |(i, text): (u32, &str)| json!({"leg": 0, "start": 100 + i * 50, "end": 140 + i * 50, "text": text});
    let said = |text: &str| json!({"words": (0..).zip(text.split(' ')).map(word).collect::<Vec<_>>()});
    recorder.tell(said("please key in your card number")).await;
    let asked = live.next_on("words").await.unwrap();
    assert!(asked["obligations"].to_string().contains("mask-keys"), "{asked}");
    recorder.tell(said("thank you the payment went through")).await;
    assert_eq!(live.next_on("words").await.unwrap()["state"], "recording");
    let begins = phone.sent_ms();
    for key in NUMBER.chars() {
        phone.plays(to, &dtmf::tone(key, LEAKS_MS * 8)).await.unwrap();
        phone.presses(to, key, LEAKS_MS, 120).await.unwrap();
        phone.plays(to, &says(200)).await.unwrap();
    }
    let ends = phone.sent_ms();
    phone.plays(to, &says(1_500)).await.unwrap();
    for key in NUMBER.chars() {
        let verdict = live.next_on("keys").await.unwrap();
        assert_ne!(verdict["outcome"], "deny", "{key}: {verdict}");
    }
    session.ends().await.unwrap();
    let leg = recorder.sealed().await.remove(1);
    assert_eq!(crate::decoder::decoded(&leg), "");
    // The sound of a call begins when its first packet came: find it by what is said first.
    let first = leg.iter().position(|sample| sample.unsigned_abs() > 1_000).unwrap() / 8;
    let frequencies = [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0];
    for hz in frequencies {
        let heard = amplitude(&leg, hz, first + begins, first + ends);
        assert!(heard < 200.0, "{heard} at {hz} Hz of the keys is left");
    }
    // What is said around them is there.
    for (from, to) in [(100, begins - 100), (ends + 100, ends + 1_200)] {
        let heard = amplitude(&leg, SPEECH.0, first + from, first + to);
        assert!((heard - SPEECH.1).abs() < SPEECH.1 * 0.1, "{heard} from {from} to {to} ms");
    }
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
