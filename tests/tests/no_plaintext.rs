//! A call with known sound, words and a card number: no byte of them is ever on the disk, during the call or after it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::read;

use caveat_tests::{
    host::{Host, packs},
    people::{Heard, Person, code, loudness},
    twilio::{AGENT, CUSTOMER, Script},
};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 2000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

/// Words that occur nowhere else, as a recognizer would write them.
const WORDS: [&str; 3] = ["rhododendron", "zeppelin", "xylophone"];

fn search(host: &Host, sounds: &[Vec<u8>], when: &str) {
    // The host archives the packs it was given, whose public cases name telephone and card numbers of their own.
    let files = packs().unwrap().read_dir().unwrap().map(|file| file.unwrap().path());
    let packs: Vec<Vec<u8>> = files.filter(|file| file.is_file()).map(|file| read(file).unwrap()).collect();
    let mut looked_at = 0;
    for (path, bytes) in host.written().unwrap().into_iter().filter(|(_, bytes)| !packs.contains(bytes)) {
        looked_at += bytes.len();
        for word in WORDS {
            let found = bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
            assert!(!found, "{when}: the word {word} is in {}", path.display());
        }
        for digits in ["4111111111111111", "4111 1111 1111 1111", "+12145550101", "2145550101", "4045550102"]
        {
            let found = bytes.windows(digits.len()).any(|w| w == digits.as_bytes());
            assert!(!found, "{when}: {digits} is in {}", path.display());
        }
        for sound in sounds {
            let found = bytes.windows(sound.len()).any(|w| w == sound);
            assert!(!found, "{when}: a stretch of sound is in {}", path.display());
        }
    }
    assert!(looked_at > 10_000, "{when}: the host wrote next to nothing; was there a recording?");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_said_or_keyed_is_on_the_disk_in_the_clear() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut script = Script::new(
        "CA1",
        &[("agent-number", "+12145550101"), ("agent-region", "TX"), ("customer-number", "+14045550102")],
    );
    let (at, said) = script.say(CUSTOMER, &WORDS.join(" ")).unwrap();
    let spoken = (at, at + said.duration_ms());
    script
        .say(CUSTOMER, "my card number is four one one one one one one one one one one one one one one one")
        .unwrap();
    script.say(AGENT, "thank you the payment went through").unwrap();
    script.silence(1_000);

    // Sixty milliseconds from the middle of each word, in both forms that sound has on its way.
    let mut sounds = Vec::new();
    for word in &said.words {
        let middle = ((word.start + word.end) / 2) as usize * 8;
        let part = &said.samples[middle..middle + 480];
        sounds.push(part.iter().flat_map(|s| s.to_le_bytes()).collect());
        sounds.push(caveat_audio::g711::to_mu_law(part));
    }
    let (url, during) = (
        host.url.clone(),
        tokio::spawn({
            let (url, token) = (host.url.clone(), token.clone());
            async move { script.play(&url, &token).await }
        }),
    );
    let mut looks = 0;
    while !during.is_finished() {
        search(&host, &sounds, "during the call");
        looks += 1;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    during.await.unwrap().unwrap();
    assert!(looks > 5);

    let kim = Person::sign_in(&url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();
    let recording = loop {
        let listed = kim.recordings("quality").await.unwrap();
        if let Some((id, _)) = listed.iter().find(|(_, state)| state == "sealed") {
            break id.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    search(&host, &sounds, "after the call");
    // And yet it is all there for whoever may hear it.
    let Heard::Sound(channels, _) = kim.play(&recording, "quality").await.unwrap() else {
        panic!("a supervisor may hear it");
    };
    assert!(loudness(&channels[1], spoken.0, spoken.1) > 100);
    search(&host, &sounds, "after it was played");
    assert_eq!(host.stop().unwrap(), 0);
    search(&host, &sounds, "after the host has ended");
}
