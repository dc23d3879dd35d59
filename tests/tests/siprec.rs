//! Recording sessions of a real session recording client, and of one that means harm.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use caveat_audio::g711;
use caveat_tests::{
    host::{Host, free_port},
    people::{Heard, Person, code, loudness},
    siprec::{Leg, Scenario, Transport, capture, heard, media_ports, metadata, tunnel},
    watch::{Live, until},
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// A number in a state where one party's consent is enough, and one where all have to consent.
const ONE_PARTY: &str = "+14045550102";
const ALL_PARTY: &str = "+13055550101";

/// How loud each leg is.
const LOUD: [i16; 2] = [2_000, 6_000];

struct Recorder {
    host: Host,
    token: String,
    secret: String,
    udp: u16,
    tcp: u16,
}

impl Recorder {
    /// With more keys of `[siprec]`, of `[limits.siprec]`, and of the trunk.
    fn start(siprec: &str, limits: &str, trunk: &str) -> Self {
        let (udp, tcp) = (free_port().unwrap(), free_port().unwrap());
        let (first, last) = media_ports();
        let config = format!(
            r#"
[limits.calls]
late_window_ms = 500

[limits.siprec]
strangers_per_s = 1000
{limits}

[media]
address = "127.0.0.1"
port-min = {first}
port-max = {last}
streams-max = 10

[siprec]
listen-udp = "127.0.0.1:{udp}"
listen-tcp = "127.0.0.1:{tcp}"
{siprec}

[[siprec.trunk]]
name = "sbc"
client = "acme"
from = ["127.0.0.0/8"]
user = "srs"
direction = "inbound"
agents = ["*@example.bank"]
agents-region = "GA"
{trunk}

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#
        );
        let mut host = Host::prepare(&config).unwrap();
        let token = host.token("acme").unwrap();
        let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
        host.start().unwrap();
        Self { host, token, secret, udp, tcp }
    }

    async fn live(&self) -> Live {
        Live::open(&self.host.url, &self.token).await.unwrap()
    }

    async fn calls(&self) -> Vec<String> {
        let request = Client::new().get(format!("{}/v1/calls", self.host.url)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Tells of something on the one call that runs.
    async fn tell(&self, happening: Value) {
        let call = self.calls().await.remove(0);
        let path = format!("{}/v1/calls/{call}/events", self.host.url);
        let answer = Client::new().post(path).bearer_auth(&self.token).json(&happening).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn supervisor(&self) -> Person {
        let code = code(&self.secret, 0).unwrap();
        Person::sign_in(&self.host.url, "acme", "kim", &code).await.unwrap()
    }

    async fn sealed(&self) -> Vec<Vec<i16>> {
        let kim = self.supervisor().await;
        let id = until("a sealed recording", async || {
            let listed = kim.recordings("quality").await?;
            Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
        });
        match kim.play(&id.await.unwrap(), "quality").await.unwrap() {
            Heard::Sound(played, _) => played,
            Heard::Refused(why) => panic!("a supervisor may hear it: {why}"),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.host.log());
        }
    }
}

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
fn certified(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_no_sign_of_life_is_gone() {
    let mut recorder = Recorder::start("", "session_expires_s = 4\nsession_expires_min_s = 2", "");
    let mut raw = Raw::new(recorder.udp).await;
    let call = raw.call();
    let body = with_metadata(&metadata(ONE_PARTY));
    let (status, answer) = raw.answered(&raw.request("INVITE", "srs", &call, "", MIXED, &body)).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("Session-Expires: 4;refresher=uas"), "{answer}");
    raw.send(raw.request("ACK", "srs", &call, &tag_of(&answer), "", "").as_bytes()).await;
    // It is asked whether it is there, and then told goodbye.
    for wanted in ["INVITE ", "BYE "] {
        while !raw.next().await.1.starts_with(wanted) {}
    }
    let kim = recorder.supervisor().await;
    until("the recording is interrupted", async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.iter().any(|(_, state)| state == "interrupted").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

/// A client that speaks bytes.
struct Raw {
    socket: UdpSocket,
    to: u16,
    calls: u32,
}

impl Raw {
    async fn new(to: u16) -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), to, calls: 0 }
    }

    async fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, ("127.0.0.1", self.to)).await.unwrap();
    }

    /// The status of the next response that is not 100, and the whole of it.
    async fn next(&self) -> (u16, String) {
        loop {
            let mut bytes = vec![0; 65_536];
            let wait = timeout(Duration::from_secs(10), self.socket.recv(&mut bytes));
            let n = wait.await.expect("an answer").unwrap();
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
            if status != 100 {
                return (status, text);
            }
        }
    }

    /// The next response of a call: those of earlier ones may come once more.
    async fn next_of(&self, call: &str) -> (u16, String) {
        loop {
            let (status, text) = self.next().await;
            if text.contains(&format!("Call-ID: {call}\r\n")) {
                return (status, text);
            }
        }
    }

    async fn answered(&self, request: &str) -> (u16, String) {
        self.send(request.as_bytes()).await;
        let branch = request.split("branch=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        loop {
            // Answers to earlier requests may come once more.
            let (status, text) = self.next().await;
            if text.contains(branch) {
                return (status, text);
            }
        }
    }

    fn call(&mut self) -> String {
        self.calls += 1;
        format!("call-{}-{}", self.calls, self.socket.local_addr().unwrap().port())
    }

    fn request(&self, method: &str, user: &str, call: &str, tag: &str, headers: &str, body: &str) -> String {
        let port = self.socket.local_addr().unwrap().port();
        let number = if method == "BYE" { 2 } else { 1 };
        format!(
            "{method} sip:{user}@127.0.0.1:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}{number}\r\n\
             From: <sip:src@127.0.0.1>;tag=f\r\nTo: <sip:srs@127.0.0.1>{tag}\r\nCall-ID: {call}\r\nCSeq: {number} {cseq}\r\n\
             Contact: <sip:src@127.0.0.1:{port}>\r\n{headers}Content-Length: {length}\r\n\r\n{body}",
            to = self.to,
            cseq = method,
            length = body.len(),
        )
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 9000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";
const PLAIN: &str = "Content-Type: application/sdp\r\n";
const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

fn with_metadata(xml: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{xml}\r\n--b--"
    )
}

fn tag_of(response: &str) -> String {
    let to = response.lines().find(|line| line.starts_with("To:")).unwrap();
    format!(";tag={}", to.split("tag=").nth(1).unwrap().trim())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_means_harm_is_told_no_and_costs_nobody_anything() {
    let mut recorder = Recorder::start("", "", "");
    let mut raw = Raw::new(recorder.udp).await;

    // What is no SIP is not answered.
    for garbage in [&b"\xff\xfe\x00garbage"[..], b"INVITE\r\n\r\n", b"\r\n\r\n", &[b'A'; 8_000]] {
        raw.send(garbage).await;
    }
    let refused = |want: u16, (status, text): (u16, String)| assert_eq!(status, want, "{text}");
    let invite = |raw: &mut Raw, user: &str, headers: &str, body: &str| {
        let call = raw.call();
        raw.request("INVITE", user, &call, "", headers, body)
    };
    let stranger = invite(&mut raw, "nobody", PLAIN, SDP);
    refused(403, raw.answered(&stranger).await);
    let no_offer = invite(&mut raw, "srs", "", "");
    refused(488, raw.answered(&no_offer).await);
    let no_sdp = invite(&mut raw, "srs", PLAIN, "hello");
    refused(400, raw.answered(&no_sdp).await);
    let video = invite(&mut raw, "srs", PLAIN, &SDP.replace("audio", "video"));
    refused(488, raw.answered(&video).await);
    let lines = invite(&mut raw, "srs", PLAIN, &format!("{SDP}{}", "m=audio 9000 RTP/AVP 0\r\n".repeat(20)));
    refused(488, raw.answered(&lines).await);
    let extension = invite(&mut raw, "srs", &format!("Require: siprec, magic\r\n{PLAIN}"), SDP);
    let answer = raw.answered(&extension).await;
    assert!(answer.1.contains("Unsupported: magic"), "{}", answer.1);
    refused(420, answer);
    let short = invite(&mut raw, "srs", &format!("Supported: timer\r\nSession-Expires: 5\r\n{PLAIN}"), SDP);
    let answer = raw.answered(&short).await;
    assert!(answer.1.contains("Min-SE: 90"), "{}", answer.1);
    refused(422, answer);
    let cut = invite(&mut raw, "srs", PLAIN, SDP).replace("Content-Length: 1", "Content-Length: 91");
    refused(513, raw.answered(&cut).await);
    let parts = invite(&mut raw, "srs", MIXED, &"--b\r\n\r\nx\r\n".repeat(40));
    refused(400, raw.answered(&parts).await);
    let call = raw.call();
    for (method, status) in [("BYE", 481), ("UPDATE", 481), ("PRACK", 481), ("REGISTER", 405), ("INFO", 405)]
    {
        let request = raw.request(method, "srs", &format!("{call}{method}"), "", "", "");
        refused(status, raw.answered(&request).await);
    }
    let options = raw.request("OPTIONS", "srs", &call, "", "", "");
    let answer = raw.answered(&options).await;
    assert!(answer.1.contains("application/rs-metadata+xml") && answer.1.contains("siprec"), "{}", answer.1);
    refused(200, answer);
    assert_eq!(recorder.calls().await, Vec::<String>::new());

    // Missing and broken metadata lose no recording; the same INVITE again begins no other.
    let metadata = ["<recording>", "<!DOCTYPE a><a/>", "\u{0}", "<a><b></a>"];
    let bodies = metadata.iter().map(|xml| (MIXED, with_metadata(xml))).chain([(PLAIN, SDP.to_owned())]);
    for (kind, body) in bodies {
        let call = raw.call();
        let invite = raw.request("INVITE", "srs", &call, "", kind, &body);
        raw.send(invite.as_bytes()).await;
        raw.send(invite.as_bytes()).await;
        let (status, answer) = raw.next_of(&call).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("+sip.srs") && answer.contains("a=label:1"), "{answer}");
        assert_eq!(recorder.calls().await, [call.as_str()]);
        let tag = tag_of(&answer);
        raw.send(raw.request("ACK", "srs", &call, &tag, "", "").as_bytes()).await;
        let other_way = invite.replace("branch=z9hG4bK", "branch=z9hG4bKother");
        refused(482, raw.answered(&other_way).await);
        let bye = raw.request("BYE", "srs", &call, &tag, "", "");
        let bye_elsewhere = bye.replace(&tag, ";tag=elsewhere").replace("branch=z9hG4bK", "branch=z9hG4bKb");
        refused(481, raw.answered(&bye_elsewhere).await);
        refused(200, raw.answered(&bye).await);
        until("the call is over", async || Ok(recorder.calls().await.is_empty().then_some(())))
            .await
            .unwrap();
    }

    // A CANCEL on the heels of its INVITE: whichever is first, the session ends.
    for _ in 0..10 {
        let call = raw.call();
        let invite = raw.request("INVITE", "srs", &call, "", PLAIN, SDP);
        raw.send(invite.as_bytes()).await;
        raw.send(raw.request("CANCEL", "srs", &call, "", "", "").as_bytes()).await;
        let (mut cancelled, mut begun) = (None, None);
        while cancelled.is_none() || begun.is_none() {
            let (status, text) = raw.next_of(&call).await;
            let is_for = |method: &str| text.contains(&format!("CSeq: 1 {method}"));
            if is_for("CANCEL") {
                cancelled = Some(status);
            } else if is_for("INVITE") {
                begun = Some((status, tag_of(&text)));
            }
        }
        assert_eq!(cancelled, Some(200));
        let (status, tag) = begun.unwrap();
        assert!(status == 487 || status == 200, "{status}");
        raw.send(raw.request("ACK", "srs", &call, &tag, "", "").as_bytes()).await;
        if status == 200 {
            let bye = raw.request("BYE", "srs", &call, &tag, "", "");
            while raw.answered(&bye).await.0 != 200 {}
        }
    }
    until("every call is over", async || Ok(recorder.calls().await.is_empty().then_some(()))).await.unwrap();

    // By TCP: an endless message, and one that never ends.
    for bytes in [
        vec![b'A'; 200_000],
        b"INVITE sip:srs@127.0.0.1 SIP/2.0\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", recorder.tcp)).await.unwrap();
        // It may be closed while it is written to.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let _ = timeout(Duration::from_secs(10), stream.read(&mut [0; 16])).await.expect("it is closed");
    }
    let options = raw.request("OPTIONS", "srs", "afterwards", "", "", "");
    refused(200, raw.answered(&options).await);
    assert!(!recorder.host.log().contains("panicked"), "{}", recorder.host.log());
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
