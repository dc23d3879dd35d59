//! What may be done with a recording: bounds that a verdict set while it was made, and reasons that are owed, hold
//! whenever somebody asks for it; and what is to be done once somebody has it who should not.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use caveat_tests::{
    host::Host,
    people::{Person, code},
    through::Terminal,
    twilio::{CUSTOMER, Script},
    watch::until,
};
use reqwest::Response;
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_told_to_whom_the_rules_say_and_by_when() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("clinic").unwrap();
    let secret = host.enroll("clinic", "cora", "compliance", "").unwrap();
    let terminal = host.enroll("clinic", "eve", "compliance", "").unwrap();
    let other = host.enroll("acme", "kim", "compliance", "").unwrap();
    host.start().unwrap();
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let (cora, id) = recorded(&host, &token, ("clinic", "cora", &secret), &facts).await;
    let path = format!("/v1/recordings/{id}/breach");
    let report = async |body: Value| {
        let answer = cora.post(&path, &body).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };

    // It was encrypted, and nobody took the keys.
    let encrypted = json!({"name": "breach.encrypted", "value": {"flag": true}});
    let lost = json!({"reason": "a disk was lost", "persons": 1, "facts": [encrypted]});
    let (status, said) = report(lost.clone()).await;
    assert_eq!((status, &said["tasks"]), (201, &json!([])), "{said}");
    assert_eq!(said["reasons"][0][0], "hipaa.breach-secured", "{said}");

    // Sixty days from the day on which it was discovered, and less by state law.
    let taken = json!({
        "reason": "a laptop was open when it was taken",
        "discovered": "2026-11-02T09:00:00Z",
        "persons": 700,
        "facts": [{"name": "breach.keys-taken", "value": {"flag": true}}],
    });
    let (status, said) = report(taken.clone()).await;
    assert_eq!(status, 201, "{said}");
    let due: HashMap<&str, &str> = said["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|task| Some((task["action"].as_str()?, task["due"].as_str()?.get(..10)?)))
        .collect();
    assert_eq!(due["notify-individuals-60-days"], "2027-01-01", "{said}");
    assert_eq!(due["notify-hhs-60-days"], "2027-01-01", "{said}");

    // Each is somebody's to see to; reported again, it is the same.
    assert_eq!(report(taken).await.1["tasks"], said["tasks"]);
    let alerts: Vec<Value> = cora.get("/v1/alerts").await.unwrap().json().await.unwrap();
    let told = alerts.iter().filter(|a| a["message"] == "notify-hhs-60-days by 2027-01-01").count();
    assert_eq!(told, 1, "{alerts:?}");
    let timeline = cora.get(&format!("/v1/recordings/{id}/timeline?purpose=legal")).await.unwrap();
    assert_eq!(timeline.text().await.unwrap().matches("breach-found").count(), 3);

    let check = async |body: Value, want: &str| {
        let (status, said) = report(body).await;
        assert!(status == 400 && said["detail"].as_str().unwrap().contains(want), "{said}");
    };
    check(json!({"reason": " "}), "the reason is empty").await;
    check(json!({"reason": "r", "facts": [{"name": "call.kind", "value": {"text": "x"}}]}), "`call.kind`")
        .await;
    check(
        json!({"reason": "r", "facts": [{"name": "breach.x", "value": {"text": "x".repeat(70_000)}}]}),
        "long",
    )
    .await;
    // The same at a terminal.
    let eve = Terminal::sign_in(&host, "clinic", "eve", &terminal).unwrap();
    let what = ["--reason", "r", "--persons", "3", "--fact", "breach.keys-taken=true"];
    let (exit, said, wrong) = eve.run(&[&["recording", "breach", &id], &what[..]].concat()).unwrap();
    assert_eq!((exit, &*wrong), (0, ""));
    assert!(said.contains("  notify-individuals-60-days  hipaa.") && said.contains("ledger entry"), "{said}");
    // Another client's people know nothing of it.
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&other, 0).unwrap()).await.unwrap();
    assert_eq!(kim.post(&path, &lost).await.unwrap().status().as_u16(), 404);
    let entries = host.audit("clinic", "bundle").unwrap();
    assert_eq!(entries.matches("breach-found").count(), 4);
    assert_eq!(host.stop().unwrap(), 0);
}
