//! Every access is asked for with a purpose, ruled on, in the log before anything is served, and accounted for.

use caveat_tests::{
    host::Host,
    people::{Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use reqwest::StatusCode;
use serde_json::Value;

const CLINIC: &str = r#"
[limits.calls]
late_window_ms = 500

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

/// The customer's number.
const PATIENT: &str = "+14045550123";
/// What the issue asks for: training, oversight, dispute, patient request, legal, research.
const PURPOSES: [&str; 6] = ["training", "oversight", "dispute", "own-request", "legal", "research"];

async fn disclosures(person: &Person, query: &str) -> Vec<Value> {
    let answer = person.get(&format!("/v1/disclosures?{query}")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

fn texts<'v>(rows: &'v [Value], key: &str) -> Vec<&'v str> {
    rows.iter().map(|row| row[key].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_purpose_is_ruled_on_logged_before_the_first_byte_and_accounted_for() {
    let mut host = Host::prepare(CLINIC).unwrap();
    let token = host.token("clinic").unwrap();
    let nurse = host.enroll("clinic", "nora", "supervisor", "nurse").unwrap();
    let officer = host.enroll("clinic", "cora", "compliance", "privacy").unwrap();
    let researcher = host.enroll("clinic", "rita", "supervisor", "researcher").unwrap();
    host.start().unwrap();
    let facts = [
        ("agent-region", "TX"),
        ("customer-region", "GA"),
        ("customer-number", PATIENT),
        ("direction", "inbound"),
        ("attr:access.irb-waiver", "true"),
    ];
    let mut script = Script::new("CA1", &facts);
    script.sound(CUSTOMER, &[3_000, -2_000, 4_000, -1_000].repeat(4_000));
    script.play(&host.url, &token).await.unwrap();
    let sign_in = async |id: &str, secret: &str| {
        Person::sign_in(&host.url, "clinic", id, &code(secret, 0).unwrap()).await.unwrap()
    };
    let (nora, cora, rita) =
        (sign_in("nora", &nurse).await, sign_in("cora", &officer).await, sign_in("rita", &researcher).await);
    let id = until("a sealed recording", async || {
        let listed = nora.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let id = id.await.unwrap();
    let without = nora.get(&format!("/v1/recordings/{id}/audio")).await.unwrap();
    assert_eq!(without.status(), StatusCode::BAD_REQUEST, "no purpose, no sound");

    let mut served = Vec::new();
    for (name, person) in [("nora", &nora), ("rita", &rita), ("cora", &cora)] {
        for purpose in PURPOSES.into_iter().chain(["marketing"]) {
            let path = format!("/v1/recordings/{id}/audio?purpose={purpose}&reason=of+{name}");
            let answer = person.get(&path).await.unwrap();
            if answer.status() == StatusCode::OK {
                let decided = answer.headers()["caveat-decided"].to_str().unwrap().to_owned();
                let decided: Value = serde_json::from_str(&decided).unwrap();
                served.push((name.to_owned(), purpose.to_owned(), decided["ledger-index"].clone()));
                assert!(answer.bytes().await.unwrap().len() > 44, "a WAV with sound");
            } else {
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{purpose}");
                let problem: Value = answer.json().await.unwrap();
                let (rule, citation) =
                    (&problem["decided"]["reasons"][0][0], &problem["decided"]["reasons"][0][1]);
                assert!(rule.as_str().is_some_and(|r| !r.is_empty()), "{purpose}: {problem}");
                assert!(citation.as_str().is_some_and(|c| !c.is_empty()), "{purpose}: {problem}");
            }
        }
    }
    assert!(served.iter().any(|(who, why, _)| who == "rita" && why == "research"), "{served:?}");
    assert!(!served.iter().any(|(_, why, _)| why == "marketing"), "{served:?}");
    println!("served {} of {}", served.len(), 3 * (PURPOSES.len() + 1));

    // All of the patient, in the order it was given; to whom, what, why, and by their own words.
    assert_eq!(
        nora.get("/v1/disclosures").await.unwrap().status(),
        StatusCode::FORBIDDEN,
        "it is for who answers for it"
    );
    let of_patient = disclosures(&cora, &format!("person={}", PATIENT.replace('+', "%2B"))).await;
    let told: Vec<(String, String, Value)> = of_patient
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            assert_eq!((text("recording"), text("act")), (id.clone(), "play".to_owned()), "{row}");
            assert_eq!(text("reason"), format!("of {}", text("to")));
            assert!(row["bytes"].as_u64().unwrap() > 44, "{row}");
            (text("to"), text("purpose"), row["ledger-index"].clone())
        })
        .collect();
    assert_eq!(told, served);
    assert_eq!(disclosures(&cora, "person=%2B14045550199").await, Vec::<Value>::new(), "of somebody else");
    assert_eq!(disclosures(&cora, "since=2099-01-01").await, Vec::<Value>::new());

    // What the law has accounted for; the rule that says so is of a pack, and cites it.
    let owed = disclosures(&cora, "owed=true").await;
    let has = |to: &str, purpose: &str| owed.iter().any(|row| row["to"] == to && row["purpose"] == purpose);
    assert!(has("nora", "research") && has("rita", "research"), "{owed:?}");
    assert!(!has("nora", "training") && !has("cora", "oversight"), "operations are not: {owed:?}");
    for row in &owed {
        let (rule, citation) = (&row["owed"][0], row["owed"][1].as_str().unwrap());
        assert!(rule == "hipaa.accounting" && citation.contains("164.528"), "{row}");
    }
    // Nobody has to keep it by hand.
    let alerts: Vec<Value> = nora.get("/v1/alerts").await.unwrap().json().await.unwrap();
    assert!(!texts(&alerts, "kind").contains(&"log-disclosure"), "{alerts:?}");

    host.stop().unwrap();
    // Each access has its intent, with its purpose, and only then its result.
    let entries = host.audit("clinic", "bundle").unwrap();
    for purpose in PURPOSES {
        let intents = entries.matches(&format!("\"purpose\":\"{purpose}\"")).count();
        assert_eq!(intents, 3, "{purpose}");
    }
    for (_, _, intent) in &served {
        let result = format!("\"intent\":{intent},\"ok\":true");
        let (before, after) = entries.split_once(&result).unwrap_or_else(|| panic!("no {result}"));
        assert!(before.contains("\"access-intent\"") && !after.contains(&result));
    }
    assert!(!entries.contains(PATIENT) && !entries.contains("\"nora\""), "the log names nobody");
}
