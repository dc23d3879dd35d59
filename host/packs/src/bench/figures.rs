//! Numbers about many rulings.

use serde::{Deserialize, Serialize};

use super::measure::Sample;

/// What rulings of one kind took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figures {
    /// How many different events.
    pub events: usize,
    /// How many rulings were timed.
    pub rulings: usize,
    /// Half of them took at most this, in nanoseconds.
    pub p50_ns: u64,
    /// 99 of 100 took at most this, in nanoseconds.
    pub p99_ns: u64,
    /// The slowest, in nanoseconds.
    pub max_ns: u64,
    /// Half of the events took at most this, in units of fuel.
    pub fuel_p50: u64,
    /// The event that took most, in units of fuel.
    pub fuel_max: u64,
    /// The largest that an instance's memory became, in bytes.
    pub memory_bytes_max: usize,
}

impl Figures {
    /// Of the events in one group.
    pub(super) fn of<'s>(samples: impl Iterator<Item = &'s Sample>) -> Self {
        let (mut times, mut fuel, mut memory_bytes_max) = (Vec::new(), Vec::new(), 0);
        for sample in samples {
            times.extend_from_slice(&sample.took_ns);
            fuel.push(sample.fuel);
            memory_bytes_max = memory_bytes_max.max(sample.memory_bytes);
        }
        times.sort_unstable();
        fuel.sort_unstable();
        Self {
            events: fuel.len(),
            rulings: times.len(),
            p50_ns: percentile(&times, 50),
            p99_ns: percentile(&times, 99),
            max_ns: percentile(&times, 100),
            fuel_p50: percentile(&fuel, 50),
            fuel_max: percentile(&fuel, 100),
            memory_bytes_max,
        }
    }
}

/// The nearest rank: the least of them that `percent` of them do not exceed. None of them: zero.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([0, 1, 50, 99, 100].map(|p| percentile(&hundred, p)), [1, 1, 50, 99, 100]);
        assert_eq!([50, 99].map(|p| percentile(&[7], p)), [7, 7]);
        assert_eq!(percentile(&[], 50), 0);
    }
}
