//! One source (SSRC): its packets in order, decoded, each at its place on the clock of the call.
//!
//! A new source is listened to for a moment before its clock is tied to the call's, and so is one whose clock jumps: a
//! pause that its timestamps do not know of, a reset. A burst after a stall of the network looks like a jump at first, and
//! ends as none. From then on the tie is drawn tighter one sample at a time, so that nobody hears it.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Encoding, Format, Media, Stats,
    allowance::Allowance,
    clock::WallClock,
    decode::{Decoder, has_memory, ticks},
    events::{EventPacket, Events, Pressed},
    heard::Heard,
    order::{Jitter, Order, Place},
};

/// Samples per second of what is heard.
const RATE: f64 = 8_000.0;
/// How far a sample may lie from its place before one is put in or left out, in samples.
const SLACK: f64 = 0.75;
/// After a gap of this length, in seconds, sound begins exactly at its place: there is nothing to be torn.
const FRESH_AFTER_S: f64 = 0.2;
/// Packets that wait for their turn or for the clock.
const HELD_MAX: usize = 128;
/// A source is silent after this long, in seconds.
const SILENT_S: f64 = 0.1;
/// A source that waits is steady when this many packets came within so many seconds: a packet lasts up to 120 ms.
const STEADY: (usize, f64) = (8, 1.0);

/// A packet of a format that was agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) number: u16,
    pub(super) stamp: u32,
    pub(super) format: Format,
    pub(super) payload: &'a [u8],
    /// Seconds since the call began.
    pub(super) arrival: f64,
    /// False while the m-line is inactive: only the clock is listened to.
    pub(super) wanted: bool,
}

/// A packet on its way to its place; owned where it has to wait.
#[derive(Debug, Clone)]
struct Held<'a> {
    number: u64,
    /// Its timestamp, wraps counted.
    ticks: i64,
    /// How long it lasts.
    lasts: u32,
    arrival: f64,
    format: Format,
    payload: Cow<'a, [u8]>,
    wanted: bool,
}

impl Held<'_> {
    fn owned(self) -> Held<'static> {
        let Self { number, ticks, lasts, arrival, format, payload, wanted } = self;
        Held { number, ticks, lasts, arrival, format, payload: Cow::Owned(payload.into_owned()), wanted }
    }

    fn is_sound(&self) -> bool {
        self.format.encoding.is_sound()
    }
}

enum Phase {
    /// Listened to since then; what came waits.
    Settling {
        since: f64,
        held: Vec<Held<'static>>,
    },
    Running,
}

/// Where sound was put last.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// The timestamp that would follow, and the sample.
    ticks: i64,
    at: i64,
    last: i16,
    /// The number of the packet, or of one since that said that nobody speaks.
    number: u64,
    /// From where on nobody speaks, if a packet said so.
    quiet_from: Option<i64>,
}

/// One source of one m-line.
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) order: Order,
    pub(super) jitter: Jitter,
    /// When the newest packet came, in seconds since the call began.
    pub(super) heard_at: f64,
    /// When the first came.
    pub(super) began_at: f64,
    /// What it may still send. Nobody else uses that up.
    pub(super) allowance: Allowance,
    /// Which voice of the m-line it is; none: it is not heard, and what comes waits.
    pub(super) voice: Option<u8>,
    /// What other sources say of its place, in seconds; see [`super::align`].
    pub(super) correction: f64,
    /// It has said goodbye (RFC 3550 6.6), and nothing came since.
    pub(super) is_gone: bool,
    clock_hz: u32,
    /// The newest timestamp, wraps counted.
    ticks: i64,
    wall: Option<WallClock>,
    phase: Phase,
    decoder: Option<Decoder>,
    /// Packets of a codec with memory that came before their turn, and whose turn it is.
    waiting: BTreeMap<u64, Held<'static>>,
    turn: Option<u64>,
    events: Events,
    run: Option<Run>,
    scratch: Vec<i16>,
}

impl Source {
    /// The source of a first packet, which [`Source::take`] has still to be given.
    pub(super) fn new(ssrc: u32, first: &Packet<'_>, allowance: Allowance) -> Self {
        Self {
            ssrc,
            order: Order::default(),
            jitter: Jitter::default(),
            heard_at: first.arrival,
            began_at: first.arrival,
            allowance,
            voice: None,
            correction: 0.0,
            is_gone: false,
            clock_hz: first.format.clock_hz,
            ticks: i64::from(first.stamp),
            wall: None,
            phase: Phase::Settling { since: first.arrival, held: vec![] },
            decoder: None,
            waiting: BTreeMap::new(),
            turn: None,
            events: Events::default(),
            run: None,
            scratch: vec![],
        }
    }

    /// Whether it has said goodbye, or nothing, up to `now`: for a while from `since` on at least.
    pub(super) fn is_silent(&self, now: f64, since: f64) -> bool {
        self.is_gone || now - self.heard_at.max(since) >= SILENT_S
    }

    /// Whether it sends as a phone does, while it waits to be heard.
    pub(super) fn is_steady(&self) -> bool {
        let Phase::Settling { held, .. } = &self.phase else { return false };
        let (packets, within) = STEADY;
        let begins = held.len().checked_sub(packets).and_then(|first| held.get(first));
        begins.is_some_and(|first| self.heard_at - first.arrival <= within)
    }

    /// Takes a packet.
    pub(super) fn take(
        &mut self,
        packet: &Packet<'_>,
        settings: &Media,
        stats: &mut Stats,
        heard: &mut Heard,
    ) {
        self.heard_at = packet.arrival;
        let place = self.order.take(packet.number);
        let number = match place {
            Place::New(number) => number,
            Place::Behind(number) => {
                stats.reordered += 1;
                number
            }
            Place::Restart(number) => {
                self.settle_anew(packet.arrival, stats, heard);
                number
            }
            Place::Double => {
                stats.duplicate += 1;
                return;
            }
            Place::Suspicious => {
                stats.bad += 1;
                return;
            }
        };
        if !packet.wanted {
            stats.inactive += 1;
        }
        let Some(held) = self.read(packet, number, stats, heard) else {
            stats.bad += 1;
            return;
        };
        if held.is_sound() && matches!(place, Place::New(_)) {
            self.jitter.take(self.delay(&held));
        }
        self.sort(held, settings, stats, heard);
        self.settle_if_due(packet.arrival, settings, stats, heard);
    }

    /// Time passes: what has waited long enough waits no longer.
    pub(super) fn tick(&mut self, now: f64, settings: &Media, stats: &mut Stats, heard: &mut Heard) {
        self.settle_if_due(now, settings, stats, heard);
        let waits = settings.reorder_ms as f64 / 1_000.0;
        while let Some((number, first)) = self.waiting.first_key_value()
            && now - first.arrival > waits
        {
            self.turn = Some(*number);
            self.take_turns(stats, heard);
        }
        if let Some(pressed) = self.events.overdue(now) {
            self.tell(pressed, now, self.clock_hz, heard);
        }
    }

    /// It is over: nothing waits any longer.
    pub(super) fn finish(&mut self, now: f64, stats: &mut Stats, heard: &mut Heard) {
        self.settle(stats, heard);
        if let Some(pressed) = self.events.finish() {
            self.tell(pressed, now, self.clock_hz, heard);
        }
    }

    /// How much slower than the call's its clock is; none before it is settled.
    pub(super) fn drift(&self) -> Option<f64> {
        self.wall.as_ref().map(WallClock::drift)
    }

    /// Where one of its timestamps lies: media time and call time, in seconds. None before it is settled.
    pub(super) fn when(&self, stamp: u32) -> Option<(f64, f64)> {
        let wall = self.wall.as_ref().filter(|_| matches!(self.phase, Phase::Running))?;
        let media = self.media(unwrapped(stamp, self.ticks));
        Some((media, media + wall.delay(media)))
    }

    /// The jitter in ticks of its clock, as reports have it.
    pub(super) fn jitter_ticks(&self) -> u32 {
        (self.jitter.seconds() * f64::from(self.clock_hz)) as u32
    }

    fn media(&self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.clock_hz)
    }

    /// By how much later than its own time says a packet's last sample came, in seconds.
    fn delay(&self, held: &Held<'_>) -> f64 {
        held.arrival - self.media(held.ticks + i64::from(held.lasts))
    }

    fn read<'a>(
        &mut self,
        packet: &Packet<'a>,
        number: u64,
        stats: &mut Stats,
        heard: &mut Heard,
    ) -> Option<Held<'a>> {
        let sound = packet.format.encoding.is_sound();
        let lasts = match packet.format.encoding {
            Encoding::ComfortNoise => 0,
            Encoding::TelephoneEvent => EventPacket::parse(packet.payload)?.duration.into(),
            _ => ticks(&packet.format, packet.payload)?,
        };
        if sound && packet.format.clock_hz != self.clock_hz {
            // RFC 7160: another clock has nothing in common with the one before.
            self.settle_anew(packet.arrival, stats, heard);
            self.clock_hz = packet.format.clock_hz;
            (self.wall, self.run) = (None, None);
        }
        let ticks = unwrapped(packet.stamp, self.ticks);
        if sound {
            self.ticks = ticks;
        }
        let &Packet { format, arrival, wanted, .. } = packet;
        let payload = Cow::Borrowed(if wanted { packet.payload } else { &[] });
        Some(Held { number, ticks, lasts, arrival, format, payload, wanted })
    }

    /// To its place at once, or among those that wait for the clock.
    fn sort(&mut self, held: Held<'_>, settings: &Media, stats: &mut Stats, heard: &mut Heard) {
        let off = match &self.wall {
            Some(wall) if held.is_sound() => {
                let media = self.media(held.ticks + i64::from(held.lasts));
                Some((self.delay(&held) - wall.delay(media)).abs() * 1_000.0)
            }
            _ => None,
        };
        let jumps = off.is_some_and(|ms| ms > settings.jump_ms as f64);
        let known = off.is_some() && !jumps && self.voice.is_some();
        match &mut self.phase {
            Phase::Running if jumps => {
                self.jitter.skip();
                self.phase = Phase::Settling { since: held.arrival, held: vec![held.owned()] };
            }
            Phase::Running => self.go(held, stats, heard),
            // What was sent before the jump, and came after it.
            Phase::Settling { held: all, .. }
                if known && all.first().is_some_and(|f| held.number < f.number) =>
            {
                self.go(held, stats, heard);
            }
            // It was no jump: what came late is coming on time again.
            Phase::Settling { held: all, .. } if known => {
                let all = std::mem::take(all);
                self.phase = Phase::Running;
                all.into_iter().for_each(|held| self.go(held, stats, heard));
                self.go(held, stats, heard);
            }
            Phase::Settling { since, held: all } => {
                if all.len() >= HELD_MAX {
                    all.remove(0);
                    stats.stray += 1;
                }
                if all.is_empty() {
                    *since = held.arrival;
                }
                all.push(held.owned());
            }
        }
    }

    fn settle_anew(&mut self, now: f64, stats: &mut Stats, heard: &mut Heard) {
        self.settle(stats, heard);
        self.jitter.skip();
        self.phase = Phase::Settling { since: now, held: vec![] };
        (self.turn, self.run) = (None, None);
    }

    fn settle_if_due(&mut self, now: f64, settings: &Media, stats: &mut Stats, heard: &mut Heard) {
        if let Phase::Settling { since, held } = &self.phase
            && self.voice.is_some()
            && !held.is_empty()
            && (now - since) * 1_000.0 >= settings.settle_ms as f64
        {
            self.settle(stats, heard);
        }
    }

    /// Ties the clock to the call's by the packet that came with the least delay, and lets all that waits go.
    fn settle(&mut self, stats: &mut Stats, heard: &mut Heard) {
        match &mut self.phase {
            Phase::Settling { held, .. } if self.voice.is_none() => {
                stats.stray += held.drain(..).len() as u64
            }
            Phase::Settling { held, .. } => {
                let mut held = std::mem::take(held);
                self.phase = Phase::Running;
                self.anchor(&held);
                held.sort_by_key(|h| h.number);
                held.into_iter().for_each(|held| self.go(held, stats, heard));
            }
            Phase::Running => {}
        }
        while let Some(number) = self.waiting.keys().next().copied() {
            self.turn = Some(number);
            self.take_turns(stats, heard);
        }
    }

    fn anchor(&mut self, held: &[Held<'_>]) {
        let drift = self.drift().unwrap_or(0.0);
        let least = |sound: bool| {
            let those = held.iter().filter(|h| h.is_sound() == sound);
            those.min_by(|a, b| self.delay(a).total_cmp(&self.delay(b)))
        };
        if let Some(first) = least(true).or_else(|| least(false)) {
            let media = self.media(first.ticks + i64::from(first.lasts));
            self.wall = Some(WallClock::new(media, self.delay(first), drift));
            self.run = None;
        }
    }

    /// The clock is known: a packet is placed, in its turn if its codec has a memory.
    fn go(&mut self, held: Held<'_>, stats: &mut Stats, heard: &mut Heard) {
        if held.is_sound() {
            let (media, delay) = (self.media(held.ticks + i64::from(held.lasts)), self.delay(&held));
            if let Some(wall) = &mut self.wall {
                wall.observe(media, delay);
            }
        }
        if self.turn.is_none() && !has_memory(&held.format) {
            self.play(&held, stats, heard);
            return;
        }
        let turn = *self.turn.get_or_insert(held.number);
        if held.number < turn {
            stats.late += 1;
            return;
        }
        if held.number == turn {
            self.turn = Some(turn + 1);
            self.play(&held, stats, heard);
        } else {
            self.waiting.insert(held.number, held.owned());
        }
        if self.waiting.len() > HELD_MAX {
            self.turn = self.waiting.keys().next().copied();
        }
        self.take_turns(stats, heard);
    }

    fn take_turns(&mut self, stats: &mut Stats, heard: &mut Heard) {
        while let Some(turn) = self.turn
            && let Some(held) = self.waiting.remove(&turn)
        {
            self.turn = Some(turn + 1);
            self.play(&held, stats, heard);
        }
    }

    fn play(&mut self, held: &Held<'_>, stats: &mut Stats, heard: &mut Heard) {
        if !held.wanted {
            return;
        }
        if held.is_sound() {
            self.sound(held, stats, heard);
        } else if held.format.encoding == Encoding::ComfortNoise {
            self.falls_silent(held, heard);
        } else if let Some(packet) = EventPacket::parse(&held.payload) {
            let clock_hz = held.format.clock_hz;
            if let Some(pressed) = self.events.take(packet, held.ticks, held.arrival, clock_hz) {
                self.tell(pressed, held.arrival, clock_hz, heard);
            }
        }
    }

    fn tell(&mut self, pressed: Pressed, now: f64, clock_hz: u32, heard: &mut Heard) {
        let Pressed { symbol, start, end } = pressed;
        let lasted = (end - start) as f64 / f64::from(clock_hz) * RATE;
        let start = match self.offset(self.media(start)) {
            // Some clocks of keys are not those of the sound around them.
            Some(offset) if clock_hz == self.clock_hz => self.media(start) * RATE + offset,
            _ => now * RATE - lasted,
        };
        heard.key(symbol, start, start + lasted);
    }

    /// What to add to a media time, in samples, to have its place.
    fn offset(&self, media: f64) -> Option<f64> {
        let delay = self.decoder.as_ref().map_or(0, Decoder::delay) as f64;
        self.wall.as_ref().map(|wall| (wall.delay(media) + self.correction) * RATE - delay)
    }

    fn sound(&mut self, held: &Held<'_>, stats: &mut Stats, heard: &mut Heard) {
        if self.decoder.as_ref().is_none_or(|d| d.format != held.format) {
            self.decoder = Decoder::new(held.format);
        }
        let media = self.media(held.ticks);
        let (Some(offset), Some(decoder)) = (self.offset(media), &mut self.decoder) else { return };
        let mut samples = std::mem::take(&mut self.scratch);
        samples.clear();
        if !decoder.decode(&held.payload, &mut samples) {
            stats.bad += 1;
        }
        let place = media * RATE + offset;
        if samples.is_empty() {
            self.falls_silent(held, heard);
        }
        self.put(held, place, &mut samples, heard);
        self.scratch = samples;
    }

    /// A packet says that nobody speaks: from where sound ended, if no packet between the two is missing.
    fn falls_silent(&mut self, held: &Held<'_>, heard: &mut Heard) {
        let Some(run) = &mut self.run else { return };
        let follows = held.number == run.number + 1;
        if held.number > run.number {
            run.number = held.number;
        }
        if follows && run.quiet_from.is_none() {
            run.quiet_from = Some(run.at);
            heard.quiet(run.at, None);
        }
    }

    /// Sound begins again at `at`. Its timestamp says that there is a stretch without any. Where no packet is missing, nobody
    /// spoke in it; where some are, they were sent last.
    fn speaks_again(&self, held: &Held<'_>, run: &Run, at: i64, heard: &mut Heard) {
        let missing = held.number.saturating_sub(run.number + 1);
        let from = run.quiet_from.or((missing == 0).then_some(run.at));
        if let Some(from) = from {
            let lost = missing as f64 * self.media(held.lasts.into()) * RATE;
            heard.quiet(from, Some((at - lost as i64).max(from)));
        }
    }

    /// Puts samples where they belong, or where what came before ends.
    fn put(&mut self, held: &Held<'_>, place: f64, samples: &mut Vec<i16>, heard: &mut Heard) {
        let (Some(voice), Some(last)) = (self.voice, samples.last().copied()) else { return };
        let ends = held.ticks + i64::from(held.lasts);
        let Some(run) = self.run else {
            let at = place.round() as i64;
            let at_end = at + samples.len() as i64;
            self.run = Some(Run { ticks: ends, at: at_end, last, number: held.number, quiet_from: None });
            heard.sound(voice, at, samples);
            return;
        };
        let since = self.media(held.ticks - run.ticks);
        let at = if since < 0.0 || since > 0.0 && since < FRESH_AFTER_S {
            // Into the hole that it left, or behind one: not a sample closer to what is there already.
            run.at + (since * RATE).round() as i64
        } else if since == 0.0 {
            let off = place - run.at as f64;
            if off >= SLACK {
                let between = (i32::from(run.last) + i32::from(samples.first().copied().unwrap_or(0))) / 2;
                samples.insert(0, between as i16);
            } else if off <= -SLACK {
                samples.remove(0);
            }
            run.at
        } else {
            place.round() as i64
        };
        if since >= 0.0 {
            if at > run.at {
                self.speaks_again(held, &run, at, heard);
            }
            self.run = Some(Run {
                ticks: ends,
                at: at + samples.len() as i64,
                last,
                number: held.number,
                quiet_from: None,
            });
        }
        heard.sound(voice, at, samples);
    }
}

/// A timestamp with its wraps counted: the one closest to another.
fn unwrapped(stamp: u32, near: i64) -> i64 {
    near + i64::from(stamp.wrapping_sub(near as u32) as i32)
}
