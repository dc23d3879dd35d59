//! Twilio: a signature instead of a token, a call that goes on in another stream, and somebody else's simulator.

use std::{path::Path, process::Command, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_audio::{g711, wav};
use futures::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::house::{AUTH_TOKEN, House, house, stretches};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn signature(token: &str, url: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

async fn connect(house: &House, path: &str, signature: Option<String>) -> Result<Socket, u16> {
    let url = format!("{}{path}", house.host.url.replace("http", "ws"));
    let mut request = url.as_str().into_client_request().unwrap();
    if let Some(signature) = signature {
        request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn start(stream: &str, account: &str, token: &str) -> Value {
    json!({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": {
        "accountSid": account, "streamSid": stream, "callSid": "CA1", "tracks": ["inbound", "outbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "agent-region": "TX", "customer-region": "GA", "direction": "inbound",
            "marks": "true"}}})
}

async fn send(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// So many milliseconds of sound on both tracks, at the pace of a call.
async fn say(socket: &mut Socket, stream: &str, ms: u32) {
    let payload = BASE64_STANDARD.encode(g711::to_mu_law(&[4_000, -4_000].repeat(80)));
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for frame in 0..ms / 20 {
        pace.tick().await;
        for (i, track) in (0..).zip(["outbound", "inbound"]) {
            let media = json!({"event": "media", "streamSid": stream, "sequenceNumber": (frame * 2 + i + 2).to_string(),
                "media": {"track": track, "chunk": "1", "timestamp": (frame * 20).to_string(), "payload": payload}});
            send(socket, &media).await;
        }
    }
}

async fn close_reason(mut socket: Socket) -> String {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.reason.to_string(),
            Some(Ok(_)) => {}
            end => panic!("closed without a reason: {end:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_stands_for_a_token() {
    let house = house().await;
    let (path, token) = ("/v1/twilio/media/acme", house.token.clone());
    let url = format!("wss://recorder.example.com{path}");
    let right = || Some(signature(AUTH_TOKEN, &url));

    for wrong in [
        signature("another", &url),
        signature(AUTH_TOKEN, "wss://recorder.example.com/v1/twilio/media/rival"),
        "nonsense".to_owned(),
        String::new(),
    ] {
        assert_eq!(connect(&house, path, Some(wrong)).await.err(), Some(401));
    }
    // Nobody's account signs for a client that has none, whoever's token comes later.
    assert_eq!(connect(&house, "/v1/twilio/media/rival", right()).await.err(), Some(401));

    for (signature, account, token, wanted) in [
        (None, "AC0", "", "token"),
        (right(), "AC9", "", "another account"),
        (None, "AC0", "cvt_0000000000000000_x", "token"),
    ] {
        let mut socket = connect(&house, path, signature).await.unwrap();
        send(&mut socket, &start("MZ1", account, token)).await;
        let reason = close_reason(socket).await;
        assert!(reason.contains(wanted), "{reason}");
    }

    let mut socket = connect(&house, path, right()).await.unwrap();
    send(&mut socket, &start("MZ1", "AC0", "")).await;
    say(&mut socket, "MZ1", 400).await;
    send(&mut socket, &json!({"event": "stop", "streamSid": "MZ1"})).await;
    let sound = house.sound().await;
    assert!(!stretches(&sound[0]).is_empty() && !stretches(&sound[1]).is_empty());

    // The same URL with a token instead of a signature.
    let mut socket = connect(&house, path, None).await.unwrap();
    send(&mut socket, &start("MZ2", "AC0", &token)).await;
    say(&mut socket, "MZ2", 200).await;
    send(&mut socket, &json!({"event": "stop", "streamSid": "MZ2"})).await;
    house.listed("sealed", 2).await;
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_in_another_stream() {
    let house = house().await;
    let path = "/v1/twilio/media";
    let mut first = connect(&house, path, None).await.unwrap();
    send(&mut first, &start("MZ1", "AC0", &house.token)).await;
    say(&mut first, "MZ1", 1_000).await;
    // While it sends, nobody takes its place.
    let mut early = connect(&house, path, None).await.unwrap();
    send(&mut early, &start("MZ2", "AC0", &house.token)).await;
    let reason = close_reason(early).await;
    assert!(reason.contains("CA1"), "{reason}");
    let broke_off = Instant::now();
    drop(first);
    // Longer than a stream may be silent, and shorter than its call is held.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let mut second = connect(&house, path, None).await.unwrap();
    let missed = broke_off.elapsed().as_millis() as u32;
    send(&mut second, &start("MZ3", "AC0", &house.token)).await;
    say(&mut second, "MZ3", 1_000).await;
    send(&mut second, &json!({"event": "stop", "streamSid": "MZ3"})).await;

    let sound = house.sound().await;
    for leg in &sound {
        let [(begins, breaks), (again, ends)] = stretches(leg)[..] else {
            panic!("two stretches: {:?}", stretches(leg));
        };
        assert!(breaks - begins >= 980 && ends - again >= 980, "{:?}", stretches(leg));
        // As long as it was, but for what a busy machine takes to connect.
        assert!((again - breaks).abs_diff(missed) < 250, "{missed} ms missed: {:?}", stretches(leg));
    }
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_hangs_half_open_is_replaced() {
    let house = house().await;
    let path = "/v1/twilio/media";
    let mut first = connect(&house, path, None).await.unwrap();
    send(&mut first, &start("MZ1", "AC0", &house.token)).await;
    say(&mut first, "MZ1", 400).await;
    // It stays open and says nothing any more.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut second = connect(&house, path, None).await.unwrap();
    send(&mut second, &start("MZ2", "AC0", &house.token)).await;
    say(&mut second, "MZ2", 400).await;
    send(&mut second, &json!({"event": "stop", "streamSid": "MZ2"})).await;
    assert_eq!(stretches(&house.sound().await[1]).len(), 2);
    house.stop();
}

/// `streamdouble` of PyPI is somebody else's idea of what Twilio sends.
fn simulator() -> std::path::PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/streamdouble/bin/streamdouble");
    assert!(tool.is_file(), "streamdouble is not installed: run `cargo xtask tools`");
    tool
}

async fn simulate(house: &House, how: &[&str]) -> std::process::Output {
    let mut command = Command::new(simulator());
    let url = format!("{}/v1/twilio/media", house.host.url.replace("http", "ws"));
    command.arg("call").arg(url).args(how).args(["--json", "--allow-no-audio", "--response-timeout", "1"]);
    for parameter in ["agent-region=TX", "customer-region=GA", "direction=inbound"] {
        command.args(["--param", parameter]);
    }
    command.arg("--param").arg(format!("token={}", house.token)).current_dir(house.host.dir());
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_simulator_is_recorded() {
    let house = house().await;
    let tone = |level: i16, seconds: usize| vec![[level, -level].repeat(4_000 * seconds)];
    std::fs::write(house.host.dir().join("caller.wav"), wav::of_legs(&tone(6_000, 3)).unwrap()).unwrap();
    std::fs::write(house.host.dir().join("agent.wav"), wav::of_legs(&tone(3_000, 2)).unwrap()).unwrap();
    // What forks a call sends both tracks and takes nothing back.
    let output = simulate(
        &house,
        &["--audio", "caller.wav", "--fork", "--track", "both", "--agent-audio", "agent.wav"],
    )
    .await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["violations"], json!([]), "{report}");
    let sound = house.sound().await;
    let (agent, customer) = (&stretches(&sound[0])[..], &stretches(&sound[1])[..]);
    let ([(a0, a1)], [(c0, c1)]) = (agent, customer) else {
        panic!("one stretch each: {agent:?} {customer:?}")
    };
    assert!((a1 - a0).abs_diff(2_000) <= 20 && (c1 - c0).abs_diff(3_000) <= 20, "{agent:?} {customer:?}");
    let loudest = |leg: &[i16]| leg.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!(loudest(&sound[0]).abs_diff(3_000) < 150 && loudest(&sound[1]).abs_diff(6_000) < 300);

    // A bidirectional stream carries the caller only, and its marks come back.
    let output = simulate(&house, &["--audio", "caller.wav", "--param", "marks=true"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["violations"], json!([]), "{report}");
    house.listed("sealed", 2).await;
    let log = house.host.log();
    assert!(log.contains("echoes=1") && log.contains("how=\"stopped\""), "{log}");
    house.stop();
}
