//! The media lines of a recording session: what was offered last, and what is received on each.

use std::{
    net::IpAddr,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use caveat_recorder::Call;

use super::{
    parties::Leg,
    sdp::{Direction, Line, Offer, OurLine, Ours},
};
use crate::{
    error::CaptureError,
    rtp::{Plan, Ports, Reserved, SrtpKeys, Stream},
};

/// Every line that was ever offered, in order.
pub(super) struct Media {
    lines: Vec<MediaLine>,
    ports: Ports,
    address: IpAddr,
    session: u64,
    version: u64,
    /// Legs that the recorder has room for; they are counted when the call begins.
    legs: u8,
    /// What the receivers begin with.
    call: Option<(Call, Instant)>,
    /// This host asks for silence.
    pub(super) muted: bool,
}

struct MediaLine {
    offered: Line,
    /// None while it is refused, or not in use.
    open: Option<Open>,
}

struct Open {
    leg: u8,
    port: u16,
    keys: Option<Keys>,
    receiver: Receiver,
}

/// What a line is received with, and the `a=crypto` of the offer that it comes from.
#[derive(Clone)]
struct Keys {
    offered: String,
    srtp: SrtpKeys,
}

enum Receiver {
    /// The call has not begun.
    Reserved(Reserved),
    Running(Stream),
    /// Between the two.
    Nothing,
}

/// The fewest legs that a recording has.
const LEGS_MIN: u8 = 2;

impl Media {
    /// Reserves ports for every line of a first offer that can be recorded.
    ///
    /// # Errors
    /// No line can be recorded, or no ports are free.
    pub(super) async fn offered(offer: Offer, ports: &Ports, address: IpAddr) -> Result<Self, CaptureError> {
        let keys: Vec<_> = offer.lines.iter().map(keys).collect();
        let usable =
            |line: &Line, keys: &Option<Keys>| line.is_usable() && line.is_secure() == keys.is_some();
        let wanted = offer.lines.iter().zip(&keys).filter(|(line, keys)| usable(line, keys)).count();
        if wanted == 0 {
            return Err(CaptureError::NothingToRecord);
        }
        let mut reserved = ports.open(wanted).await?.into_iter();
        let mut legs = 0..u8::MAX;
        let lines = offer.lines.into_iter().zip(keys).map(|(offered, keys)| {
            let place = if usable(&offered, &keys) { reserved.next().zip(legs.next()) } else { None };
            let open = place.map(|(reserved, leg)| Open {
                leg,
                port: reserved.port(),
                keys,
                receiver: Receiver::Reserved(reserved),
            });
            MediaLine { offered, open }
        });
        let lines = lines.collect();
        // RFC 8866 section 5.2 would have a time, so that no two sessions of one name are alike.
        let session = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let legs = u8::try_from(wanted).unwrap_or(u8::MAX).max(LEGS_MIN);
        Ok(Self { lines, ports: ports.clone(), address, session, version: 0, legs, call: None, muted: false })
    }

    /// The legs that are in use.
    pub(super) fn legs(&self) -> Vec<Leg> {
        let leg = |line: &MediaLine| {
            let number = line.open.as_ref()?.leg;
            Some(Leg { number, label: line.offered.label.clone(), sends: line.offered.sends() })
        };
        self.lines.iter().filter_map(leg).collect()
    }

    /// Whether nothing is sent at all, because the client says so.
    pub(super) fn is_paused(&self) -> bool {
        self.legs().iter().all(|leg| !leg.sends)
    }

    /// The call has begun: from now on what is sent is heard.
    pub(super) fn begin(&mut self, call: &Call, began: Instant) {
        self.call = Some((call.clone(), began));
        self.tune();
    }

    /// A later offer. Lines keep their places; one that is new takes a leg that is free.
    pub(super) async fn change(&mut self, offer: Offer) {
        for (place, offered) in offer.lines.into_iter().enumerate() {
            match self.lines.get_mut(place) {
                Some(line) => line.offered = offered,
                None => self.lines.push(MediaLine { offered, open: None }),
            }
        }
        for place in 0..self.lines.len() {
            self.reopen(place).await;
        }
        self.tune();
    }

    /// What the client said to an offer of this host.
    pub(super) fn answered(&mut self, answer: Offer) {
        for (line, answered) in self.lines.iter_mut().zip(answer.lines) {
            // What it sends is its own to say, unless it was asked to send nothing.
            if !self.muted && line.open.is_some() {
                line.offered.direction = answered.direction;
                line.offered.held = answered.held;
            }
        }
        self.tune();
    }

    /// Asks for silence, or for sound again.
    pub(super) fn mute(&mut self, muted: bool) {
        self.muted = muted;
        self.tune();
    }

    /// What this host says of its side.
    pub(super) fn describe(&mut self) -> String {
        self.version += 1;
        let lines = self.lines.iter().map(|line| line.described(self.muted)).collect();
        Ours { address: self.address, session: self.session, version: self.version, lines }.to_sdp()
    }

    /// Packets that came, of all lines.
    pub(super) fn log(&self, call: &str) {
        for line in &self.lines {
            if let Some(Open { leg, receiver: Receiver::Running(stream), .. }) = &line.open {
                tracing::info!(call, leg, stats = ?stream.stats(), "a media line ended");
            }
        }
    }

    /// Opens, keeps or closes the receiver of a line, as its offer wants it.
    async fn reopen(&mut self, place: usize) {
        let free = self.free_leg();
        let Some(line) = self.lines.get_mut(place) else { return };
        let before = line.open.as_ref().and_then(|open| open.keys.clone());
        let keys = match before {
            Some(before) if line.offered.keys.contains(&before.offered) => Some(before),
            _ => keys(&line.offered),
        };
        let is_wanted = line.offered.is_usable() && line.offered.is_secure() == keys.is_some();
        match (&mut line.open, is_wanted) {
            (Some(open), true) => open.keys = keys,
            (_, false) => line.open = None,
            (None, true) => {
                let Some(leg) = free else {
                    tracing::warn!(place, "a media line was refused: the recording has no leg left for it");
                    metrics::counter!("caveat_siprec_lines_refused_total").increment(1);
                    return;
                };
                match self.ports.open(1).await {
                    Ok(mut reserved) => {
                        line.open = reserved.pop().map(|reserved| Open {
                            leg,
                            port: reserved.port(),
                            keys,
                            receiver: Receiver::Reserved(reserved),
                        });
                    }
                    Err(error) => tracing::warn!(place, %error, "a media line was refused"),
                }
            }
        }
    }

    fn free_leg(&self) -> Option<u8> {
        let is_taken =
            |leg: u8| self.lines.iter().any(|l| l.open.as_ref().is_some_and(|open| open.leg == leg));
        (0..self.legs).find(|leg| !is_taken(*leg))
    }

    /// Makes every receiver do what was agreed on last.
    fn tune(&mut self) {
        let Some((call, began)) = &self.call else { return };
        for MediaLine { offered, open } in &mut self.lines {
            let Some(Open { leg, keys, receiver, .. }) = open else { continue };
            let plan = Plan {
                leg: *leg,
                formats: offered.formats.clone(),
                srtp: keys.as_ref().map(|keys| keys.srtp.clone()),
                receiving: offered.sends() && !self.muted,
                rtcp_to: offered.rtcp_to,
                rtcp_mux: offered.rtcp_mux,
            };
            *receiver = match std::mem::replace(receiver, Receiver::Nothing) {
                Receiver::Reserved(reserved) => {
                    Receiver::Running(reserved.receive(plan, call.clone(), *began))
                }
                Receiver::Running(stream) => {
                    stream.update(plan);
                    Receiver::Running(stream)
                }
                Receiver::Nothing => Receiver::Nothing,
            };
        }
    }
}

impl MediaLine {
    fn described(&self, muted: bool) -> OurLine<'_> {
        let listens = self.offered.sends() && !muted;
        let open = self.open.as_ref();
        OurLine {
            offered: &self.offered,
            port: open.map(|open| open.port),
            direction: if listens { Direction::RecvOnly } else { Direction::Inactive },
            key: open.and_then(|open| open.keys.as_ref()).map(|keys| keys.srtp.answer()),
        }
    }
}

/// The first key of a secure line that can be used.
fn keys(line: &Line) -> Option<Keys> {
    if !line.is_secure() {
        return None;
    }
    line.keys.iter().find_map(|offered| {
        let srtp = SrtpKeys::parse(offered).ok()?;
        Some(Keys { offered: offered.clone(), srtp })
    })
}
