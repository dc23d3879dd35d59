//! What is heard, at its place on the clock of the call, until it is handed over.

use std::ops::Range;

/// Samples at 8,000 Hz that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whose: a number for each source that is heard.
    pub(super) voice: u8,
    /// Of the first: samples since the call began.
    pub(super) at: u64,
    pub(super) samples: Vec<i16>,
}

/// A key, in samples since the call began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHeard {
    pub(super) symbol: char,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What was heard since the last hand-over.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) pieces: Vec<Piece>,
    pub(super) keys: Vec<KeyHeard>,
    /// Nobody spoke: samples since the call began. What goes on ends at `u64::MAX`, until its end is told.
    pub(super) quiet: Vec<Range<u64>>,
}

impl Heard {
    /// Adds sound. What lies before the beginning of the call is cut off.
    pub(super) fn sound(&mut self, voice: u8, at: i64, samples: &[i16]) {
        let before = usize::try_from(-at).unwrap_or(0).min(samples.len());
        let (at, samples) = (at.max(0) as u64, &samples[before..]);
        if samples.is_empty() {
            return;
        }
        match self.pieces.iter_mut().rfind(|piece| piece.voice == voice) {
            Some(piece) if piece.at + piece.samples.len() as u64 == at => {
                piece.samples.extend_from_slice(samples)
            }
            _ => self.pieces.push(Piece { voice, at, samples: samples.to_vec() }),
        }
    }

    /// Adds a stretch in which nobody spoke; none: nobody knows how long it will be.
    pub(super) fn quiet(&mut self, from: i64, until: Option<i64>) {
        let place = |at: i64| at.max(0) as u64;
        self.quiet.push(place(from)..until.map_or(u64::MAX, place));
    }

    /// Adds a key.
    pub(super) fn key(&mut self, symbol: char, start: f64, end: f64) {
        let place = |at: f64| at.max(0.0).round() as u64;
        self.keys.push(KeyHeard { symbol, start: place(start), end: place(end) });
    }
}
