//! Recording assurance: whether the calls that should have been recorded were, and sound as they should.
//!
//! Expected calls come from outside (a phone system's call detail records); captured ones from the sessions, each with the
//! levels of its legs. Numbers and keyed commitments lie in clear, what names a call is sealed. What is found raises an
//! alert once and shows in the [`AssuranceReport`].

mod expected;
mod judge;
mod report;
mod tables;

use std::collections::BTreeMap;

use caveat_audio::{Levels, Silence};
use caveat_model::{ClientId, Moment, RecordingId};
use serde::{Deserialize, Serialize};

pub use expected::{BadExpected, ExpectedCall};
pub use judge::{Finding, Flaw};
pub use report::AssuranceReport;
pub use tables::Assurance;

/// What counts as a flaw. Every number can be set in `caveat.toml` under `[limits.assurance]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AssuranceLimits {
    /// Sound below so many decibels of full scale is silence, from -90 to 0.
    pub silence_dbfs: i32,
    /// A leg that sounds for less than this in all is silent, in milliseconds.
    pub sound_ms_min: u32,
    /// A recording of which less than this was not withheld by rules or pauses is not judged by its sound, in
    /// milliseconds.
    pub judged_ms_min: u32,
    /// A leg is clipped where more of a million samples than this are at full scale.
    pub clipped_per_million_max: u32,
    /// A recording is late where its first audio came more than this after the call was to begin, in milliseconds.
    pub late_ms_max: u32,
    /// A recording is short where it lasts so much less than was expected, in milliseconds.
    pub short_ms_max: u32,
    /// An expected call is missing when it should have been over for this long, in milliseconds. Its length counts as
    /// nothing where it is not told.
    pub grace_ms: u64,
    /// How often expected calls are looked for, in milliseconds.
    pub sweep_every_ms: u64,
    /// How long expected and captured calls are kept for reports, in days.
    pub kept_days: u64,
    /// Expected calls of one request or file.
    pub expected_max: usize,
    /// Calls, and findings, of one report.
    pub report_rows_max: u32,
}

impl Default for AssuranceLimits {
    fn default() -> Self {
        Self {
            silence_dbfs: -50,
            sound_ms_min: 1_000,
            judged_ms_min: 5_000,
            clipped_per_million_max: 1_000,
            late_ms_max: 5_000,
            short_ms_max: 10_000,
            grace_ms: 300_000,
            sweep_every_ms: 60_000,
            kept_days: 400,
            expected_max: 10_000,
            report_rows_max: 10_000,
        }
    }
}

impl AssuranceLimits {
    /// What silence is.
    pub fn silence(&self) -> Silence {
        Silence::below_dbfs(self.silence_dbfs)
    }
}

/// A call as it was captured.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) recording: RecordingId,
    pub(crate) began: Moment,
    pub(crate) duration_ms: u64,
    pub(crate) state: CapturedState,
    /// How many legs its parties are on.
    pub(crate) legs: u8,
    pub(crate) levels: BTreeMap<u8, Levels>,
}

/// How far a captured call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CapturedState {
    /// It runs.
    Running,
    /// It is sealed.
    Sealed,
    /// It is sealed, and broke off.
    Interrupted,
    /// Rules refused it, or had it discarded.
    NotRecorded,
}

/// A call that is captured, and whose it is.
pub(crate) struct OfCall<'a> {
    pub(crate) client: &'a ClientId,
    pub(crate) call: &'a str,
}
