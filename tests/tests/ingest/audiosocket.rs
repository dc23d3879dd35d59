//! Asterisk's AudioSocket, framed as `res_audiosocket` frames it: announced calls, and connections that are up to no good.

use std::time::Duration;

use caveat_tests::{phone::amplitude, watch::Live};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::house::{House, house, notice, stretches};

const HANGUP: u8 = 0x00;
const ID: u8 = 0x01;
const DTMF: u8 = 0x03;
const SLIN: u8 = 0x10;
const SLIN_16: u8 = 0x12;

fn framed(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

/// A square wave of so many samples.
fn audio(kind: u8, level: i16, samples: usize, half_period: usize) -> Vec<u8> {
    let wave = (0..samples).map(|i| if (i / half_period).is_multiple_of(2) { level } else { -level });
    framed(kind, &wave.flat_map(i16::to_le_bytes).collect::<Vec<u8>>())
}

async fn connect(house: &House, id: Uuid) -> TcpStream {
    let mut socket = TcpStream::connect(&house.socket).await.unwrap();
    socket.write_all(&framed(ID, id.as_bytes())).await.unwrap();
    socket
}

/// So many milliseconds in frames of 20 ms, at the pace of a call.
async fn say(socket: &mut TcpStream, frame: &[u8], ms: u32) {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..ms / 20 {
        pace.tick().await;
        socket.write_all(frame).await.unwrap();
    }
}

/// Waits until the host closes the connection.
async fn closed(mut socket: TcpStream) {
    let mut rest = vec![];
    let end = timeout(Duration::from_secs(20), socket.read_to_end(&mut rest)).await;
    // Closed or reset, but not left open; and the host says nothing.
    assert!(end.is_ok() && rest.is_empty(), "{rest:?}");
}

async fn announce(house: &House, streams: Value) -> StatusCode {
    let call = json!({"external-id": "CA1", "direction": "inbound", "parties": [
        {"role": "agent", "leg": 0, "stated": "TX"}, {"role": "customer", "leg": 1, "stated": "GA"}]});
    let request =
        Client::new().post(format!("{}/v1/calls/announced", house.host.url)).bearer_auth(&house.token);
    request.json(&json!({"call": call, "streams": streams})).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_call_is_recorded_from_its_two_streams() {
    let house = house().await;
    let (agent, customer) = (Uuid::now_v7(), Uuid::now_v7());
    let streams = json!([{"id": agent, "leg": 0}, {"id": customer, "leg": 1}]);
    assert_eq!(announce(&house, streams.clone()).await, StatusCode::CREATED);
    assert_eq!(announce(&house, streams).await, StatusCode::BAD_REQUEST, "nobody is announced twice");
    // Both come at once, in either order; one of them at 16,000 Hz.
    let (mut a, mut c) = tokio::join!(connect(&house, agent), connect(&house, customer));
    let (agents, customers) = (audio(SLIN, 3_000, 160, 10), audio(SLIN_16, 6_000, 320, 20));
    tokio::join!(say(&mut a, &agents, 1_000), say(&mut c, &customers, 1_000));
    c.write_all(&framed(DTMF, b"7")).await.unwrap();
    // The agent's side is quiet: Asterisk sends nothing then.
    tokio::time::sleep(Duration::from_millis(600)).await;
    say(&mut a, &agents, 400).await;
    a.write_all(&framed(HANGUP, &[])).await.unwrap();
    closed(a).await;
    assert_eq!(house.get("/v1/calls").await, json!(["CA1"]), "the other stream goes on");
    drop(c);

    let sound = house.sound().await;
    let (agents, customers) = (stretches(&sound[0]), stretches(&sound[1]));
    let ([(a0, a1), (b0, b1)], [(c0, c1)]) = (&agents[..], &customers[..]) else {
        panic!("two stretches and one: {agents:?} {customers:?}");
    };
    assert!((a1 - a0).abs_diff(1_000) <= 20 && (b1 - b0).abs_diff(400) <= 20, "{agents:?}");
    assert!((b0 - a1).abs_diff(600) < 250, "the silence is as long as it was: {agents:?}");
    assert!((c1 - c0).abs_diff(1_000) <= 25, "resampled: {customers:?}");
    let level = |leg: &[i16], ms: u32| {
        leg[ms as usize * 8..][..800].iter().map(|s| i64::from(s.abs())).sum::<i64>() / 800
    };
    assert!((level(&sound[0], a0 + 300) - 3_000).abs() < 200);
    assert!((4_500..7_500).contains(&level(&sound[1], c0 + 300)));
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert!(entries.contains("\"event\":\"keys\""), "the digit was ruled on");
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_the_channel_is_played_the_notice_that_a_verdict_asks_for() {
    let house = house().await;
    let mut live = Live::open(&house.host.url, &house.token).await.unwrap();
    let id = Uuid::now_v7();
    // Mixed, on one channel.
    let call = json!({"external-id": "CA1", "direction": "inbound", "parties": [
        {"role": "agent", "leg": 0, "stated": "TX"}, {"role": "customer", "leg": 0, "stated": "GA"}]});
    let request =
        Client::new().post(format!("{}/v1/calls/announced", house.host.url)).bearer_auth(&house.token);
    let body = json!({"call": call, "streams": [{"id": id, "leg": 0, "plays": true}]});
    assert_eq!(request.json(&body).send().await.unwrap().status(), StatusCode::CREATED);
    let (mut reading, mut writing) = connect(&house, id).await.into_split();
    let speaking = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let frame = audio(SLIN, 3_000, 160, 10);
        for _ in 0..200 {
            pace.tick().await;
            writing.write_all(&frame).await.unwrap();
        }
        writing
    });
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    // Somebody joins from where everybody has to know.
    let joins = json!({"party-joined": {"role": "other-party", "stated": "FL", "leg": 0}});
    let joined = house.happens("CA1", joins).await;
    assert_eq!(
        (&joined["state"], &joined["open-duties"][0]["by"]),
        (&json!("suspended"), &json!("host")),
        "{joined}"
    );
    // It comes at the pace of a call, in frames that Asterisk takes.
    let (mut played, mut first) = (vec![], None);
    while played.len() < notice().len() {
        let mut frame = [0; 323];
        timeout(Duration::from_secs(20), reading.read_exact(&mut frame)).await.unwrap().unwrap();
        let began = *first.get_or_insert_with(Instant::now);
        let due = Duration::from_millis(played.len() as u64 / 8);
        assert!(began.elapsed() + Duration::from_millis(100) > due, "{:?} after {due:?}", began.elapsed());
        assert_eq!(frame[..3], [SLIN, 1, 64]);
        played.extend(frame[3..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
    }
    assert_eq!(played, notice());
    let told = live.next_on("notice-played").await.unwrap();
    assert_eq!((&told["state"], &told["who"]["by"]), (&json!("recording"), &json!("host")), "{told}");
    let mut writing = speaking.await.unwrap();
    writing.write_all(&framed(HANGUP, &[])).await.unwrap();
    let sound = house.sound().await.remove(0);
    let loud: Vec<usize> =
        (0..sound.len() / 400).filter(|n| amplitude(&sound, 900.0, n * 50, n * 50 + 50) > 5_000.0).collect();
    assert!((12..=14).contains(&loud.len()), "the notice is in the recording, whole and once: {loud:?}");
    house.host.audit("acme", "bundle").unwrap();
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_announced_is_refused_and_disturbs_nobody() {
    let house = house().await;
    let good = Uuid::now_v7();
    announce(&house, json!([{"id": good, "leg": 0}])).await;
    let mut line = connect(&house, good).await;
    let frame = audio(SLIN, 3_000, 160, 10);
    let line = tokio::spawn(async move {
        say(&mut line, &frame, 3_000).await;
        line.write_all(&framed(HANGUP, &[])).await.unwrap();
    });

    closed(connect(&house, Uuid::now_v7()).await).await;
    // An id is good once.
    closed(connect(&house, good).await).await;
    let bytes: [(&str, Vec<u8>); 5] = [
        ("audio first", audio(SLIN, 1, 160, 10)),
        ("an id of 15 bytes", framed(ID, &[1; 15])),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("nothing but zeros", vec![0; 100_000]),
        ("half a header", vec![ID]),
    ];
    for (what, bytes) in bytes {
        let mut socket = TcpStream::connect(&house.socket).await.unwrap();
        // It may be closed before all of it is taken.
        let _ = socket.write_all(&bytes).await;
        let end = timeout(Duration::from_secs(20), socket.read(&mut [0; 1])).await;
        assert!(end.is_ok(), "{what}: left open");
    }

    // Announced ones that then misbehave.
    for (what, bytes) in [
        ("half a sample", framed(SLIN, &[1; 321])),
        ("a key that is none", framed(DTMF, b"x")),
        ("a second id", framed(ID, good.as_bytes())),
        ("an error", framed(0xff, &[4])),
        ("half a frame, and no more", vec![SLIN, 1, 64, 0]),
    ] {
        let id = Uuid::now_v7();
        let call = json!({"parties": [{"role": "agent", "stated": "TX", "leg": 0}, {"role": "customer", "stated": "GA"}]});
        let request =
            Client::new().post(format!("{}/v1/calls/announced", house.host.url)).bearer_auth(&house.token);
        let body = json!({"call": call, "streams": [{"id": id}]});
        assert!(request.json(&body).send().await.unwrap().status().is_success());
        let mut socket = connect(&house, id).await;
        socket.write_all(&bytes).await.unwrap();
        let end = timeout(Duration::from_secs(20), socket.read(&mut [0; 1])).await;
        assert!(end.is_ok(), "{what}: left open");
    }

    line.await.unwrap();
    let id = house.listed("sealed", 1).await.remove(0);
    let heard = stretches(&house.play(&id).await[0]);
    assert!(heard.len() == 1 && (heard[0].1 - heard[0].0).abs_diff(3_000) <= 20, "disturbed: {heard:?}");
    house.listed("interrupted", 5).await;
    house.stop();
}
