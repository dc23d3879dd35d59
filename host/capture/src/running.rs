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

    /// The state after it has changed, or is not known yet. Never, once the call is over.
    pub(crate) async fn changed(&mut self) -> RecordingState {
        if self.states.changed().await.is_err() {
            return pending().await;
        }
        *self.states.borrow_and_update()
    }

    /// The call is over, unless somebody else ended it first.
    pub(crate) async fn end(&self, reason: SealReason) -> Result<(), CaptureError> {
        match self.call.end(reason).await {
            Ok(()) | Err(RecorderError::CallOver) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
