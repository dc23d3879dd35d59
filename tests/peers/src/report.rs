//! The table, and whether the targets hold.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{host::Figure, rounds::Taken, threads::Scaling};

pub(crate) const THREE: &str = "Caveat: state-consent, pci-dss, hipaa-hitech chained";
pub(crate) const SMALL: &str = "Caveat: one pack with this rule";
pub(crate) const STATE_CONSENT: &str = "Caveat: state-consent alone";
pub(crate) const PCI_DSS: &str = "Caveat: pci-dss alone";
pub(crate) const HIPAA: &str = "Caveat: hipaa-hitech alone";
pub(crate) const CEDAR_ALL: &str = "cedar-policy: entities and request built";
pub(crate) const CEDAR_REQUEST: &str = "cedar-policy: request built";
pub(crate) const CEDAR_NOTHING: &str = "cedar-policy: all built before";
pub(crate) const REGORUS_JSON: &str = "regorus compiled: from JSON";
pub(crate) const REGORUS_INPUT: &str = "regorus compiled: input built before";
pub(crate) const KUBEWARDEN: &str = "Kubewarden's shape: waPC, fresh instance, epochs";
pub(crate) const NATIVE_SMALL: &str = "this rule as a native Rust call";
pub(crate) const NATIVE_STATE: &str = "state-consent as a native Rust call";

/// All figures of a run.
#[derive(Serialize)]
pub(crate) struct Report {
    rounds: usize,
    contenders: Vec<Row>,
    two_threads: Scaling,
    host: Vec<Figure>,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    taken: Taken,
    /// How many times longer than one small pack: the median over rounds.
    to_one_pack: f64,
}

/// A ratio that was aimed at.
#[derive(Serialize)]
struct Target {
    what: &'static str,
    ratio: f64,
    /// None: only reported.
    holds: Option<bool>,
}

impl Report {
    pub(crate) fn new(taken: Vec<Taken>, two_threads: Scaling, host: Vec<Figure>, rounds: usize) -> Self {
        let ratio = |a: &str, b: &str| {
            let find = |name: &str| taken.iter().find(|t| t.name == name);
            find(a).zip(find(b)).map_or(f64::NAN, |(a, b)| a.ratio_to(b))
        };
        let at_most = |what, ratio, most| Target { what, ratio, holds: Some(ratio <= most) };
        let at_least = |what, ratio, least| Target { what, ratio, holds: Some(ratio >= least) };
        let told = |what, ratio| Target { what, ratio, holds: None };
        let targets = vec![
            at_most(
                "three packs chained / cedar-policy with all built per request: at most 1",
                ratio(THREE, CEDAR_ALL),
                1.0,
            ),
            at_least(
                "Kubewarden's shape / one pack with the same rule: at least 12",
                ratio(KUBEWARDEN, SMALL),
                12.0,
            ),
            at_least(
                "Kubewarden's shape / a third of three packs: at least 12",
                3.0 * ratio(KUBEWARDEN, THREE),
                12.0,
            ),
            at_least(
                "regorus from JSON / one pack with the same rule: over 1",
                ratio(REGORUS_JSON, SMALL),
                1.0,
            ),
            at_least("regorus, input built before / one pack: over 1", ratio(REGORUS_INPUT, SMALL), 1.0),
            told("one pack / the same rule as a native call", ratio(SMALL, NATIVE_SMALL)),
            told("state-consent / its code as a native call", ratio(STATE_CONSENT, NATIVE_STATE)),
            at_least("two threads, processor time: at least 1.7", two_threads.processor_p50, 1.7),
            told("two threads, wall clock, quietest rounds", two_threads.wall_best),
        ];
        let small = taken.iter().find(|t| t.name == SMALL).cloned();
        let row = |taken: Taken| {
            let to_one_pack = small.as_ref().map_or(f64::NAN, |small| taken.ratio_to(small));
            Row { taken, to_one_pack }
        };
        Self { rounds, contenders: taken.iter().cloned().map(row).collect(), two_threads, host, targets }
    }

    /// In microseconds.
    pub(crate) fn to_text(&self) -> String {
        let mut out = format!(
            "{:54} {:>8} {:>8} {:>9} {:>9}\n",
            "judging one call, microseconds", "p50", "p99", "quietest", "to one"
        );
        for Row { taken, to_one_pack } in &self.contenders {
            let Taken { name, p50_ns, p99_ns, best_ns, .. } = taken;
            let [p50, p99, best] = [p50_ns, p99_ns, best_ns].map(|ns| ns / 1e3);
            let _ = writeln!(out, "{name:54} {p50:>8.2} {p99:>8.2} {best:>9.2} {to_one_pack:>9.2}");
        }
        let _ = writeln!(out);
        for Figure { what, value, unit } in &self.host {
            let _ = writeln!(out, "{value:>8.2}  {unit:5}  {what}");
        }
        let _ = writeln!(out);
        for Target { what, ratio, holds } in &self.targets {
            let word = match holds {
                Some(true) => "holds",
                Some(false) => "FAILS",
                None => "",
            };
            let _ = writeln!(out, "{ratio:>8.2}  {word:5}  {what}");
        }
        out
    }
}
