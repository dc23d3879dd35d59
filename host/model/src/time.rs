//! Points in time, and where they come from.

use std::{
    fmt,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. As text: RFC 3339 in UTC, three decimals.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "date-time"))]
pub struct Moment(u64);

/// The last moment that has a text form: the last full hour that RFC 3339 libraries agree on, in 9999.
const LAST_MS: u64 = 253_402_207_199_999;

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no time: RFC 3339 is wanted, for example 2026-11-23T09:30:00Z, or a date")]
pub struct MomentError {
    /// What was given.
    pub given: String,
}

impl Moment {
    /// From milliseconds since the epoch; beyond the last it is the last.
    pub const fn from_millis(ms: u64) -> Self {
        Self(if ms > LAST_MS { LAST_MS } else { ms })
    }
    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
    /// This much later; it stops at the last full hour that RFC 3339 libraries agree on, in 9999.
    pub const fn plus_millis(self, ms: u64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }
    /// This many days of 24 hours later.
    pub const fn plus_days(self, days: u64) -> Self {
        self.plus_millis(days.saturating_mul(86_400_000))
    }
    /// Milliseconds from `earlier` to here; zero when that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
    /// The date alone, in UTC.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0 as i64) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;
    fn from_str(s: &str) -> Result<Self, MomentError> {
        let err = || MomentError { given: s.chars().take(60).collect() };
        let ms = match s.parse::<jiff::Timestamp>() {
            Ok(t) => t.as_millisecond(),
            Err(_) => {
                let date: jiff::civil::Date = s.parse().map_err(|_| err())?;
                let midnight = date.at(0, 0, 0, 0);
                jiff::tz::TimeZone::UTC.to_timestamp(midnight).map_err(|_| err())?.as_millisecond()
            }
        };
        u64::try_from(ms).map(Self::from_millis).map_err(|_| err())
    }
}

impl TryFrom<String> for Moment {
    type Error = MomentError;
    fn try_from(s: String) -> Result<Self, MomentError> {
        s.parse()
    }
}

impl From<Moment> for String {
    fn from(m: Moment) -> String {
        m.to_string()
    }
}

/// Where the time comes from. The only seam for it: nothing else in the house reads a clock for its decisions.
pub trait Clock: Send + Sync + 'static {
    /// The time now. It may go back when the machine's clock is set; callers that cannot bear it keep the maximum.
    fn now(&self) -> Moment;

    /// Milliseconds that have passed since some beginning, which is the clock's own. Setting the machine's clock does
    /// not move it. What lasts (a call, a pause) is measured by it.
    fn ticks_ms(&self) -> u64 {
        self.now().as_millis()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from_millis(jiff::Timestamp::now().as_millisecond().max(0) as u64)
    }

    fn ticks_ms(&self) -> u64 {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        u64::try_from(BEGINNING.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved: for cases, replay and tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicU64,
    ticks: AtomicU64,
}

impl ManualClock {
    /// Stopped at `at`.
    pub fn new(at: Moment) -> Self {
        Self { now: AtomicU64::new(at.as_millis()), ticks: AtomicU64::new(0) }
    }
    /// Sets it, forward or back, as an administrator sets a machine's clock: no time passes.
    pub fn set(&self, at: Moment) {
        self.now.store(at.as_millis(), Ordering::SeqCst);
    }
    /// Lets time pass.
    pub fn advance_millis(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
        self.ticks.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn ticks_ms(&self) -> u64 {
        self.ticks.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn text_and_back() {
        let m: Moment = "2042-03-01".parse().unwrap();
        assert_eq!(m.to_string(), "2042-03-01T00:00:00.000Z");
        assert_eq!(m.date(), "2042-03-01");
        assert_eq!(m.to_string().parse(), Ok(m));
        assert!("yesterday".parse::<Moment>().is_err());
        assert!("1969-12-31".parse::<Moment>().is_err());
    }

    #[test]
    fn a_clock_that_is_set_lets_no_time_pass() {
        let clock = ManualClock::new(Moment::from_millis(10_000));
        let began = clock.ticks_ms();
        clock.set(Moment::from_millis(3_600_000));
        assert_eq!(clock.ticks_ms(), began);
        clock.advance_millis(40);
        assert_eq!((clock.ticks_ms() - began, clock.now().as_millis()), (40, 3_600_040));
    }

    #[test]
    fn the_end_of_time_is_kept() {
        let last = Moment::from_millis(u64::MAX);
        assert_eq!(last.plus_days(u64::MAX), last);
        assert_eq!(last.to_string().parse(), Ok(last));
    }
}
