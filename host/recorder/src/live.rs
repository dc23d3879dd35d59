//! What happens now, for whoever watches: the console, the agent's desktop, the demonstration.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use caveat_model::{ClientId, Clock, Mode, Moment, RecordingId, SystemClock, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::{Alert, DutyState, OpenDuty, RecordingState, Who};

/// One line of what happens. No audio and no words: kinds, rules and reasons.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
    /// Why nothing is being kept, where nothing is: rule, citation, message. It may be an earlier verdict, or a pause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_recording: Vec<(String, String, String)>,
    /// Who is behind what happened, where somebody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// Where it stands in the ledger.
    pub ledger_index: u64,
}

/// What one pack said about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackSaid {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Obeyed or monitored.
    pub mode: Mode,
    /// What it said, as the contract calls it at this stage.
    pub outcome: String,
    /// Why it could not answer, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl PackSaid {
    /// What each pack had to say in a verdict, monitored ones too.
    pub(crate) fn in_verdict(verdict: &Verdict) -> Vec<Self> {
        let said = |r: &caveat_model::PackRuling| Self {
            name: r.pack.name.clone(),
            version: r.pack.version.clone(),
            mode: r.mode,
            outcome: r.ruling.outcome.word(verdict.stage).to_owned(),
            failure: r.failure.clone(),
        };
        verdict.rulings.iter().map(said).collect()
    }
}

/// What became of a duty.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DutyNews {
    /// When.
    pub at: Moment,
    /// The phone system's id of the call.
    pub call: String,
    /// Which recording.
    pub recording: RecordingId,
    /// What became of it.
    pub state: DutyState,
    /// The duty.
    #[serde(flatten)]
    pub duty: OpenDuty,
}

/// Anything that whoever watches is told.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum News {
    /// A verdict stands in the ledger.
    Verdict(Live),
    /// A duty of a call is open, done, overdue or moot.
    Duty(DutyNews),
    /// Somebody has to see to something.
    Alert(Alert),
}

impl News {
    /// `verdict`, `duty`, `alert`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Verdict(_) => "verdict",
            Self::Duty(_) => "duty",
            Self::Alert(_) => "alert",
        }
    }
}

/// News in its place among all news of this host.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// Larger than of any before, those of earlier runs of the host included.
    pub number: u64,
    /// Whose.
    pub client: ClientId,
    /// What.
    pub news: News,
}

/// The channel; a watcher that is too slow misses lines and is told how many.
#[derive(Debug, Clone)]
pub struct Watch(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    verdicts: broadcast::Sender<Live>,
    news: broadcast::Sender<Arc<Numbered>>,
    /// The newest, for those who come back, and the number of the next.
    kept: Mutex<(VecDeque<Arc<Numbered>>, u64)>,
}

/// How many lines a slow watcher may be behind, and how many are kept for one who comes back.
const BEHIND_MAX: usize = 1_024;

impl Default for Watch {
    fn default() -> Self {
        // Numbers of a later run are larger than those of an earlier: no host tells a thousand news in a millisecond.
        let first = SystemClock.now().as_millis().saturating_mul(1_000);
        Self(Arc::new(Channel {
            verdicts: broadcast::channel(BEHIND_MAX).0,
            news: broadcast::channel(BEHIND_MAX).0,
            kept: Mutex::new((VecDeque::with_capacity(BEHIND_MAX), first)),
        }))
    }
}

impl Watch {
    /// Verdicts from now on.
    pub fn watch(&self) -> broadcast::Receiver<Live> {
        self.0.verdicts.subscribe()
    }

    /// All news from now on; before them, those after number `after` that are still kept. None of the latter: whoever
    /// comes back was away for too long, and may have missed some.
    pub fn news(
        &self,
        after: Option<u64>,
    ) -> (Option<Vec<Arc<Numbered>>>, broadcast::Receiver<Arc<Numbered>>) {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.0.news.subscribe();
        let Some(after) = after else { return (Some(vec![]), receiver) };
        let (kept, next) = &*kept;
        let oldest = kept.front().map_or(*next, |n| n.number);
        let missed = after.saturating_add(1) < oldest;
        let newer = || kept.iter().filter(|n| n.number > after).cloned().collect();
        ((!missed).then(newer), receiver)
    }

    pub(crate) fn tell(&self, live: Live) {
        self.put(live.client.clone(), News::Verdict(live.clone()));
        // An error means that nobody watches.
        let _ = self.0.verdicts.send(live);
    }

    pub(crate) fn duty(&self, client: &ClientId, duty: DutyNews) {
        self.put(client.clone(), News::Duty(duty));
    }

    pub(crate) fn alert(&self, client: &ClientId, alert: Alert) {
        self.put(client.clone(), News::Alert(alert));
    }

    fn put(&self, client: ClientId, news: News) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, next) = &mut *kept;
        let numbered = Arc::new(Numbered { number: *next, client, news });
        *next += 1;
        if kept.len() >= BEHIND_MAX {
            kept.pop_front();
        }
        kept.push_back(numbered.clone());
        let _ = self.0.news.send(numbered);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn whoever_comes_back_is_told_what_came_meanwhile_or_that_some_is_missing() {
        let watch = Watch::default();
        let client: ClientId = "acme".parse().unwrap();
        let alert = |id| Alert {
            id,
            at: Moment::default(),
            recording: None,
            kind: "task".into(),
            rule: String::new(),
            citation: String::new(),
            message: String::new(),
        };
        let (none, mut news) = watch.news(None);
        assert!(none.unwrap().is_empty());
        (0..3).for_each(|id| watch.alert(&client, alert(id)));
        let first = news.try_recv().unwrap();
        let (newer, _) = watch.news(Some(first.number));
        assert_eq!(newer.unwrap().len(), 2);
        (0..BEHIND_MAX as i64).for_each(|id| watch.alert(&client, alert(id)));
        assert!(watch.news(Some(first.number)).0.is_none());
        assert!(watch.news(Some(0)).0.is_none(), "an earlier run");
    }
}
