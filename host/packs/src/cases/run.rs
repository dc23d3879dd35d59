//! Cases put to a pack in the real engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Instant,
};

use caveat_engine::Engine;
use caveat_model::{Reason, Verdict};
use serde_json::Value;

use super::{
    CaseReport, CaseResult, RuleCoverage,
    script::{Script, read_scripts, scripts_in},
};
use crate::{ActiveSet, LoadedPack, Manifest, PackError, PackFile, Problem, Trace, load, settings};

/// Which cases are run, and who is told how far it is.
#[derive(Default)]
pub struct CaseOptions<'a> {
    /// Only cases whose name, file or rules contain this; empty: all. Case does not matter.
    pub filter: &'a str,
    /// Is told how many cases are done, and of how many.
    pub progress: Option<&'a mut dyn FnMut(usize, usize)>,
}

/// Runs every case in `dir` (a pack's `cases/`) against the pack.
///
/// # Errors
/// [`PackError::Document`] with line or key for a file that cannot be read, [`PackError::NoCases`], [`PackError::Settings`]
/// and [`PackError::Load`]. A case that disagrees is no error; it is in the report.
pub fn run_cases(engine: &Engine, pack: &PackFile, dir: &Path) -> Result<CaseReport, PackError> {
    play_cases(engine, pack, dir, CaseOptions::default())
}

/// Runs the cases that the pack carries; none at all in a pack without.
///
/// # Errors
/// As [`run_cases`], but [`PackError::NoCases`].
pub fn run_own_cases(engine: &Engine, pack: &PackFile) -> Result<CaseReport, PackError> {
    let about = &pack.manifest().pack;
    let within = format!("{}-{}.wasm", about.name, about.version);
    let scripts = read_scripts(&pack.cases()?, Path::new(&within), &pack.manifest().rule_ids())?;
    play(&mut Configured::new(engine, pack), &scripts, None)
}

/// As [`run_cases`], for some of the cases.
///
/// # Errors
/// As [`run_cases`].
pub fn play_cases(
    engine: &Engine,
    pack: &PackFile,
    dir: &Path,
    options: CaseOptions<'_>,
) -> Result<CaseReport, PackError> {
    let mut scripts = scripts_in(dir, &pack.manifest().rule_ids())?;
    let all = scripts.len();
    scripts.retain(|script| script.is_about(&options.filter.to_lowercase()));
    let left_out = all - scripts.len();
    let report = play(&mut Configured::new(engine, pack), &scripts, options.progress)?;
    Ok(CaseReport { left_out, ..report })
}

/// A pack with the settings that cases ask for: it is configured once for all cases that agree on them.
pub(crate) struct Configured<'a> {
    engine: &'a Engine,
    file: &'a PackFile,
    by_settings: BTreeMap<String, Arc<LoadedPack>>,
}

impl<'a> Configured<'a> {
    pub(crate) fn new(engine: &'a Engine, file: &'a PackFile) -> Self {
        Self { engine, file, by_settings: BTreeMap::new() }
    }

    pub(crate) fn with(&mut self, given: &Value) -> Result<Arc<LoadedPack>, PackError> {
        let key = settings::canonical(given);
        if let Some(pack) = self.by_settings.get(&key) {
            return Ok(pack.clone());
        }
        let pack = Arc::new(load(self.engine, self.file, given)?);
        self.by_settings.insert(key, pack.clone());
        Ok(pack)
    }
}

/// Runs them with a pack that may be configured already.
pub(crate) fn play(
    packs: &mut Configured<'_>,
    scripts: &[Script],
    mut progress: Option<&mut dyn FnMut(usize, usize)>,
) -> Result<CaseReport, PackError> {
    let manifest = packs.file.manifest().clone();
    let mut coverage = coverage_of(&manifest);
    let mut cases = Vec::with_capacity(scripts.len());
    for (n, script) in scripts.iter().enumerate() {
        let pack = packs.with(&script.settings).map_err(|error| script.located(error))?;
        let (case, spoke) = script.play(packs.engine, &ActiveSet::obeying([pack]));
        cases.push(case);
        for rule in &script.rules {
            if let Some(of_rule) = coverage.get_mut(rule) {
                let side =
                    if spoke.contains(rule) { &mut of_rule.cases_for } else { &mut of_rule.cases_against };
                *side += 1;
            }
        }
        if let Some(progress) = &mut progress {
            progress(n + 1, scripts.len());
        }
    }
    let failed = cases.iter().filter(|c| !c.problems.is_empty()).count();
    Ok(CaseReport {
        pack: manifest.pack.name.clone(),
        passed: cases.len() - failed,
        failed,
        left_out: 0,
        cases,
        coverage: coverage.into_values().collect(),
    })
}

impl Script {
    /// What is wrong with the case's settings is wrong in its file.
    fn located(&self, error: PackError) -> PackError {
        match error {
            PackError::Settings { pack, problems, .. } => {
                let problems = problems.into_iter().map(|p| Problem { line: self.line, ..p }).collect();
                PackError::Settings { pack, file: Some(self.file.clone().into()), problems }
            }
            other => other,
        }
    }

    pub(super) fn is_about(&self, wanted: &str) -> bool {
        [&self.name, &self.file].into_iter().chain(&self.rules).any(|t| t.to_lowercase().contains(wanted))
    }

    /// How it went, and the rules that had a say.
    pub(super) fn play(&self, engine: &Engine, set: &ActiveSet) -> (CaseResult, BTreeSet<String>) {
        let began = Instant::now();
        let (mut problems, mut reasons, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut spoke = BTreeSet::new();
        for (s, step) in self.steps.iter().enumerate() {
            let (event, mut facts) = (&step.event, step.facts.clone());
            facts.labels.extend_from_slice(&labels);
            let (rulings, traces) = set.ask_traced(engine, event, &facts);
            let verdict = Verdict::merge(event, &facts, rulings);
            labels.extend(verdict.labels().copied());
            let step_name = (self.steps.len() > 1).then(|| format!("step {} ({})", s + 1, event.name()));
            let differences = step.expect.differences(&verdict, step_name.as_deref());
            if !differences.is_empty() {
                let said = verdict.reasons();
                reasons.extend(said.map(|(_, reason)| told(reason)));
            }
            problems.extend(differences);
            reasons.extend(traces.iter().map(Trace::to_string));
            spoke.extend(rules_of(&verdict));
        }
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (file, name) = (self.file.clone(), self.name.clone());
        (CaseResult { file, line: self.line, name, took_us, problems, reasons }, spoke)
    }
}

/// `More people are on the call than may be. (conference.size, House rule 1)`: what the pack has to say comes first.
fn told(reason: &Reason) -> String {
    let Reason { rule, citation, message } = reason;
    match citation.is_empty() {
        true => format!("{message} ({rule})"),
        false => format!("{message} ({rule}, {citation})"),
    }
}

fn coverage_of(manifest: &Manifest) -> BTreeMap<String, RuleCoverage> {
    let none = |rule: &str| RuleCoverage { rule: rule.to_owned(), cases_for: 0, cases_against: 0 };
    manifest.rules.iter().map(|r| (r.id.clone(), none(&r.id))).collect()
}

/// The rules that had a say.
pub(super) fn rules_of(verdict: &Verdict) -> BTreeSet<String> {
    let asked = verdict.obligations().map(|(_, o)| o.rule.clone());
    asked
        .chain(verdict.reasons().map(|(_, r)| r.rule.clone()))
        .chain(verdict.remedies().map(|r| r.rule.clone()))
        .collect()
}
