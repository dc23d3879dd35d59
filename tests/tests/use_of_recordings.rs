//! What may be done with a recording: bounds that a verdict set while it was made, and reasons that are owed, hold
//! whenever somebody asks for it.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_tests::{
    host::Host,
    people::{Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use reqwest::Response;
use serde_json::Value;

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "OH"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
settings = { options = ["pa-5704-15"] }

[[client]]
id = "clinic"
recorder-region = "GA"
purposes = ["quality"]
medical-record = true

[client.placement]
region = "GA"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/hipaa-hitech-0.1.0.wasm"
"#;

/// A call that is recorded, and somebody who may play what there is of it.
async fn recorded(
    host: &Host,
    token: &str,
    (client, person, secret): (&str, &str, &str),
    parameters: &[(&str, &str)],
) -> (Person, String) {
    let mut script = Script::new("CA1", parameters);
    script.sound(CUSTOMER, &[3_000, -2_000, 4_000, -1_000].repeat(4_000));
    let outcome = script.play(&host.url, token).await.unwrap();
    assert_eq!(outcome.marks, ["caveat:recording"], "{client}");
    let person = Person::sign_in(&host.url, client, person, &code(secret, 0).unwrap()).await.unwrap();
    let id = until("a sealed recording", async || {
        let listed = person.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let id = id.await.unwrap();
    (person, id)
}

async fn listens(person: &Person, id: &str, query: &str) -> Response {
    person.get(&format!("/v1/recordings/{id}/audio?{query}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_serves_the_purposes_that_it_was_allowed_for_and_no_other() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let facts = [
        ("agent-region", "OH"),
        ("customer-region", "PA"),
        ("direction", "inbound"),
        ("attr:call.kind", "customer-service"),
    ];
    let (kim, id) = recorded(&host, &token, ("acme", "kim", &secret), &facts).await;
    assert!(listens(&kim, &id, "purpose=quality").await.status().is_success());
    let refused = listens(&kim, &id, "purpose=dispute").await;
    assert_eq!(refused.status().as_u16(), 403);
    let refused: Value = refused.json().await.unwrap();
    let why = &refused["decided"]["reasons"][0];
    assert_eq!(
        (&why[0], &why[1]),
        (&"consent.pa-monitoring".into(), &"18 Pa. Cons. Stat. 5704(15)".into()),
        "{refused}"
    );
    assert!(refused["detail"].as_str().unwrap().contains("training, quality, oversight only"), "{refused}");
    // It holds after a restart, and the ledger tells of an access that was not granted.
    assert_eq!(host.stop().unwrap(), 0);
    host.start().unwrap();
    assert_eq!(listens(&kim, &id, "purpose=dispute").await.status().as_u16(), 403);
    let entries = host.audit("acme", "bundle").unwrap();
    assert_eq!(entries.matches("\"purpose\":\"dispute\"").count(), 2);
    assert_eq!(entries.matches("\"grant\":false").count(), 2);
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_owes_a_reason_is_not_given_without_and_is_looked_at_afterwards() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("clinic").unwrap();
    let secret = host.enroll("clinic", "nora", "supervisor", "nurse").unwrap();
    host.start().unwrap();
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let (nora, id) = recorded(&host, &token, ("clinic", "nora", &secret), &facts).await;
    let refused = listens(&nora, &id, "purpose=emergency&break-glass=true").await;
    assert_eq!(refused.status().as_u16(), 403);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["decided"]["remedies"][0], "give-a-reason", "{refused}");
    let given = listens(&nora, &id, "purpose=emergency&break-glass=true&reason=patient+unconscious").await;
    assert_eq!(given.status().as_u16(), 200);
    let alerts: Vec<Value> = nora.get("/v1/alerts").await.unwrap().json().await.unwrap();
    let kinds: Vec<&str> = alerts.iter().filter_map(|a| a["kind"].as_str()).collect();
    assert!(kinds.contains(&"after-review") && kinds.contains(&"privacy-officer"), "{alerts:?}");
    assert_eq!(host.stop().unwrap(), 0);
}
