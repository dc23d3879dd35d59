//! What a verdict asks of others: told by webhook, held for, confirmed or overdue; played by the host where the call can
//! carry it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, process::Command, sync::atomic::Ordering::SeqCst, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_audio::{beep, g711, wav};
use caveat_tests::{
    guest,
    host::Host,
    people::{Heard, Person, code, loudness},
    receiver::Receiver,
    twilio::{AGENT, Script},
    watch::{Live, until},
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

const SECRET: &str = "only the two of us know";

fn config(rest: &str) -> String {
    format!(
        r#"
[limits.calls]
late_window_ms = 3000
announce_within_ms = 1200

[limits.webhooks]
back_off_ms = 50
attempts_max = 4

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
{rest}
[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#
    )
}

/// Somebody from a place where everyone has to consent.
fn joiner() -> Value {
    json!({"party-joined": {"role": "other-party", "number": "+12065550104", "leg": 1}})
}

/// The check that is documented for receivers, in a language that is not ours.
fn checks(signature: &str, body: &str, secret: &str) -> bool {
    let check = "import hashlib, hmac, sys, time\n\
        signature, body, secret = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()\n\
        t, v1 = (part.split('=', 1)[1] for part in signature.split(','))\n\
        wanted = hmac.new(secret, t.encode() + b'.' + body, hashlib.sha256).hexdigest()\n\
        assert hmac.compare_digest(v1, wanted) and abs(time.time() - int(t)) < 300\n";
    Command::new("python3").args(["-c", check, signature, body, secret]).output().unwrap().status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_held_until_the_notice_is_confirmed_and_the_integrator_is_told() {
    let (receiver, hook) = Receiver::listen(2).await.unwrap();
    // Another receiver is down.
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lost = format!(
        "[[client.webhook]]\nurl = \"http://{down}/\"\nsecret-file = \"secret\"\nevents = [\"state\"]\n"
    );
    let rest = lost
        + &format!(
            "[[client.webhook]]\nurl = \"{hook}\"\nsecret-file = \"secret\"\nevents = [\"state\", \"duty\", \"alert\"]\n"
        );
    let mut host = Host::prepare(&config(&rest)).unwrap();
    std::fs::write(host.dir().join("secret"), format!("{SECRET}\n")).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut live = Live::open(&host.url, &token).await.unwrap();

    let mut script =
        Script::new("CA1", &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")]);
    let noise = |ms: usize| [3_000, -2_000, 4_000, -1_000].repeat(ms * 2);
    script.sound(AGENT, &noise(2_000));
    let joined = script.now();
    script.event(joiner());
    script.sound(AGENT, &noise(1_000));
    // Words change nothing: nobody has been told yet.
    script
        .event(json!({"words": [{"leg": 0, "start": joined + 500, "end": joined + 700, "text": "welcome"}]}));
    script.sound(AGENT, &noise(1_500));
    let told = script.now();
    script.event(json!({"notice-played": {"kind": "spoken", "language": "en", "record-from": told}}));
    script.sound(AGENT, &noise(1_500));
    let outcome = script.play(&host.url, &token).await.unwrap();
    let states: Vec<&Value> = outcome.answers.iter().map(|a| &a["state"]).collect();
    assert_eq!(states, ["suspended", "suspended", "recording"], "{outcome:?}");
    let open = &outcome.answers[0]["open-duties"][0];
    assert_eq!((&open["duty"], &open["by"]), (&json!("announce"), &json!("phone-system")), "{open}");
    assert!(open["citation"].as_str().is_some_and(|c| !c.is_empty()), "{open}");
    assert!(outcome.answers[2].get("open-duties").is_none(), "{outcome:?}");

    // The live stream says why nothing is recorded, with rule and citation.
    let verdict = live.next_on("party-joined").await.unwrap();
    let why = &verdict["not-recording"][0];
    assert!(why[0] == "consent.late-joiner" && why[1].as_str().is_some_and(|c| !c.is_empty()), "{verdict}");

    // The integrator was told all of it, in order, though the receiver failed at first.
    let bodies = until("every webhook", async || {
        let bodies = receiver.bodies();
        Ok(bodies.iter().any(|b| b["state"] == "ended").then_some(bodies))
    });
    let bodies = bodies.await.unwrap();
    let told_of: Vec<(String, String)> = bodies
        .iter()
        .map(|b| {
            let text = |key: &str| b[key].as_str().unwrap_or_default().to_owned();
            let what = if b["kind"] == "alert" { &b["alert"]["kind"] } else { &b["state"] };
            (text("kind"), what.as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let told_of: Vec<(&str, &str)> = told_of.iter().map(|(k, w)| (k.as_str(), w.as_str())).collect();
    let wanted = [
        ("state", "recording"),
        ("duty", "open"),
        ("state", "suspended"),
        ("alert", "duty-overdue"),
        ("duty", "overdue"),
        ("duty", "done"),
        ("state", "recording"),
        ("state", "ended"),
    ];
    assert_eq!(told_of, wanted, "{bodies:?}");
    assert!(bodies.windows(2).all(|b| b[0]["id"].as_u64() < b[1]["id"].as_u64()));
    assert!(bodies[2]["not-recording"].to_string().contains("consent.late-joiner"), "{}", bodies[2]);
    for (signature, body) in receiver.taken.lock().unwrap().iter() {
        assert!(checks(signature, body, SECRET), "{signature} of {body}");
        assert!(!checks(signature, body, "another") && !checks(signature, &format!("{body} "), SECRET));
        assert!(!body.contains("2065550104"), "{body}");
    }

    // Whoever has to see to it is told that the other receiver misses something.
    let http = reqwest::Client::new();
    until("an alert about lost news", async || {
        let answer = http.get(format!("{}/v1/alerts", host.url)).bearer_auth(&token).send().await?;
        let alerts: Vec<Value> = answer.json().await?;
        Ok(alerts.iter().any(|a| a["kind"] == "webhook-lost").then_some(()))
    })
    .await
    .unwrap();

    // And the recording has a gap there, of the length that it took.
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();
    let id = until("a sealed recording", async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let Heard::Sound(sound, _) = kim.play(&id.await.unwrap(), "quality").await.unwrap() else {
        panic!("a supervisor may hear it");
    };
    assert!(loudness(&sound[0], 500, joined - 300) > 1_000);
    assert_eq!(loudness(&sound[0], joined + 900, told - 300), 0);
    assert!(loudness(&sound[0], told + 500, told + 1_200) > 1_000);
    let entries = host.audit("acme", "bundle").unwrap();
    for done in ["\"done\":false", "\"done\":true"] {
        assert!(entries.contains(done), "{entries}");
    }
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_that_a_receiver_has_not_taken_outlive_the_host() {
    let (receiver, hook) = Receiver::listen(usize::MAX).await.unwrap();
    let rest =
        format!("[[client.webhook]]\nurl = \"{hook}\"\nsecret-file = \"secret\"\nevents = [\"state\"]\n");
    let patient = config(&rest).replace("attempts_max = 4", "attempts_max = 100000");
    let mut host = Host::prepare(&patient).unwrap();
    std::fs::write(host.dir().join("secret"), format!("{SECRET}\n")).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    let call = async |host: &Host, id: &str| {
        let parameters = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
        let mut script = Script::new(id, &parameters);
        script.sound(AGENT, &[3_000; 4_000]);
        script.play(&host.url, &token).await.unwrap();
    };
    let taken = async |of: &str, state: &str| {
        until("news", async || {
            let bodies = receiver.bodies();
            Ok(bodies.iter().any(|b| b["call"] == of && b["state"] == state).then_some(bodies))
        })
        .await
        .unwrap()
    };

    // What was tried is on the disk: neither a crash nor a restart loses it, and it is sealed there.
    call(&host, "CA1").await;
    let tried = until("an attempt", async || Ok(receiver.refused.lock().unwrap().first().cloned()));
    let tried = tried.await.unwrap();
    host.kill().unwrap();
    let needle = br#""call":"CA1""#;
    for (path, bytes) in host.written().unwrap() {
        assert!(!bytes.windows(needle.len()).any(|part| part == needle), "{}", path.display());
    }
    receiver.refuses.store(0, SeqCst);
    host.start().unwrap();
    let bodies = taken("CA1", "recording").await;
    assert_eq!(bodies[0], tried, "the same, under its number");

    // A host that stops in order has written down everything that it had to tell.
    receiver.refuses.store(usize::MAX, SeqCst);
    call(&host, "CA2").await;
    assert_eq!(host.stop().unwrap(), 0);
    receiver.refuses.store(0, SeqCst);
    host.start().unwrap();
    let bodies = taken("CA2", "ended").await;
    let of: Vec<_> = bodies.iter().filter(|b| b["call"] == "CA2").map(|b| b["state"].clone()).collect();
    assert_eq!(of, ["recording", "ended"], "{bodies:?}");
    assert!(bodies.windows(2).all(|b| b[0]["id"].as_u64() < b[1]["id"].as_u64()), "{bodies:?}");
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_call_carries_sound_the_host_plays_the_notice_itself() {
    let rest = "[[client.announcement]]\nlanguage = \"en-US\"\nfile = \"notice.wav\"\n";
    let mut host = Host::prepare(&config(rest)).unwrap();
    let notice: Vec<i16> = beep::tone().into_iter().chain([2_000; 6_000]).collect();
    std::fs::write(host.dir().join("notice.wav"), wav::of_legs(std::slice::from_ref(&notice)).unwrap())
        .unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    let mut live = Live::open(&host.url, &token).await.unwrap();
    let (mut socket, _) =
        connect_async(format!("{}/v1/twilio/media", host.url.replace("http", "ws"))).await.unwrap();
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": "AC0", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "marks": "true", "plays-to-all": "true",
            "agent-region": "TX", "customer-region": "GA", "direction": "inbound"}}});
    socket.send(Message::text(start.to_string())).await.unwrap();
    // The first mark: the stream takes sound, and the host knows it.
    let mark = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(mark.contains("caveat:recording"), "{mark}");
    let http = reqwest::Client::new();
    let events = format!("{}/v1/calls/CA1/events", host.url);
    let answer = http.post(&events).bearer_auth(&token).json(&joiner()).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["open-duties"][0]["by"], "host", "{answer}");

    // As Twilio does: it plays what comes, and gives back the mark behind it.
    let mut played = Vec::new();
    let mut states = Vec::new();
    while states.last().is_none_or(|s| s != "caveat:recording") || played.is_empty() {
        let message = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap();
        let Message::Text(text) = message.unwrap().unwrap() else { continue };
        let value: Value = serde_json::from_str(&text).unwrap();
        match value["event"].as_str().unwrap() {
            "media" => {
                played.extend(BASE64_STANDARD.decode(value["media"]["payload"].as_str().unwrap()).unwrap())
            }
            "mark" if value["mark"]["name"].as_str().unwrap().starts_with("caveat:played:") => {
                let back = json!({"event": "mark", "streamSid": "MZ1", "mark": value["mark"]});
                socket.send(Message::text(back.to_string())).await.unwrap();
            }
            _ => states.push(value["mark"]["name"].as_str().unwrap().to_owned()),
        }
    }
    assert!(played == g711::to_mu_law(&notice), "what is played is the announcement");
    assert_eq!(states, ["caveat:suspended", "caveat:recording"]);
    let verdict = live.next_on("notice-played").await.unwrap();
    assert_eq!(
        (&verdict["who"]["by"], &verdict["state"]),
        (&json!("host"), &json!("recording")),
        "{verdict}"
    );
    assert_eq!(host.stop().unwrap(), 0);
}

/// With two: a tone every second. With more: not recorded, and then the call must not go on.
const OBLIGING: &str = r#"
use caveat_sdk::{CaptureRules, Facts, Pack, Rule, capture::{Duty, Event, Ruling}, settings::Problem};

const SIZE: Rule = Rule { id: "conference.size", citation: "House rule 1" };

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings { max_parties: usize }

struct Obliging { ends: bool }

impl Pack for Obliging {
    type Settings = Settings;
    fn new(settings: Settings) -> Result<Self, Vec<Problem>> { Ok(Self { ends: settings.max_parties > 2 }) }
}

impl CaptureRules for Obliging {
    fn capture(&self, _: &Event, _: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        if self.ends {
            ruling.suspend(&SIZE, "Not here.").oblige(&SIZE, Duty::EndCallUnlessRecorded);
        } else {
            ruling.oblige(&SIZE, Duty::Beep(1));
        }
        ruling
    }
}

caveat_sdk::pack!(Obliging: capture);
"#;

/// A host with two clients and that pack, with both its settings.
fn obliging() -> (Host, [String; 2]) {
    let pack = guest::build(Path::new(env!("CARGO_TARGET_TMPDIR")), "obliging", OBLIGING).unwrap();
    let client = |id: &str, max: u8| {
        format!(
            "[[client]]\nid = \"{id}\"\nrecorder-region = \"GA\"\npurposes = [\"quality\"]\n[[client.pack]]\n\
             file = \"obliging.wasm\"\nsettings = {{ max-parties = {max} }}\n"
        )
    };
    let limits = "[limits.calls]\nlate_window_ms = 500\nend_call_within_ms = 700\n";
    let mut host = Host::prepare(&format!("{limits}{}{}", client("beeps", 2), client("ends", 3))).unwrap();
    std::fs::copy(pack, host.dir().join("obliging.wasm")).unwrap();
    let tokens = ["beeps", "ends"].map(|client| host.token(client).unwrap());
    host.start().unwrap();
    (host, tokens)
}

/// As Twilio begins a stream that takes sound.
fn begins(token: &str) -> Message {
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": "AC0", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "marks": "true", "plays-to-all": "true",
            "agent-region": "TX", "customer-region": "GA", "direction": "inbound"}}});
    Message::text(start.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn tones_are_played_and_a_call_that_has_to_end_is_told_of_until_it_does() {
    let (mut host, [beeps, ends]) = tokio::task::spawn_blocking(obliging).await.unwrap();
    let mut live = Live::open(&host.url, &beeps).await.unwrap();
    let socket = format!("{}/v1/twilio/media", host.url.replace("http", "ws"));
    let (mut stream, _) = connect_async(&socket).await.unwrap();
    stream.send(begins(&beeps)).await.unwrap();

    // The tone comes again and again, each time whole, and each is confirmed by the mark behind it.
    let (mut sound, mut marks) = (Vec::new(), 0);
    while marks < 3 {
        let message = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.unwrap();
        let Message::Text(text) = message.unwrap().unwrap() else { continue };
        let value: Value = serde_json::from_str(&text).unwrap();
        match value["event"].as_str().unwrap() {
            "media" => {
                sound.extend(BASE64_STANDARD.decode(value["media"]["payload"].as_str().unwrap()).unwrap())
            }
            _ if value["mark"]["name"].as_str().unwrap().starts_with("caveat:played:") => {
                let back = json!({"event": "mark", "streamSid": "MZ1", "mark": value["mark"]});
                stream.send(Message::text(back.to_string())).await.unwrap();
                marks += 1;
            }
            _ => {}
        }
    }
    assert!(sound == g711::to_mu_law(&beep::tone()).repeat(3), "three tones, and nothing else");
    let verdict = live.next_on("notice-played").await.unwrap();
    assert_eq!(
        (&verdict["who"]["by"], &verdict["state"]),
        (&json!("host"), &json!("recording")),
        "{verdict}"
    );
    drop(stream);

    // Whoever is told too late can be told again: the duty, that it is overdue, that somebody has to see to it.
    let mut live = Live::open(&host.url, &ends).await.unwrap();
    let (mut stream, _) = connect_async(&socket).await.unwrap();
    stream.send(begins(&ends)).await.unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|(kind, _): &(String, Value)| kind != "duty" || told.len() < 4) {
        let next = live.told().await.unwrap();
        told.push((next.kind, next.data));
    }
    let said: Vec<(&str, &str)> = told
        .iter()
        .map(|(kind, data)| {
            let what = match kind.as_str() {
                "verdict" => "event",
                "alert" => "kind",
                _ => "state",
            };
            (kind.as_str(), data[what].as_str().unwrap_or_default())
        })
        .collect();
    let wanted = [("duty", "open"), ("verdict", "offered"), ("alert", "duty-overdue"), ("duty", "overdue")];
    assert_eq!(said, wanted, "{told:?}");
    assert_eq!(told[0].1["duty"], "end-call-unless-recorded", "{told:?}");
    assert_eq!(told[1].1["state"], "suspended", "{told:?}");
    stream.close(None).await.unwrap();
    // The call has ended: that is what was asked for.
    loop {
        let next = live.told().await.unwrap();
        if next.kind == "duty" {
            assert_eq!(next.data["state"], "done", "{next:?}");
            break;
        }
    }
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_takes_it_up_where_it_broke_off() {
    let mut host = Host::prepare(&config("")).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    let mut live = Live::open(&host.url, &token).await.unwrap();
    let call = async |id: &str| {
        let mut script =
            Script::new(id, &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")]);
        script.sound(AGENT, &[1_000; 1_600]);
        script.play(&host.url, &token).await.unwrap();
    };
    call("CA1").await;
    let first = live.told().await.unwrap();
    assert_eq!((first.kind.as_str(), &first.data["event"]), ("verdict", &json!("offered")), "{first:?}");
    drop(live);
    // Nobody watches while another call runs.
    call("CA2").await;
    let mut all = Live::after(&host.url, &token, "", Some(&first.id)).await.unwrap();
    let mut one = Live::after(&host.url, &token, "CA2", Some(&first.id)).await.unwrap();
    let mut events = Vec::new();
    while events.last() != Some(&("CA2".to_owned(), "ended".to_owned())) {
        let told = all.told().await.unwrap();
        assert_eq!(told.kind, "verdict", "nothing was missed: {told:?}");
        let text = |key: &str| told.data[key].as_str().unwrap().to_owned();
        if text("stage") == "capture" {
            events.push((text("call"), text("event")));
        }
    }
    let of =
        |call: &str| events.iter().filter(|(of, _)| of == call).map(|(_, e)| e.as_str()).collect::<Vec<_>>();
    assert_eq!((of("CA1"), of("CA2")), (vec!["ended"], vec!["offered", "ended"]));
    for event in ["offered", "ended"] {
        let verdict = one.next_on(event).await.unwrap();
        assert_eq!(verdict["call"], "CA2");
    }
    // A host that was started since does not know what came between: it says so, and goes on.
    assert_eq!(host.stop().unwrap(), 0);
    host.start().unwrap();
    let mut live = Live::after(&host.url, &token, "", Some(&first.id)).await.unwrap();
    assert_eq!(live.told().await.unwrap().kind, "missed");
    assert_eq!(host.stop().unwrap(), 0);
}
