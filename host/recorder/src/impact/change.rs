//! How two verdicts on one event differ.

use std::collections::BTreeSet;

use caveat_model::{
    Act, Duty, Event, Facts, Mode, Moment, Outcome, PartyRole, Role, SpanSet, Stage, Verdict,
};
use schemars::JsonSchema;
use serde::Serialize;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Whether it is recorded.
    Recording,
    /// Whether it may be kept, placed, moved, destroyed.
    Storage,
    /// Whether somebody gets it.
    Access,
    /// What is purged, masked or silenced.
    Redaction,
    /// How long it has to be kept.
    RetainUntil,
    /// When it has to be destroyed.
    DestroyBy,
    /// Another obligation.
    Duty,
}

/// Whether the candidate asks for more or for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ChangeDirection")]
pub enum Direction {
    /// Refused more, kept longer, destroyed sooner, more obligations.
    Stricter,
    /// The opposite.
    Laxer,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Changed {
    /// What it is about.
    pub effect: Effect,
    /// More or less.
    pub direction: Direction,
    /// The rule that asks for it; where less is asked, the rule that did.
    pub rule: String,
    /// Regions of those on the call, the client's own people aside: `FL+GA`; empty when unknown.
    pub state: String,
    /// Of an access: who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Of an access: for what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// As recorded: an outcome, `a date`, a duty; empty for nothing.
    pub from: String,
    /// As it would have been.
    pub to: String,
    /// For dates: by how many days it is later; negative when sooner.
    #[serde(skip)]
    pub days: Option<i64>,
}

/// Everything that differs.
pub(crate) fn between(was: &Verdict, is: &Verdict, event: &Event, facts: &Facts) -> Vec<Changed> {
    let mut changes = vec![];
    if was.outcome == is.outcome && was.terms == is.terms {
        return changes;
    }
    let state = state(facts);
    let (role, act) = match event {
        Event::Access(asked) => (Some(asked.person.role), Some(asked.act)),
        _ => (None, None),
    };
    let mut note = |effect, direction, rule: &str, from: String, to: String, days| {
        let (rule, state) = (rule.to_owned(), state.clone());
        changes.push(Changed { effect, direction, rule, state, role, act, from, to, days });
    };
    if was.outcome != is.outcome {
        let effect = match is.stage {
            Stage::Capture => Effect::Recording,
            Stage::Storage => Effect::Storage,
            Stage::Access => Effect::Access,
        };
        let words = (was.outcome.word(was.stage).to_owned(), is.outcome.word(is.stage).to_owned());
        let direction = if is.outcome > was.outcome { Direction::Stricter } else { Direction::Laxer };
        let rule = match direction {
            Direction::Stricter => deciding_rule(is, was),
            Direction::Laxer => deciding_rule(was, is),
        };
        note(effect, direction, &rule, words.0, words.1, None);
    }

    let dates = [
        (Effect::RetainUntil, was.terms.retain_until, is.terms.retain_until),
        (Effect::DestroyBy, was.terms.destroy_by, is.terms.destroy_by),
    ];
    for (effect, from, to) in dates {
        if from.map(day) == to.map(day) {
            continue;
        }
        let days = from.zip(to).map(|(from, to)| day(to) - day(from));
        // To keep longer is stricter, and so is to destroy sooner; no date is the laxest of both.
        let is_more = match (days, effect) {
            (None, _) => to.is_some(),
            (Some(days), Effect::RetainUntil) => days > 0,
            (Some(days), _) => days < 0,
        };
        let wanted = |duty: &Duty| match (duty, effect) {
            (Duty::RetainUntil(m), Effect::RetainUntil) => {
                Some(*m) == to || (to.is_none() && Some(*m) == from)
            }
            (Duty::DestroyBy(m), Effect::DestroyBy) => Some(*m) == to || (to.is_none() && Some(*m) == from),
            _ => false,
        };
        let rule = rule_that(if to.is_some() { is } else { was }, wanted);
        let word = |date: Option<Moment>| date.map_or("", |_| "a date").to_owned();
        let direction = if is_more { Direction::Stricter } else { Direction::Laxer };
        note(effect, direction, &rule, word(from), word(to), days);
    }

    let silenced = |v: &Verdict| {
        let kinds = v.terms.serve_redacted.as_ref().map_or(0, |kinds| kinds.len() as u64 + 1);
        let keys = u64::from(v.terms.asks(&Duty::MaskKeys));
        (length(&v.terms.purge), length(&v.terms.redact), kinds, keys)
    };
    let (before, after) = (silenced(was), silenced(is));
    if before != after {
        let more =
            [after.0.cmp(&before.0), after.1.cmp(&before.1), after.2.cmp(&before.2), after.3.cmp(&before.3)];
        let is_more = more.iter().any(|o| o.is_gt());
        let direction = if is_more { Direction::Stricter } else { Direction::Laxer };
        let rule = rule_that(if is_more { is } else { was }, is_silencing);
        let word = |(purge, redact, kinds, keys): (u64, u64, u64, u64)| {
            let parts =
                [(purge, "purge"), (redact, "redact"), (kinds, "serve-redacted"), (keys, "mask-keys")];
            parts.iter().filter(|(n, _)| *n > 0).map(|(_, word)| *word).collect::<Vec<_>>().join("+")
        };
        note(Effect::Redaction, direction, &rule, word(before), word(after), None);
    }

    let (had, has) = (duties(was), duties(is));
    for duty in has.difference(&had) {
        let rule = rule_that(is, |d| d == *duty);
        note(Effect::Duty, Direction::Stricter, &rule, String::new(), duty.code(), None);
    }
    for duty in had.difference(&has) {
        let rule = rule_that(was, |d| d == *duty);
        note(Effect::Duty, Direction::Laxer, &rule, duty.code(), String::new(), None);
    }
    changes
}

/// The rule behind the outcome of `strict`: of the packs that said it, the first rule that `other` did not name.
fn deciding_rule(strict: &Verdict, other: &Verdict) -> String {
    let said = |v: &Verdict, outcome: Outcome| -> Vec<String> {
        let decisive = v.rulings.iter().filter(|r| r.mode == Mode::Active && r.ruling.outcome == outcome);
        decisive.flat_map(|r| r.ruling.reasons.iter().map(|reason| reason.rule.clone())).collect()
    };
    let (mine, theirs) = (said(strict, strict.outcome), said(other, other.outcome));
    let fresh = mine.iter().find(|rule| !theirs.contains(rule));
    fresh.or_else(|| mine.first()).cloned().unwrap_or_else(|| "host.merge".to_owned())
}

fn rule_that(verdict: &Verdict, wanted: impl Fn(&Duty) -> bool) -> String {
    verdict.obligations().find(|(_, o)| wanted(&o.duty)).map_or_else(String::new, |(_, o)| o.rule.clone())
}

/// Duties that have no effect of their own.
fn duties(verdict: &Verdict) -> BTreeSet<&Duty> {
    let is_dated = |d: &Duty| matches!(d, Duty::RetainUntil(_) | Duty::DestroyBy(_));
    verdict.obligations().map(|(_, o)| &o.duty).filter(|d| !is_dated(d) && !is_silencing(d)).collect()
}

fn is_silencing(duty: &Duty) -> bool {
    matches!(duty, Duty::Purge(_) | Duty::Redact(_) | Duty::ServeRedacted(_) | Duty::MaskKeys)
}

fn length(spans: &SpanSet) -> u64 {
    spans.as_slice().iter().map(|s| u64::from(s.end.saturating_sub(s.start))).sum()
}

fn day(moment: Moment) -> i64 {
    (moment.as_millis() / 86_400_000) as i64
}

fn state(facts: &Facts) -> String {
    let ours = |role| matches!(role, PartyRole::Agent | PartyRole::Supervisor | PartyRole::Automaton);
    let theirs = facts.parties.iter().filter(|p| !ours(p.role));
    let regions: BTreeSet<&str> = theirs.flat_map(|p| p.regions.iter().map(|r| r.region.as_str())).collect();
    regions.into_iter().collect::<Vec<_>>().join("+")
}
