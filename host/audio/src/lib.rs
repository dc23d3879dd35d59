//! Sound, without IO: the wall-clock timeline of a call, one-second segments, keyed tones, what listeners get.
//!
//! Everything is 16-bit samples at 8,000 Hz, one leg each. Never waits, never writes, never decides: what may be kept is
//! told to it. Start at [`Timeline`], which holds a call's last seconds in memory until they may be sealed.

pub mod beep;
pub mod dtmf;
pub mod g711;
mod levels;
pub mod opus;
mod page;
mod peaks;
mod segment;
mod timeline;
pub mod wav;

pub use levels::{Levels, Silence};
pub use peaks::{Peaks, STEP_MS, STEPS_PER_SECOND};
pub use segment::{Gap, GapKind, Segment, SegmentError};
pub use timeline::{Keep, Ready, Timeline};

/// Samples per second of every leg.
pub const SAMPLE_RATE_HZ: u32 = 8_000;
/// Samples per millisecond.
pub const SAMPLES_PER_MS: u32 = SAMPLE_RATE_HZ / 1_000;
/// Samples of one segment: a second of one leg.
pub const SEGMENT_SAMPLES: usize = SAMPLE_RATE_HZ as usize;
