//! The numbers of one source's packets (RFC 3550, appendices A.1, A.3 and A.8): what is next, late, double or lost.

/// Packets behind the newest whose numbers are remembered.
const REMEMBERED: u64 = 128;
/// RFC 3550 A.1, MAX_DROPOUT: a jump ahead further than this is another beginning.
const DROPOUT_MAX: i32 = 3_000;
/// RFC 3550 A.1, MAX_MISORDER: a step back further than this too.
const MISORDER_MAX: i32 = 100;

/// Where a packet stands among the others of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The one after the newest, or one further on; with its number, wraps counted.
    New(u64),
    /// One that was missing so far.
    Behind(u64),
    /// It was here already, or is too old to tell.
    Double,
    /// Far off. If the next packet follows it, numbers begin anew.
    Suspicious,
    /// Numbers begin anew with this one.
    Restart(u64),
}

/// What a receiver report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Report {
    /// Of the packets since the last report: lost, in 256ths.
    pub(super) fraction_lost: u8,
    /// Of all.
    pub(super) lost: u64,
    /// The newest number; wraps count in the upper half.
    pub(super) highest: u32,
}

/// The numbers of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    /// The first number of this beginning.
    first: u64,
    highest: u64,
    /// Bit n: the packet n before the newest came.
    came: u128,
    /// Distinct packets of this beginning.
    received: u64,
    /// Lost in earlier beginnings.
    lost_before: u64,
    /// The number that would follow a suspicious one.
    expected_after_suspicious: Option<u16>,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

impl Order {
    /// Begins with this number, after what was lost before.
    fn begin(&mut self, first: u64) {
        *self =
            Self { first, highest: first, came: 1, received: 1, lost_before: self.lost(), ..Self::default() };
    }

    /// Takes the next packet that arrives.
    pub(super) fn take(&mut self, number: u16) -> Place {
        if self.received == 0 {
            // Room below, for what came before the first in the wrong order.
            self.begin((1 << 16) + u64::from(number));
            return Place::New(self.first);
        }
        let ahead = i32::from(number.wrapping_sub(self.highest as u16) as i16);
        if !(-MISORDER_MAX..=DROPOUT_MAX).contains(&ahead) {
            return self.far_off(number);
        }
        self.expected_after_suspicious = None;
        if ahead > 0 {
            self.highest += ahead as u64;
            self.came = self.came.checked_shl(ahead as u32).unwrap_or(0) | 1;
            self.received += 1;
            return Place::New(self.highest);
        }
        let back = u64::from(ahead.unsigned_abs());
        let bit = 1u128.checked_shl(back as u32).unwrap_or(0);
        if back >= REMEMBERED || self.came & bit != 0 {
            return Place::Double;
        }
        self.came |= bit;
        self.received += 1;
        let number = self.highest - back;
        self.first = self.first.min(number);
        Place::Behind(number)
    }

    fn far_off(&mut self, number: u16) -> Place {
        if self.expected_after_suspicious != Some(number) {
            self.expected_after_suspicious = Some(number.wrapping_add(1));
            return Place::Suspicious;
        }
        // Numbers of another beginning lie above all earlier ones, so that order among packets stays plain.
        self.begin((((self.highest >> 16) + 2) << 16) + u64::from(number));
        Place::Restart(self.first)
    }

    /// Packets that came, each counted once.
    pub(super) fn came(&self) -> u64 {
        self.received
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    /// For the next receiver report (A.3).
    pub(super) fn report(&mut self) -> Report {
        let (expected, received) = (self.expected(), self.received);
        let since = (expected.saturating_sub(self.reported.0), received.saturating_sub(self.reported.1));
        self.reported = (expected, received);
        let lost = since.0.saturating_sub(since.1);
        let fraction_lost = (lost * 256).checked_div(since.0).unwrap_or(0).min(255) as u8;
        let wraps = (self.highest >> 16).saturating_sub(1) as u32;
        let highest = (wraps << 16) | (self.highest & 0xffff) as u32;
        Report { fraction_lost, lost: self.lost(), highest }
    }
}

/// Interarrival jitter (RFC 3550 A.8), in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Jitter {
    last: Option<f64>,
    mean: f64,
}

impl Jitter {
    /// Takes how long after its own time a packet arrived, in seconds.
    pub(super) fn take(&mut self, transit: f64) {
        if let Some(last) = self.last {
            self.mean += ((transit - last).abs() - self.mean) / 16.0;
        }
        self.last = Some(transit);
    }

    /// The clock jumped: its next packet has none before it.
    pub(super) fn skip(&mut self) {
        self.last = None;
    }

    /// In seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(numbers: &[u16]) -> (Vec<Place>, Order) {
        let mut order = Order::default();
        let places: Vec<Place> = numbers.iter().map(|n| order.take(*n)).collect();
        assert_eq!(places[0], Place::New((1 << 16) + u64::from(numbers[0])));
        (places[1..].to_vec(), order)
    }

    #[test]
    fn every_packet_has_its_place() {
        use Place::{Behind, Double, New, Restart, Suspicious};
        let at = |n: u64| n + (1 << 16);
        let check = |numbers: &[u16], want: &[Place], lost: u64| {
            let (got, order) = places(numbers);
            assert_eq!((got.as_slice(), order.lost()), (want, lost), "{numbers:?}");
        };
        check(&[7, 8, 9], &[New(at(8)), New(at(9))], 0);
        check(&[7, 9, 8, 8], &[New(at(9)), Behind(at(8)), Double], 0);
        check(&[7, 10], &[New(at(10))], 2);
        check(&[7, 6], &[Behind(at(6))], 0);
        check(&[65_534, 65_535, 1], &[New(at(65_535)), New(at(65_537))], 1);
        check(&[1, 65_535], &[Behind(at(0) - 1)], 1);
        check(&[7, 20_000, 8], &[Suspicious, New(at(8))], 0);
        check(
            &[7, 20_000, 20_001, 20_002],
            &[Suspicious, Restart(3 * 65_536 + 20_001), New(3 * 65_536 + 20_002)],
            0,
        );
        check(&[500, 300, 200], &[Suspicious, Suspicious], 0);
    }

    #[test]
    fn a_hundred_thousand_packets_wrap_without_loss() {
        let mut order = Order::default();
        for n in 0..100_000u32 {
            assert_eq!(order.take((65_000 + n) as u16), Place::New((1 << 16) + 65_000 + u64::from(n)));
        }
        assert_eq!(order.lost(), 0);
        assert_eq!(order.report().highest, 65_000 + 99_999);
    }

    #[test]
    fn a_report_tells_of_the_time_since_the_last() {
        let mut order = Order::default();
        (0..64u16).filter(|n| n % 4 != 1).for_each(|n| _ = order.take(n));
        let first = order.report();
        assert_eq!((first.fraction_lost, first.lost), (64, 16));
        (64..128u16).for_each(|n| _ = order.take(n));
        assert_eq!((order.report().fraction_lost, order.report().lost), (0, 16));
    }
}
