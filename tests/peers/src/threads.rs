//! Two threads on one engine.

use std::{sync::Barrier, thread, time::Instant};

use caveat_model::Facts;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::{ours::Ours, rounds::percentile, scene};

/// How rulings scale. 2 would be perfect.
#[derive(Debug, Serialize)]
pub(crate) struct Scaling {
    /// By the wall clock, in the quietest rounds: what others do on the machine is in the way of two threads, not of one.
    pub(crate) wall_best: f64,
    /// By the wall clock, the median over rounds.
    pub(crate) wall_p50: f64,
    /// By the processor time that a thread takes for a ruling, alone and beside another; the median over rounds.
    pub(crate) processor_p50: f64,
}

const RULINGS: usize = 2_000;

/// Three packs chained, on one thread and on two.
pub(crate) fn scaling(ours: &Ours, facts: &Facts, rounds: usize) -> Scaling {
    let (mut alone, mut both, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let one = run(ours, facts, 1);
        let two = run(ours, facts, 2);
        processor.push(2.0 * one.processor_ns / two.processor_ns);
        alone.push(one.wall_ns);
        both.push(two.wall_ns);
    }
    let mut ratios: Vec<f64> = alone.iter().zip(&both).map(|(one, two)| one / two).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    processor.sort_unstable_by(f64::total_cmp);
    let least = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
    Scaling {
        wall_best: least(&alone) / least(&both),
        wall_p50: percentile(&ratios, 50),
        processor_p50: percentile(&processor, 50),
    }
}

/// Per verdict, whichever thread gave it.
struct Took {
    wall_ns: f64,
    processor_ns: f64,
}

fn run(ours: &Ours, facts: &Facts, threads: usize) -> Took {
    let set = ours.three();
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        let (wall, processor) = (Instant::now(), processor_ns());
        for _ in 0..RULINGS {
            let _ = std::hint::black_box(ours.judge(&set, &scene::EVENT, facts));
        }
        (wall.elapsed().as_nanos() as f64, processor_ns() - processor)
    };
    let took: Vec<(f64, f64)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let verdicts = (RULINGS * threads) as f64;
    Took {
        wall_ns: took.iter().map(|(wall, _)| *wall).fold(0.0, f64::max) / verdicts,
        processor_ns: took.iter().map(|(_, processor)| processor).sum::<f64>() / verdicts,
    }
}

/// Processor time of this thread, in nanoseconds.
pub(crate) fn processor_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
