//! Hostile and broken input: a clear error to the sender, nothing lost, everybody else is served.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use caveat_tests::{
    host::Host,
    twilio::{CUSTOMER, Script},
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Sends messages on a new stream; the reason of the close frame, if the host closed it with one.
async fn close_reason(url: &str, messages: &[Message]) -> Option<String> {
    let (mut socket, _) =
        connect_async(format!("{}/v1/twilio/media", url.replace("http", "ws"))).await.unwrap();
    for message in messages {
        if socket.send(message.clone()).await.is_err() {
            break;
        }
    }
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|f| f.reason.to_string());
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the host leaves a broken stream open")
}

fn text(value: Value) -> Message {
    Message::text(value.to_string())
}

fn start(token: &str, call: &str) -> Value {
    json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": "AC0", "streamSid": "MZ1", "callSid": call, "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "agent-region": "TX", "customer-region": "GA"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_streams_are_told_why_and_disturb_nobody() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();

    // A good call runs all the while.
    let mut good =
        Script::new("CAgood", &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")]);
    good.say(CUSTOMER, "hello").unwrap();
    good.silence(4_000);
    good.say(CUSTOMER, "still here").unwrap();
    let (url, good_token) = (host.url.clone(), token.clone());
    let running = tokio::spawn(async move { good.play(&url, &good_token).await });

    let connected = || text(json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    let media = |payload: &str, timestamp: &str| {
        text(json!({"event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
            "media": {"track": "inbound", "chunk": "1", "timestamp": timestamp, "payload": payload}}))
    };
    let other_format = |encoding: &str, rate: u32| {
        let mut message = start(&token, "CAx");
        message["start"]["mediaFormat"] = json!({"encoding": encoding, "sampleRate": rate, "channels": 1});
        text(message)
    };
    let second_start = {
        let mut message = start(&token, "CA3");
        message["sequenceNumber"] = json!("2");
        text(message)
    };
    let broken: Vec<(&str, Vec<Message>)> = vec![
        ("no JSON", vec![Message::text("{\"event\": ")]),
        ("an array", vec![text(json!([1, 2, 3]))]),
        ("media before start", vec![connected(), media("/w==", "0")]),
        ("an unknown token", vec![connected(), text(start("cvt_0000000000000000_x", "CA1"))]),
        ("no token", vec![connected(), text(start("", "CA1"))]),
        ("an oversized message", vec![Message::text("x".repeat(4_000_000))]),
        ("a codec that is not mu-law", vec![connected(), other_format("audio/x-opus", 8000)]),
        ("a rate that is not 8000", vec![connected(), other_format("audio/x-mulaw", 16000)]),
        ("a second start", vec![connected(), text(start(&token, "CA2")), second_start]),
        (
            "a misspelt parameter",
            vec![
                connected(),
                text({
                    let mut message = start(&token, "CA4");
                    message["start"]["customParameters"]["agent-regoin"] = json!("TX");
                    message
                }),
            ],
        ),
        (
            "a region that is none",
            vec![
                connected(),
                text({
                    let mut message = start(&token, "CA5");
                    message["start"]["customParameters"]["agent-region"] = json!("Texas");
                    message
                }),
            ],
        ),
    ];
    for (what, messages) in broken {
        let reason = close_reason(&host.url, &messages).await;
        let reason = reason.unwrap_or_else(|| panic!("{what}: closed without a reason"));
        assert!(reason.len() > 10 && !reason.contains("src/"), "{what}: {reason}");
    }

    let outcome = running.await.unwrap().unwrap();
    let last = outcome.answers.last().unwrap();
    assert_eq!(last["state"], "recording", "the good call was disturbed: {last}");
    assert_eq!(host.stop().unwrap(), 0);
    assert!(!host.log().contains("panicked"), "{}", host.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_are_refused_with_what_is_wrong() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    let http = reqwest::Client::new();
    let post = |path: &str, body: &str, token: &str| {
        http.post(format!("{}{path}", host.url))
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(body.to_owned())
            .send()
    };
    let check = async |path: &str, body: &str, token: &str, status: u16, wanted: &str| {
        let answer = post(path, body, token).await.unwrap();
        let body = body.get(..100).unwrap_or(body);
        assert_eq!(answer.status().as_u16(), status, "{path} {body}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(wanted), "{path} {body}: {detail}");
    };
    check("/v1/calls/nowhere/events", r#"{"held": 1}"#, &token, 404, "nowhere").await;
    check("/v1/calls/x/events", r#"{"exploded": 1}"#, &token, 400, "exploded").await;
    check("/v1/calls/x/events", r#"{"words": [{"leg": 0"#, &token, 400, "EOF").await;
    check("/v1/calls/x/events", r#"{"held": 1}"#, "cvt_0000000000000000_x", 401, "token").await;
    check(
        "/v1/session",
        r#"{"client": "acme", "person": "nobody", "password": "x", "code": "1"}"#,
        "",
        401,
        "refused",
    )
    .await;
    check(
        "/v1/session",
        r#"{"client": "../etc", "person": "a", "password": "x", "code": "1"}"#,
        "",
        400,
        "client id",
    )
    .await;
    check("/v1/nonsense", "{}", &token, 404, "route").await;
    let huge =
        format!(r#"{{"words": [{}]}}"#, vec![r#"{"leg":0,"start":0,"end":1,"text":"x"}"#; 20_000].join(","));
    check("/v1/calls/x/events", &huge, &token, 413, "limit").await;
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_wav_is_refused_whole() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    let whole = caveat_audio::wav::of_legs(&[vec![1_000; 8_000], vec![500; 8_000]]).unwrap();
    let call = json!({"external-id": "up-1", "parties": [
        {"role": "agent", "stated": "TX", "leg": 0}, {"role": "customer", "stated": "GA", "leg": 1}]});
    for (cut, bytes) in [
        ("header", whole[..30].to_vec()),
        ("data", whole[..whole.len() / 2].to_vec()),
        ("no WAV", vec![0; 400]),
    ] {
        let form = reqwest::multipart::Form::new()
            .text("call", call.to_string())
            .part("audio", reqwest::multipart::Part::bytes(bytes));
        let request = reqwest::Client::new().post(format!("{}/v1/uploads", host.url)).bearer_auth(&token);
        let answer = request.multipart(form).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{cut}");
        assert!(!answer.text().await.unwrap().is_empty());
    }
    let calls = reqwest::Client::new()
        .get(format!("{}/v1/calls", host.url))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(calls.json::<Vec<String>>().await.unwrap(), Vec::<String>::new());
    assert_eq!(host.stop().unwrap(), 0);
}
