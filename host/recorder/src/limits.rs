//! Numbers that bound the path. Every one can be set in `caveat.toml` under `[limits.calls]`.

use serde::{Deserialize, Serialize};

/// Bounds on calls; see each field's unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How long audio stays in memory before it is sealed, so that a ruling on what is heard late can still drop it. It
    /// bounds the delay of a recognizer and the length of a notice that the recording starts with.
    pub late_window_ms: u32,
    /// How far back words and keys are given to packs as context.
    pub context_ms: u32,
    /// At most this many words of context.
    pub context_words: usize,
    /// When the host stops, what is still to be heard late of its calls is waited for no longer than this, and no longer than
    /// `late_window_ms`. What a recognizer finds after that stays in what was sealed.
    pub drain_wait_ms: u32,
    /// A pause that nobody ends is ended after this long, if the packs allow it.
    pub pause_max_ms: u32,
    /// A notice or a tone that a verdict asks for has to be confirmed this soon; else somebody is told. A tone that is
    /// asked for less often has until it is due.
    pub announce_within_ms: u32,
    /// A call that has to end because it is not recorded has to have ended this soon; else somebody is told.
    pub end_call_within_ms: u32,
    /// What is removed or hidden after a call takes so much more at each end: recognizers are not exact.
    pub redaction_margin_ms: u32,
    /// Something that was found with less confidence than this, of 100, is not taken to begin and end where it was found.
    pub sure_confidence_min: u8,
    /// Of that, so much more at each end is removed or hidden after a call, and silenced when it is served.
    pub unsure_margin_ms: u32,
    /// What a second person has to confirm can be confirmed for this long.
    pub request_valid_ms: u64,
    /// Running calls of all clients; further ones are not recorded.
    pub calls_max: usize,
    /// Parties of one call.
    pub parties_max: usize,
    /// Legs of one call.
    pub legs_max: u8,
    /// Calls of all clients that were announced and have not come yet; further ones are refused.
    pub announced_max: usize,
    /// How long an announced call is waited for.
    pub announced_ms: u64,
    /// Audio frames of one call that wait for their turn; more are lost, and become a gap.
    pub frames_waiting_max: usize,
    /// A call is ended after this long.
    pub call_max_ms: u32,
    /// How often the root of what is sealed so far goes into the ledger.
    pub interim_every_ms: u32,
    /// Labels, notices and consents of one call, each.
    pub facts_max: usize,
    /// Bytes of a single word, name, attribute.
    pub text_bytes_max: usize,
    /// Bytes of one file of evidence, which is put together in memory; a longer recording is exported by spans.
    pub evidence_bytes_max: u64,
    /// Keys that are wrapped anew at once after a rotation; calls that begin wait no longer than for one such batch.
    pub key_rewrap_batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            late_window_ms: 10_000,
            drain_wait_ms: 10_000,
            context_ms: 60_000,
            context_words: 200,
            pause_max_ms: 600_000,
            announce_within_ms: 30_000,
            end_call_within_ms: 15_000,
            redaction_margin_ms: 250,
            sure_confidence_min: 80,
            unsure_margin_ms: 1_000,
            request_valid_ms: 72 * 3_600_000,
            calls_max: 1_000,
            parties_max: 32,
            legs_max: 8,
            announced_max: 10_000,
            announced_ms: 3_600_000,
            frames_waiting_max: 1_024,
            call_max_ms: 12 * 3_600_000,
            interim_every_ms: 60_000,
            facts_max: 1_000,
            text_bytes_max: 1_024,
            evidence_bytes_max: 1 << 30,
            key_rewrap_batch: 64,
        }
    }
}
