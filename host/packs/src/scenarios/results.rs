//! What came of the scenarios, as JSON and as text.

use std::{collections::BTreeMap, fmt::Write as _};

use caveat_model::Decision;
use serde::{Deserialize, Serialize};

use super::decision_word;
use crate::report::Paint;

/// What the law asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// As the file says.
    pub decision: Decision,
    /// Codes.
    #[serde(default)]
    pub obligations: Vec<String>,
    /// What would change the answer.
    #[serde(default)]
    pub remedy: Vec<String>,
}

/// What the packs said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Answer {
    /// None when no pack was there to be asked.
    pub decision: Option<Decision>,
    /// Codes, sorted.
    pub obligations: Vec<String>,
    /// Actions, sorted.
    pub remedies: Vec<String>,
    /// Rules that gave a reason, sorted.
    pub rules: Vec<String>,
    /// Their citations, sorted.
    pub citations: Vec<String>,
    /// Packs that could not rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// How expected and got compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Same decision, and every expected obligation is asked for.
    Agreed,
    /// Otherwise.
    Disagreed,
    /// None of its packs is there.
    PackMissing,
    /// Its kind has no event in the contract.
    NotUnderstood,
}

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioResult {
    /// As in the file.
    pub id: String,
    /// As in the file.
    pub title: String,
    /// As in the file.
    pub packs: Vec<String>,
    /// How the two compare.
    pub status: Status,
    /// As in the file.
    pub expected: Expected,
    /// From the packs.
    pub got: Answer,
    /// Named in the file and not there; the others were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_packs: Vec<String>,
    /// As in the file.
    pub citation: String,
    /// As in the file.
    pub confidence: String,
    /// As in the file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trick: String,
    /// What could not be translated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Counts of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// All of them.
    pub scenarios: usize,
    /// Same decision and every expected obligation.
    pub agreed: usize,
    /// Same decision.
    pub decision_agreed: usize,
    /// Same decision and exactly the expected obligations.
    pub exact: usize,
    /// No pack there.
    pub pack_missing: usize,
}

/// Counts of all, by the decision expected and by pack.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Of all.
    pub all: Tally,
    /// By expected decision.
    pub by_decision: BTreeMap<String, Tally>,
    /// By pack, as the file names them; a scenario counts for each of its packs.
    pub by_pack: BTreeMap<String, Tally>,
}

/// The whole file.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    /// In the order of the file.
    pub scenarios: Vec<ScenarioResult>,
    /// Counts.
    pub totals: Totals,
}

impl ScenarioReport {
    pub(super) fn new(scenarios: Vec<ScenarioResult>) -> Self {
        let mut totals = Totals::default();
        for result in &scenarios {
            totals.all.count(result);
            totals
                .by_decision
                .entry(decision_word(result.expected.decision).to_owned())
                .or_default()
                .count(result);
            for pack in &result.packs {
                totals.by_pack.entry(pack.clone()).or_default().count(result);
            }
        }
        Self { scenarios, totals }
    }

    /// For people.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        for result in &self.scenarios {
            result.write(paint, &mut out);
        }
        let _ = writeln!(
            out,
            "\n{:<26} {:>9} {:>7} {:>9} {:>6} {:>13}",
            "", "scenarios", "agreed", "decision", "exact", "pack missing"
        );
        let groups = self
            .totals
            .by_decision
            .iter()
            .chain(&self.totals.by_pack)
            .map(|(name, tally)| (name.as_str(), tally));
        for (name, t) in std::iter::once(("all", &self.totals.all)).chain(groups) {
            let _ = writeln!(
                out,
                "{name:<26} {:>9} {:>7} {:>9} {:>6} {:>13}",
                t.scenarios, t.agreed, t.decision_agreed, t.exact, t.pack_missing
            );
        }
        out
    }
}

impl ScenarioResult {
    fn write(&self, paint: Paint, out: &mut String) {
        let mark = match self.status {
            Status::Agreed => paint.good("agrees      "),
            Status::Disagreed => paint.bad("differs     "),
            Status::PackMissing => paint.faint("pack missing"),
            Status::NotUnderstood => paint.bad("no event    "),
        };
        let _ = writeln!(out, "{mark} {} {}", paint.strong(&self.id), self.title);
        let expected = answer_line(Some(self.expected.decision), &self.expected.obligations);
        if self.status != Status::PackMissing {
            let _ = writeln!(out, "       expected {expected}");
            let _ =
                writeln!(out, "       got      {}", answer_line(self.got.decision, &self.got.obligations));
            for citation in &self.got.citations {
                let _ = writeln!(out, "       {}", paint.faint(citation));
            }
        }
        if !self.missing_packs.is_empty() {
            let _ = writeln!(out, "       not there: {}", self.missing_packs.join(", "));
        }
        for line in self.got.failures.iter().chain(&self.notes) {
            let _ = writeln!(out, "       note: {line}");
        }
    }
}

impl Tally {
    fn count(&mut self, result: &ScenarioResult) {
        self.scenarios += 1;
        self.pack_missing += usize::from(result.status == Status::PackMissing);
        self.agreed += usize::from(result.status == Status::Agreed);
        let same = result.got.decision == Some(result.expected.decision);
        self.decision_agreed += usize::from(same);
        let mut wanted = result.expected.obligations.clone();
        wanted.sort();
        self.exact += usize::from(same && wanted == result.got.obligations);
    }
}

fn answer_line(decision: Option<Decision>, obligations: &[String]) -> String {
    let decision = decision.map_or("nothing", decision_word);
    if obligations.is_empty() {
        decision.to_owned()
    } else {
        format!("{decision}: {}", obligations.join(", "))
    }
}
