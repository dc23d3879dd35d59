//! What a client and this host ask of each other while a recording session lasts, message by message.

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, PLAIN, SDP, Session, body_of, media_of, with_metadata},
    siprec::metadata,
};
use serde_json::json;

use crate::recorder::{ALL_PARTY, ONE_PARTY, Recorder, played};

/// An offer with these lines; each is a label and a direction.
pub(crate) fn offer(lines: &[(&str, &str)]) -> String {
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let line = |(label, direction): &(&str, &str)| {
        format!("m=audio 9000 RTP/AVP 0\r\na=label:{label}\r\na={direction}\r\n")
    };
    std::iter::once(head.to_owned()).chain(lines.iter().map(line)).collect()
}

fn known(number: &str) -> String {
    with_metadata(&offer(&[("1", "sendonly"), ("2", "sendonly")]), &metadata(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn when_both_ask_at_once_both_are_heard_in_the_end() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut session = Session::begin(recorder.udp, MIXED, &known(ONE_PARTY)).await.unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");

    // The host has asked for silence, and is not answered yet: the client's own change has to wait (RFC 3261 14.2).
    recorder.tell(json!({"pause-asked": "person"})).await;
    let asked = session.is_asked("INVITE").await.unwrap();
    assert_eq!(body_of(&asked).matches("a=inactive").count(), 2, "{asked}");
    let (status, text) = session.asks("INVITE", PLAIN, &offer(&[("1", "sendonly")])).await.unwrap();
    assert_eq!(status, 491, "{text}");
    // Metadata alone goes by: it changes no media.
    let (status, text) = session
        .asks("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata(ONE_PARTY))
        .await
        .unwrap();
    assert_eq!(status, 200, "{text}");

    // The client says the same of the host's change, and the host asks again.
    session.says(&asked, 491, "", "").await.unwrap();
    let again = loop {
        let request = session.is_asked("INVITE").await.unwrap();
        if request.lines().find(|l| l.starts_with("CSeq")) != asked.lines().find(|l| l.starts_with("CSeq")) {
            break request;
        }
    };
    assert_eq!(body_of(&again).matches("a=inactive").count(), 2, "{again}");
    session.says(&again, 200, PLAIN, &offer(&[("1", "inactive"), ("2", "inactive")])).await.unwrap();
    session.is_asked("ACK").await.unwrap();

    let lines = offer(&[("1", "sendonly"), ("2", "sendonly")]);
    let (status, text) = session.asks("INVITE", PLAIN, &lines).await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert_eq!(
        body_of(&text).matches("a=inactive").count(),
        2,
        "the pause of a person is not the client's: {text}"
    );
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_added_as_long_as_there_are_legs() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let first = with_metadata(&offer(&[("1", "sendonly")]), &metadata(ONE_PARTY));
    let mut session = Session::begin(recorder.udp, MIXED, &first).await.unwrap();
    let recording = live.next_on("offered").await.unwrap()["recording"].as_str().unwrap().to_owned();
    assert_eq!(session.media().len(), 1);

    let three = offer(&[("1", "sendonly"), ("2", "sendonly"), ("3", "sendonly")]);
    let (status, text) = session.asks("INVITE", PLAIN, &three).await.unwrap();
    assert_eq!(status, 200, "{text}");
    let media = media_of(body_of(&text));
    // A recording of one line has room for two legs: the third line is refused, and the others go on.
    assert_eq!(media.len(), 3, "{text}");
    assert!(media[0] == session.media()[0] && media[1].is_some() && media[2].is_none(), "{text}");

    let (mut agent, mut customer) = (Phone::new(1).await.unwrap(), Phone::new(2).await.unwrap());
    let (low, high) = (tone(500.0, 3_000.0, 2_500), tone(1_300.0, 8_000.0, 2_500));
    let talk = (agent.plays(media[0].unwrap(), &low), customer.plays(media[1].unwrap(), &high));
    let (one, other) = tokio::join!(talk.0, talk.1);
    one.and(other).unwrap();

    // A line that is given up is given back, and its leg can be had again.
    let two = offer(&[("1", "sendonly"), ("2", "sendonly"), ("3", "sendonly")]);
    let without = two.replacen("9000 RTP/AVP 0\r\na=label:2", "0 RTP/AVP 0\r\na=label:2", 1);
    let (_, text) = session.asks("INVITE", PLAIN, &without).await.unwrap();
    let media = media_of(body_of(&text));
    assert!(media[0].is_some() && media[1].is_none() && media[2].is_some(), "{text}");
    session.ends().await.unwrap();

    let legs = played(&recorder.supervisor().await, &recording).await;
    for (leg, hz, loud) in [(0, 500.0, 3_000.0), (1, 1_300.0, 8_000.0)] {
        // The first packet came some moments after the call began.
        let heard = amplitude(&legs[leg], hz, 800, 1_800);
        assert!((heard - loud).abs() < loud * 0.1, "leg {leg}: {heard}");
    }
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_an_offer_gets_one() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let mut session = Session::begin(recorder.udp, MIXED, &known(ONE_PARTY)).await.unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    for (direction, event, state) in
        [("inactive", "pause-asked", "suspended"), ("sendonly", "resume-asked", "recording")]
    {
        let request = session.prepare("INVITE", "", "");
        session.sends(&request).await.unwrap();
        let (status, text) = session.response_to("INVITE").await.unwrap();
        assert_eq!(status, 200, "{text}");
        assert_eq!(media_of(body_of(&text)), session.media(), "{text}");
        // RFC 3264 section 4: the answer is in the ACK.
        let answer = offer(&[("1", direction), ("2", direction)]);
        session.acknowledge(200, PLAIN, &answer).await.unwrap();
        assert_eq!(live.next_on(event).await.unwrap()["state"], state);
    }
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_reliable_provisional_responses_gets_none_that_would_need_it() {
    let mut recorder = Recorder::start("", "", "");
    // RFC 3262 section 3: only a provisional response other than 100 has to be sent reliably.
    let headers = format!("Require: 100rel\r\nSupported: 100rel, timer\r\nSession-Expires: 600\r\n{MIXED}");
    let mut session = Session::begin(recorder.udp, &headers, &known(ONE_PARTY)).await.unwrap();
    let (status, text) = session.asks("PRACK", "RAck: 1 1 INVITE\r\n", "").await.unwrap();
    assert_eq!(status, 481, "{text}");
    let (status, text) = session.asks("OPTIONS", "", "").await.unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("100rel") && text.contains("PRACK"), "{text}");
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_asked_for_metadata_that_was_never_explained() {
    const METADATA: &str = "Content-Type: application/rs-metadata+xml\r\n";
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let can = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\nAccept: application/sdp, application/rs-metadata-request\r\n";
    let mut session =
        Session::begin(recorder.udp, &format!("{can}{MIXED}"), &known(ONE_PARTY)).await.unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    let partial = r#"<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>partial</datamode>
  <participantstreamassoc participant_id="somebody"><send>elsewhere</send></participantstreamassoc></recording>"#;
    let (status, text) = session.asks("UPDATE", METADATA, partial).await.unwrap();
    assert_eq!(status, 200, "{text}");
    let asked = session.is_asked("UPDATE").await.unwrap();
    assert!(
        asked.contains("application/rs-metadata-request") && asked.contains("<requestsnapshot"),
        "{asked}"
    );
    session.says(&asked, 200, "", "").await.unwrap();
    // All of it, with somebody in a state where everybody has to consent.
    let all = metadata(ONE_PARTY).replace(
        "</recording>",
        &format!(
            r#"<participant participant_id="somebody"><nameID aor="tel:{ALL_PARTY}"/></participant>
<stream stream_id="elsewhere" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>2</label></stream>
<participantstreamassoc participant_id="somebody"><send>elsewhere</send></participantstreamassoc></recording>"#
        ),
    );
    let (status, text) = session.asks("UPDATE", METADATA, &all).await.unwrap();
    assert_eq!(status, 200, "{text}");
    assert_eq!(live.next_on("party-joined").await.unwrap()["state"], "suspended");
    // What the rules suspend the client is asked to be silent for.
    let asked = session.is_asked("INVITE").await.unwrap();
    assert_eq!(body_of(&asked).matches("a=inactive").count(), 2, "{asked}");
    session.says(&asked, 200, PLAIN, &offer(&[("1", "inactive"), ("2", "inactive")])).await.unwrap();
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_late_or_too_often_is_not_done() {
    let mut recorder = Recorder::start("", "requests_waiting_max = 1", "");
    let mut session = Session::begin(recorder.udp, PLAIN, SDP).await.unwrap();
    let early = session.prepare("UPDATE", "", "");
    let (status, _) = session.asks("UPDATE", "", "").await.unwrap();
    assert_eq!(status, 200);
    // It was sent before, and arrives after: its number is lower (RFC 3261 section 12.2.2).
    session.sends(&early).await.unwrap();
    let raw = session.response_with("CSeq: 2 UPDATE").await.unwrap();
    assert_eq!(raw.0, 500, "{}", raw.1);
    assert_eq!(recorder.calls().await, [session.call.clone()]);
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
