//! RTCP (RFC 3550 6): what senders say of themselves, and what we say of what came.

use rtcp_types::{
    Compound, CompoundBuilder, Packet, ReceiverReport, ReportBlock, RtcpPacketWriterExt, Sdes, SdesChunk,
    SdesItem,
};

/// What an RTCP packet says that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// At this time of its own clock (NTP's, 32.32 bits) the source was at this RTP timestamp.
    Clock { ssrc: u32, ntp: u64, stamp: u32 },
    /// The source has this canonical name: those with the same name have the same clock.
    Name { ssrc: u32, cname: Vec<u8> },
    /// The source is gone.
    Bye { ssrc: u32 },
}

/// Reads a compound packet; none if it is no such.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Told>> {
    let mut told = vec![];
    for packet in Compound::parse(bytes).ok()? {
        match packet.ok()? {
            Packet::Sr(report) => {
                let (ssrc, ntp, stamp) = (report.ssrc(), report.ntp_timestamp(), report.rtp_timestamp());
                told.push(Told::Clock { ssrc, ntp, stamp });
            }
            Packet::Sdes(names) => {
                for chunk in names.chunks() {
                    let cname = chunk.items().find(|item| item.type_() == SdesItem::CNAME);
                    let name =
                        |item: &SdesItem<'_>| Told::Name { ssrc: chunk.ssrc(), cname: item.value().to_vec() };
                    told.extend(cname.map(name));
                }
            }
            Packet::Bye(bye) => told.extend(bye.ssrcs().map(|ssrc| Told::Bye { ssrc })),
            _ => {}
        }
    }
    Some(told)
}

/// What is said of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
    /// In ticks of the source's clock.
    pub(super) jitter: u32,
    /// The middle 32 bits of the NTP time in its last sender report; 0 if there was none.
    pub(super) last_report: u32,
    /// How long ago that came, in 65,536ths of a second.
    pub(super) since_report: u32,
}

/// A receiver report with our name, as RFC 3550 6.1 wants it. None if it cannot be written.
pub(super) fn report(ssrc: u32, cname: &str, blocks: &[Block]) -> Option<Vec<u8>> {
    let block = |b: &Block| {
        ReportBlock::builder(b.ssrc)
            .fraction_lost(b.fraction_lost)
            .cumulative_lost(b.lost.min(0x7f_ffff))
            .extended_sequence_number(b.highest)
            .interarrival_jitter(b.jitter)
            .last_sender_report_timestamp(b.last_report)
            .delay_since_last_sender_report_timestamp(b.since_report)
    };
    let report =
        blocks.iter().fold(ReceiverReport::builder(ssrc), |report, b| report.add_report_block(block(b)));
    let name = SdesChunk::builder(ssrc).add_item(SdesItem::builder(SdesItem::CNAME, cname));
    let compound = CompoundBuilder::default().add_packet(report).add_packet(Sdes::builder().add_chunk(name));
    let mut bytes = vec![0; 1_024];
    let written = compound.write_into(&mut bytes).ok()?;
    bytes.truncate(written);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rtcp_types::{Bye, SenderReport};

    fn written(builder: CompoundBuilder<'_>) -> Vec<u8> {
        let mut bytes = vec![0; 500];
        let written = builder.write_into(&mut bytes).unwrap();
        bytes.truncate(written);
        bytes
    }

    fn all_kinds() -> Vec<u8> {
        let chunk = SdesChunk::builder(9)
            .add_item(SdesItem::builder(SdesItem::TOOL, "gateway"))
            .add_item(SdesItem::builder(SdesItem::CNAME, "a@b"));
        let report = SenderReport::builder(9).ntp_timestamp(1 << 63).rtp_timestamp(160);
        let builder =
            CompoundBuilder::default().add_packet(report).add_packet(Sdes::builder().add_chunk(chunk));
        written(builder.add_packet(Bye::builder().add_source(9).add_source(10).reason("over")))
    }

    #[test]
    fn what_senders_say_is_read() {
        let want = [
            Told::Clock { ssrc: 9, ntp: 1 << 63, stamp: 160 },
            Told::Name { ssrc: 9, cname: b"a@b".to_vec() },
            Told::Bye { ssrc: 9 },
            Told::Bye { ssrc: 10 },
        ];
        assert_eq!(parse(&all_kinds()).unwrap(), want);
    }

    #[test]
    fn a_report_can_be_read_again() {
        let block =
            Block { ssrc: 9, fraction_lost: 3, lost: 77, highest: 65_600, jitter: 12, ..Block::default() };
        let bytes = report(5, "c0ffee", &[block]).unwrap();
        let mut packets = Compound::parse(&bytes).unwrap();
        let Some(Ok(Packet::Rr(read))) = packets.next() else { panic!("no report comes first") };
        let read: Vec<_> =
            read.report_blocks().map(|b| (b.ssrc(), b.fraction_lost(), b.cumulative_lost())).collect();
        assert_eq!(read, [(9, 3, 77)]);
        assert_eq!(parse(&bytes).unwrap(), [Told::Name { ssrc: 5, cname: b"c0ffee".to_vec() }]);
        assert!(report(5, "x", &[block; 31]).is_some_and(|bytes| bytes.len() < 1_000));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_fault() {
        let bytes = all_kinds();
        for cut in 0..bytes.len() {
            let _ = parse(&bytes[..cut]);
        }
        let mut state = 1u32;
        for _ in 0..200_000 {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % changed.len();
                changed[at] = state as u8 ^ (state >> 24) as u8;
            }
            let _ = parse(&changed);
        }
    }
}
