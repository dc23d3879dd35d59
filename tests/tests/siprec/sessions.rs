//! sipp as a session recording client.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use caveat_audio::g711;
use caveat_tests::{
    host::free_port,
    people::loudness,
    siprec::{Leg, Scenario, Transport, capture, heard, metadata, tunnel},
    watch::{Live, until},
};
use serde_json::json;

use crate::recorder::{ALL_PARTY, ONE_PARTY, Recorder};

/// How loud each leg is.
const LOUD: [i16; 2] = [2_000, 6_000];

/// Both legs, each of its own loudness; the customer keys digits.
fn sounds(dir: &Path, ms: usize, keyed: Option<(u32, &'static str)>) -> PathBuf {
    let file = dir.join("call.pcap");
    let leg = |loud: i16, keyed| Leg { sound: g711::to_mu_law(&[loud, -loud].repeat(ms * 4)), keyed };
    capture(&file, &[leg(LOUD[0], None), leg(LOUD[1], keyed)]).unwrap();
    file
}

fn about(measured: u32, loud: i16) -> bool {
    let loud = u32::from(loud.unsigned_abs());
    (loud - loud / 10..=loud + loud / 10).contains(&measured)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recorded_with_its_pause_whatever_its_client_goes_on_sending() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut scenario = Scenario::new(metadata(ONE_PARTY));
    scenario
        .begins("sendonly")
        .plays(&sounds(recorder.host.dir(), 9_000, Some((1_500, "41"))))
        .waits(3_000)
        .changes("inactive", &heard(false, false))
        .waits(2_000)
        .changes("sendonly", &heard(true, true))
        .waits(2_500)
        .ends();
    let sipp = scenario.start(recorder.host.dir(), recorder.udp, Transport::Udp).unwrap();
    let state = async |live: &mut Live, event: &str| {
        let verdict = live.next_on(event).await.unwrap();
        verdict["state"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(state(&mut live, "offered").await, "recording");
    assert_eq!(state(&mut live, "keys").await, "recording");
    assert_eq!(state(&mut live, "keys").await, "recording");
    assert_eq!(state(&mut live, "pause-asked").await, "suspended");
    assert_eq!(state(&mut live, "resume-asked").await, "recording");
    sipp.finish().await.unwrap();
    state(&mut live, "ended").await;

    let played = recorder.sealed().await;
    for (leg, loud) in LOUD.into_iter().enumerate() {
        let stretch = |from, to| loudness(&played[leg], from, to);
        assert!(about(stretch(300, 1_400), loud), "leg {leg} before the digits: {}", stretch(300, 1_400));
        assert!(about(stretch(2_200, 2_800), loud), "leg {leg} before the pause: {}", stretch(2_200, 2_800));
        assert_eq!(stretch(3_400, 4_900), 0, "leg {leg} in the pause");
        assert!(about(stretch(5_800, 7_000), loud), "leg {leg} after the pause: {}", stretch(5_800, 7_000));
    }
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_an_agent_asks_for_reaches_the_client() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut scenario = Scenario::new(metadata(ONE_PARTY));
    scenario.begins("sendonly").is_asked("inactive", "inactive").is_asked("recvonly", "sendonly").ends();
    let sipp = scenario.start(recorder.host.dir(), recorder.tcp, Transport::Tcp).unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    recorder.tell(json!({"pause-asked": "person"})).await;
    recorder.tell(json!({"resume-asked": "person"})).await;
    sipp.finish().await.unwrap();
    assert_eq!(live.next_on("ended").await.unwrap()["state"], "recording");
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_recorded_is_taken_in_silence_until_it_may() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut scenario = Scenario::new(metadata(ALL_PARTY));
    scenario.begins("sendonly").is_asked("recvonly", "sendonly").ends();
    let sipp = scenario.start(recorder.host.dir(), recorder.udp, Transport::Udp).unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "not-recorded");
    recorder.tell(json!({"notice-played": {"kind": "spoken"}})).await;
    assert_eq!(live.next_on("notice-played").await.unwrap()["state"], "recording");
    sipp.finish().await.unwrap();
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

/// A certificate for a name, and its key, as files.
pub(crate) fn certified(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
    ]);
    openssl
        .arg(format!("subjectAltName=DNS:{name}"))
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key);
    let made = openssl.stderr(Stdio::null()).status().expect("openssl is needed: apt-get install openssl");
    assert!(made.success());
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_says_goodbye_by_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, our_key) = certified(dir.path(), "recorder.example");
    let (theirs, their_key) = certified(dir.path(), "sbc.example");
    let tls = free_port().unwrap();
    let siprec = format!(
        "listen-tls = \"127.0.0.1:{tls}\"\ntls-certificate = {ours:?}\ntls-key = {our_key:?}\ntls-client-ca = {theirs:?}\n"
    );
    let mut recorder = Recorder::start(&siprec, "", "certificate = \"sbc.example\"");
    let mut live = recorder.live().await;
    let mut scenario = Scenario::new(metadata(ONE_PARTY));
    scenario.begins("sendonly").is_ended();
    let port = tunnel(tls, "recorder.example", &ours, &theirs, &their_key).await.unwrap();
    let sipp = scenario.start(recorder.host.dir(), port, Transport::Tcp).unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    // A call that is listed has been answered soon after.
    until("the call runs", async || Ok((recorder.calls().await.len() == 1).then_some(()))).await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
    sipp.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_come_go_and_are_held_by_metadata_alone() {
    let mut recorder = Recorder::start("", "", "pause-at-client = false");
    let mut live = recorder.live().await;
    let mut scenario = Scenario::new(metadata(ONE_PARTY));
    let joins = r#"<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode>
  <participant participant_id="second"><nameID aor="tel:+13055550101"/></participant>
  <participantstreamassoc participant_id="second"><send>second</send></participantstreamassoc>
</recording>"#;
    scenario
        .begins("sendonly")
        .updates(&heard(true, false))
        .updates(&heard(true, true))
        .updates(joins)
        .updates("<recording><this is no XML")
        .waits(300)
        .ends();
    let sipp = scenario.start(recorder.host.dir(), recorder.udp, Transport::Udp).unwrap();
    for (event, state) in [
        ("offered", "recording"),
        ("held", "suspended"),
        ("unheld", "recording"),
        // From a state where everybody has to consent.
        ("party-joined", "suspended"),
    ] {
        assert_eq!(live.next_on(event).await.unwrap()["state"], state, "{event}");
    }
    live.next_on("ended").await.unwrap();
    sipp.finish().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
