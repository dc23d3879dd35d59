//! What happens now, for whoever watches: the console, the agent's desktop, the demonstration.

use caveat_model::{ClientId, Moment, RecordingId};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::RecordingState;

/// One line of what happens. No audio and no words: kinds, rules and reasons.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Live {
    /// When.
    pub at: Moment,
    /// Whose.
    pub client: ClientId,
    /// Which recording; none for a sign-in or a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    /// The phone system's id of the call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub call: String,
    /// What happened, in the contract's words.
    pub event: String,
    /// Stage and outcome ("capture", "refuse").
    pub stage: String,
    /// As the contract calls it at this stage.
    pub outcome: String,
    /// What is being done with the audio after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RecordingState>,
    /// Obligations: code, and the rule that asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<(String, String)>,
    /// Why: rule, citation, message.
    pub reasons: Vec<(String, String, String)>,
    /// Where it stands in the ledger.
    pub ledger_index: u64,
}

/// The channel; a watcher that is too slow misses lines and is told how many.
#[derive(Debug, Clone)]
pub struct Watch(broadcast::Sender<Live>);

/// How many lines a slow watcher may be behind.
const BEHIND_MAX: usize = 1_024;

impl Default for Watch {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND_MAX).0)
    }
}

impl Watch {
    /// From now on.
    pub fn watch(&self) -> broadcast::Receiver<Live> {
        self.0.subscribe()
    }

    pub(crate) fn tell(&self, live: Live) {
        // An error means that nobody watches.
        let _ = self.0.send(live);
    }
}
