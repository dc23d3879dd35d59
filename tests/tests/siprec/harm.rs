//! A client that speaks bytes, and means harm.

use std::time::Duration;

use caveat_tests::{
    sip::{MIXED, PLAIN, Raw, SDP, tag_of, with_metadata},
    siprec::metadata,
    watch::until,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    life::is_listed,
    recorder::{ONE_PARTY, Recorder},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_no_sign_of_life_is_gone() {
    let mut recorder = Recorder::start("", "session_expires_s = 4\nsession_expires_min_s = 2", "");
    let mut raw = Raw::new(recorder.udp).await.unwrap();
    let call = raw.call();
    let body = with_metadata(SDP, &metadata(ONE_PARTY));
    let (status, answer) =
        raw.answered(&raw.request("INVITE", "srs", &call, "", MIXED, &body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("Session-Expires: 4;refresher=uas"), "{answer}");
    raw.send(raw.request("ACK", "srs", &call, &tag_of(&answer).unwrap(), "", "").as_bytes()).await.unwrap();
    // It is asked whether it is there, and then told goodbye.
    for wanted in ["INVITE ", "BYE "] {
        while !raw.next().await.unwrap().1.starts_with(wanted) {}
    }
    is_listed(&recorder, "interrupted").await;
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_means_harm_is_told_no_and_costs_nobody_anything() {
    let mut recorder = Recorder::start("", "", "");
    let mut raw = Raw::new(recorder.udp).await.unwrap();

    // What is no SIP is not answered.
    for garbage in [&b"\xff\xfe\x00garbage"[..], b"INVITE\r\n\r\n", b"\r\n\r\n", &[b'A'; 8_000]] {
        raw.send(garbage).await.unwrap();
    }
    let refused = |want: u16, (status, text): (u16, String)| assert_eq!(status, want, "{text}");
    let invite = |raw: &mut Raw, user: &str, headers: &str, body: &str| {
        let call = raw.call();
        raw.request("INVITE", user, &call, "", headers, body)
    };
    let stranger = invite(&mut raw, "nobody", PLAIN, SDP);
    refused(403, raw.answered(&stranger).await.unwrap());
    let no_offer = invite(&mut raw, "srs", "", "");
    refused(488, raw.answered(&no_offer).await.unwrap());
    let no_sdp = invite(&mut raw, "srs", PLAIN, "hello");
    refused(400, raw.answered(&no_sdp).await.unwrap());
    let video = invite(&mut raw, "srs", PLAIN, &SDP.replace("audio", "video"));
    refused(488, raw.answered(&video).await.unwrap());
    let lines = invite(&mut raw, "srs", PLAIN, &format!("{SDP}{}", "m=audio 9000 RTP/AVP 0\r\n".repeat(20)));
    refused(488, raw.answered(&lines).await.unwrap());
    let extension = invite(&mut raw, "srs", &format!("Require: siprec, magic\r\n{PLAIN}"), SDP);
    let answer = raw.answered(&extension).await.unwrap();
    assert!(answer.1.contains("Unsupported: magic"), "{}", answer.1);
    refused(420, answer);
    let short = invite(&mut raw, "srs", &format!("Supported: timer\r\nSession-Expires: 5\r\n{PLAIN}"), SDP);
    let answer = raw.answered(&short).await.unwrap();
    assert!(answer.1.contains("Min-SE: 90"), "{}", answer.1);
    refused(422, answer);
    let cut = invite(&mut raw, "srs", PLAIN, SDP).replace("Content-Length: 1", "Content-Length: 91");
    refused(513, raw.answered(&cut).await.unwrap());
    let parts = invite(&mut raw, "srs", MIXED, &"--b\r\n\r\nx\r\n".repeat(40));
    refused(400, raw.answered(&parts).await.unwrap());
    let call = raw.call();
    for (method, status) in
        [("BYE", 481), ("UPDATE", 481), ("PRACK", 481), ("REGISTER", 405), ("INFO", 405), ("FETCH", 501)]
    {
        let request = raw.request(method, "srs", &format!("{call}{method}"), "", "", "");
        refused(status, raw.answered(&request).await.unwrap());
    }
    let options = raw.request("OPTIONS", "srs", &call, "", "", "");
    let answer = raw.answered(&options).await.unwrap();
    assert!(answer.1.contains("application/rs-metadata+xml") && answer.1.contains("siprec"), "{}", answer.1);
    refused(200, answer);
    assert_eq!(recorder.calls().await, Vec::<String>::new());

    // Missing and broken metadata lose no recording; the same INVITE again begins no other.
    let metadata = ["<recording>", "<!DOCTYPE a><a/>", "\u{0}", "<a><b></a>"];
    let bodies = metadata.iter().map(|xml| (MIXED, with_metadata(SDP, xml))).chain([(PLAIN, SDP.to_owned())]);
    for (kind, body) in bodies {
        let call = raw.call();
        let invite = raw.request("INVITE", "srs", &call, "", kind, &body);
        raw.send(invite.as_bytes()).await.unwrap();
        raw.send(invite.as_bytes()).await.unwrap();
        let (status, answer) = raw.next_of(&call).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("+sip.srs") && answer.contains("a=label:1"), "{answer}");
        assert_eq!(recorder.calls().await, [call.as_str()]);
        let tag = tag_of(&answer).unwrap();
        raw.send(raw.request("ACK", "srs", &call, &tag, "", "").as_bytes()).await.unwrap();
        let other_way = invite.replace("branch=z9hG4bK", "branch=z9hG4bKother");
        refused(482, raw.answered(&other_way).await.unwrap());
        let bye = raw.request("BYE", "srs", &call, &tag, "", "");
        let bye_elsewhere = bye.replace(&tag, ";tag=elsewhere").replace("branch=z9hG4bK", "branch=z9hG4bKb");
        refused(481, raw.answered(&bye_elsewhere).await.unwrap());
        refused(200, raw.answered(&bye).await.unwrap());
        until("the call is over", async || Ok(recorder.calls().await.is_empty().then_some(())))
            .await
            .unwrap();
    }

    // A CANCEL on the heels of its INVITE: whichever is first, the session ends.
    for _ in 0..10 {
        let call = raw.call();
        let invite = raw.request("INVITE", "srs", &call, "", PLAIN, SDP);
        raw.send(invite.as_bytes()).await.unwrap();
        raw.send(raw.request("CANCEL", "srs", &call, "", "", "").as_bytes()).await.unwrap();
        let (mut cancelled, mut begun) = (None, None);
        while cancelled.is_none() || begun.is_none() {
            let (status, text) = raw.next_of(&call).await.unwrap();
            let is_for = |method: &str| text.contains(&format!("CSeq: 1 {method}"));
            if is_for("CANCEL") {
                cancelled = Some(status);
            } else if is_for("INVITE") {
                begun = Some((status, tag_of(&text).unwrap()));
            }
        }
        assert_eq!(cancelled, Some(200));
        let (status, tag) = begun.unwrap();
        assert!(status == 487 || status == 200, "{status}");
        raw.send(raw.request("ACK", "srs", &call, &tag, "", "").as_bytes()).await.unwrap();
        if status == 200 {
            let bye = raw.request("BYE", "srs", &call, &tag, "", "");
            while raw.answered(&bye).await.unwrap().0 != 200 {}
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
        let _ = timeout(Duration::from_secs(60), stream.read(&mut [0; 16])).await.expect("it is closed");
    }
    let options = raw.request("OPTIONS", "srs", "afterwards", "", "", "");
    refused(200, raw.answered(&options).await.unwrap());
    assert!(!recorder.host.log().contains("panicked"), "{}", recorder.host.log());
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
