//! How a session is known to live: acknowledgements that come late or never, signs of life by either side, and a client
//! that takes its first request back.

use std::time::Duration;

use caveat_tests::{
    sip::{MIXED, Raw, SDP, Session, tag_of, with_metadata},
    siprec::metadata,
    watch::until,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use crate::recorder::{ONE_PARTY, Recorder};

/// RFC 3261 section 13.3.1.4: a success is sent again until it is acknowledged, after 500 ms first.
const T1: Duration = Duration::from_millis(500);

fn known() -> String {
    with_metadata(SDP, &metadata(ONE_PARTY))
}

/// A session that is answered, and whose answer is not acknowledged: its client, its id, and the answer.
async fn unacknowledged(recorder: &Recorder) -> (Raw, String, String) {
    let mut raw = Raw::new(recorder.udp).await.unwrap();
    let call = raw.call();
    let invite = raw.request("INVITE", "srs", &call, "", MIXED, &known());
    let (status, answer) = raw.answered(&invite).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    (raw, call, answer)
}

/// Waits for a recording in this state.
pub(crate) async fn is_listed(recorder: &Recorder, wanted: &str) {
    let kim = recorder.supervisor().await;
    until(wanted, async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.iter().any(|(_, state)| state == wanted).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_sent_again_until_it_is_acknowledged() {
    let mut recorder = Recorder::start("", "", "");
    let (raw, call, answer) = unacknowledged(&recorder).await;
    let first = Instant::now();
    for times in [1, 3] {
        assert_eq!(raw.next_of(&call).await.unwrap(), (200, answer.clone()));
        assert!(first.elapsed() + Duration::from_millis(100) >= times * T1, "{:?}", first.elapsed());
    }
    let tag = tag_of(&answer).unwrap();
    let ack = raw.request("ACK", "srs", &call, &tag, "", "");
    raw.send(ack.replacen("branch=z9hG4bK", "branch=z9hG4bKack", 1).as_bytes()).await.unwrap();
    // The next one would have come two seconds after the last.
    let silence = timeout(6 * T1, raw.next_of(&call)).await;
    assert!(silence.is_err(), "it was acknowledged: {silence:?}");
    assert_eq!(recorder.calls().await, [call.as_str()]);
    let (status, text) = raw.answered(&raw.request("BYE", "srs", &call, &tag, "", "")).await.unwrap();
    assert_eq!(status, 200, "{text}");
    is_listed(&recorder, "sealed").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_answer_nobody_acknowledges_is_over() {
    let mut recorder = Recorder::start("", "", "");
    let (raw, call, _) = unacknowledged(&recorder).await;
    let began = Instant::now();
    let mut again = 0;
    let goodbye = loop {
        let (status, text) = raw.next_of(&call).await.unwrap();
        match status {
            200 => again += 1,
            _ => break text,
        }
    };
    assert!(goodbye.starts_with("BYE "), "{goodbye}");
    assert!(again >= 5 && began.elapsed() > 60 * T1, "{again} times in {:?}", began.elapsed());
    is_listed(&recorder, "interrupted").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_answers_lives_longer_than_a_session_expires() {
    let mut recorder = Recorder::start("", "session_expires_s = 4\nsession_expires_min_s = 2", "");
    let headers = format!("Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n{MIXED}");
    let session = Session::begin(recorder.udp, &headers, &known()).await.unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        let asked = session.is_asked("UPDATE").await.unwrap();
        assert!(asked.contains("Session-Expires: 4;refresher=uac\r\n"), "{asked}");
        session.says(&asked, 200, "", "").await.unwrap();
    }
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(recorder.calls().await, std::slice::from_ref(&session.call));
    session.ends().await.unwrap();
    is_listed(&recorder, "sealed").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_refreshes_by_itself_lives_until_it_stops() {
    let mut recorder = Recorder::start("", "session_expires_s = 8\nsession_expires_min_s = 2", "");
    let timer = "Supported: timer\r\nSession-Expires: 8;refresher=uac\r\n";
    let mut session = Session::begin(recorder.udp, &format!("{timer}{MIXED}"), &known()).await.unwrap();
    let began = Instant::now();
    for n in 1..=4 {
        sleep_until(began + n * Duration::from_secs(3)).await;
        // One of the two ways that RFC 4028 section 7.4 has for it after the other.
        let (method, kind, body) =
            if n % 2 == 0 { ("INVITE", MIXED, known()) } else { ("UPDATE", "", String::new()) };
        let (status, text) = session.asks(method, &format!("{timer}{kind}"), &body).await.unwrap();
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("Session-Expires: 8;refresher=uac\r\n"), "{text}");
        assert!(text.contains("Require: timer\r\n"), "{text}");
    }
    assert_eq!(recorder.calls().await, std::slice::from_ref(&session.call));
    session.is_asked("BYE").await.unwrap();
    assert!(began.elapsed() > Duration::from_secs(16), "{:?}", began.elapsed());
    is_listed(&recorder, "interrupted").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_client_takes_back_while_it_begins_is_interrupted() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut raw = Raw::new(recorder.udp).await.unwrap();
    // Both in one piece: the second is read while the first is being ruled on. A host that is very busy may rule before it
    // reads on; then the call is ended as any, and the next one tried.
    for attempt in 0..50 {
        let call = raw.call();
        let by_tcp = |request: String| request.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        let invite = by_tcp(raw.request("INVITE", "srs", &call, "", MIXED, &known()));
        let cancel = by_tcp(raw.request("CANCEL", "srs", &call, "", "", ""));
        let mut stream = TcpStream::connect(("127.0.0.1", recorder.tcp)).await.unwrap();
        stream.write_all(format!("{invite}{cancel}").as_bytes()).await.unwrap();
        let (mut heard, mut bytes) = (String::new(), [0; 4_096]);
        let final_of = |heard: &str, method: &str| {
            let responses =
                heard.split("SIP/2.0 ").filter(|text| text.contains(&format!("CSeq: 1 {method}\r\n")));
            responses.filter_map(|text| text.get(..3)?.parse::<u16>().ok()).find(|status| *status >= 200)
        };
        let (status, cancelled) = loop {
            if let (Some(invited), Some(cancelled)) = (final_of(&heard, "INVITE"), final_of(&heard, "CANCEL"))
                && heard.ends_with("\r\n")
            {
                break (invited, cancelled);
            }
            let read = timeout(Duration::from_secs(60), stream.read(&mut bytes)).await.unwrap().unwrap();
            assert!(read > 0, "closed after: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
        };
        assert_eq!(cancelled, 200, "{heard}");
        let answer = heard
            .split("SIP/2.0 ")
            .find(|text| text.starts_with(&status.to_string()) && text.contains("INVITE"))
            .unwrap();
        let tag = tag_of(answer).unwrap();
        stream.write_all(by_tcp(raw.request("ACK", "srs", &call, &tag, "", "")).as_bytes()).await.unwrap();
        let offered = live.next_on("offered").await.unwrap();
        if status == 487 {
            live.next_on("ended").await.unwrap();
            let kim = recorder.supervisor().await;
            let id = offered["recording"].as_str().unwrap();
            until("it is interrupted", async || {
                let listed = kim.recordings("quality").await?;
                Ok(listed.contains(&(id.to_owned(), "interrupted".to_owned())).then_some(()))
            })
            .await
            .unwrap();
            until("nothing runs", async || Ok(recorder.calls().await.is_empty().then_some(())))
                .await
                .unwrap();
            recorder.host.audit("acme", "bundle").unwrap();
            assert_eq!(recorder.host.stop().unwrap(), 0);
            return;
        }
        assert_eq!(status, 200, "attempt {attempt}: {heard}");
        stream.write_all(by_tcp(raw.request("BYE", "srs", &call, &tag, "", "")).as_bytes()).await.unwrap();
        live.next_on("ended").await.unwrap();
    }
    panic!("no call was taken back in time");
}
