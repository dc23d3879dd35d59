//! The clock. Contenders take turns in small batches, so that whatever else the machine does is in the way of all alike.

use std::time::Instant;

use serde::Serialize;

/// One way of judging the scene.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    /// Judges once; whether the recording was refused, for its reasons.
    pub(crate) judge: Box<dyn FnMut() -> anyhow::Result<bool> + 'a>,
    /// Judgements per reading of the clock: more than one where a reading costs as much as a judgement.
    pub(crate) at_once: u32,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, judge: impl FnMut() -> anyhow::Result<bool> + 'a) -> Self {
        Self { name, judge: Box::new(judge), at_once: 1 }
    }
}

/// What a contender took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Taken {
    pub(crate) name: &'static str,
    /// Median of all judgements, in nanoseconds.
    pub(crate) p50_ns: f64,
    /// 99 of 100 took at most this, in nanoseconds.
    pub(crate) p99_ns: f64,
    /// Median of the quietest batch, in nanoseconds.
    pub(crate) best_ns: f64,
    /// Median of each batch, in nanoseconds.
    #[serde(skip)]
    batches: Vec<f64>,
}

const BATCH: usize = 64;

/// Has each contender judge in turn, `rounds` times a batch. The first round only warms up.
pub(crate) fn take_turns(contenders: &mut [Contender<'_>], rounds: usize) -> anyhow::Result<Vec<Taken>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    let mut batches = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for (n, contender) in contenders.iter_mut().enumerate() {
            let mut batch = batch(contender)?;
            if round > 0 {
                batch.sort_unstable_by(f64::total_cmp);
                batches[n].push(percentile(&batch, 50));
                samples[n].append(&mut batch);
            }
        }
    }
    let taken = contenders.iter().zip(samples).zip(batches).map(|((contender, mut all), batches)| {
        all.sort_unstable_by(f64::total_cmp);
        Taken {
            name: contender.name,
            p50_ns: percentile(&all, 50),
            p99_ns: percentile(&all, 99),
            best_ns: batches.iter().copied().fold(f64::INFINITY, f64::min),
            batches,
        }
    });
    Ok(taken.collect())
}

fn batch(contender: &mut Contender<'_>) -> anyhow::Result<Vec<f64>> {
    let mut taken = Vec::with_capacity(BATCH);
    for _ in 0..BATCH {
        let began = Instant::now();
        for _ in 0..contender.at_once {
            let refused = (contender.judge)()?;
            anyhow::ensure!(std::hint::black_box(refused), "{} does not refuse", contender.name);
        }
        taken.push(began.elapsed().as_nanos() as f64 / f64::from(contender.at_once));
    }
    Ok(taken)
}

impl Taken {
    /// How many times longer than the other this takes: the median over rounds of the ratio within a round.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let mut ratios: Vec<f64> = self.batches.iter().zip(&other.batches).map(|(a, b)| a / b).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        percentile(&ratios, 50)
    }
}

pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
