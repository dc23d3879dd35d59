//! Sessions that are not taken, and what their clients are told.

use std::time::Duration;

use caveat_tests::{
    host::free_port,
    sip::{MIXED, PLAIN, Raw, SDP, Session, tag_of, with_metadata},
    siprec::{metadata, tunnel},
    watch::until,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    recorder::{ALL_PARTY, Keys, ONE_PARTY, Recorder},
    sessions::certified,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_recorded_is_refused_as_its_trunk_wants_it() {
    for (refused, status) in [("unavailable", 480), ("decline", 603)] {
        let mut recorder = Recorder::start("", "", &format!("refused = \"{refused}\""));
        let mut raw = Raw::new(recorder.udp).await.unwrap();
        let mut live = recorder.live().await;
        let call = raw.call();
        let body = with_metadata(SDP, &metadata(ALL_PARTY));
        let answer = raw.answered(&raw.request("INVITE", "srs", &call, "", MIXED, &body)).await.unwrap();
        assert_eq!(answer.0, status, "{}", answer.1);
        assert!(answer.1.contains("Warning: 399 caveat"), "{}", answer.1);
        let ack = raw.request("ACK", "srs", &call, &tag_of(&answer.1).unwrap(), "", "");
        raw.send(ack.as_bytes()).await.unwrap();
        assert_eq!(live.next_on("offered").await.unwrap()["state"], "not-recorded");
        live.next_on("ended").await.unwrap();
        until("the call is over", async || Ok(recorder.calls().await.is_empty().then_some(())))
            .await
            .unwrap();
        // The same trunk's next call may be recorded, and is.
        let body = with_metadata(SDP, &metadata(ONE_PARTY));
        Session::begin(recorder.udp, MIXED, &body).await.unwrap().ends().await.unwrap();
        assert_eq!(recorder.host.stop().unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_says_when_to_come_back() {
    for keys in [
        Keys { calls: "calls_max = 1", ..Keys::default() },
        Keys { limits: "sessions_max = 1", ..Keys::default() },
        // The host has room, and this client has none.
        Keys { packs: "[client.quota]\ncalls-at-once-max = 1", ..Keys::default() },
    ] {
        let mut recorder = Recorder::with(&keys);
        let first = Session::begin(recorder.udp, PLAIN, SDP).await.unwrap();
        let mut raw = Raw::new(recorder.udp).await.unwrap();
        let call = raw.call();
        let (status, text) =
            raw.answered(&raw.request("INVITE", "srs", &call, "", PLAIN, SDP)).await.unwrap();
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("Retry-After: 10\r\n"), "{text}");
        assert_eq!(recorder.calls().await, std::slice::from_ref(&first.call));
        first.ends().await.unwrap();
        until("the call is over", async || Ok(recorder.calls().await.is_empty().then_some(())))
            .await
            .unwrap();
        let next =
            until("there is room again", async || Ok(Session::begin(recorder.udp, PLAIN, SDP).await.ok()));
        next.await.unwrap().ends().await.unwrap();
        assert_eq!(recorder.host.stop().unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tcp_what_nobody_knows_is_answered_and_the_connection_goes_on() {
    let mut recorder = Recorder::start("", "", "");
    what_nobody_knows_is_answered(&recorder, recorder.tcp, "TCP").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tls_what_nobody_knows_is_answered_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, our_key) = certified(dir.path(), "recorder.example");
    let (theirs, their_key) = certified(dir.path(), "sbc.example");
    let tls = free_port().unwrap();
    let siprec = format!(
        "listen-tls = \"127.0.0.1:{tls}\"\ntls-certificate = {ours:?}\ntls-key = {our_key:?}\ntls-client-ca = {theirs:?}\n"
    );
    let mut recorder = Recorder::start(&siprec, "", "certificate = \"sbc.example\"");
    let port = tunnel(tls, "recorder.example", &ours, &theirs, &their_key).await.unwrap();
    what_nobody_knows_is_answered(&recorder, port, "TLS").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

/// On one connection to `port`.
async fn what_nobody_knows_is_answered(recorder: &Recorder, port: u16, transport: &str) {
    let mut raw = Raw::new(recorder.udp).await.unwrap();
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let mut request = |method: &str, body: &str| {
        let call = raw.call();
        let request = raw.request(method, "srs", &call, "", "", body);
        request.replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}"))
    };
    // Two at once, the first with a body that is none of the host's business; and one that comes in pieces.
    let together = request("FETCH", "PRACK\r\n\r\n") + "\r\n" + &request("PRACK", "");
    for (sent, statuses) in [
        (together, vec![501, 481]),
        (request("FETCH", "more"), vec![501]),
        (request("OPTIONS", ""), vec![200]),
    ] {
        for piece in sent.as_bytes().chunks(100) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        for status in statuses {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let read = timeout(Duration::from_secs(60), stream.read_line(&mut head)).await.unwrap();
                assert!(read.unwrap() > 0, "closed after: {head}");
            }
            assert!(head.starts_with(&format!("SIP/2.0 {status} ")), "not {status}: {head}");
        }
    }
}
