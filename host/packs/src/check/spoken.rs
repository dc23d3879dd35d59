//! What the pack says in its cases: which rules, which actions, with how much fuel.

use std::collections::{BTreeMap, BTreeSet};

use caveat_engine::Engine;
use caveat_model::{Duty, Ruling, Stage};

use super::{
    folder::Folder,
    lint::{
        ACTION_UNDECLARED, CASE_EXPECTS_NOTHING, CASE_FAILS, FACT_UNDECLARED, NEEDS_UNUSED,
        RULE_CASE_AGAINST, RULE_CASE_FOR, RULE_UNDECLARED,
    },
    report::{Found, Place},
};
use crate::{
    MANIFEST_FILE, PackError, PackFile,
    cases::{Configured, Expect, Script, play},
};

/// What was said in all cases together.
#[derive(Default)]
pub(super) struct Spoken {
    /// Each with the first case in which it came up.
    rules: BTreeMap<String, Place>,
    actions: BTreeMap<String, Place>,
    facts: BTreeMap<String, Place>,
    /// Stages at which the rule had a say in a case written for it.
    cases_for: BTreeMap<String, BTreeSet<Stage>>,
    /// Stages of cases written for the rule, in which it had none.
    cases_against: BTreeMap<String, BTreeSet<Stage>>,
    fuel_max: u64,
}

impl Spoken {
    pub(super) fn says_action(&self, action: &str) -> bool {
        self.actions.contains_key(action)
    }
}

/// Puts every case to the pack.
///
/// # Errors
/// [`PackError::Load`] and [`PackError::Settings`].
pub(super) fn check(
    engine: &Engine,
    folder: &Folder,
    file: &PackFile,
    scripts: &[Script],
    found: &mut Found,
) -> Result<Spoken, PackError> {
    let mut packs = Configured::new(engine, file);
    check_cases(&mut packs, scripts, found)?;
    let mut spoken = Spoken::default();
    for script in scripts {
        spoken.hear(engine, &mut packs, script)?;
    }
    check_words(folder, &spoken, found);
    check_coverage(folder, &spoken, found);
    let default = engine.limits().fuel_per_ruling;
    if let Some(asked) = folder.manifest.needs.fuel_per_ruling
        && asked > default
        && spoken.fuel_max > 0
        && spoken.fuel_max <= default
    {
        let place = Place::of(MANIFEST_FILE, folder.line("needs.fuel-per-ruling"));
        let most = spoken.fuel_max;
        let message =
            format!("no case takes more than {most} units of fuel, and hosts give {default} anyway");
        found.add(NEEDS_UNUSED, place, message, "remove it, or show the event that needs it in a case");
    }
    Ok(spoken)
}

fn check_cases(packs: &mut Configured<'_>, scripts: &[Script], found: &mut Found) -> Result<(), PackError> {
    for case in play(packs, scripts, None)?.cases {
        let Some(first) = case.problems.first() else { continue };
        let message = format!("the case \"{}\" disagrees: {first}", case.name);
        let mend = "correct the case or the rule; `caveat pack test` shows the whole difference";
        found.add(CASE_FAILS, Place::of(format!("cases/{}", case.file), case.line), message, mend);
    }
    for script in scripts {
        if script.steps.iter().all(|step| step.expect == Expect::default()) {
            let message = format!("the case \"{}\" expects nothing: it cannot fail", script.name);
            found.add(
                CASE_EXPECTS_NOTHING,
                place(script),
                message,
                "say in `expect` what the pack has to answer",
            );
        }
    }
    Ok(())
}

impl Spoken {
    /// Rulings are taken from the engine as they are: the host would put its own in the place of one that names a rule
    /// which is not declared.
    fn hear(
        &mut self,
        engine: &Engine,
        packs: &mut Configured<'_>,
        script: &Script,
    ) -> Result<(), PackError> {
        let pack = packs.with(&script.settings)?;
        let (mut asked, mut labels) = (BTreeSet::new(), Vec::new());
        let mut had_say: BTreeMap<String, BTreeSet<Stage>> = BTreeMap::new();
        for step in &script.steps {
            let stage = step.event.stage();
            for attribute in &step.facts.attributes {
                self.facts.entry(attribute.name.clone()).or_insert_with(|| place(script));
            }
            if !pack.manifest.pack.stages.contains(&stage) {
                continue;
            }
            asked.insert(stage);
            let mut facts = step.facts.clone();
            facts.labels.extend_from_slice(&labels);
            // A pack that breaks off has failed its case already.
            let Ok(answer) = engine.rule(&pack.pack, &step.event, &facts) else { continue };
            self.fuel_max = self.fuel_max.max(answer.fuel);
            labels.extend_from_slice(&answer.ruling.labels);
            for rule in rules(&answer.ruling) {
                self.rules.entry(rule.to_owned()).or_insert_with(|| place(script));
                had_say.entry(rule.to_owned()).or_default().insert(stage);
            }
            for action in actions(&answer.ruling) {
                self.actions.entry(action.to_owned()).or_insert_with(|| place(script));
            }
        }
        for rule in &script.rules {
            let (side, stages) = match had_say.remove(rule) {
                Some(stages) => (&mut self.cases_for, stages),
                None => (&mut self.cases_against, asked.clone()),
            };
            side.entry(rule.clone()).or_default().extend(stages);
        }
        Ok(())
    }
}

fn check_words(folder: &Folder, spoken: &Spoken, found: &mut Found) {
    let manifest = &folder.manifest;
    for (rule, place) in &spoken.rules {
        if !manifest.rules.iter().any(|r| r.id == *rule) {
            let message = format!("a ruling names the rule `{rule}`, which pack.toml does not declare");
            let mend = "declare it as a [[rule]]: a host takes such a ruling for a failure of the pack";
            found.add(RULE_UNDECLARED, place.clone(), message, mend);
        }
    }
    for (action, place) in &spoken.actions {
        if !manifest.actions.iter().any(|a| a.name == *action) {
            let message = format!("a ruling asks for `{action}`, which pack.toml does not declare");
            let mend = "declare it as an [[action]] with a summary: what does somebody have to do?";
            found.add(ACTION_UNDECLARED, place.clone(), message, mend);
        }
    }
    for (fact, place) in &spoken.facts {
        if !manifest.facts.iter().any(|f| f.name == *fact) {
            let message = format!("a case gives the attribute `{fact}`, which pack.toml does not declare");
            let mend =
                "declare it as a [[fact]], so that integrators know to send it, or leave it out of the case";
            found.add(FACT_UNDECLARED, place.clone(), message, mend);
        }
    }
}

fn check_coverage(folder: &Folder, spoken: &Spoken, found: &mut Found) {
    for (n, rule) in folder.manifest.rules.iter().enumerate() {
        let id = &rule.id;
        let place = || Place::of(MANIFEST_FILE, folder.line(&format!("rule.{n}.id")));
        let mend = |event: &str| format!("add {event}, with `rules = [\"{id}\"]`");
        let spoke_at = spoken.cases_for.get(id);
        if spoke_at.is_none() {
            let message = format!("no case that names rule `{id}` shows it having a say");
            found.add(
                RULE_CASE_FOR,
                place(),
                message,
                mend("a case with an event on which it decides or asks for something"),
            );
        }
        // Silence shows something only at a stage at which the rule speaks.
        let silent_at = spoken.cases_against.get(id);
        let shown = match (spoke_at, silent_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(spoke), Some(silent)) => !spoke.is_disjoint(silent),
        };
        if !shown {
            let message =
                format!("no case that names rule `{id}` shows it keeping silent where it could speak");
            let event =
                "a case of the same stage, nearly the same as one on which it speaks, on which it does not";
            found.add(RULE_CASE_AGAINST, place(), message, mend(event));
        }
    }
}

fn rules(ruling: &Ruling) -> impl Iterator<Item = &str> {
    let of_obligations = ruling.obligations.iter().map(|o| o.rule.as_str());
    let of_remedies = ruling.remedies.iter().map(|r| r.rule.as_str());
    let of_reasons = ruling.reasons.iter().map(|r| r.rule.as_str());
    of_obligations.chain(of_remedies).chain(of_reasons).chain(ruling.scores.iter().map(|s| s.rule.as_str()))
}

fn actions(ruling: &Ruling) -> impl Iterator<Item = &str> {
    let of_tasks = ruling.obligations.iter().filter_map(|o| match &o.duty {
        Duty::SeeTo(task) => Some(task.action.as_str()),
        _ => None,
    });
    of_tasks.chain(ruling.remedies.iter().map(|r| r.action.as_str()))
}

fn place(script: &Script) -> Place {
    Place::of(format!("cases/{}", script.file), script.line)
}
