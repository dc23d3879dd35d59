//! Legs of one call whose sender reports tell the same clock (RFC 3550 6.4.1) are aligned by that clock: the path of one
//! may be longer than that of another, and arrival alone cannot tell.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Reports that are remembered, and how few tell nothing yet.
const REPORTS: usize = 12;
const REPORTS_MIN: usize = 4;
/// A sender whose reports disagree among themselves by more than this, in seconds, does not know its clock. Some put
/// down the timestamp of the last packet with the time of the report.
const SPREAD_MAX_S: f64 = 0.000_5;
/// A clock of sound that is further off its sender's own than this is none.
const DRIFT_MAX: f64 = 500e-6;
/// Paths do not differ by more than this, in seconds: then it is the names that are wrong.
const APART_MAX_S: f64 = 0.3;

#[derive(Debug, Clone, Copy)]
struct Report {
    media: f64,
    ntp: f64,
}

/// What the sender reports of one source say of its clock.
#[derive(Debug, Default)]
pub(super) struct SenderClock {
    reports: VecDeque<Report>,
    /// What the newest one says: media time and call time.
    newest: Option<(f64, f64)>,
}

impl SenderClock {
    /// A report: at `ntp` (32.32 bits) of the sender's clock, the sound was at `media`, which is at `local` on the call's
    /// clock as far as arrival tells; both in seconds.
    pub(super) fn report(&mut self, ntp: u64, media: f64, local: f64) {
        let ntp = ntp as f64 / f64::from(1u32 << 31) / 2.0;
        // A report that steps back, or over more than a day, begins anew.
        let follows = |last: &Report| media > last.media && ntp > last.ntp && ntp - last.ntp < 86_400.0;
        if !self.reports.back().is_none_or(follows) {
            self.reports.clear();
        }
        self.reports.push_back(Report { media, ntp });
        if self.reports.len() > REPORTS {
            self.reports.pop_front();
        }
        self.newest = Some((media, local));
    }

    /// Call time minus the sender's time, in seconds. None where its reports do not tell, or not well.
    pub(super) fn difference(&self) -> Option<f64> {
        let (media, local) = self.newest?;
        let first = *self.reports.front()?;
        if self.reports.len() < REPORTS_MIN {
            return None;
        }
        let n = self.reports.len() as f64;
        let points = self.reports.iter().map(|r| (r.media - first.media, r.ntp - first.ntp));
        let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
        let (xx, xy) = points
            .clone()
            .fold((0.0, 0.0), |(xx, xy), p| (xx + (p.0 - x) * (p.0 - x), xy + (p.0 - x) * (p.1 - y)));
        let rate = xy / xx;
        let at = |media: f64| y + rate * (media - x);
        let spread = points.map(|p| (p.1 - at(p.0)).abs()).fold(0.0, f64::max);
        let ntp = first.ntp + at(media - first.media);
        ((rate - 1.0).abs() < DRIFT_MAX && spread < SPREAD_MAX_S).then_some(local - ntp)
    }
}

/// One source of one m-line, as its own reports have it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) cname: Vec<u8>,
    pub(super) ssrc: u32,
    /// See [`SenderClock::difference`].
    pub(super) difference: f64,
}

/// What the m-lines of one call know of each other.
type Known = Mutex<Vec<(u64, Told)>>;

/// One m-line's part in what those of its call know of each other.
#[derive(Debug, Default)]
pub(super) struct Alignment {
    known: Arc<Known>,
    /// Which m-line it is.
    line: u64,
}

/// The same, once its call is gone: nothing.
#[derive(Debug)]
pub(super) struct WeakAlignment(Weak<Known>);

impl Alignment {
    pub(super) fn downgrade(&self) -> WeakAlignment {
        WeakAlignment(Arc::downgrade(&self.known))
    }

    /// An m-line tells what it knows, and learns by how much each of its sources is to be moved, in seconds: all with the
    /// same name come as early as the earliest of them.
    pub(super) fn tell(&self, told: Vec<Told>) -> Vec<(u32, f64)> {
        if told.is_empty() {
            return vec![];
        }
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(whose, _)| *whose != self.line);
        all.extend(told.iter().cloned().map(|told| (self.line, told)));
        let correction = |own: &Told| {
            let others = all.iter().filter(|(_, other)| other.cname == own.cname);
            let apart = others.map(|(_, other)| other.difference - own.difference);
            let earliest = apart.fold(0.0, f64::min);
            (own.ssrc, if earliest > -APART_MAX_S { earliest } else { 0.0 })
        };
        told.iter().map(correction).collect()
    }
}

impl Drop for Alignment {
    fn drop(&mut self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|(whose, _)| *whose != self.line);
    }
}

impl WeakAlignment {
    pub(super) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// The part of another m-line of the same call.
    pub(super) fn upgrade(&self) -> Option<Alignment> {
        Some(Alignment { known: self.0.upgrade()?, line: rand::random() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ntp(seconds: f64) -> u64 {
        (seconds * 4_294_967_296.0) as u64
    }

    /// A sender whose reports come every five seconds; its sound runs `ppm` fast against its own clock.
    fn clock(reports: u32, ppm: f64, off: impl Fn(u32) -> f64, delay: f64) -> SenderClock {
        let mut clock = SenderClock::default();
        for n in 0..reports {
            let time = f64::from(n) * 5.0;
            let media = 77.0 + time * (1.0 + ppm * 1e-6);
            clock.report(ntp(3.9e9 + time + off(n)), media, time + delay);
        }
        clock
    }

    #[test]
    fn reports_tell_a_clock_only_where_they_agree() {
        let apart = |clock: SenderClock| clock.difference().map(|d| ((d + 3.9e9) * 1e4).round() / 1e4);
        assert_eq!(apart(clock(10, 80.0, |_| 0.0, 0.25)), Some(0.25));
        assert_eq!(apart(clock(3, 80.0, |_| 0.0, 0.25)), None, "too few");
        assert_eq!(apart(clock(10, 5_000.0, |_| 0.0, 0.25)), None, "no clock of sound");
        assert_eq!(
            apart(clock(10, 0.0, |n| f64::from(n % 3) * 0.007, 0.25)),
            None,
            "the last packet's timestamp"
        );
    }

    #[test]
    fn sources_of_one_name_come_as_early_as_the_earliest() {
        let told = |name: &str, ssrc, difference| Told { cname: name.into(), ssrc, difference };
        let first = Alignment::default();
        let line = || first.downgrade().upgrade().unwrap();
        let (second, third) = (line(), line());
        assert_eq!(first.tell(vec![told("a", 10, 0.050)]), [(10, 0.0)]);
        let corrections = second.tell(vec![told("a", 20, 0.080), told("b", 21, 0.9)]);
        assert!((corrections[0].1 + 0.030).abs() < 1e-9 && corrections[1] == (21, 0.0), "{corrections:?}");
        assert_eq!(third.tell(vec![told("a", 30, 7.0)]), [(30, 0.0)], "too far apart to be true");
        drop(first);
        assert_eq!(second.tell(vec![told("a", 20, 0.080)]), [(20, 0.0)]);
    }
}
