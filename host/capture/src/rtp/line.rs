//! One m-line: who may send on it, what is read of that, and which of its sources are heard. Without a socket.

use std::{net::SocketAddr, sync::Arc};

use rtp_types::RtpPacket;

use super::{
    Encoding, Format, Media, Plan, Stats,
    align::Alignment,
    allowance::Allowance,
    heard::Heard,
    report::Reporter,
    rtcp::{self, Told},
    source::{Packet, Source},
    srtp::Crypto,
};

/// RFC 3389 section 4: comfort noise has this payload type, whether it was agreed on or not.
const COMFORT_NOISE: Format =
    Format { payload_type: 13, encoding: Encoding::ComfortNoise, clock_hz: 8_000, channels: 1 };

/// What is known of one m-line. All times are seconds since the call began.
pub(super) struct Line {
    settings: Arc<Media>,
    plan: Plan,
    crypto: Option<Crypto>,
    /// The address that is listened to, and when it was heard last.
    latched: Option<(SocketAddr, f64)>,
    sources: Vec<Source>,
    /// How much more may come now of everybody who is not heard; whoever is has an allowance of its own.
    others: Allowance,
    pub(super) heard: Heard,
    pub(super) stats: Stats,
    pub(super) reporter: Reporter,
}

impl Line {
    pub(super) fn new(plan: Plan, settings: Arc<Media>) -> Self {
        let crypto = plan.srtp.clone().map(|keys| Crypto::new(keys, settings.sources_max));
        let others = Allowance::new(settings.packets_per_second_max);
        let reporter = Reporter::new(&settings);
        Self {
            settings,
            plan,
            crypto,
            latched: None,
            sources: vec![],
            others,
            heard: Heard::default(),
            stats: Stats::default(),
            reporter,
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was negotiated anew. Sources go on; what was heard before belongs to the leg of before.
    pub(super) fn update(&mut self, plan: Plan) {
        if self.crypto.as_ref().map(Crypto::keys) != plan.srtp.as_ref() {
            self.crypto = plan.srtp.clone().map(|keys| Crypto::new(keys, self.settings.sources_max));
        }
        self.plan = plan;
    }

    /// A datagram on the RTP port. Whoever sends what is not wanted uses up nobody else's allowance.
    pub(super) fn datagram(&mut self, bytes: &[u8], from: SocketAddr, arrival: f64) {
        if is_rtcp(bytes) {
            self.control_datagram(bytes, from, arrival);
            return;
        }
        if self.latched.is_some_and(|(whose, heard)| whose != from && arrival - heard < self.relatch_s()) {
            self.stats.stray += 1;
            return;
        }
        let whose = ssrc(bytes);
        let source = self.sources.iter_mut().find(|s| s.voice.is_some() && Some(s.ssrc) == whose);
        let allowance = source.map_or(&mut self.others, |source| &mut source.allowance);
        if allowance.takes(arrival) && self.rtp(bytes, arrival).is_some() {
            self.latched = Some((from, arrival));
            self.stats.bytes += bytes.len() as u64;
        } else {
            self.stats.bad += 1;
        }
    }

    /// A datagram on the RTCP port.
    pub(super) fn control_datagram(&mut self, bytes: &[u8], from: SocketAddr, arrival: f64) {
        if self.others.takes(arrival) {
            self.rtcp(bytes, from, arrival);
        } else {
            self.stats.bad += 1;
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: f64) {
        for source in &mut self.sources {
            source.tick(now, &self.settings, &mut self.stats, &mut self.heard);
        }
        let heard = self.sources.iter().filter(|s| s.voice.is_some());
        if let Some(source) = heard.max_by(|a, b| a.heard_at.total_cmp(&b.heard_at)) {
            self.stats.jitter_us = (source.jitter.seconds() * 1e6) as u32;
            self.stats.drift_ppm = source.drift().unwrap_or(0.0) * 1e6;
        }
        self.stats.lost =
            self.reporter.lost_by_the_gone + self.sources.iter().map(|s| s.order.lost()).sum::<u64>();
    }

    /// The m-line is over: what waits is placed as well as it can be.
    pub(super) fn finish(&mut self, now: f64) {
        for source in &mut self.sources {
            source.finish(now, &mut self.stats, &mut self.heard);
        }
        self.tick(now);
    }

    /// A receiver report if one is due, and where it goes.
    pub(super) fn report(&mut self, now: f64) -> Option<(Vec<u8>, SocketAddr)> {
        let (report, to) = self.reporter.due(now, self.plan.rtcp_to, &mut self.sources)?;
        match &mut self.crypto {
            Some(crypto) => Some((crypto.close_rtcp(&report)?, to)),
            None => Some((report, to)),
        }
    }

    /// Tells the other m-lines of the call what the senders' clocks say, and does what follows.
    pub(super) fn align(&mut self, alignment: &Alignment) {
        for (ssrc, correction) in alignment.tell(self.reporter.clocks()) {
            if let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == ssrc) {
                source.correction = correction;
            }
        }
    }

    fn relatch_s(&self) -> f64 {
        self.settings.relatch_ms as f64 / 1_000.0
    }

    /// None if it is no packet of this m-line.
    fn rtp(&mut self, bytes: &[u8], arrival: f64) -> Option<()> {
        let clear = match &mut self.crypto {
            Some(crypto) => &crypto.open_rtp(bytes)?,
            None => bytes,
        };
        let packet = RtpPacket::parse(clear).ok()?;
        let payload_type = packet.payload_type();
        let mut known = self.plan.formats.iter().chain(std::iter::once(&COMFORT_NOISE));
        let &format = known.find(|format| format.payload_type == payload_type)?;
        let packet_of_source = Packet {
            number: packet.sequence_number(),
            stamp: packet.timestamp(),
            format,
            payload: packet.payload(),
            arrival,
            wanted: self.plan.receiving,
        };
        if !self.stats.payload_types.contains(&payload_type) {
            self.stats.payload_types.push(payload_type);
        }
        self.stats.packets += 1;
        self.take(packet.ssrc(), &packet_of_source);
        Some(())
    }

    fn take(&mut self, ssrc: u32, packet: &Packet<'_>) {
        let place = match self.sources.iter().position(|s| s.ssrc == ssrc) {
            Some(place) => place,
            None if self.make_room(packet.arrival) => {
                let allowance = Allowance::new(self.settings.packets_per_second_max);
                self.sources.push(Source::new(ssrc, packet, allowance));
                self.sources.len() - 1
            }
            None => {
                self.stats.stray += 1;
                return;
            }
        };
        self.let_speak(place, packet.arrival);
        let Some(source) = self.sources.get_mut(place) else { return };
        source.take(packet, &self.settings, &mut self.stats, &mut self.heard);
    }

    /// A source is heard if nobody else is, or whoever was has fallen silent or said goodbye; and beside others if it is
    /// steady: some clients send all that is said as several sources, and sources overlap when a call is transferred. Not
    /// with its first packet (RFC 3550 A.1, MIN_SEQUENTIAL): whoever makes sources up sends no second one.
    fn let_speak(&mut self, place: usize, now: f64) {
        let Some(source) = self.sources.get_mut(place) else { return };
        source.is_gone = false;
        if source.voice.is_some() {
            return;
        }
        let (came, is_new, is_steady) = (source.began_at, source.order.came() == 0, source.is_steady());
        let heard: Vec<&Source> = self.sources.iter().filter(|s| s.voice.is_some()).collect();
        let all_silent = heard.iter().all(|s| s.is_silent(now, came));
        if !heard.is_empty() && (is_new || !all_silent && !is_steady) {
            return;
        }
        let free = (0..=u8::MAX).find(|voice| heard.iter().all(|s| s.voice != Some(*voice)));
        if let Some(source) = self.sources.get_mut(place) {
            source.voice = free;
        }
    }

    /// Forgets a source, if there are too many: one that sent a single packet before the others, one that is not heard before
    /// those that are, and then the one that has been silent for longest. False if all of them sound.
    fn make_room(&mut self, now: f64) -> bool {
        if self.sources.len() < self.settings.sources_max {
            return true;
        }
        let worth = |s: &Source| (s.order.came() >= 2, s.voice.is_some());
        let least = self
            .sources
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| worth(a).cmp(&worth(b)).then(a.heard_at.total_cmp(&b.heard_at)));
        let Some((place, _)) = least.filter(|(_, s)| s.voice.is_none() || s.is_silent(now, 0.0)) else {
            return false;
        };
        let mut source = self.sources.remove(place);
        source.finish(source.heard_at, &mut self.stats, &mut self.heard);
        self.reporter.forget(&source);
        true
    }

    fn rtcp(&mut self, bytes: &[u8], from: SocketAddr, arrival: f64) {
        // Reports come from where the sound comes from, if not from the same port.
        if self.latched.is_some_and(|(whose, _)| whose.ip() != from.ip()) && self.crypto.is_none() {
            self.stats.stray += 1;
            return;
        }
        let clear = match &mut self.crypto {
            Some(crypto) => crypto.open_rtcp(bytes),
            None => Some(bytes.to_vec()),
        };
        let Some(told) = clear.and_then(|clear| rtcp::parse(&clear)) else {
            self.stats.bad += 1;
            return;
        };
        self.reporter.came_from(from);
        for told in told {
            match told {
                Told::Bye { ssrc } => {
                    // Whoever says so for a source that goes on has done it no harm.
                    if let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == ssrc) {
                        source.finish(source.heard_at, &mut self.stats, &mut self.heard);
                        source.is_gone = true;
                    }
                }
                Told::Clock { ssrc, ntp, stamp } => {
                    if let Some(source) = self.sources.iter().find(|s| s.ssrc == ssrc) {
                        self.reporter.clock(source, ntp, stamp, arrival);
                    }
                }
                Told::Name { ssrc, cname } => {
                    if self.sources.iter().any(|s| s.ssrc == ssrc) {
                        self.reporter.name(ssrc, cname);
                    }
                }
            }
        }
    }
}

/// The source of a packet, which is in the clear under SRTP too (RFC 3711 3.1).
fn ssrc(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?))
}

/// RFC 5761 4: payload types 64 to 95 are left to RTCP, and no sound has them.
fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(192..=223))
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
