//! More than one source on a media line: what clients send that mix nothing, and what a transfer leaves.

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, SDP, Session, with_metadata},
    siprec::metadata,
};

use crate::recorder::{ONE_PARTY, Recorder};

const FIRST: (f64, f64) = (600.0, 4_000.0);
const SECOND: (f64, f64) = (1_500.0, 9_000.0);

#[tokio::test(flavor = "multi_thread")]
async fn linear_sound_is_recorded_at_the_rate_of_telephones() {
    let mut recorder = Recorder::start("", "", "");
    let offer = SDP.replace("RTP/AVP 0\r\n", "RTP/AVP 96\r\na=rtpmap:96 L16/16000\r\n");
    let body = with_metadata(&offer, &metadata(ONE_PARTY));
    let session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    assert!(session.answer.contains("a=rtpmap:96 L16/16000\r\n"), "{}", session.answer);
    let mut phone = Phone::new(1).await.unwrap();
    // At twice the rate a tone of half the pitch has the same samples.
    let sound = tone(FIRST.0 / 2.0, FIRST.1, 4_000);
    phone.plays_linear(session.media()[0].unwrap(), 96, &sound).await.unwrap();
    session.ends().await.unwrap();
    let legs = recorder.sealed().await;
    let heard = amplitude(&legs[0], FIRST.0, 900, 1_600);
    assert!((heard - FIRST.1).abs() < 400.0, "{heard}");
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_sound_at_once_are_mixed_and_each_is_heard_alone_otherwise() {
    let mut recorder = Recorder::start("", "", "");
    let body = with_metadata(SDP, &metadata(ONE_PARTY));
    let session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    let to = session.media()[0].unwrap();
    let mut first = Phone::new(1).await.unwrap();
    let mut second = first.beside();
    second.ssrc = 2;
    // Two seconds the one, two seconds both, two seconds the other.
    let [once, both] = [2_000, 4_000].map(|ms| tone(FIRST.0, FIRST.1, ms));
    first.plays(to, &once).await.unwrap();
    let begun = once.len();
    let other = tone(SECOND.0, SECOND.1, 4_000);
    let (a, b) = tokio::join!(first.plays(to, &both[begun..]), second.plays(to, &other));
    a.unwrap();
    b.unwrap();
    session.ends().await.unwrap();
    let legs = recorder.sealed().await;
    let is = |(hz, loud): (f64, f64), from_ms: usize, to_ms: usize, heard: bool| {
        let found = amplitude(&legs[0], hz, from_ms, to_ms);
        let loud = if heard { loud } else { 0.0 };
        assert!((found - loud).abs() < 400.0, "{found} at {hz} Hz from {from_ms} ms on, not {loud}");
    };
    for (from, to, of_first, of_second) in
        [(300, 1_800, true, false), (2_300, 3_800, true, true), (4_300, 5_800, false, true)]
    {
        is(FIRST, from, to, of_first);
        is(SECOND, from, to, of_second);
    }
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
