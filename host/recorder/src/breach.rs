//! A breach: a recording may have reached somebody it should not have (45 CFR 164.402; 16 CFR 314.2(m); GDPR art. 4(12)). A
//! person reports it, packs say whom to tell and by when, and each of that is something to see to.

use caveat_model::{
    Attribute, AttributeValue, ClientId, Duty, Event, Facts, Moment, PersonId, RecordingId, StorageEvent,
};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Recorder, RecorderError, Who};

/// What manifests of packs have before the name of each fact of a breach.
const FACTS: &str = "breach.";
const DISCOVERED: &str = "breach.discovered";
const PERSONS: &str = "breach.persons";

/// What is known of it. What is not said is unknown, and packs take the strict side.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BreachReport {
    /// What happened. Personal information does not belong here.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// When it was discovered: periods are counted from it. None: now.
    pub discovered: Option<Moment>,
    /// How many persons are affected.
    pub persons: Option<u32>,
    /// Others, as manifests of packs name them: `breach.keys-taken`.
    #[serde(default)]
    #[schemars(transform = of_breach)]
    pub facts: Vec<Attribute>,
}

/// Says of a list of facts what their names begin with.
fn of_breach(facts: &mut Schema) {
    let fact = facts.remove("items");
    let named = json!({"properties": {"name": {"pattern": format!("^{}", FACTS.replace('.', "\\."))}}});
    facts.insert("items".into(), json!({"allOf": [fact, named]}));
}

/// What packs say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BreachRuling {
    /// What somebody has to see to. Each is an alert until it is confirmed.
    pub tasks: Vec<BreachTask>,
    /// Why: rule, citation, message.
    pub reasons: Vec<(String, String, String)>,
    /// Where the report stands in the ledger.
    pub ledger_index: u64,
}

/// Whom to tell, what to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BreachTask {
    /// What to do, in kebab-case: `notify-individuals-60-days`.
    pub action: String,
    /// Not later.
    pub due: Option<Moment>,
    /// The rule that asks for it.
    pub rule: String,
}

impl Recorder {
    /// Enters a breach. Packs are asked with all that is known of the recording.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRecording`]; [`RecorderError::NotKept`] while the call goes on;
    /// [`RecorderError::NotOfBreach`] for a fact of something else; a text that is empty or too long.
    pub async fn report_breach(
        &self,
        client: &ClientId,
        id: RecordingId,
        report: &BreachReport,
        by: &PersonId,
    ) -> Result<BreachRuling, RecorderError> {
        let now = self.now();
        let known = self.facts_of(report, now)?;
        let (_, facts) = self.house.catalog.get(client, id).await?;
        let holds = self.house.retention.holds(client, id).await?;
        let is_known_now = |a: &Attribute| known.iter().any(|k| k.name == a.name);
        let earlier = facts.attributes.iter().filter(|a| !is_known_now(a)).cloned();
        let attributes = earlier.chain(known.iter().cloned()).collect();
        let facts = Facts { now, holds, attributes, ..facts };

        let event = Event::Storage(StorageEvent::BreachFound);
        let who = Who::new(format!("person {by}"), report.reason.as_str());
        let logged = self.house.rule_on_kept(client, id, event, facts, &who).await?;
        let tasks = logged.verdict.obligations().filter_map(|(_, obligation)| match &obligation.duty {
            Duty::SeeTo(task) => {
                let (action, due, rule) = (task.action.clone(), task.due, obligation.rule.clone());
                Some(BreachTask { action, due, rule })
            }
            _ => None,
        });
        let reasons =
            logged.verdict.reasons().map(|(_, r)| (r.rule.clone(), r.citation.clone(), r.message.clone()));
        Ok(BreachRuling { tasks: tasks.collect(), reasons: reasons.collect(), ledger_index: logged.index })
    }

    fn facts_of(&self, report: &BreachReport, now: Moment) -> Result<Vec<Attribute>, RecorderError> {
        let limit = self.house.limits.text_bytes_max;
        if report.reason.trim().is_empty() {
            return Err(RecorderError::Empty { what: "reason" });
        }
        let texts = report.facts.iter().map(|fact| match &fact.value {
            AttributeValue::Text(text) => fact.name.len() + text.len(),
            _ => fact.name.len(),
        });
        let bytes = report.reason.len() + texts.sum::<usize>();
        if bytes > limit {
            return Err(RecorderError::TooLong { what: "report", bytes, limit });
        }
        if let Some(other) = report.facts.iter().find(|fact| !fact.name.starts_with(FACTS)) {
            return Err(RecorderError::NotOfBreach { name: other.name.clone() });
        }
        let discovered = AttributeValue::When(report.discovered.unwrap_or(now));
        let persons = report.persons.map(|n| (PERSONS, AttributeValue::Whole(n.into())));
        let said = [(DISCOVERED, discovered)].into_iter().chain(persons);
        let said = said.map(|(name, value)| Attribute { name: name.into(), value });
        Ok(said.chain(report.facts.iter().cloned()).collect())
    }
}
