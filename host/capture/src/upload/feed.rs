//! A call that is over already on its way to the recorder: as fast as that goes, in the call's own time.

use caveat_model::{Offset, RecordingId};
use caveat_recorder::{Answer, Call, Frame, RecorderError, RecordingState};
use caveat_vault::SealReason;

use super::{Event, wav::Wav};

/// How far the call's time moves at once. What happens in between has its own time all the same.
const STEP_MS: Offset = 1_000;

/// What came of a call that was fed.
pub(crate) struct Fed {
    /// The recording that it is, or would have been, kept as.
    pub(crate) recording: RecordingId,
    /// Whether any of it was to be kept.
    pub(crate) kept: bool,
    /// Why not, or why no longer; strictest first.
    pub(crate) reasons: Vec<String>,
}

impl Fed {
    fn new(answer: Answer) -> Self {
        let kept = answer.state == RecordingState::Recording;
        Self { recording: answer.recording, kept, reasons: answer.reasons }
    }

    fn hear(&mut self, answer: Answer) {
        self.kept |= answer.state == RecordingState::Recording;
        (self.recording, self.reasons) = (answer.recording, answer.reasons);
    }
}

/// Feeds all of it, ends the call and waits until it is sealed.
///
/// # Errors
/// The recorder refused something, or the host stops; the call is ended as interrupted.
pub(crate) async fn feed(
    call: Call,
    answer: Answer,
    audio: Wav,
    events: Vec<Event>,
) -> Result<Fed, RecorderError> {
    let mut fed = Fed::new(answer);
    let done = hand_over(&call, &mut fed, &audio, events).await;
    let reason = if done.is_ok() { SealReason::Ended } else { SealReason::Interrupted };
    let ended = call.end(reason).await;
    call.sealed().await;
    done.and(ended)?;
    Ok(fed)
}

async fn hand_over(call: &Call, fed: &mut Fed, audio: &Wav, events: Vec<Event>) -> Result<(), RecorderError> {
    let mut events = events.into_iter().peekable();
    let lasts = audio.duration_ms();
    for at in (0..lasts).step_by(STEP_MS as usize) {
        let until = at.saturating_add(STEP_MS).min(lasts);
        // What happens is told before the audio of its time, as on a live call.
        while let Some(event) = events.next_if(|event| event.at < until || until == lasts) {
            call.passed(event.at).await?;
            fed.hear(call.happened(event.happening).await?);
        }
        for leg in 0..audio.legs() {
            call.feed(Frame::at_ms(leg, at, audio.samples(leg, at, STEP_MS))).await?;
        }
        call.passed(until).await?;
    }
    Ok(())
}
