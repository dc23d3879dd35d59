//! Finding recordings: by date, state, who was on the call, what was found in it. A search is an access like any other.

use std::collections::HashSet;

use caveat_access::SignedIn;
use caveat_model::{
    Act, AttributeValue, ClientId, Direction, Facts, Form, LabelKind, Moment, Purpose, RecordingId,
};
use caveat_retention::Scope;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Asked, Decided, Recorder, RecorderError, catalog::Listed};

/// Attributes that name the agent of a call, the first that is there counts.
const AGENT: [&str; 2] = ["agent.name", "agent.id"];

/// What is looked for. What is left out matches everything.
#[derive(Debug, Clone, Default)]
pub struct SearchFor {
    /// Began then or later.
    pub from: Option<Moment>,
    /// Began before.
    pub until: Option<Moment>,
    /// How it is listed: `sealed`, `recording`, `interrupted`, `discarded`, `destroyed`.
    pub state: Option<String>,
    /// Somebody was on the call: a telephone number, or an id given with the call.
    pub who: Option<String>,
    /// The phone system's id of the call.
    pub call: Option<String>,
    /// The case that it belongs to.
    pub case: Option<String>,
    /// This was found in it.
    pub label: Option<LabelKind>,
}

/// From where on, newest first: the moment that the last one began, and its id.
pub type After = (Moment, RecordingId);

/// A recording that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// As it is listed.
    #[serde(flatten)]
    pub listed: Listed,
    /// Who called whom; none where nothing is known of it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The agent, as the call said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Kinds of what was found in it.
    pub labels: Vec<LabelKind>,
    /// It is under a hold.
    pub held: bool,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct FoundPage {
    /// The newest first.
    pub found: Vec<Found>,
    /// From where the next page goes on; none: there is nothing more.
    pub next: Option<After>,
}

impl Recorder {
    /// What matches, newest first, `limit` at most. At most `rows_max` recordings are looked at for one page: a page can be
    /// short, even empty, and not be the last.
    ///
    /// # Errors
    /// As [`Recorder::play`]; the verdict is in the `Err` of the result.
    pub async fn search(
        &self,
        who: &SignedIn,
        purpose: Purpose,
        wanted: &SearchFor,
        after: Option<After>,
        (limit, rows_max): (u32, u32),
    ) -> Result<Result<FoundPage, Decided>, RecorderError> {
        let asked = Asked { act: Act::Search, form: Form::FactsOnly, ..Asked::to_play(purpose) };
        match self.decide(who, None, Facts::default(), &asked).await? {
            Err(decided) => Ok(Err(decided)),
            Ok(granted) => {
                let found = self.find(&who.client, wanted, after, (limit, rows_max)).await;
                self.result(&who.client, granted.intent, found.is_ok(), 0).await?;
                Ok(Ok(found?))
            }
        }
    }

    async fn find(
        &self,
        client: &ClientId,
        wanted: &SearchFor,
        mut after: Option<After>,
        (limit, rows_max): (u32, u32),
    ) -> Result<FoundPage, RecorderError> {
        let marked = self.marked(client, wanted).await?;
        let range = (wanted.from.unwrap_or_default(), wanted.until.unwrap_or(Moment::from_millis(u64::MAX)));
        let limit = limit.max(1) as usize;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let at_once = rows_max.saturating_sub(looked_at).min(200);
            if at_once == 0 {
                return Ok(FoundPage { found, next: after });
            }
            let rows =
                self.house.catalog.page(client, range, wanted.state.as_deref(), after, at_once).await?;
            let is_last = rows.len() < at_once as usize;
            for (listed, sealed) in rows {
                looked_at += 1;
                after = Some((listed.began, listed.id));
                if marked.as_ref().is_some_and(|ids| !ids.contains(&listed.id)) {
                    continue;
                }
                let facts = self.house.catalog.opened(client, listed.id, &sealed).await?;
                let labels = labels(facts.as_ref());
                if wanted.label.is_some_and(|kind| !labels.contains(&kind)) {
                    continue;
                }
                let held = !self.house.retention.holds(client, listed.id).await?.is_empty();
                let agent = facts.as_ref().and_then(agent);
                let direction = facts.as_ref().map(|f| f.direction);
                found.push(Found { listed, direction, agent, labels, held });
                if found.len() == limit {
                    return Ok(FoundPage { found, next: after });
                }
            }
            if is_last {
                return Ok(FoundPage { found, next: None });
            }
        }
    }

    /// Recordings that are entered under what is looked for; none: everything is.
    async fn marked(
        &self,
        client: &ClientId,
        wanted: &SearchFor,
    ) -> Result<Option<HashSet<RecordingId>>, RecorderError> {
        let scopes = [
            wanted.who.clone().map(Scope::Person),
            wanted.call.clone().map(Scope::Call),
            wanted.case.clone().map(Scope::Case),
        ];
        let mut all: Option<HashSet<RecordingId>> = None;
        for scope in scopes.into_iter().flatten() {
            let ids: HashSet<RecordingId> =
                self.house.retention.marked(client, &scope).await?.into_iter().collect();
            all = Some(match all {
                Some(before) => before.intersection(&ids).copied().collect(),
                None => ids,
            });
        }
        Ok(all)
    }
}

fn labels(facts: Option<&Facts>) -> Vec<LabelKind> {
    let mut kinds: Vec<LabelKind> = facts.into_iter().flat_map(|f| &f.labels).map(|l| l.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The agent of a call, as the call said.
pub(crate) fn agent(facts: &Facts) -> Option<String> {
    AGENT.iter().find_map(|name| {
        let attribute = facts.attributes.iter().find(|a| a.name == *name)?;
        match &attribute.value {
            AttributeValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    })
}
