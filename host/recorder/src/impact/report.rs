//! Changes counted: by effect, rule, state and transition, with examples.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use caveat_model::{AccessRequest, Act, ClientId, Moment, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Changed, Compared, Direction};
use crate::Gone;

/// Examples kept of each group.
const EXAMPLES: usize = 3;

/// What a candidate would have changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ImpactReport {
    /// Whose history.
    pub client: ClientId,
    /// Events compared.
    pub events: u64,
    /// Events with at least one change.
    pub events_changed: u64,
    /// Events that could not be compared, by reason.
    pub gone: BTreeMap<Gone, u64>,
    /// Recordings among the events.
    pub recordings: u64,
    /// Recordings that would have ended otherwise: recorded, suspended or refused by the last word on them.
    pub recordings_changed: Vec<Transition>,
    /// Who would have been given what they were refused, or refused what they were given; the most requests first.
    pub access_changed: Vec<AccessTransition>,
    /// Rulings that the candidate failed to give; its declared safe outcome stood in.
    pub failures: u64,
    /// The first of these failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The largest first.
    pub groups: Vec<Group>,
}

impl ImpactReport {
    /// Whether anything changes in this direction.
    pub fn changes(&self, direction: Direction) -> bool {
        self.groups.iter().any(|g| g.change.direction == direction)
    }
}

/// Recordings that would have ended otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Transition {
    /// `allow`, `suspend`, `refuse`, as recorded.
    pub from: String,
    /// As it would have been.
    pub to: String,
    /// How many.
    pub recordings: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Requests of one role for one act that would have been answered otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AccessTransition {
    /// Who asked.
    pub role: Role,
    /// For what.
    pub act: Act,
    /// `allow`, `step-up`, `refuse`, as recorded.
    pub from: String,
    /// As it would have been.
    pub to: String,
    /// How many.
    pub requests: u64,
    /// Some of the jobs that those who asked have, in the client's words.
    pub functions: BTreeSet<String>,
}

/// Changes of one kind.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// What they have in common.
    #[serde(flatten)]
    pub change: Changed,
    /// How many.
    pub events: u64,
    /// For dates: the fewest and the most days later; negative when sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<(i64, i64)>,
    /// Some of them, of different recordings.
    pub examples: Vec<Example>,
}

/// One event of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Example {
    /// Index in the ledger, or line in the file.
    pub place: u64,
    /// Its recording's name in the ledger or the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// When.
    pub at: Moment,
    /// What happened.
    pub event: &'static str,
    /// Of an access: the job of who asked, in the client's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

pub(crate) struct Tally {
    client: ClientId,
    events: u64,
    changed: u64,
    failures: u64,
    failure: Option<String>,
    gone: BTreeMap<Gone, u64>,
    recordings: HashMap<String, (Outcome, Outcome)>,
    requests: HashMap<(Role, Act, Outcome, Outcome), AccessTransition>,
    groups: HashMap<Changed, Group>,
}

impl Tally {
    pub(crate) fn new(client: &ClientId) -> Self {
        Self {
            client: client.clone(),
            events: 0,
            changed: 0,
            failures: 0,
            failure: None,
            gone: BTreeMap::new(),
            recordings: HashMap::new(),
            requests: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    pub(crate) fn gone(&mut self, gone: Gone) {
        *self.gone.entry(gone).or_default() += 1;
    }

    pub(crate) fn add(&mut self, one: Compared) {
        self.events += 1;
        self.changed += u64::from(!one.changes.is_empty());
        if let Some(why) = one.failed {
            self.failures += 1;
            self.failure.get_or_insert(why);
        }
        // The last word on whether a call is recorded counts; its end says nothing about that, a refused place does.
        let (was, is) = (one.was.outcome, one.is.outcome);
        if let Some(id) = &one.recording {
            let is_last_word = match one.stage {
                Stage::Capture => one.event != "ended",
                Stage::Storage => one.event == "seal" && was.max(is) == Outcome::Refuse,
                Stage::Access => false,
            };
            match self.recordings.get_mut(id) {
                Some(state) if is_last_word => *state = (was, is),
                None if is_last_word => {
                    self.recordings.insert(id.clone(), (was, is));
                }
                _ => {}
            }
        }
        if let Some(asked) = one.asked.as_ref().filter(|_| was != is) {
            let word = |outcome: Outcome| outcome.word(Stage::Access).to_owned();
            let (role, act) = (asked.person.role, asked.act);
            let all = self.requests.entry((role, act, was, is)).or_insert_with(|| AccessTransition {
                role,
                act,
                from: word(was),
                to: word(is),
                requests: 0,
                functions: BTreeSet::new(),
            });
            all.requests += 1;
            if all.functions.len() < EXAMPLES {
                all.functions.extend(function(asked));
            }
        }
        for change in one.changes {
            let (days, key) = (change.days, Changed { days: None, ..change });
            let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
                change: key,
                events: 0,
                days: None,
                examples: vec![],
            });
            group.events += 1;
            if let Some(days) = days {
                let (least, most) = group.days.unwrap_or((days, days));
                group.days = Some((least.min(days), most.max(days)));
            }
            let is_new = one.recording.is_none()
                || group.examples.iter().all(|e| e.recording.as_ref() != one.recording.as_ref());
            if group.examples.len() < EXAMPLES && is_new {
                let (place, at, event) = (one.place, one.at, one.event);
                let (recording, function) = (one.recording.clone(), one.asked.as_ref().and_then(function));
                group.examples.push(Example { place, recording, at, event, function });
            }
        }
    }

    pub(crate) fn report(self) -> ImpactReport {
        let mut transitions: BTreeMap<(Outcome, Outcome), Vec<&String>> = BTreeMap::new();
        for (id, (was, is)) in self.recordings.iter().filter(|(_, (was, is))| was != is) {
            transitions.entry((*was, *is)).or_default().push(id);
        }
        let word = |outcome: Outcome| outcome.word(Stage::Capture).to_owned();
        let transition = |((was, is), mut ids): ((Outcome, Outcome), Vec<&String>)| {
            ids.sort_unstable();
            let examples = ids.iter().take(EXAMPLES).map(|id| (*id).clone()).collect();
            Transition { from: word(was), to: word(is), recordings: ids.len() as u64, examples }
        };
        let recordings_changed = transitions.into_iter().map(transition).collect();
        let mut access_changed: Vec<AccessTransition> = self.requests.into_values().collect();
        access_changed
            .sort_by(|a, b| b.requests.cmp(&a.requests).then((a.role, a.act).cmp(&(b.role, b.act))));
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.change.cmp(&b.change)));
        ImpactReport {
            client: self.client,
            events: self.events,
            events_changed: self.changed,
            gone: self.gone,
            recordings: self.recordings.len() as u64,
            recordings_changed,
            access_changed,
            failures: self.failures,
            failure: self.failure,
            groups,
        }
    }
}

/// The job of who asks; none if it is not told.
fn function(asked: &AccessRequest) -> Option<String> {
    Some(asked.person.function.clone()).filter(|function| !function.is_empty())
}
