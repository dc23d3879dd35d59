//! Keys as telephone events (RFC 4733): every event once, whichever of its packets come.

/// The events that are keys (RFC 4733 3.2, table 3).
const SYMBOLS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
/// After this long without a packet of an event, in seconds, its end was lost.
const SILENT_S: f64 = 0.2;
/// A key that is held for longer than this, in seconds, is told of before it is let go.
const HELD_MAX_S: f64 = 5.0;

/// One packet's payload (RFC 4733 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventPacket {
    pub(super) code: u8,
    pub(super) ended: bool,
    /// In ticks.
    pub(super) duration: u16,
}

impl EventPacket {
    /// Reads a payload; of several events in one (2.5.1.5), the first is meant.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low, ..] = *payload else { return None };
        Some(Self { code, ended: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

/// A key that was pressed, in ticks of its source's clock, wraps counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pressed {
    pub(super) symbol: char,
    pub(super) start: i64,
    pub(super) end: i64,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    code: u8,
    start: i64,
    /// The timestamp of its packets: the start, or that of the newest segment (2.5.1.3).
    stamp: i64,
    end: i64,
    heard: f64,
}

/// The keys of one source.
#[derive(Debug, Default)]
pub(super) struct Events {
    current: Option<Current>,
    /// The newest stamp that has been told of; its packets still come, three times and more.
    told: Option<i64>,
}

impl Events {
    /// Takes a packet with this timestamp. What is given back was pressed, and has not been told of before.
    pub(super) fn take(
        &mut self,
        packet: EventPacket,
        stamp: i64,
        now: f64,
        clock_hz: u32,
    ) -> Option<Pressed> {
        if self.told.is_some_and(|told| stamp <= told) {
            return None;
        }
        let end = stamp + i64::from(packet.duration);
        let before = match &mut self.current {
            Some(current) if current.stamp == stamp => {
                (current.end, current.heard) = (current.end.max(end), now);
                None
            }
            Some(current) if stamp < current.stamp => return None,
            // A long event goes on in another segment.
            Some(current) if current.code == packet.code && stamp <= current.end => {
                (current.stamp, current.end, current.heard) = (stamp, end, now);
                None
            }
            _ => {
                let before = self.finish();
                self.current = Some(Current { code: packet.code, start: stamp, stamp, end, heard: now });
                before
            }
        };
        // An event whose end is in its only packet, after one whose end was lost, is told of with the next look.
        if before.is_some() {
            return before;
        }
        let held = |c: &Current| (c.end - c.start) as f64 > HELD_MAX_S * f64::from(clock_hz);
        if packet.ended || self.current.as_ref().is_some_and(held) { self.finish() } else { None }
    }

    /// What was pressed by `now` without an end that came.
    pub(super) fn overdue(&mut self, now: f64) -> Option<Pressed> {
        let overdue = self.current.is_some_and(|current| now - current.heard > SILENT_S);
        if overdue { self.finish() } else { None }
    }

    /// The event that goes on, as far as it is known.
    pub(super) fn finish(&mut self) -> Option<Pressed> {
        let Current { code, start, stamp, end, .. } = self.current.take()?;
        self.told = Some(stamp);
        let symbol = *SYMBOLS.get(usize::from(code))?;
        Some(Pressed { symbol, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (stamp, code, duration, end); the keys that come of them, and at which packet.
    fn check(packets: &[(i64, u8, u16, bool)], want: &[(usize, char, i64, i64)]) {
        let mut events = Events::default();
        let mut got = vec![];
        for (n, (stamp, code, duration, ended)) in packets.iter().enumerate() {
            let packet = EventPacket { code: *code, duration: *duration, ended: *ended };
            let pressed = events.take(packet, *stamp, n as f64 * 0.02, 8_000);
            got.extend(pressed.map(|p| (n, p.symbol, p.start, p.end)));
        }
        got.extend(events.overdue(1e6).map(|p| (packets.len(), p.symbol, p.start, p.end)));
        assert_eq!(got, want, "{packets:?}");
    }

    #[test]
    fn every_key_is_told_of_once() {
        let five = [
            (800, 5, 160, false),
            (800, 5, 320, false),
            (800, 5, 480, true),
            (800, 5, 480, true),
            (800, 5, 480, true),
        ];
        check(&five, &[(2, '5', 800, 1_280)]);
        // Only a copy of the end came.
        check(&five[4..], &[(0, '5', 800, 1_280)]);
        // No end came: the next key, or silence, ends it.
        check(
            &[(0, 1, 160, false), (0, 1, 320, false), (900, 11, 160, true)],
            &[(2, '1', 0, 320), (3, '#', 900, 1_060)],
        );
        // In the wrong order.
        check(
            &[(0, 2, 320, false), (0, 2, 160, false), (0, 2, 480, true), (0, 2, 160, false)],
            &[(2, '2', 0, 480)],
        );
        // Two segments of one long event.
        check(&[(0, 3, 30_000, false), (30_000, 3, 400, true)], &[(1, '3', 0, 30_400)]);
        // No key: a flash hook. And what is too short to be an event.
        check(&[(0, 16, 160, true)], &[]);
        assert_eq!(EventPacket::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn a_key_held_down_is_told_of_all_the_same() {
        let packets: Vec<_> = (1..400u16).map(|n| (0, 9, n * 160, false)).collect();
        check(&packets, &[(250, '9', 0, 251 * 160)]);
    }
}
