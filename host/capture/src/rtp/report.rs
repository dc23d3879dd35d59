//! What is told to senders, and what their reports say of their clocks.

use std::net::SocketAddr;

use super::{
    Media,
    align::{SenderClock, Told},
    rtcp::{self, Block},
    source::Source,
};

/// Blocks of one report (RFC 3550 6.4.2).
const BLOCKS_MAX: usize = 31;

/// The RTCP of one m-line.
pub(super) struct Reporter {
    ssrc: u32,
    cname: String,
    every_s: f64,
    next: f64,
    /// Where their reports come from.
    from: Option<SocketAddr>,
    /// What sources have told of themselves.
    known: Vec<Known>,
    /// Packets lost by sources that are forgotten.
    pub(super) lost_by_the_gone: u64,
}

struct Known {
    ssrc: u32,
    cname: Option<Vec<u8>>,
    clock: SenderClock,
    /// The middle of the NTP time of the last sender report, and when it came.
    last: Option<(u32, f64)>,
}

impl Reporter {
    pub(super) fn new(settings: &Media) -> Self {
        let every_s = settings.report_every_ms as f64 / 1_000.0;
        Self {
            ssrc: rand::random(),
            // RFC 7022 4.2: a name that lives as long as the session, and says nothing.
            cname: format!("{:024x}", rand::random::<u128>() >> 32),
            every_s,
            next: 0.0,
            from: None,
            known: vec![],
            lost_by_the_gone: 0,
        }
    }

    pub(super) fn came_from(&mut self, address: SocketAddr) {
        self.from = Some(address);
    }

    pub(super) fn clock(&mut self, source: &Source, ntp: u64, stamp: u32, arrival: f64) {
        let known = self.known(source.ssrc);
        known.last = Some(((ntp >> 16) as u32, arrival));
        if let Some((media, local)) = source.when(stamp) {
            known.clock.report(ntp, media, local);
        }
    }

    pub(super) fn name(&mut self, ssrc: u32, cname: Vec<u8>) {
        self.known(ssrc).cname = Some(cname);
    }

    /// Sources with a name whose reports tell their clock.
    pub(super) fn clocks(&self) -> Vec<Told> {
        let told = |k: &Known| {
            Some(Told { cname: k.cname.clone()?, ssrc: k.ssrc, difference: k.clock.difference()? })
        };
        self.known.iter().filter_map(told).collect()
    }

    pub(super) fn forget(&mut self, source: &Source) {
        self.lost_by_the_gone += source.order.lost();
        self.known.retain(|k| k.ssrc != source.ssrc);
    }

    fn known(&mut self, ssrc: u32) -> &mut Known {
        let place = self.known.iter().position(|k| k.ssrc == ssrc).unwrap_or_else(|| {
            self.known.push(Known { ssrc, cname: None, clock: SenderClock::default(), last: None });
            self.known.len() - 1
        });
        &mut self.known[place]
    }

    /// A report on every source, if it is time for one and known where to send it.
    pub(super) fn due(
        &mut self,
        now: f64,
        to: Option<SocketAddr>,
        sources: &mut [Source],
    ) -> Option<(Vec<u8>, SocketAddr)> {
        if now < self.next || sources.is_empty() {
            return None;
        }
        // RFC 3550 6.2: half as long the first time, and never in step with others.
        let share = if self.next == 0.0 { 0.5 } else { 1.0 };
        self.next = now + share * self.every_s * (0.5 + f64::from(rand::random::<u16>()) / 65_536.0);
        let to = to.or(self.from)?;
        let blocks: Vec<Block> =
            sources.iter_mut().take(BLOCKS_MAX).map(|source| self.block(source, now)).collect();
        Some((rtcp::report(self.ssrc, &self.cname, &blocks)?, to))
    }

    fn block(&self, source: &mut Source, now: f64) -> Block {
        let report = source.order.report();
        let last = self.known.iter().find(|k| k.ssrc == source.ssrc).and_then(|k| k.last);
        let (last_report, since_report) =
            last.map_or((0, 0), |(ntp, came)| (ntp, ((now - came).max(0.0) * 65_536.0) as u32));
        Block {
            ssrc: source.ssrc,
            fraction_lost: report.fraction_lost,
            lost: u32::try_from(report.lost).unwrap_or(u32::MAX),
            highest: report.highest,
            jitter: source.jitter_ticks(),
            last_report,
            since_report,
        }
    }
}
