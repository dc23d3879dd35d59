//! `caveat recording breach`: a recording may have reached somebody it should not have.

use std::process::ExitCode;

use caveat_model::{Attribute, AttributeValue, Moment, RecordingId};
use serde_json::{Value, json};

use super::running::{Running, text};

#[derive(Debug, clap::Args)]
pub(crate) struct Breach {
    #[command(flatten)]
    host: Running,
    /// Which recording.
    id: RecordingId,
    /// What happened. It stands in the log: names do not belong here.
    #[arg(long)]
    reason: String,
    /// When it was discovered, from which periods are counted; now if left out.
    #[arg(long, value_name = "DATE")]
    discovered: Option<Moment>,
    /// How many persons are affected, once it is known.
    #[arg(long)]
    persons: Option<u32>,
    /// What else is known, by the names in manifests of packs: breach.keys-taken=true. Can be given again.
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = fact)]
    facts: Vec<Attribute>,
}

pub(super) async fn report(breach: Breach) -> anyhow::Result<ExitCode> {
    let Breach { host, id, reason, discovered, persons, facts } = breach;
    let body = json!({"reason": reason, "discovered": discovered, "persons": persons, "facts": facts});
    let answer = host.post(&format!("/v1/recordings/{id}/breach"), &body).await?;
    host.print(&answer, said)
}

/// `by 2027-01-01  notify-individuals-60-days  hipaa.breach-individuals`, and why.
fn said(answer: &Value) -> String {
    let all = |key: &str| answer[key].as_array().into_iter().flatten();
    let tasks = all("tasks").map(|task| {
        let due = match task["due"].as_str().and_then(|at| at.get(..10)) {
            Some(day) => format!("by {day}"),
            None => "soon".into(),
        };
        format!("{due:<13}  {}  {}\n", text(&task["action"]), text(&task["rule"]))
    });
    let mut said: String = tasks.collect();
    if said.is_empty() {
        said.push_str("the rules ask nobody to be told\n");
    }
    let reasons = all("reasons").map(|why| format!("{} ({})\n", text(&why[2]), text(&why[1])));
    said.extend(reasons);
    said.push_str(&format!("ledger entry {}\n", answer["ledger-index"]));
    said
}

/// `breach.keys-taken=true`: yes or no, a whole number, a date, or else words.
fn fact(given: &str) -> Result<Attribute, String> {
    let (name, value) = given.split_once('=').ok_or_else(|| format!("`{given}` is no NAME=VALUE"))?;
    Ok(Attribute { name: name.into(), value: AttributeValue::of_text(value.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_what_it_looks_like() {
        let check = |given: &str, wanted: AttributeValue| {
            let fact = fact(given);
            assert_eq!(fact, Ok(Attribute { name: "breach.x".into(), value: wanted }), "{given}");
        };
        check("breach.x=true", AttributeValue::Flag(true));
        check("breach.x=-3", AttributeValue::Whole(-3));
        check("breach.x=2026-11-02", AttributeValue::When(Moment::from_millis(1_793_577_600_000)));
        check("breach.x=TX=1", AttributeValue::Text("TX=1".into()));
        assert!(fact("breach.x").is_err());
    }
}
