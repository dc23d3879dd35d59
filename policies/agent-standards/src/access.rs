//! Who hears what afterwards, for training, for oversight, and of what is privileged.

use caveat_sdk::{
    Facts,
    access::{Act, Duty, Form, Person, PersonTraits, Request, Role, Ruling},
    facts::{LabelKind, Purpose},
};
use pack_law::known;

use crate::{law, settings::Standard};

/// From here on a label counts as what it says.
const SURE: u8 = 50;

pub(crate) fn rule(standard: &Standard, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !matches!(request.act, Act::Play | Act::Export | Act::Share | Act::Disclose) {
        return ruling;
    }
    purpose(standard, request, &mut ruling);
    own_calls(standard, request, &mut ruling);
    oversight(standard, request, &mut ruling);
    privileged(standard, request, facts, &mut ruling);
    training_copy(standard, request, &mut ruling);
    ruling
}

fn purpose(standard: &Standard, request: &Request, ruling: &mut Ruling) {
    if standard.purpose_needed && request.purpose == Purpose::Unstated {
        ruling.refuse(&law::STATED_PURPOSE, "Say what the recording is wanted for.");
        ruling.remedy(&law::STATED_PURPOSE, "state-purpose");
    }
}

fn own_calls(standard: &Standard, request: &Request, ruling: &mut Ruling) {
    let own = request.person.traits.contains(PersonTraits::OWN_RECORDING);
    if request.person.role == Role::Agent && !own && !standard.agents_hear_others {
        ruling.refuse(&law::OWN_CALLS, "Agents hear the calls that they were on.");
        ruling.remedy(&law::OWN_CALLS, "ask-a-supervisor");
    }
}

fn oversight(standard: &Standard, request: &Request, ruling: &mut Ruling) {
    if request.purpose == Purpose::Oversight && !is_one_of(&standard.oversight_roles, &request.person) {
        ruling.refuse(
            &law::OVERSIGHT_ROLES,
            "Calls are heard for oversight by the roles that the standard names.",
        );
        ruling.remedy(&law::OVERSIGHT_ROLES, "ask-a-supervisor");
    }
}

fn privileged(standard: &Standard, request: &Request, facts: &Facts, ruling: &mut Ruling) {
    let lawful = matches!(request.purpose, Purpose::Legal | Purpose::Regulatory);
    if lawful && is_one_of(&standard.privileged_roles, &request.person) {
        return;
    }
    if known::is(facts, &["call.privileged"]) {
        ruling.refuse(&law::PRIVILEGED_ACCESS, "The whole call is privileged.");
        ruling.remedy(&law::PRIVILEGED_ACCESS, "ask-counsel");
        return;
    }
    let found = facts.labels.iter().any(|l| l.kind == LabelKind::Privileged && l.confidence >= SURE);
    if found && request.form != Form::FactsOnly {
        ruling.because(&law::PRIVILEGED_ACCESS, "What may be privileged is silenced.");
        ruling.oblige(&law::PRIVILEGED_ACCESS, Duty::ServeRedacted(vec![LabelKind::Privileged]));
    }
}

fn training_copy(standard: &Standard, request: &Request, ruling: &mut Ruling) {
    let hidden = &standard.hidden_in_training;
    let teaches = matches!(request.purpose, Purpose::Training | Purpose::Quality);
    let reduced = matches!(request.form, Form::Redacted | Form::FactsOnly);
    let needed = request.person.traits.contains(PersonTraits::FULL_NEED);
    if teaches && !reduced && !needed && !hidden.is_empty() {
        ruling.because(&law::TRAINING_COPY, "For training and quality, what the standard names is silenced.");
        ruling.oblige(&law::TRAINING_COPY, Duty::ServeRedacted(hidden.clone()));
    }
}

/// By the host's role, or the client's word for the job.
fn is_one_of(names: &[String], person: &Person) -> bool {
    let role = match person.role {
        Role::Agent => "agent",
        Role::Supervisor => "supervisor",
        Role::Trainer => "trainer",
        Role::Compliance => "compliance",
        Role::Auditor => "auditor",
        Role::Integrator => "integrator",
        Role::Admin => "admin",
        Role::Outsider => "outsider",
    };
    let job = known::spelled(&person.function);
    names.iter().any(|name| name == role || known::spelled(name) == job)
}
