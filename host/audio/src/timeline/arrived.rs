//! Which samples of a second have arrived: runs of them, for a stream that is whole only one.

use std::ops::Range;

/// Sorted runs, none of which touches another.
#[derive(Debug, Default)]
pub(super) struct Arrived(Vec<Range<usize>>);

impl Arrived {
    pub(super) fn add(&mut self, new: Range<usize>) {
        if new.is_empty() {
            return;
        }
        match self.0.last_mut() {
            // As it nearly always comes.
            Some(last) if last.end == new.start => last.end = new.end,
            _ => self.insert(new),
        }
    }

    fn insert(&mut self, mut new: Range<usize>) {
        let first = self.0.partition_point(|run| run.end < new.start);
        let after = self.0.partition_point(|run| run.start <= new.end);
        if let Some(touched) = self.0.get(first..after).filter(|touched| !touched.is_empty()) {
            let (start, end) = (touched[0].start, touched[touched.len() - 1].end);
            new = new.start.min(start)..new.end.max(end);
        }
        self.0.splice(first..after.max(first), [new]);
    }

    /// What has not arrived of so many samples.
    pub(super) fn missing(&self, samples: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let ends = std::iter::once(0).chain(self.0.iter().map(|run| run.end));
        let starts = self.0.iter().map(|run| run.start).chain([samples]);
        ends.zip(starts).map(|(end, start)| end..start).filter(|gap| !gap.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_was_not_added_in_whatever_order() {
        let mut state = 7u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % below) as usize
        };
        for _ in 0..500 {
            let (mut arrived, mut there) = (Arrived::default(), [false; 100]);
            for _ in 0..random(20) {
                let start = random(100);
                let end = (start + random(20)).min(100);
                arrived.add(start..end);
                there[start..end].fill(true);
            }
            let missing: Vec<_> = arrived.missing(100).collect();
            let mut expected = vec![];
            let mut at = 0;
            for run in there.chunk_by(|a, b| a == b) {
                if !run[0] {
                    expected.push(at..at + run.len());
                }
                at += run.len();
            }
            assert_eq!(missing, expected);
            assert!(arrived.0.windows(2).all(|two| two[0].end < two[1].start), "{arrived:?}");
        }
    }
}
