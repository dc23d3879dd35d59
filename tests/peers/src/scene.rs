//! The event that everybody judges: a call is offered, and a customer in California has been told nothing.

use anyhow::Context;
use caveat_model::{CaptureEvent, Event, Facts};
use caveat_sdk::{capture, facts as sdk};

/// What happens.
pub(crate) const EVENT: Event = Event::Capture(CaptureEvent::Offered);

/// What is known: three parties, a notice that one of them heard, a refusal, ten attributes.
pub(crate) fn facts() -> anyhow::Result<Facts> {
    serde_json::from_value(serde_json::json!({
        "now": "2026-11-23T09:30:05.000Z", "began": "2026-11-23T09:30:00.000Z",
        "direction": "inbound", "traits": {"can-pause": true}, "recorder-region": "TX",
        "purposes": ["quality", "training"],
        "parties": [
            {"id": 0, "role": "agent", "leg": 0, "number": "geographic", "language": "en",
             "regions": [{"region": "TX", "source": "on-file"}], "traits": {"present": true}},
            {"id": 1, "role": "customer", "leg": 1, "number": "geographic", "language": "en",
             "regions": [{"region": "CA", "source": "number"}], "traits": {"present": true}},
            {"id": 2, "role": "supervisor", "number": "geographic", "language": "en",
             "regions": [{"region": "TX", "source": "on-file"}], "traits": {"present": true, "silent": true}}
        ],
        "notices": [{"kind": "spoken", "at": 900, "heard-by": [0], "language": "en"}],
        "consents": [{"party": 1, "form": "express", "at": 1200, "given": false}],
        "attributes": [
            {"name": "call.kind", "value": {"text": "billing"}},
            {"name": "call.queue", "value": {"text": "billing-en"}},
            {"name": "call.threats", "value": {"flag": false}},
            {"name": "call.in-person", "value": {"flag": false}},
            {"name": "tenant.industry", "value": {"text": "retail"}},
            {"name": "tenant.public-body", "value": {"flag": false}},
            {"name": "tenant.issuer", "value": {"flag": false}},
            {"name": "tenant.agents", "value": {"whole": 240}},
            {"name": "transport.encrypted", "value": {"flag": true}},
            {"name": "campaign.until", "value": {"when": "2026-12-31T00:00:00Z"}}
        ]
    }))
    .context("the scene")
}

/// The same as a pack sees it, for the native calls.
pub(crate) fn native() -> (capture::Event, sdk::Facts) {
    let region = |region: &str, source| sdk::RegionEvidence { region: region.into(), source, learned: 0 };
    let party = |id, role, leg, regions, traits| sdk::Party {
        id,
        role,
        leg,
        number: sdk::NumberKind::Geographic,
        regions: vec![regions],
        language: "en".into(),
        joined: 0,
        left: None,
        traits,
    };
    let present = sdk::PartyTraits::PRESENT;
    let attribute = |name: &str, value| sdk::Attribute { name: name.into(), value };
    let text = |name, text: &str| attribute(name, sdk::AttributeValue::Text(text.into()));
    let flag = |name, flag| attribute(name, sdk::AttributeValue::Flag(flag));
    let facts = sdk::Facts {
        now: 1_795_426_205_000,
        began: 1_795_426_200_000,
        direction: sdk::Direction::Inbound,
        traits: sdk::CallTraits::CAN_PAUSE,
        recorder_region: "TX".into(),
        purposes: vec![sdk::Purpose::Quality, sdk::Purpose::Training],
        parties: vec![
            party(0, sdk::Role::Agent, Some(0), region("TX", sdk::RegionSource::OnFile), present),
            party(1, sdk::Role::Customer, Some(1), region("CA", sdk::RegionSource::Number), present),
            party(
                2,
                sdk::Role::Supervisor,
                None,
                region("TX", sdk::RegionSource::OnFile),
                present | sdk::PartyTraits::SILENT,
            ),
        ],
        notices: vec![sdk::Notice {
            kind: sdk::NoticeKind::Spoken,
            at: 900,
            recorded: false,
            late: false,
            heard_by: vec![0],
            language: "en".into(),
            every_s: 0,
        }],
        consents: vec![sdk::Consent {
            party: 1,
            form: sdk::ConsentForm::Express,
            at: 1200,
            given: false,
            recorded: false,
        }],
        labels: vec![],
        paused: None,
        placements: vec![],
        holds: vec![],
        attributes: vec![
            text("call.kind", "billing"),
            text("call.queue", "billing-en"),
            flag("call.threats", false),
            flag("call.in-person", false),
            text("tenant.industry", "retail"),
            flag("tenant.public-body", false),
            flag("tenant.issuer", false),
            attribute("tenant.agents", sdk::AttributeValue::Whole(240)),
            flag("transport.encrypted", true),
            attribute("campaign.until", sdk::AttributeValue::When(1_798_675_200_000)),
        ],
    };
    (capture::Event::Offered, facts)
}
