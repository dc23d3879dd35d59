//! Fuel of today beside fuel of before. Time is not compared: it is another machine's, or another day's.

use std::{fmt::Write as _, path::Path};

use caveat_model::Stage;
use serde::Serialize;

use super::{BenchReport, RuleFigures};
use crate::{PackError, Problem, document, report::Paint};

/// Reports that `caveat pack bench --json` wrote earlier.
#[derive(Debug, Clone)]
pub struct Baseline(Vec<BenchReport>);

/// The fuel of a rule, before and now. Rules that decided nothing before, or decide nothing now, are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FuelChange {
    /// At which stage.
    pub stage: Stage,
    /// The rule that decided; none for rulings that name none.
    pub rule: Option<String>,
    /// p50 before, in units of fuel.
    pub before: u64,
    /// p50 now, in units of fuel.
    pub now: u64,
    /// How much more that is, in percent of before; negative: less.
    pub percent: f64,
}

impl Baseline {
    /// Reads one report after another.
    ///
    /// # Errors
    /// [`PackError::Io`]; [`PackError::Document`] for a file that holds something else.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let text = document::read(path)?;
        let reports = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>();
        reports.map(Self).map_err(|e| PackError::Document {
            path: path.to_owned(),
            problems: vec![Problem {
                line: Some(e.line()),
                at: String::new(),
                message: format!("not what `caveat pack bench --json` writes: {e}"),
            }],
        })
    }

    /// Rule by rule; none when the baseline has no report of this pack.
    pub fn compare(&self, now: &BenchReport) -> Option<Vec<FuelChange>> {
        let before = self.0.iter().find(|before| before.pack == now.pack)?;
        let change = |now: &RuleFigures| {
            let same = |b: &&RuleFigures| b.stage == now.stage && b.rule == now.rule;
            let before = before.rules.iter().find(same)?.figures.fuel_p50;
            let now_fuel = now.figures.fuel_p50;
            let percent = match before {
                0 => 0.0,
                _ => (now_fuel as f64 - before as f64) * 100.0 / before as f64,
            };
            Some(FuelChange { stage: now.stage, rule: now.rule.clone(), before, now: now_fuel, percent })
        };
        Some(now.rules.iter().filter_map(change).collect())
    }
}

impl FuelChange {
    /// A line for each that changed.
    pub fn to_text(changes: &[Self], color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        let moved: Vec<&Self> = changes.iter().filter(|c| c.before != c.now).collect();
        if moved.is_empty() {
            let _ = writeln!(out, "fuel as in the baseline, for all {} rules", changes.len());
        }
        for change in moved {
            let percent = format!("{:+.1} %", change.percent);
            let percent = if change.now > change.before { paint.bad(&percent) } else { paint.good(&percent) };
            let _ = writeln!(
                out,
                "{} {}: fuel p50 {} -> {} ({percent})",
                change.stage,
                change.rule.as_deref().unwrap_or("no rule"),
                change.before,
                change.now
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn report(pack: &str, fuel: u64) -> BenchReport {
        let figures = serde_json::json!({
            "events": 1, "rulings": 1, "p50-ns": 1, "p99-ns": 1, "max-ns": 1,
            "fuel-p50": fuel, "fuel-max": fuel, "memory-bytes-max": 65536,
            "stage": "capture", "rule": "a.rule",
        });
        serde_json::from_value(serde_json::json!({
            "pack": pack, "version": "1.0.0", "digest": format!("sha256:{}", "00".repeat(32)), "events": 1, "rulings": 1,
            "rulings-per-s": 1.0, "stages": [], "rules": [figures],
            "load": {"component-bytes": 1, "resident-bytes": 1, "is-snapshotted": true, "first-us": 1, "cached-us": 1},
        }))
        .unwrap()
    }

    #[test]
    fn fuel_is_compared_rule_by_rule_with_the_report_of_the_same_pack() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baseline.json");
        let two: String = [report("other", 1), report("mine", 200)]
            .map(|r| serde_json::to_string_pretty(&r).unwrap() + "\n")
            .concat();
        std::fs::write(&path, two).unwrap();
        let baseline = Baseline::open(&path).unwrap();
        let percent = |pack, fuel| baseline.compare(&report(pack, fuel)).map(|c| c[0].percent);
        assert_eq!(percent("mine", 210), Some(5.0));
        assert_eq!(percent("mine", 100), Some(-50.0));
        assert_eq!(percent("a-third", 100), None);
        std::fs::write(&path, "{\n\"pack\": 1}").unwrap();
        let refused = Baseline::open(&path).unwrap_err().to_string();
        assert!(refused.contains("line 2") && refused.contains("pack bench --json"), "{refused}");
    }
}
