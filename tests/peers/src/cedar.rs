//! `cedar-policy`: policies parsed once; what is built per request differs.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use caveat_model::{AttributeValue, Facts, NoticeKind, Party, PartyRole};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request,
    RestrictedExpression as Value,
};

pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    types: Types,
}

/// Parsed once, as a host would.
struct Types {
    party: EntityTypeName,
    recorder: EntityUid,
    record: EntityUid,
    call: EntityUid,
}

impl Cedar {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let policies = include_str!("../policies/consent.cedar").parse::<PolicySet>().context("policies")?;
        let uid = |text: &str| text.parse::<EntityUid>().context("an entity");
        let types = Types {
            party: "Party".parse().context("a type")?,
            recorder: uid("Host::\"recorder\"")?,
            record: uid("Action::\"record\"")?,
            call: uid("Call::\"this\"")?,
        };
        Ok(Self { authorizer: Authorizer::new(), policies, types })
    }

    /// Facts as entities: the call, and each party as one of its own.
    pub(crate) fn entities(&self, facts: &Facts) -> anyhow::Result<Entities> {
        let mut entities = Vec::with_capacity(facts.parties.len() + 1);
        let mut parties = Vec::with_capacity(facts.parties.len());
        for party in &facts.parties {
            let uid = self.uid(party);
            parties.push(Value::new_entity_uid(uid.clone()));
            let regions = party.regions.iter().map(|r| Value::new_string(r.region.as_str().to_owned()));
            let attributes = HashMap::from([
                ("role".to_owned(), Value::new_string(word(party.role).to_owned())),
                ("language".to_owned(), Value::new_string(party.language.clone())),
                ("present".to_owned(), Value::new_bool(party.traits.present)),
                ("regions".to_owned(), Value::new_set(regions)),
            ]);
            entities.push(Entity::new(uid, attributes, HashSet::new())?);
        }
        let region = facts.recorder_region.as_ref().map_or("", |r| r.as_str());
        let attributes = HashMap::from([
            ("recorder_region".to_owned(), Value::new_string(region.to_owned())),
            ("can_pause".to_owned(), Value::new_bool(facts.traits.can_pause)),
            ("parties".to_owned(), Value::new_set(parties)),
        ]);
        entities.push(Entity::new(self.types.call.clone(), attributes, HashSet::new())?);
        Ok(Entities::from_entities(entities, None)?)
    }

    fn uid(&self, party: &Party) -> EntityUid {
        EntityUid::from_type_name_and_id(self.types.party.clone(), EntityId::new(party.id.to_string()))
    }

    /// The request, with the attributes and what Cedar cannot find out as its context.
    pub(crate) fn request(&self, facts: &Facts) -> anyhow::Result<Request> {
        let attributes = facts.attributes.iter().map(|a| {
            let value = match &a.value {
                AttributeValue::Flag(flag) => Value::new_bool(*flag),
                AttributeValue::Whole(number) => Value::new_long(*number),
                AttributeValue::Text(text) => Value::new_string(text.clone()),
                AttributeValue::When(at) => Value::new_long(at.as_millis() as i64),
            };
            (a.name.clone(), value)
        });
        let untold = untold(facts).map(|region| Value::new_string(region.to_owned()));
        let pairs = attributes.chain([("untold".to_owned(), Value::new_set(untold))]);
        let context = Context::from_pairs(pairs)?;
        let Types { recorder, record, call, .. } = &self.types;
        Ok(Request::new(recorder.clone(), record.clone(), call.clone(), context, None)?)
    }

    /// Whether it is denied, by a policy that cites its statute.
    pub(crate) fn denies(&self, request: &Request, entities: &Entities) -> bool {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        let citations =
            response.diagnostics().reason().filter_map(|id| self.policies.policy(id)?.annotation("citation"));
        response.decision() == Decision::Deny && citations.count() > 0
    }
}

/// Regions of those from outside who were neither told nor consented.
fn untold(facts: &Facts) -> impl Iterator<Item = &str> {
    let agrees = |party: &Party| {
        facts.notices.iter().any(|n| n.kind == NoticeKind::Spoken && n.heard_by.contains(&party.id))
            || facts.consents.iter().any(|c| c.party == party.id && c.given)
    };
    let outside = |p: &&Party| {
        matches!(p.role, PartyRole::Customer | PartyRole::OtherParty | PartyRole::Unknown) && p.traits.present
    };
    let parties = facts.parties.iter().filter(outside).filter(move |p| !agrees(p));
    parties.flat_map(|p| p.regions.iter().map(|r| r.region.as_str()))
}

fn word(role: PartyRole) -> &'static str {
    match role {
        PartyRole::Agent => "agent",
        PartyRole::Customer => "customer",
        PartyRole::Supervisor => "supervisor",
        PartyRole::Interpreter => "interpreter",
        PartyRole::OtherParty => "other-party",
        PartyRole::Automaton => "automaton",
        PartyRole::Vendor => "vendor",
        PartyRole::Unknown => "unknown",
    }
}
