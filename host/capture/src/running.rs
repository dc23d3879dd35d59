//! A call that runs, whichever protocol feeds it: opened, watched, ended.

use std::future::pending;

use caveat_model::ClientId;
use caveat_recorder::{Answer, Call, NewCall, Recorder, RecorderError, RecordingState};
use caveat_vault::SealReason;
use tokio::sync::watch;

use crate::error::CaptureError;

/// A call and what is being done with its audio.
#[derive(Debug)]
pub(crate) struct Running {
    /// Takes frames and happenings.
    pub(crate) call: Call,
    states: watch::Receiver<RecordingState>,
}

impl Running {
    /// A call begins; the answer says whether it is recorded.
    pub(crate) async fn open(
        recorder: &Recorder,
        client: &ClientId,
        call: NewCall,
    ) -> Result<(Self, Answer), CaptureError> {
        let (call, answer) = recorder.open(client, call).await?;
        Ok((Self { states: call.states(), call }, answer))
    }

    /// As [`changed`].
    pub(crate) async fn changed(&mut self) -> RecordingState {
        changed(&mut self.states).await
    }

    /// As [`end`].
    pub(crate) async fn end(&self, reason: SealReason) -> Result<(), CaptureError> {
        Ok(end(&self.call, reason).await?)
    }
}

/// What is being done with the audio of a call. The first [`changed`] gives what it is by now.
pub(crate) fn states(call: &Call) -> watch::Receiver<RecordingState> {
    let mut states = call.states();
    states.mark_changed();
    states
}

/// The state after it has changed, or is not known yet. Never, once the call is over.
pub(crate) async fn changed(states: &mut watch::Receiver<RecordingState>) -> RecordingState {
    if states.changed().await.is_err() {
        return pending().await;
    }
    *states.borrow_and_update()
}

/// The call is over, unless somebody else ended it first.
pub(crate) async fn end(call: &Call, reason: SealReason) -> Result<(), RecorderError> {
    match call.end(reason).await {
        Ok(()) | Err(RecorderError::CallOver) => Ok(()),
        Err(error) => Err(error),
    }
}
