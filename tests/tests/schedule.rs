//! The schedule of a running host, by itself: what is due goes, what is held stays, and a restart changes neither.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_tests::{
    house::{House, call, noise, sealed},
    people::Person,
    twilio::CUSTOMER,
    watch::until,
};
use serde_json::{Value, json};

/// Recordings are due as soon as they are there.
const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[limits.retention]
sweep_every_ms = 200

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
dispose-after-days = 0

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

async fn recorded(house: &House, id: &str) {
    let mut script = call(id);
    script.sound(CUSTOMER, &noise(1_500, 1));
    script.play(&house.host.url, &house.token).await.unwrap();
}

/// The recordings that are destroyed, once there are so many.
async fn destroyed(person: &Person, count: usize) -> Vec<String> {
    let there = until("what is due is destroyed", async || {
        let listed = person.recordings("quality").await?;
        let gone = listed.into_iter().filter(|(_, state)| state == "destroyed").map(|(id, _)| id);
        let gone: Vec<String> = gone.collect();
        Ok((gone.len() == count).then_some(gone))
    });
    there.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_goes_by_itself_and_what_is_held_stays() {
    let mut house = House::start(CONFIG, &[("ann", "compliance"), ("ben", "compliance")]).unwrap();
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    let person = ann.person();
    let hold = ann.json(&["hold", "set", "--matter", "Smith", "--call", "CA1"]).unwrap()["id"].to_string();
    recorded(&house, "CA1").await;
    let held = sealed(&person, 1).await.unwrap().remove(0);
    recorded(&house, "CA2").await;
    let gone = destroyed(&person, 1).await;
    assert_eq!(sealed(&person, 1).await.unwrap(), [held.as_str()], "what is held was due longer");
    let receipts = ann.json(&["retention", "receipts"]).unwrap();
    let told = |key: &str| receipts[0][key].clone();
    assert_eq!(
        (told("recording"), told("basis"), told("object-gone")),
        (json!(gone[0]), json!("schedule"), json!(true)),
        "{receipts}"
    );
    let object = |id: &str| house.host.dir().join(format!("data/store/recordings/acme/{id}.caveat"));
    assert!(object(&held).is_file() && !object(&gone[0]).exists());

    // It goes on where it was after a restart; two people lift the hold.
    assert_eq!(house.host.stop().unwrap(), 0);
    house.host.start().unwrap();
    let request = ann.json(&["hold", "lift", &hold]).unwrap()["id"].to_string();
    ben.json(&["request", "confirm", &request]).unwrap();
    let person = ann.person();
    let both = destroyed(&person, 2).await;
    assert!(both.contains(&held), "{both:?}");

    // With the recordings, what was known of their calls went; who looked for them, and the proofs, stay.
    assert_eq!(house.host.stop().unwrap(), 0);
    let (status, printed) = house.host.outcome(&["replay", "--client", "acme", "--json"]).unwrap();
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(status, 0, "{report}");
    let erased = report["gone"]["detail"].as_u64().unwrap_or_default();
    assert!(erased >= 6, "offered, sealed, ended, reviewed, disposed of, twice: {report}");
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert_eq!(entries.matches("disposal-result").count(), 2);
    let accesses = entries.matches("\"stage\":\"access\"").count() as u64;
    assert!(report["decisions"].as_u64().unwrap() >= erased + accesses, "{report}");
}

/// Packs that ask whether a recording is part of a medical record, which nobody has said.
const ASKING: &str = r#"
[[client.pack]]
file = "PACKS/hipaa-hitech-0.1.0.wasm"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_and_what_the_rules_leave_open_is_decided_at_a_terminal() {
    let mut house = House::start(&format!("{CONFIG}{ASKING}"), &[("ann", "compliance")]).unwrap();
    let ann = house.terminal("ann").unwrap();
    for id in ["CA1", "CA2"] {
        recorded(&house, id).await;
    }
    let asked = until("both wait for a person", async || {
        let reviews = ann.json(&["retention", "reviews"])?;
        Ok((reviews.as_array().map(Vec::len) == Some(2)).then_some(reviews))
    });
    let asked = asked.await.unwrap();
    assert!(asked[0]["rule"].as_str().unwrap().starts_with("hipaa."), "{asked}");
    // What would go, when, and why, before it does.
    let plan = ann.json(&["retention", "plan"]).unwrap();
    assert_eq!(plan.as_array().map(Vec::len), Some(2), "{plan}");
    assert!(plan[0]["why"].as_str().unwrap().contains("dispose-after-days"), "{plan}");
    assert_eq!(ann.json(&["retention", "plan", "--until", "2001-01-01"]).unwrap(), json!([]));
    let (status, text, _) = ann.run(&["retention", "plan"]).unwrap();
    let planned = plan[0]["recording"].as_str().unwrap();
    assert!(status == 0 && text.contains(planned) && text.contains("dispose-after-days"), "{text}");
    let (status, text, _) = ann.run(&["retention", "reviews"]).unwrap();
    assert!(status == 0 && text.contains("hipaa."), "{text}");

    // One is to go, the other stays for years.
    let number = |n: usize| asked[n]["id"].to_string();
    ann.json(&["retention", "decide", &number(0), "--destroy"]).unwrap();
    ann.json(&["retention", "decide", &number(1), "--keep-until", "2090-01-01"]).unwrap();
    let (status, _, why) = ann.run(&["retention", "decide", &number(0), "--destroy"]).unwrap();
    assert!(status == 1 && why.contains("waits for a decision"), "{status}: {why}");
    assert_eq!(ann.json(&["retention", "reviews"]).unwrap(), json!([]));
    assert_eq!(ann.json(&["retention", "reviews", "--all"]).unwrap().as_array().map(Vec::len), Some(2));
    let late = ann.json(&["retention", "plan", "--until", "2091-01-01"]).unwrap();
    let kept = asked[1]["recording"].as_str().unwrap();
    assert!(late.as_array().unwrap().iter().any(|p| p["recording"] == kept), "{late}");
    assert_eq!(house.host.stop().unwrap(), 0);
}
