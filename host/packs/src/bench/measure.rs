//! The clock around rulings.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use caveat_engine::Engine;
use caveat_model::{Event, Facts, Ruling, Stage};
use serde_json::Value;

use super::{
    figures::Figures,
    report::{BenchReport, Comparison, Load, RuleFigures, StageFigures},
};
use crate::{
    FAILURE_RULE, LoadedPack, PackError, PackFile,
    cases::{Configured, Script},
    load,
};

/// Every event is ruled on as often at the least.
const ROUNDS_MIN: usize = 20;
/// This part of the time goes by before anything is counted.
const WARM_UP: u32 = 10;
/// From the cache a pack loads in next to no time: so often is it loaded for the median.
const CACHED_LOADS: usize = 9;

/// One event, and what each contender took for it.
struct Asked {
    event: Event,
    facts: Facts,
    /// The first rule that the pack named: it decided.
    rule: Option<String>,
    sample: Sample,
    other: Option<(Arc<LoadedPack>, Sample, Differs)>,
    pack: Arc<LoadedPack>,
}

/// Whether the other pack says something else.
type Differs = bool;

/// What one pack took for one event.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) took_ns: Vec<u64>,
    pub(super) fuel: u64,
    pub(super) memory_bytes: usize,
}

/// A pack under measurement, and perhaps another beside it.
pub(super) struct Bench<'a> {
    engine: &'a Engine,
    main: Contender<'a>,
    other: Option<Contender<'a>>,
    asked: Vec<Asked>,
}

struct Contender<'a> {
    file: &'a PackFile,
    load: Load,
    by_settings: Configured<'a>,
}

impl<'a> Contender<'a> {
    fn new(engine: &'a Engine, file: &'a PackFile, settings: &Value) -> Result<Self, PackError> {
        let load = time_loads(engine, file, settings)?;
        Ok(Self { file, load, by_settings: Configured::new(engine, file) })
    }
}

impl<'a> Bench<'a> {
    /// Loads the packs with the clock on, with the settings of the first case.
    pub(super) fn new(
        engine: &'a Engine,
        file: &'a PackFile,
        other: Option<&'a PackFile>,
        scripts: &[Script],
    ) -> Result<Self, PackError> {
        let settings = scripts.first().map_or(&Value::Null, |script| &script.settings);
        let main = Contender::new(engine, file, settings)?;
        let other = other.map(|file| Contender::new(engine, file, settings)).transpose()?;
        Ok(Self { engine, main, other, asked: vec![] })
    }

    /// Plays each case once, for its events with what is known at them, and for who decides.
    pub(super) fn learn(&mut self, scripts: &[Script]) -> Result<(), PackError> {
        for script in scripts {
            let pack = self.main.by_settings.with(&script.settings)?;
            let other = self.other.as_mut().map(|o| o.by_settings.with(&script.settings)).transpose()?;
            let mut labels = Vec::new();
            for step in &script.steps {
                let (event, mut facts) = (step.event.clone(), step.facts.clone());
                facts.labels.extend_from_slice(&labels);
                let (sample, ruling) = self.first(&pack, &event, &facts);
                labels.extend(ruling.iter().flat_map(|r| &r.labels));
                let other = other.as_ref().map(|other| {
                    let (sample, said) = self.first(other, &event, &facts);
                    (other.clone(), sample, said != ruling)
                });
                let rule = decided(ruling.as_ref());
                self.asked.push(Asked { event, facts, rule, sample, other, pack: pack.clone() });
            }
        }
        Ok(())
    }

    fn first(&self, pack: &LoadedPack, event: &Event, facts: &Facts) -> (Sample, Option<Ruling>) {
        match self.engine.rule(&pack.pack, event, facts) {
            Ok(answer) => {
                let (fuel, memory_bytes) = (answer.fuel, answer.memory_bytes);
                (Sample { fuel, memory_bytes, ..Sample::default() }, Some(answer.ruling))
            }
            Err(_) => (Sample::default(), None),
        }
    }

    /// Rounds over all events until the time is over; the first part only warms up.
    pub(super) fn run(&mut self, time: Duration, mut progress: Option<&mut dyn FnMut(Duration)>) {
        let began = Instant::now();
        let warm = time / WARM_UP;
        let mut rounds = 0;
        while began.elapsed() < time || rounds < ROUNDS_MIN {
            let counts = began.elapsed() >= warm;
            for asked in &mut self.asked {
                let main = (&asked.pack, &mut asked.sample);
                let other = asked.other.as_mut().map(|(pack, sample, _)| (&*pack, sample));
                for (pack, sample) in [Some(main), other].into_iter().flatten() {
                    let before = Instant::now();
                    let answer = self.engine.rule(&pack.pack, &asked.event, &asked.facts);
                    let took = before.elapsed();
                    drop(answer);
                    if counts {
                        sample.took_ns.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                    }
                }
            }
            rounds += usize::from(counts);
            if let Some(progress) = &mut progress {
                progress(began.elapsed().min(time));
            }
        }
    }

    pub(super) fn report(&self) -> BenchReport {
        let samples = || self.asked.iter().map(|asked| (asked, &asked.sample));
        let times = samples().flat_map(|(_, sample)| &sample.took_ns);
        let total_ns: u64 = times.clone().sum();
        let rulings = times.count();
        let rulings_per_s = if total_ns == 0 { 0.0 } else { rulings as f64 * 1e9 / total_ns as f64 };
        let about = &self.main.file.manifest().pack;
        BenchReport {
            pack: about.name.clone(),
            version: about.version.to_string(),
            digest: self.main.file.digest(),
            events: self.asked.len(),
            rulings,
            rulings_per_s,
            load: self.main.load.clone(),
            stages: stages(samples()),
            rules: rules(samples()),
            other: self.other.as_ref().map(|other| self.compare(other)),
        }
    }

    /// In the groups of the first pack's rules, so that both figures are of the same events.
    fn compare(&self, other: &Contender<'_>) -> Comparison {
        let samples = || self.asked.iter().filter_map(|a| a.other.as_ref().map(|(_, s, _)| (a, s)));
        let about = &other.file.manifest().pack;
        Comparison {
            pack: about.name.clone(),
            version: about.version.to_string(),
            digest: other.file.digest(),
            other_answers: self.asked.iter().filter(|a| matches!(a.other, Some((.., true)))).count(),
            load: other.load.clone(),
            stages: stages(samples()),
            rules: rules(samples()),
        }
    }
}

fn time_loads(engine: &Engine, file: &PackFile, settings: &Value) -> Result<Load, PackError> {
    let timed = || {
        let began = Instant::now();
        let pack = load(engine, file, settings)?;
        Ok::<_, PackError>((u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), pack))
    };
    let (first_us, pack) = timed()?;
    let again = || timed().map(|(us, _)| us);
    let mut cached: Vec<u64> = (0..CACHED_LOADS).map(|_| again()).collect::<Result<_, _>>()?;
    cached.sort_unstable();
    Ok(Load {
        component_bytes: file.bytes().len(),
        resident_bytes: pack.pack.resident_bytes(),
        is_snapshotted: pack.pack.is_snapshotted(),
        first_us,
        cached_us: cached.get(CACHED_LOADS / 2).copied().unwrap_or_default(),
    })
}

fn stages<'s>(samples: impl Iterator<Item = (&'s Asked, &'s Sample)>) -> Vec<StageFigures> {
    let groups = grouped(samples, |asked| asked.event.stage());
    let of =
        |(stage, group): (Stage, Vec<_>)| StageFigures { stage, figures: Figures::of(group.into_iter()) };
    groups.into_iter().map(of).collect()
}

fn rules<'s>(samples: impl Iterator<Item = (&'s Asked, &'s Sample)>) -> Vec<RuleFigures> {
    let groups = grouped(samples, |asked| (asked.event.stage(), asked.rule.clone()));
    let of = |((stage, rule), group): ((Stage, Option<String>), Vec<_>)| RuleFigures {
        stage,
        rule,
        figures: Figures::of(group.into_iter()),
    };
    groups.into_iter().map(of).collect()
}

fn grouped<'s, K: Ord>(
    samples: impl Iterator<Item = (&'s Asked, &'s Sample)>,
    key: impl Fn(&Asked) -> K,
) -> BTreeMap<K, Vec<&'s Sample>> {
    let mut groups: BTreeMap<K, Vec<&Sample>> = BTreeMap::new();
    for (asked, sample) in samples {
        groups.entry(key(asked)).or_default().push(sample);
    }
    groups
}

/// The first rule that is named; a pack that failed is answered for.
fn decided(ruling: Option<&Ruling>) -> Option<String> {
    let Some(ruling) = ruling else { return Some(FAILURE_RULE.to_owned()) };
    let reasons = ruling.reasons.iter().map(|r| &r.rule);
    let mut named = reasons
        .chain(ruling.obligations.iter().map(|o| &o.rule))
        .chain(ruling.scores.iter().map(|s| &s.rule));
    named.next().cloned()
}
