//! Pauses that a client makes by what it offers: the old way, all at once, by UPDATE, and from the very beginning.

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, PLAIN, Session, body_of, media_of, with_metadata},
    siprec::metadata,
};

use crate::{
    dialogs::offer,
    recorder::{ONE_PARTY, Recorder},
};

fn both(direction: &str) -> String {
    offer(&[("1", direction), ("2", direction)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_pauses_by_a_null_address_and_by_update() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let sending = both("sendonly");
    let body = with_metadata(&sending, &metadata(ONE_PARTY));
    let mut session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    assert_eq!(live.next_on("offered").await.unwrap()["state"], "recording");
    // RFC 2543 B.5: hold by a connection address of zeros. RFC 3311: UPDATE may carry an offer, too.
    let null = sending.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    for (method, pause) in [("INVITE", &null), ("UPDATE", &null), ("UPDATE", &both("inactive"))] {
        for (offer, event, state, direction) in [
            (pause, "pause-asked", "suspended", "inactive"),
            (&sending, "resume-asked", "recording", "recvonly"),
        ] {
            let (status, text) = session.asks(method, PLAIN, offer).await.unwrap();
            assert_eq!(status, 200, "{text}");
            let answered = format!("a={direction}\r\n");
            assert_eq!(body_of(&text).matches(&answered).count(), 2, "{method}: {text}");
            assert_eq!(media_of(body_of(&text)), session.media(), "{text}");
            let verdict = live.next_on(event).await.unwrap();
            assert_eq!(
                (&verdict["state"], &verdict["who"]["by"]),
                (&state.into(), &"phone system".into()),
                "{verdict}"
            );
        }
    }
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_begins_in_a_pause_is_recorded_from_its_end() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let body = with_metadata(&both("inactive"), &metadata(ONE_PARTY));
    let mut session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    assert_eq!(session.answer.matches("a=inactive").count(), 2, "{}", session.answer);
    live.next_on("offered").await.unwrap();
    assert_eq!(live.next_on("pause-asked").await.unwrap()["state"], "suspended");
    let mut phone = Phone::new(1).await.unwrap();
    let to = session.media()[0].unwrap();
    // It is not kept, though it is sent.
    phone.plays(to, &tone(600.0, 5_000.0, 1_000)).await.unwrap();
    let (status, text) = session.asks("INVITE", PLAIN, &both("sendonly")).await.unwrap();
    assert_eq!((status, body_of(&text).matches("a=recvonly").count()), (200, 2), "{text}");
    assert_eq!(live.next_on("resume-asked").await.unwrap()["state"], "recording");
    phone.plays(to, &tone(1_500.0, 5_000.0, 2_500)).await.unwrap();
    session.ends().await.unwrap();
    let leg = recorder.sealed().await.remove(0);
    assert!(amplitude(&leg, 600.0, 0, 900) < 50.0);
    let heard = amplitude(&leg, 1_500.0, 2_400, 3_000);
    assert!((heard - 5_000.0).abs() < 500.0, "{heard}");
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
