//! What a process uses, and what the host says it counted.

use std::{fs, time::Duration};

use anyhow::{Context, bail};

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Use {
    /// Processor time, its own and the kernel's on its behalf.
    pub cpu: Duration,
    /// Bytes in memory now.
    pub resident: u64,
}

impl Use {
    /// Of this process id.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("no such process")?;
        // The name may hold anything; what follows the last bracket are numbers.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).context("/proc/PID/stat");
        // Fields 14 and 15 of proc(5), in hundredths of a second.
        let cpu = Duration::from_millis(10 * (ticks(11)? + ticks(12)?));
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(Self { cpu, resident: kib << 10 })
    }
}

/// The counters of a host, read from its `/metrics`.
#[derive(Debug, Clone, Default)]
pub struct Counters(String);

impl Counters {
    /// Of the host with this address.
    pub async fn of(url: &str) -> anyhow::Result<Self> {
        let answer = reqwest::get(format!("{url}/metrics")).await?;
        if !answer.status().is_success() {
            bail!("{url}/metrics: {}", answer.status());
        }
        Ok(Self(answer.text().await?))
    }

    /// One of them, with its labels as they are written (`name{what="taken"}`); 0 if it never counted.
    pub fn get(&self, name: &str) -> f64 {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        self.0.lines().find_map(value).unwrap_or(0.0)
    }
}

/// Of durations: the one that this share is not longer than.
pub fn percentile(durations: &mut [Duration], share: f64) -> Duration {
    durations.sort_unstable();
    let place = ((durations.len() as f64 * share).ceil() as usize).saturating_sub(1);
    durations.get(place).copied().unwrap_or_default()
}
