//! What a page draws of a recording: peaks of each leg, and where and why there is nothing. Somebody who sees it knows who
//! spoke when and how loudly, so it is asked for, ruled on and logged as playing is, and hides what playing silences.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use caveat_access::SignedIn;
use caveat_audio::{Gap, Peaks, SAMPLES_PER_MS, STEP_MS};
use caveat_model::{Offset, RecordingId, Span, SpanSet};
use caveat_vault::{Kind, Reader};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Asked, Decided, Recorder, RecorderError,
    listen::Granted,
    playback::{self, MARGIN_MS},
    redaction::apart,
};

/// A recording, or a part of it, as it is drawn. Everything is in milliseconds since the recording began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Waveform {
    /// Where the first step begins.
    pub from_ms: Offset,
    /// Length of a step.
    pub step_ms: u32,
    /// Length of the recording's timeline.
    pub ms: u64,
    /// The legs, in order.
    pub legs: Vec<LegPeaks>,
    /// Stretches without sound that are not silence.
    pub gaps: Vec<WaveformGap>,
}

/// One leg, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LegPeaks {
    /// Which leg.
    pub leg: u8,
    /// The lowest and the highest sample of each step, from -127 to 127.
    pub peaks: Vec<[i8; 2]>,
}

/// Where a leg has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct WaveformGap {
    /// Which leg.
    pub leg: u8,
    /// Where it begins.
    pub from_ms: Offset,
    /// Where it ends.
    pub to_ms: Offset,
    /// `pause`, `not-allowed`, `loss`, `purged`, `keys-masked`, `hold`, `redacted`, `quiet`; `not-kept`: nothing was sealed there;
    /// `hidden`: there is sound, and this person may not hear it.
    pub reason: &'static str,
    /// The rule behind it, where one is.
    pub rule: String,
}

impl Recorder {
    /// A recording as this person may see it drawn, in at most `steps` steps a leg; otherwise as [`Recorder::play`].
    ///
    /// # Errors
    /// As [`Recorder::play`].
    pub async fn waveform(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: &Asked,
        steps: u32,
    ) -> Result<Result<(Waveform, Decided), Decided>, RecorderError> {
        let (listed, facts) = self.kept(&who.client, id).await?;
        let Granted { intent, silenced, decided, .. } = match self.decide(who, Some(id), facts, asked).await?
        {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        let drawn = async {
            let reader = self.house.vault.reader(&who.client, id).await?;
            draw(&reader, asked.span, &silenced, listed.duration_ms, steps).await
        }
        .await;
        let bytes =
            drawn.as_ref().map_or(0, |w: &Waveform| w.legs.iter().map(|l| 2 * l.peaks.len() as u64).sum());
        self.result(&who.client, intent, drawn.is_ok(), bytes).await?;
        Ok(Ok((drawn?, decided)))
    }
}

async fn draw(
    reader: &Reader,
    span: Option<Span>,
    silenced: &SpanSet,
    duration_ms: u64,
    steps: u32,
) -> Result<Waveform, RecorderError> {
    let end = Offset::try_from(duration_ms).unwrap_or(Offset::MAX);
    let drawn = match span {
        Some(span) => span.start.min(end)..span.end.min(end),
        None => 0..end,
    };
    let from_ms = drawn.start / STEP_MS * STEP_MS;
    let step_ms = step_for(drawn.end.saturating_sub(from_ms), steps);
    let (mut legs, mut gaps) = (Vec::new(), Vec::new());
    for leg in reader.header().legs.iter().map(|l| l.leg) {
        let mut line = Line::new(leg, from_ms..drawn.end.max(from_ms), step_ms, silenced);
        line.sealed(reader).await?;
        line.say_what_is_hidden();
        legs.push(LegPeaks { leg, peaks: line.peaks });
        gaps.extend(few_enough(line.gaps, steps as usize, step_ms));
    }
    Ok(Waveform { from_ms, step_ms, ms: duration_ms, legs, gaps })
}

/// The shortest step with which a stretch has at most so many.
fn step_for(ms: Offset, steps: u32) -> u32 {
    ms.div_ceil(steps.max(1)).div_ceil(STEP_MS).max(1) * STEP_MS
}

/// What is drawn of one leg.
struct Line {
    leg: u8,
    drawn: Range<Offset>,
    step_ms: u32,
    /// What may not be heard, with the margin that playing gives it; sorted, apart from each other.
    hidden: Vec<Range<Offset>>,
    peaks: Vec<[i8; 2]>,
    gaps: Vec<WaveformGap>,
}

impl Line {
    fn new(leg: u8, drawn: Range<Offset>, step_ms: u32, silenced: &SpanSet) -> Self {
        let steps = (drawn.end - drawn.start).div_ceil(step_ms) as usize;
        let of_leg = silenced.as_slice().iter().filter(|s| s.leg.is_none_or(|l| l == leg));
        let wider = of_leg.map(|s| s.start.saturating_sub(MARGIN_MS)..s.end.saturating_add(MARGIN_MS));
        let hidden = apart(wider.collect());
        Self { leg, drawn, step_ms, hidden, peaks: vec![[0, 0]; steps], gaps: vec![] }
    }

    /// Draws what is sealed. Peaks that a crash kept from being sealed are made of the sound.
    async fn sealed(&mut self, reader: &Reader) -> Result<(), RecorderError> {
        let seconds = self.drawn.start / 1_000..self.drawn.end.div_ceil(1_000);
        let of_kind = |kind: Kind| {
            let found = reader.frames().map(|f| f.segment).filter(move |s| s.kind == kind);
            found.filter(|s| s.leg == self.leg && seconds.contains(&s.index)).map(|s| s.index)
        };
        let sound: BTreeSet<u32> = of_kind(Kind::Audio).collect();
        let drawn: BTreeSet<u32> = of_kind(Kind::Waveform).collect();
        let mut found = BTreeMap::new();
        for (second, plain) in reader.read_all(self.leg, seconds.clone(), Kind::Waveform).await? {
            let peaks = plain.map(|plain| Peaks::decode(&plain)).transpose();
            found.insert(second, peaks.map_err(|e| RecorderError::Audio(e.to_string()))?);
        }
        for second in sound.difference(&drawn).copied() {
            let sound = playback::opened(reader, self.leg, second).await?;
            found.insert(second, sound.map(|sound| Peaks::of(&sound)));
        }
        for second in seconds {
            match found.remove(&second).filter(|_| sound.contains(&second)) {
                Some(Some(peaks)) => self.second(second, &peaks),
                Some(None) => self.gap(second * 1_000..(second + 1) * 1_000, "redacted", ""),
                None => self.gap(second * 1_000..(second + 1) * 1_000, "not-kept", ""),
            }
        }
        Ok(())
    }

    fn second(&mut self, second: u32, peaks: &Peaks) {
        for (i, (lowest, highest)) in peaks.steps.iter().enumerate() {
            let at = second * 1_000 + i as u32 * STEP_MS;
            let Some(since) = at.checked_sub(self.drawn.start).filter(|_| !self.is_hidden(at)) else {
                continue;
            };
            if let Some(step) = self.peaks.get_mut((since / self.step_ms) as usize) {
                *step = [step[0].min(*lowest), step[1].max(*highest)];
            }
        }
        for Gap { kind, start, end, rule } in &peaks.gaps {
            let at = |sample: u16| second * 1_000 + u32::from(sample) / SAMPLES_PER_MS;
            self.gap(at(*start)..at(*end), kind.name(), rule);
        }
    }

    fn is_hidden(&self, at: Offset) -> bool {
        let next = self.hidden.partition_point(|hidden| hidden.end <= at);
        self.hidden.get(next).is_some_and(|hidden| hidden.start < at + STEP_MS)
    }

    fn say_what_is_hidden(&mut self) {
        for hidden in std::mem::take(&mut self.hidden) {
            self.gap(hidden, "hidden", "");
        }
        self.gaps.sort_by_key(|gap| gap.from_ms);
    }

    /// Goes on with the gap before where it is the same.
    fn gap(&mut self, ms: Range<Offset>, reason: &'static str, rule: &str) {
        let (from_ms, to_ms) = (ms.start.max(self.drawn.start), ms.end.min(self.drawn.end));
        if from_ms >= to_ms {
            return;
        }
        match self.gaps.last_mut() {
            Some(last) if last.to_ms == from_ms && is_same(last, reason, rule) => {
                last.to_ms = to_ms;
                if last.rule.is_empty() {
                    last.rule = rule.to_owned();
                }
            }
            _ => self.gaps.push(WaveformGap { leg: self.leg, from_ms, to_ms, reason, rule: rule.to_owned() }),
        }
    }
}

/// A second whose key is gone does not say by which rule; what is left at its edges does.
fn is_same(gap: &WaveformGap, reason: &str, rule: &str) -> bool {
    gap.reason == reason && (gap.rule == rule || gap.rule.is_empty() || rule.is_empty())
}

/// Of a line with thousands of losses, those that lie within a step of each other are drawn as one.
fn few_enough(gaps: Vec<WaveformGap>, most: usize, step_ms: u32) -> Vec<WaveformGap> {
    if gaps.len() <= most {
        return gaps;
    }
    let mut fewer: Vec<WaveformGap> = Vec::new();
    for gap in gaps {
        match fewer.last_mut() {
            Some(last)
                if is_same(last, gap.reason, &gap.rule)
                    && gap.from_ms < last.to_ms.saturating_add(step_ms) =>
            {
                last.to_ms = last.to_ms.max(gap.to_ms);
            }
            _ => fewer.push(gap),
        }
    }
    fewer
}

#[cfg(test)]
mod tests {
    use caveat_audio::{GapKind, STEPS_PER_SECOND};

    use super::*;

    fn loud(gaps: Vec<Gap>) -> Peaks {
        Peaks { gaps, steps: [(-9, 9); STEPS_PER_SECOND] }
    }

    #[test]
    fn ten_hours_are_as_many_steps_as_were_asked_for() {
        for (ms, steps, expected) in [
            (36_000_000, 2_000, 18_000),
            (60_000, 2_000, 50),
            (100_001, 2_000, 100),
            (7, 2_000, 50),
            (0, 0, 50),
        ] {
            assert_eq!(step_for(ms, steps), expected, "{ms} ms in {steps} steps");
            assert!(ms.div_ceil(expected) <= steps.max(1));
        }
    }

    #[test]
    fn what_is_hidden_is_flat_with_its_margin_and_nothing_else_is() {
        let span = |leg, start, end| Span { leg: Some(leg), start, end };
        let silenced = [span(1, 1_000, 1_010), span(0, 0, 2_000)].into_iter().collect();
        let mut line = Line::new(1, 0..2_000, STEP_MS, &silenced);
        line.second(0, &loud(vec![]));
        line.second(1, &loud(vec![]));
        line.say_what_is_hidden();
        let flat: Vec<usize> = (0..40).filter(|i| line.peaks[*i] == [0, 0]).collect();
        assert_eq!((flat.first(), flat.len()), (Some(&17), 7), "850 to 1,160 ms");
        let gap = WaveformGap { leg: 1, from_ms: 850, to_ms: 1_160, reason: "hidden", rule: String::new() };
        assert_eq!(line.gaps, [gap]);
    }

    #[test]
    fn a_part_begins_where_it_was_asked_to() {
        let mut line = Line::new(0, 1_500..2_500, 100, &SpanSet::default());
        line.second(1, &loud(vec![]));
        assert_eq!(line.peaks, [[[-9, 9]; 5], [[0, 0]; 5]].concat());
    }

    #[test]
    fn a_gap_goes_on_over_seconds() {
        let gap = |start, end| Gap { kind: GapKind::Redacted, start, end, rule: "r".into() };
        let mut line = Line::new(0, 0..4_000, STEP_MS, &SpanSet::default());
        line.second(0, &loud(vec![gap(4_000, 8_000)]));
        line.gap(1_000..2_000, "redacted", "");
        line.second(2, &loud(vec![gap(0, 80)]));
        line.gap(3_000..4_000, "not-kept", "");
        let found: Vec<_> =
            line.gaps.iter().map(|g| (g.from_ms, g.to_ms, g.reason, g.rule.as_str())).collect();
        assert_eq!(found, [(500, 2_010, "redacted", "r"), (3_000, 4_000, "not-kept", "")]);
        assert_eq!(few_enough(line.gaps.clone(), 2, 5_000), line.gaps);
        assert_eq!(few_enough(line.gaps, 1, 5_000).len(), 2, "of different kinds");
    }

    #[test]
    fn thousands_of_losses_are_drawn_as_far_as_they_can_be_told_apart() {
        let loss = |i: u32| WaveformGap {
            leg: 0,
            from_ms: i * 100,
            to_ms: i * 100 + 20,
            reason: "loss",
            rule: String::new(),
        };
        let fewer = few_enough((0..10_000).chain(20_000..20_001).map(loss).collect(), 100, 1_000);
        assert_eq!(
            fewer.iter().map(|g| (g.from_ms, g.to_ms)).collect::<Vec<_>>(),
            [(0, 999_920), (2_000_000, 2_000_020)]
        );
    }
}
