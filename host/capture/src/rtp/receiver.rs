//! What receives on one m-line: its sockets, and the call that hears it.

use std::{net::UdpSocket, sync::Arc, time::Instant};

use caveat_model::{Key, Offset};
use caveat_recorder::{Call, Frame, Happening, RecorderError};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    Media, Plan, Stats,
    align::Alignment,
    counts,
    fetch::{Datagram, Fetcher, Now},
    line::Line,
    ports::Lease,
    stream::Desk,
};

/// Samples per millisecond of what is heard.
const SAMPLES_PER_MS: u64 = 8;
/// Keys of one m-line that wait to be ruled on.
const KEYS_WAITING_MAX: usize = 64;
/// Counts are brought out, and RTCP is fetched, every so many fetches.
const SELDOM: u32 = 8;

/// One m-line with its sockets.
pub(super) struct Receiver {
    line: Line,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    call: Call,
    began: Instant,
    desk: Arc<Desk>,
    alignment: Alignment,
    handle: Handle,
    keys: Option<mpsc::Sender<Key>>,
    /// Which calls it goes with, when work is spread.
    pub(super) hash: usize,
    /// Up to when everything has been fetched, in seconds since the call began.
    fetched: f64,
    fetches: u32,
    /// What has been counted so far.
    counted: Stats,
    packet_bytes_max: usize,
    _lease: Lease,
}

impl Receiver {
    #[allow(clippy::too_many_arguments, reason = "everything that a m-line is made of")]
    pub(super) fn new(
        rtp: UdpSocket,
        rtcp: UdpSocket,
        lease: Lease,
        plan: Plan,
        call: Call,
        began: Instant,
        desk: Arc<Desk>,
        alignment: Alignment,
        handle: Handle,
        hash: usize,
        settings: &Arc<Media>,
    ) -> Self {
        Self {
            line: Line::new(plan, settings.clone()),
            rtp,
            rtcp,
            call,
            began,
            desk,
            alignment,
            handle,
            keys: None,
            hash,
            fetched: f64::MIN,
            fetches: 0,
            counted: Stats::default(),
            packet_bytes_max: settings.packet_bytes_max,
            _lease: lease,
        }
    }

    /// Takes what has come, and hands over what is heard. False when the m-line is over.
    pub(super) fn sweep(&mut self, fetcher: &mut Fetcher, now: Now) -> bool {
        let (plan, over) = {
            let mut papers = self.desk.papers();
            (papers.plan.take(), papers.over)
        };
        let seconds = now.instant.saturating_duration_since(self.began).as_secs_f64();
        if let Some(plan) = plan {
            self.line.update(plan);
        }
        let seldom = over || self.fetches.is_multiple_of(SELDOM);
        self.fetches = self.fetches.wrapping_add(1);
        self.fetch(fetcher, now, seconds, seldom);
        if over {
            self.line.finish(seconds);
        } else {
            self.line.tick(seconds);
        }
        self.hand_over();
        if seldom {
            self.line.align(&self.alignment);
            self.report(seconds);
            self.count();
        }
        if over {
            self.say_what_came();
        }
        !over
    }

    fn fetch(&mut self, fetcher: &mut Fetcher, now: Now, seconds: f64, control_too: bool) {
        // Whatever the settable clock does meanwhile: it came after the last fetch, and before now.
        let (earliest, latest) = (self.fetched.min(seconds), seconds);
        let arrival =
            |d: &Datagram<'_>| (seconds - d.came.map_or(0.0, |came| now.since(came))).clamp(earliest, latest);
        let (line, bytes_max) = (&mut self.line, self.packet_bytes_max);
        fetcher.fetch(&self.rtp, |datagram| {
            if datagram.cut || datagram.bytes.len() > bytes_max {
                line.stats.bad += 1;
            } else {
                line.datagram(datagram.bytes, datagram.from, arrival(&datagram));
            }
        });
        self.fetched = seconds;
        if control_too {
            fetcher.fetch(&self.rtcp, |datagram| {
                let came = seconds - datagram.came.map_or(0.0, |came| now.since(came));
                line.control_datagram(datagram.bytes, datagram.from, came.clamp(0.0, latest));
            });
        }
    }

    fn hand_over(&mut self) {
        let leg = self.line.plan().leg;
        for piece in self.line.heard.pieces.drain(..) {
            let taken =
                self.call.hear(Frame { leg, voice: piece.voice, at: piece.at, samples: piece.samples });
            self.line.stats.unheard += u64::from(!taken);
        }
        for stretch in self.line.heard.quiet.drain(..) {
            self.call.quiet(leg, stretch);
        }
        let keys: Vec<_> = self.line.heard.keys.drain(..).collect();
        for key in keys {
            let offset = |samples: u64| Offset::try_from(samples / SAMPLES_PER_MS).unwrap_or(Offset::MAX);
            let (start, end) = (offset(key.start), offset(key.end.saturating_add(SAMPLES_PER_MS - 1)));
            self.line.stats.keys += 1;
            self.tell(Key { leg, start, end, symbol: key.symbol });
        }
    }

    /// Keys are ruled on one after the other, and nothing waits for them here.
    fn tell(&mut self, key: Key) {
        let (call, handle) = (&self.call, &self.handle);
        let keys = self.keys.get_or_insert_with(|| {
            let (sender, mut keys) = mpsc::channel(KEYS_WAITING_MAX);
            let call = call.clone();
            handle.spawn(async move {
                while let Some(key) = keys.recv().await {
                    match call.happened(Happening::Key(key)).await {
                        Ok(_) => {}
                        Err(RecorderError::CallOver) => break,
                        Err(error) => {
                            tracing::error!(call = call.id(), %error, "a key could not be ruled on")
                        }
                    }
                }
            });
            sender
        });
        if keys.try_send(key).is_err() {
            tracing::warn!(call = call.id(), "a key was dropped: too many wait, or the call is over");
        }
    }

    fn report(&mut self, now: f64) {
        let Some((report, to)) = self.line.report(now) else { return };
        let socket = if self.line.plan().rtcp_mux { &self.rtp } else { &self.rtcp };
        // Whoever does not want reports does not get any.
        let _ = socket.send_to(&report, to);
    }

    fn count(&mut self) {
        counts::add(&self.counted, &self.line.stats);
        self.counted.clone_from(&self.line.stats);
        self.desk.papers().stats.clone_from(&self.line.stats);
    }

    fn say_what_came(&self) {
        let Stats {
            packets,
            bytes,
            lost,
            late,
            duplicate,
            reordered,
            inactive,
            bad,
            stray,
            unheard,
            keys,
            jitter_us,
            drift_ppm,
            ..
        } = self.line.stats;
        let (client, call, leg) = (self.call.client(), self.call.id(), self.line.plan().leg);
        let types = &self.line.stats.payload_types;
        tracing::info!(
            %client, call, leg, packets, bytes, lost, late, duplicate, reordered, inactive, bad, stray, unheard, keys,
            jitter_us, drift_ppm, ?types, "a media stream ended"
        );
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        counts::ended();
    }
}
