//! What is wrong with how a call was captured. Pure.

use caveat_audio::SAMPLES_PER_MS;
use caveat_model::{Moment, RecordingId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{AssuranceLimits, Captured, CapturedState, ExpectedCall};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// It was expected and never came.
    Missing,
    /// It came, and rules did not let it be recorded. Not a fault of the recorder's.
    NotRecorded,
    /// It broke off.
    Interrupted,
    /// No leg sounds.
    Silent,
    /// Fewer legs sound than should.
    OneLegged,
    /// A leg is at full scale too often.
    Clipped,
    /// Its audio begins too late.
    LateStart,
    /// It is shorter than the call was.
    Short,
}

impl Flaw {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::NotRecorded,
        Self::Interrupted,
        Self::Silent,
        Self::OneLegged,
        Self::Clipped,
        Self::LateStart,
        Self::Short,
    ];

    /// As alerts and reports name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotRecorded => "not-recorded",
            Self::Interrupted => "interrupted",
            Self::Silent => "silent",
            Self::OneLegged => "one-legged",
            Self::Clipped => "clipped",
            Self::LateStart => "late-start",
            Self::Short => "short",
        }
    }

    /// Whether somebody has to be told. What rules refuse is told elsewhere.
    pub(crate) fn alarms(self) -> bool {
        self != Self::NotRecorded
    }
}

/// Something wrong with one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What.
    pub flaw: Flaw,
    /// The phone system's id, where the call was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The recording, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    /// When the call began.
    pub began: Moment,
    /// In numbers. No personal data.
    pub detail: String,
}

/// Compares a call as it was captured, in one recording or several, with what was expected, if anything was.
pub(crate) fn judge(
    expected: Option<&ExpectedCall>,
    captured: &[Captured],
    limits: &AssuranceLimits,
) -> Vec<Finding> {
    let call = expected.map(|e| e.id.clone());
    let Some(first) = captured.iter().min_by_key(|c| c.began) else {
        let missing = |e: &ExpectedCall| Finding {
            flaw: Flaw::Missing,
            call: call.clone(),
            recording: None,
            began: e.began,
            detail: "it was expected and not captured".to_owned(),
        };
        return expected.map(missing).into_iter().collect();
    };
    let mut found = Vec::new();
    let mut add = |flaw, of: &Captured, detail: String| {
        found.push(Finding {
            flaw,
            call: call.clone(),
            recording: Some(of.recording),
            began: of.began,
            detail,
        });
    };
    let kept: Vec<&Captured> = captured
        .iter()
        .filter(|c| matches!(c.state, CapturedState::Sealed | CapturedState::Interrupted))
        .collect();
    if kept.is_empty() {
        if first.state == CapturedState::NotRecorded {
            add(Flaw::NotRecorded, first, "rules did not let it be recorded".to_owned());
        }
        return found;
    }
    for of in &kept {
        if of.state == CapturedState::Interrupted {
            add(Flaw::Interrupted, of, "it broke off".to_owned());
        }
        let legs = expected.and_then(|e| e.legs).unwrap_or(of.legs);
        if let Some((flaw, detail)) = by_sound(of, legs, limits) {
            add(flaw, of, detail);
        }
        for (leg, levels) in &of.levels {
            let per_million = levels.clipped.saturating_mul(1_000_000) / levels.kept.max(1);
            if per_million > u64::from(limits.clipped_per_million_max) {
                let detail = format!("leg {leg}: {per_million} of a million samples are at full scale");
                add(Flaw::Clipped, of, detail);
            }
        }
    }
    if let Some(late_ms) = late_ms(expected, first).filter(|ms| *ms > u64::from(limits.late_ms_max)) {
        add(Flaw::LateStart, first, format!("its audio begins {late_ms} ms after the call"));
    }
    let lasted: u64 = kept.iter().map(|c| c.duration_ms).sum();
    if let Some(of) = expected.and_then(|e| e.duration_ms)
        && of.saturating_sub(lasted) > u64::from(limits.short_ms_max)
    {
        add(Flaw::Short, first, format!("{lasted} ms of {of} ms are recorded"));
    }
    found
}

/// Too few legs that sound, as far as rules let any sound.
fn by_sound(of: &Captured, legs: u8, limits: &AssuranceLimits) -> Option<(Flaw, String)> {
    let ms = |samples: u64| samples / u64::from(SAMPLES_PER_MS);
    let allowed = of.levels.values().map(|l| ms(l.kept + l.lost)).max().unwrap_or(0);
    if allowed < u64::from(limits.judged_ms_min) {
        return None;
    }
    let sounding = of.levels.values().filter(|l| ms(l.sounding) >= u64::from(limits.sound_ms_min)).count();
    let detail = format!("{sounding} of {legs} legs sound for {} ms or more", limits.sound_ms_min);
    match sounding {
        0 => Some((Flaw::Silent, detail)),
        some if some < usize::from(legs) => Some((Flaw::OneLegged, detail)),
        _ => None,
    }
}

/// How long after the call was to begin the first audio came.
fn late_ms(expected: Option<&ExpectedCall>, first: &Captured) -> Option<u64> {
    let sample = first.levels.values().filter_map(|l| l.first).min()?;
    let heard = first.began.plus_millis(sample / u64::from(SAMPLES_PER_MS));
    Some(heard.since(expected.map_or(first.began, |e| e.began)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use caveat_audio::Levels;

    fn leg(sounding_s: u64) -> Levels {
        let (kept, first) = (60 * 8_000, Some(0));
        Levels { kept, sounding: sounding_s * 8_000, first, ..Levels::default() }
    }

    fn captured(legs: &[Levels]) -> Captured {
        let began = Moment::from_millis(1_000_000);
        Captured {
            recording: RecordingId::new(began),
            began,
            duration_ms: 60_000,
            state: CapturedState::Sealed,
            legs: 2,
            levels: (0..).zip(legs.iter().cloned()).collect(),
        }
    }

    fn expected(duration_ms: u64) -> ExpectedCall {
        let began = Moment::from_millis(1_000_000);
        ExpectedCall { id: "CA1".into(), began, duration_ms: Some(duration_ms), legs: None }
    }

    fn flaws(expected: Option<&ExpectedCall>, captured: &[Captured]) -> Vec<Flaw> {
        judge(expected, captured, &AssuranceLimits::default()).into_iter().map(|f| f.flaw).collect()
    }

    #[test]
    fn a_good_call_has_no_flaw() {
        let good = captured(&[leg(20), leg(30)]);
        assert_eq!(flaws(None, std::slice::from_ref(&good)), []);
        assert_eq!(flaws(Some(&expected(65_000)), &[good]), []);
        assert_eq!(flaws(None, &[]), []);
    }

    #[test]
    fn every_flaw_is_found() {
        assert_eq!(flaws(Some(&expected(1)), &[]), [Flaw::Missing]);
        assert_eq!(flaws(None, &[captured(&[leg(0), leg(0)])]), [Flaw::Silent]);
        assert_eq!(flaws(None, &[captured(&[leg(20), leg(0)])]), [Flaw::OneLegged]);
        let clipped = Levels { clipped: 481, ..leg(20) };
        assert_eq!(flaws(None, &[captured(&[clipped, leg(20)])]), [Flaw::Clipped]);
        let late = Levels { first: Some(5_001 * 8), ..leg(20) };
        assert_eq!(flaws(None, &[captured(&[late.clone(), late])]), [Flaw::LateStart]);
        let early = ExpectedCall { began: Moment::from_millis(990_000), ..expected(60_000) };
        assert_eq!(flaws(Some(&early), &[captured(&[leg(20), leg(20)])]), [Flaw::LateStart]);
        assert_eq!(flaws(Some(&expected(70_001)), &[captured(&[leg(20), leg(20)])]), [Flaw::Short]);
        let broken = Captured { state: CapturedState::Interrupted, ..captured(&[leg(20), leg(20)]) };
        assert_eq!(flaws(None, &[broken]), [Flaw::Interrupted]);
        let refused = Captured { state: CapturedState::NotRecorded, ..captured(&[]) };
        assert_eq!(flaws(Some(&expected(60_000)), &[refused]), [Flaw::NotRecorded]);
    }

    #[test]
    fn what_rules_withheld_is_no_silence() {
        let paused = Levels { kept: 4 * 8_000, withheld: 56 * 8_000, ..leg(0) };
        assert_eq!(flaws(None, &[captured(&[paused.clone(), paused])]), []);
    }

    #[test]
    fn a_call_in_two_recordings_is_not_short() {
        let half = captured(&[leg(20), leg(20)]);
        assert_eq!(flaws(Some(&expected(120_000)), &[half.clone(), half]), []);
    }
}
