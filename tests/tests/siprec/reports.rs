//! What a sender is told of what came of its packets (RTCP, RFC 3550 section 6.4).

use std::time::Duration;

use caveat_tests::{
    phone::{Phone, tone},
    sip::{MIXED, SDP, Session, with_metadata},
    siprec::metadata,
};
use rtcp_types::{Compound, Packet, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport};
use tokio::{net::UdpSocket, time::timeout};

use crate::recorder::{Keys, ONE_PARTY, Recorder};

const SSRC: u32 = 0x5151_0001;
/// The middle 32 bits of this are what a receiver gives back.
const NTP: u64 = 0xe9ab_1234_5678_9abc;

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_what_was_lost_and_when_it_was_heard() {
    let mut recorder = Recorder::with(&Keys { media: "report-every-ms = 1000", ..Keys::default() });
    let rtcp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ours = format!("a=label:1\r\na=rtcp:{}\r\n", rtcp.local_addr().unwrap().port());
    let body = with_metadata(&SDP.replace("a=label:1\r\n", &ours), &metadata(ONE_PARTY));
    let session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
    let to = session.media()[0].unwrap();
    let to_rtcp = (to.ip(), to.port() + 1);
    let mut phone = Phone::new(SSRC).await.unwrap();
    let sound = tone(600.0, 5_000.0, 400);
    phone.plays(to, &sound).await.unwrap();
    let report = Compound::builder()
        .add_packet(SenderReport::builder(SSRC).ntp_timestamp(NTP).rtp_timestamp(8_000 + 3_200))
        .add_packet(
            Sdes::builder()
                .add_chunk(SdesChunk::builder(SSRC).add_item(SdesItem::builder(SdesItem::CNAME, "phone"))),
        );
    let mut bytes = [0; 512];
    let length = report.write_into(&mut bytes).unwrap();
    rtcp.send_to(&bytes[..length], to_rtcp).await.unwrap();
    // Five packets of sixty are lost on the way.
    let talking = tokio::spawn(async move {
        for _ in 0..5 {
            phone.plays(to, &sound[..11 * 160]).await.unwrap();
            phone.packet(&sound[..160]);
        }
        phone.plays(to, &sound).await.unwrap();
    });
    let told = timeout(Duration::from_secs(60), async {
        let mut bytes = [0; 1_500];
        loop {
            let length = rtcp.recv(&mut bytes).await.unwrap();
            for packet in Compound::parse(&bytes[..length]).unwrap() {
                let Packet::Rr(report) = packet.unwrap() else { continue };
                let block = report.report_blocks().next().unwrap();
                assert_eq!(block.ssrc(), SSRC);
                if block.cumulative_lost() == 5 {
                    let since = block.delay_since_last_sender_report_timestamp();
                    return (block.last_sender_report_timestamp(), since, block.interarrival_jitter());
                }
            }
        }
    });
    let (last, since, jitter) = told.await.expect("a report that tells of all that was lost");
    assert_eq!(last, (NTP >> 16) as u32);
    // 65,536ths of a second; the report came before what was lost.
    assert!((65_536..10 * 65_536).contains(&since), "{since}");
    assert!(jitter < 8_000, "less than a second: {jitter}");
    talking.await.unwrap();
    session.ends().await.unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
