//! What was measured, for people and machines.

use std::fmt::Write as _;

use caveat_model::{Digest, Stage};
use serde::{Deserialize, Serialize};

use super::Figures;
use crate::report::Paint;

/// What a pack costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BenchReport {
    /// Which pack.
    pub pack: String,
    /// Of which version.
    pub version: String,
    /// Its file.
    pub digest: Digest,
    /// How many different events, from its cases.
    pub events: usize,
    /// How many rulings were timed.
    pub rulings: usize,
    /// On one thread, in the mixture of the cases.
    pub rulings_per_s: f64,
    /// What it takes to have it ready.
    pub load: Load,
    /// By kind of event.
    pub stages: Vec<StageFigures>,
    /// By the rule that decided.
    pub rules: Vec<RuleFigures>,
    /// Another pack, asked the same in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Comparison>,
}

/// What it takes to have a pack ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Load {
    /// Its file, in bytes.
    pub component_bytes: usize,
    /// Machine code and memory image that stay mapped, in bytes.
    pub resident_bytes: usize,
    /// Whether its settings are in a snapshot; if not, each ruling configures anew.
    pub is_snapshotted: bool,
    /// Checked, compiled, configured, snapshotted, kept in the cache: in microseconds.
    pub first_us: u64,
    /// Taken from the cache, in microseconds.
    pub cached_us: u64,
}

/// Figures of one kind of event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageFigures {
    /// Which.
    pub stage: Stage,
    /// Of all its events.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of the events that one rule decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RuleFigures {
    /// At which stage.
    pub stage: Stage,
    /// The first rule that the ruling names; none when it names none.
    pub rule: Option<String>,
    /// Of those events.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Another pack on the same events, grouped by what the first pack decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Which pack.
    pub pack: String,
    /// Of which version.
    pub version: String,
    /// Its file.
    pub digest: Digest,
    /// On how many events it says something else.
    pub other_answers: usize,
    /// What it takes to have it ready.
    pub load: Load,
    /// By kind of event.
    pub stages: Vec<StageFigures>,
    /// By the first pack's rule.
    pub rules: Vec<RuleFigures>,
}

/// Wide enough for ids of rules.
const NAME_COLUMNS: usize = 34;

impl BenchReport {
    /// A table for people.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} {}: {} rulings on the {} events of its cases, {:.0} a second on one thread",
            paint.strong(&self.pack),
            self.version,
            self.rulings,
            self.events,
            self.rulings_per_s
        );
        self.load.write(&mut out);
        write_head(&mut out, paint);
        write_rows(&mut out, paint, &self.stages, &self.rules);
        if let Some(other) = &self.other {
            other.write(&mut out, paint, self);
        }
        out
    }
}

impl Load {
    fn write(&self, out: &mut String) {
        let snapshot = match self.is_snapshotted {
            true => "settings in the snapshot",
            false => "no snapshot: each ruling configures anew",
        };
        let _ = writeln!(
            out,
            "loads in {:.1} ms, from the cache in {:.2} ms; {} KiB file, {} KiB resident, {snapshot}\n",
            self.first_us as f64 / 1e3,
            self.cached_us as f64 / 1e3,
            self.component_bytes.div_ceil(1024),
            self.resident_bytes.div_ceil(1024),
        );
    }
}

impl Comparison {
    fn write(&self, out: &mut String, paint: Paint, main: &BenchReport) {
        let _ = writeln!(
            out,
            "\n{} {}, asked the same in turn; it says something else on {} events",
            paint.strong(&self.pack),
            self.version,
            self.other_answers
        );
        self.load.write(out);
        write_head(out, paint);
        write_rows(out, paint, &self.stages, &self.rules);
        let _ = writeln!(out);
        for (a, b) in main.stages.iter().zip(&self.stages) {
            let times = |now: u64, was: u64| if was == 0 { 0.0 } else { now as f64 / was as f64 };
            let _ = writeln!(
                out,
                "{}: {:.2} times the time (p50), {:.2} times the fuel of {} {}",
                a.stage,
                times(b.figures.p50_ns, a.figures.p50_ns),
                times(b.figures.fuel_p50, a.figures.fuel_p50),
                main.pack,
                main.version,
            );
        }
    }
}

fn write_head(out: &mut String, paint: Paint) {
    let head = format!(
        "{:NAME_COLUMNS$} {:>6} {:>9} {:>9} {:>9} {:>10} {:>10} {:>8}",
        "rule that decided", "events", "p50 us", "p99 us", "max us", "fuel p50", "fuel max", "KiB"
    );
    let _ = writeln!(out, "{}", paint.faint(&head));
}

fn write_rows(out: &mut String, paint: Paint, stages: &[StageFigures], rules: &[RuleFigures]) {
    for StageFigures { stage, figures } in stages {
        write_row(out, &paint.strong(&format!("{:NAME_COLUMNS$}", stage.to_string())), figures);
        for rule in rules.iter().filter(|r| r.stage == *stage) {
            let name = format!("  {}", rule.rule.as_deref().unwrap_or("no rule"));
            write_row(out, &format!("{name:NAME_COLUMNS$}"), &rule.figures);
        }
    }
}

fn write_row(out: &mut String, name: &str, figures: &Figures) {
    let us = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
    let Figures { events, p50_ns, p99_ns, max_ns, fuel_p50, fuel_max, memory_bytes_max, .. } = figures;
    let _ = writeln!(
        out,
        "{name} {events:>6} {:>9} {:>9} {:>9} {fuel_p50:>10} {fuel_max:>10} {:>8}",
        us(*p50_ns),
        us(*p99_ns),
        us(*max_ns),
        memory_bytes_max.div_ceil(1024)
    );
}
