//! `regorus`: a policy compiled once.

use anyhow::Context;
use caveat_model::Facts;
use regorus::{CompiledPolicy, Engine, Value};

pub(crate) struct Rego {
    policy: CompiledPolicy,
}

impl Rego {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut engine = Engine::new();
        engine.add_policy("consent.rego".into(), include_str!("../policies/consent.rego").into())?;
        let policy = engine.compile_with_entrypoint(&"data.consent.deny".into())?;
        Ok(Self { policy })
    }

    /// From the model, by way of JSON, as its users hand it in.
    pub(crate) fn input(facts: &Facts) -> anyhow::Result<Value> {
        #[derive(serde::Serialize)]
        struct Input<'a> {
            facts: &'a Facts,
        }
        Value::from_json_str(&serde_json::to_string(&Input { facts })?)
    }

    /// Whether there is a reason to deny.
    pub(crate) fn denies(&self, input: Value) -> anyhow::Result<bool> {
        let reasons = self.policy.eval_with_input(input)?;
        Ok(!reasons.as_set().context("a set of reasons")?.is_empty())
    }
}
