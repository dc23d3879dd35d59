//! Whoever knows where a call's sound goes, and sends there what does not belong to it: the call stays whole.

use std::{net::SocketAddr, time::Duration};

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, SDP, Session, with_metadata},
    siprec::metadata,
};
use tokio::time::interval;

use crate::recorder::{Keys, ONE_PARTY, Recorder};

/// What the phone sends, from this source.
const SSRC: u32 = 7;
const HZ: f64 = 800.0;
const LOUD: f64 = 6_000.0;
/// What the others sound like.
const THEIRS_HZ: f64 = 2_000.0;

/// Four hundred datagrams a second, of every kind, until it is given up: more than the line takes.
async fn flood(from_the_phones_own_address: Phone, to: SocketAddr) {
    let frame = tone(THEIRS_HZ, 20_000.0, 20);
    // Its own source from elsewhere, with numbers like its own; sources that come and go; what is no RTP at all.
    let (mut copy, elsewhere) = (Phone::new(SSRC).await.unwrap(), Phone::new(0).await.unwrap());
    let mut stranger = from_the_phones_own_address;
    let mut state = 1u32;
    let mut clock = interval(Duration::from_millis(10));
    for n in 0u32.. {
        clock.tick().await;
        let packet = copy.packet(&frame);
        copy.throws(to, &packet).await.unwrap();
        stranger.ssrc = 100 + n;
        let packet = stranger.packet(&frame);
        stranger.throws(to, &packet).await.unwrap();
        elsewhere.throws(to, &packet).await.unwrap();
        let junk: Vec<u8> = (0..n % 300)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        stranger.throws(to, &junk).await.unwrap();
        if n % 20 == 0 {
            // RFC 3550 6.6: the phone's source says goodbye, says somebody else.
            let bye = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, SSRC as u8];
            elsewhere.throws(to, &bye).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_stays_whole_whatever_else_is_sent_to_its_port() {
    let mut recorder = Recorder::with(&Keys { media: "packets-per-second-max = 60", ..Keys::default() });
    let body = with_metadata(SDP, &metadata(ONE_PARTY));
    let session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    let to = session.media()[0].unwrap();
    let mut phone = Phone::new(SSRC).await.unwrap();
    let sound = tone(HZ, LOUD, 4_000);
    let (quiet, attacked) = sound.split_at(4_000);
    phone.plays(to, quiet).await.unwrap();
    let flood = tokio::spawn(flood(phone.beside(), to));
    phone.plays(to, attacked).await.unwrap();
    assert!(!flood.is_finished(), "the flood went on all the time");
    flood.abort();
    session.ends().await.unwrap();
    let legs = recorder.sealed().await;
    // Pieces of 50 ms: one stretch of sound, wherever it begins, without a hole, and nobody else's in it.
    let of = |piece: usize, hz: f64| amplitude(&legs[0], hz, piece * 50, piece * 50 + 50);
    let own: Vec<usize> = (0..legs[0].len() / 400).filter(|piece| of(*piece, HZ) > LOUD * 0.9).collect();
    assert!(own.len() >= 60 && own.windows(2).all(|two| two[1] == two[0] + 1), "{own:?}");
    let theirs: Vec<usize> =
        own.iter().copied().filter(|piece| of(*piece, THEIRS_HZ) > LOUD * 0.05).collect();
    assert!(theirs.is_empty(), "{theirs:?}");
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
