//! What has come so far on a stream, and what may therefore come next. Pure.

use caveat_model::Offset;

use super::message::{Media, Track};

/// Samples per millisecond at 8,000 Hz.
const SAMPLES_PER_MS: usize = 8;
/// How long a key is taken to have been held: Twilio tells neither its beginning nor its length.
const KEY_MS: Offset = 200;

/// The order of one stream.
#[derive(Debug, Default)]
pub(crate) struct Order {
    sequence: u64,
    /// Where the audio heard so far ends, by leg.
    heard_until: [Offset; 2],
    /// Messages that never came.
    pub(crate) missed: u64,
    /// Messages and frames that came too late, twice, or from the future.
    pub(crate) stray: u64,
}

impl Order {
    /// Whether a message with this number is the next one, or a later one; gaps are counted.
    pub(crate) fn follows(&mut self, sequence: Option<u64>) -> bool {
        let Some(sequence) = sequence else { return true };
        if sequence <= self.sequence {
            self.stray += 1;
            return false;
        }
        self.missed += sequence - self.sequence - 1;
        self.sequence = sequence;
        true
    }

    /// Cuts off what was heard before. None if nothing is left, or if it is from after `latest`.
    pub(crate) fn place(&mut self, mut media: Media, latest: Offset) -> Option<Media> {
        let until = &mut self.heard_until[usize::from(media.track.leg())];
        let overlap = until.saturating_sub(media.at) as usize * SAMPLES_PER_MS;
        if media.at > latest || overlap >= media.samples.len() {
            // A frame without samples is no loss.
            self.stray += u64::from(!media.samples.is_empty());
            return None;
        }
        if overlap > 0 {
            media.samples.drain(..overlap);
            media.at = *until;
        }
        let ms = media.samples.len() / SAMPLES_PER_MS;
        *until = media.at.saturating_add(Offset::try_from(ms).unwrap_or(Offset::MAX));
        Some(media)
    }

    /// From when to when a key was pressed that is reported now.
    pub(crate) fn key_span(&self, track: Track) -> (Offset, Offset) {
        let end = self.heard_until[usize::from(track.leg())];
        (end.saturating_sub(KEY_MS), end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn frame(track: Track, at: Offset, ms: usize) -> Media {
        Media { track, at, samples: vec![1; ms * SAMPLES_PER_MS] }
    }

    #[test]
    fn numbers_only_go_up() {
        let mut order = Order::default();
        let followed: Vec<bool> = [None, Some(1), Some(2), Some(2), Some(5), Some(4), None, Some(6)]
            .map(|n| order.follows(n))
            .into();
        assert_eq!(followed, [true, true, true, false, true, false, true, true]);
        assert_eq!((order.missed, order.stray), (2, 2));
    }

    #[test]
    fn a_number_at_the_end_of_the_range_overflows_nothing() {
        let mut order = Order::default();
        assert!(order.follows(Some(u64::MAX)));
        assert!(!order.follows(Some(u64::MAX)));
        assert!(!order.follows(Some(0)));
    }

    #[test]
    fn audio_is_laid_down_once_per_track() {
        let mut order = Order::default();
        let mut check = |track, at, ms, want: Option<(Offset, usize)>| {
            let got =
                order.place(frame(track, at, ms), 1_000).map(|m| (m.at, m.samples.len() / SAMPLES_PER_MS));
            assert_eq!(got, want, "{track:?} {at}+{ms}");
        };
        check(Track::Inbound, 5, 20, Some((5, 20)));
        check(Track::Inbound, 25, 20, Some((25, 20)));
        check(Track::Inbound, 25, 20, None);
        check(Track::Inbound, 40, 20, Some((45, 15)));
        check(Track::Outbound, 0, 20, Some((0, 20)));
        check(Track::Inbound, 400, 20, Some((400, 20)));
        check(Track::Inbound, 1_001, 20, None);
        check(Track::Inbound, 500, 0, None);
        assert_eq!(order.stray, 2);
    }

    #[test]
    fn a_key_ends_where_the_audio_of_its_track_ends() {
        let mut order = Order::default();
        assert_eq!(order.key_span(Track::Inbound), (0, 0));
        order.place(frame(Track::Inbound, 80, 20), 1_000).unwrap();
        assert_eq!(order.key_span(Track::Inbound), (0, 100));
        order.place(frame(Track::Inbound, 980, 20), 1_000).unwrap();
        assert_eq!(order.key_span(Track::Inbound), (800, 1_000));
        assert_eq!(order.key_span(Track::Outbound), (0, 0));
    }
}
