//! See [`crate::fuzz`]: one media line that anything may be sent to.

use std::{net::SocketAddr, sync::Arc};

use super::{Encoding, Format, Media, Plan, SrtpKeys, line::Line};

/// The keys that seeds are made with: those of libsrtp's own tests.
const KEYS: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm";
/// RFC 6716 section 3.2.5: no packet of any codec here lasts longer, in samples at 8,000 Hz, but for the uncompressed.
const PACKET_SAMPLES_MAX: usize = 2_048;

/// The first byte says with or without keys, and which codec type 96 is. Then datagrams: a byte that says after how many
/// times 5 ms, from which address, and by which port it comes, one for its length, and so many bytes. What was heard lies
/// where it can be: in order, not before the call, and hardly after it came.
pub(crate) fn fuzz_datagrams(data: &[u8]) -> usize {
    let Some((how, mut rest)) = data.split_first() else { return 0 };
    let mut line = Line::new(plan(*how), Arc::new(Media::default()));
    let (mut now, mut datagrams, mut heard) = (0.0, 0, 0);
    while let Some((&[when, length], after)) = rest.split_first_chunk() {
        let bytes = &after[..usize::from(length).min(after.len())];
        rest = &after[bytes.len()..];
        now += f64::from(when & 0x3f) * 0.005;
        let from = SocketAddr::from(([192, 0, 2, 1], 4_000 + u16::from(when >> 7)));
        if when & 0x40 == 0 {
            line.datagram(bytes, from, now);
        } else {
            line.control_datagram(bytes, from, now);
        }
        datagrams += 1;
        line.tick(now);
        heard += take(&mut line);
        if let Some((report, _)) = line.report(now) {
            assert!(report.len() < 1_500);
        }
    }
    line.finish(now);
    heard += take(&mut line);
    assert!(heard <= datagrams * PACKET_SAMPLES_MAX, "{heard} samples of {datagrams} datagrams");
    heard
}

fn take(line: &mut Line) -> usize {
    line.heard.keys.drain(..).for_each(|key| {
        assert!("0123456789*#ABCD!".contains(key.symbol) && key.start <= key.end, "{key:?}");
    });
    line.heard.quiet.drain(..).for_each(|stretch| assert!(stretch.start <= stretch.end, "{stretch:?}"));
    line.heard.pieces.drain(..).map(|piece| piece.samples.len()).sum()
}

fn plan(how: u8) -> Plan {
    let format =
        |payload_type, encoding, clock_hz, channels| Format { payload_type, encoding, clock_hz, channels };
    let other = match how >> 1 & 3 {
        0 => format(96, Encoding::Opus, 48_000, 2),
        1 => format(96, Encoding::G722, 8_000, 1),
        2 => format(96, Encoding::L16, 44_100, 2),
        _ => format(96, Encoding::L16, 8_000, 1),
    };
    let formats = vec![
        format(0, Encoding::Pcmu, 8_000, 1),
        other,
        format(101, Encoding::TelephoneEvent, 8_000, 1),
        // What libsrtp's packet is of.
        format(15, Encoding::Pcma, 8_000, 1),
    ];
    let srtp = if how & 1 == 1 { SrtpKeys::parse(KEYS).ok() } else { None };
    Plan { leg: 0, formats, srtp, receiving: how & 8 == 0, rtcp_to: None, rtcp_mux: how & 16 != 0 }
}
