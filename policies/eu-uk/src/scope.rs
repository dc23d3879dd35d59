//! Which calls are covered, who is on them, and whether they are about a client's order.

use caveat_sdk::{
    Facts,
    facts::{Party, Role},
};
use pack_law::{is_listed, known};
use serde::Deserialize;

use crate::law;

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    established: Vec<Where>,
    lawful_basis: String,
    in_records_of_processing: Option<bool>,
    investment_firm: bool,
    pub(crate) authority_asked_7_years: bool,
    pub(crate) max_age_days: Option<u32>,
    pub(crate) processors_under_contract: bool,
    pub(crate) german_notice_is_consent: bool,
    pub(crate) counsel_confirmed: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Where {
    Eu,
    Uk,
}

impl Settings {
    /// By where the client is, or by where somebody is or may be.
    pub(crate) fn covers(&self, facts: &Facts) -> bool {
        let there = |p: &Party| p.regions.iter().any(|r| is_listed(law::COVERED, &r.region));
        let anywhere = facts.parties.iter().all(|p| !is_outside(p));
        !self.established.is_empty()
            || anywhere
            || facts.parties.iter().any(|p| there(p) || may_be_anywhere(p))
    }

    /// Whether the AI Act has a say: the client is in the EU, or somebody on the call is, or may be, there.
    pub(crate) fn reaches_the_eu(&self, facts: &Facts) -> bool {
        let there =
            |p: &Party| p.regions.iter().any(|r| r.region != "@GB" && is_listed(law::COVERED, &r.region));
        !self.is_only(Where::Uk, facts) || facts.parties.iter().any(|p| there(p) || may_be_anywhere(p))
    }

    /// Whether UK law may bear on where this recording goes.
    pub(crate) fn may_be_of_the_uk(&self, facts: &Facts) -> bool {
        !self.is_only(Where::Eu, facts)
    }

    /// By what is said of this call, else by setting.
    fn is_only(&self, one: Where, facts: &Facts) -> bool {
        match known::word(facts, &["tenant.established"]).as_deref() {
            Some("eu") => one == Where::Eu,
            Some("uk") => one == Where::Uk,
            _ => self.established == [one],
        }
    }

    /// Whether the records of processing are known to have no entry on it.
    pub(crate) fn is_unregistered(&self, facts: &Facts) -> bool {
        known::flag(facts, &["processing.in-register"]).or(self.in_records_of_processing) == Some(false)
    }

    /// Whether German law has a say: somebody is there, or may be.
    pub(crate) fn reaches_germany(&self, facts: &Facts) -> bool {
        let uk_only = self.established == [Where::Uk];
        let linked = |p: &Party| p.regions.iter().any(|r| r.region == "@DE");
        facts.parties.iter().any(linked) || (!uk_only && facts.parties.iter().any(may_be_anywhere))
    }

    /// What is said to be an order; of an investment firm also what is not known to be about something else.
    pub(crate) fn is_order(&self, facts: &Facts) -> bool {
        let about = known::word(facts, &["retention.class", "call.topic"]).unwrap_or_default();
        let firm =
            known::flag(facts, &["tenant.investment-firm", "tenant.mifid"]).unwrap_or(self.investment_firm);
        match known::flag(facts, &["call.client-order"]) {
            Some(order) => order,
            None => {
                is_listed(law::ORDER_TOPICS, &about) || (firm && !is_listed(law::UNRELATED_TOPICS, &about))
            }
        }
    }

    /// As the controller wrote it down.
    pub(crate) fn basis(&self, facts: &Facts) -> String {
        let said = ["call.lawful-basis", "processing.lawful-basis", "processing.legal-basis"];
        known::word(facts, &said).unwrap_or_else(|| self.lawful_basis.clone())
    }
}

/// Somebody from outside, whose agreement and information counts.
pub(crate) fn is_outside(party: &Party) -> bool {
    !matches!(party.role, Role::Agent | Role::Supervisor | Role::Automaton)
}

fn may_be_anywhere(party: &Party) -> bool {
    is_outside(party) && party.regions.is_empty()
}
