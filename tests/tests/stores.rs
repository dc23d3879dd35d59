//! The whole path with its recordings in an S3 bucket, and with a disk that has no room.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../host/stores/tests/weed/mod.rs"]
mod weed;

use caveat_tests::{
    host::Host,
    people::{Heard, Person, code, loudness},
    twilio::{CUSTOMER, Outcome, Script},
    watch::until,
};
use serde_json::Value;
use weed::{KEY_ID, LOCKED, SECRET, Weed};

const CLIENT: &str = r#"
[limits.calls]
late_window_ms = 500
interim_every_ms = 1000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[client.placement]
"#;

/// The rest of `[host]`, which stands first, and what belongs to it.
fn in_bucket(weed: &Weed) -> String {
    let url = weed.url();
    format!(
        "store = \"s3://{LOCKED}/east\"\n\
         [store]\nregion = \"us-east-1\"\nendpoint = \"{url}\"\nallow-http = true\n\
         key-id-file = \"id\"\nsecret-file = \"secret\"\n\
         [limits.store]\nspool_delay_ms = 50\nspool_grace_ms = 100\nretry_ms = 50\nretry_max_ms = 500\n\
         disk_free_bytes_warn = 0\ndisk_free_bytes_min = 0\n\
         {CLIENT}traits = {{ immutable = true }}\nlock-days = 30\n"
    )
}

/// Three seconds of noise.
fn noise(id: &str) -> Script {
    let mut script =
        Script::new(id, &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")]);
    let noise = [4_000, -3_000, 2_000, -5_000].into_iter().cycle();
    script.sound(CUSTOMER, &noise.take(3 * 8_000).collect::<Vec<i16>>());
    script
}

async fn call(host: &Host, token: &str, id: &str) -> Outcome {
    noise(id).play(&host.url, token).await.unwrap()
}

async fn sealed(kim: &Person, count: usize) -> Vec<String> {
    until("it is sealed", async || {
        let listed = kim.recordings("quality").await?;
        let sealed: Vec<_> = listed.into_iter().filter(|(_, s)| s == "sealed").map(|(id, _)| id).collect();
        Ok((sealed.len() == count).then_some(sealed))
    })
    .await
    .unwrap()
}

async fn is_heard(kim: &Person, id: &str) {
    match kim.play(id, "quality").await.unwrap() {
        Heard::Sound(there, _) => assert!(loudness(&there[1], 100, 2_900) > 1_000),
        Heard::Refused(why) => panic!("a supervisor may hear it: {why}"),
    }
}

fn spooled(host: &Host) -> usize {
    let once = host.dir().join("data/spool/once/recordings");
    host.written().unwrap().iter().filter(|(path, _)| path.starts_with(&once)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_lie_locked_in_a_bucket_and_an_outage_disturbs_no_call() {
    let Some(mut weed) = Weed::start() else { return };
    let mut host = Host::prepare(&in_bucket(&weed)).unwrap();
    std::fs::write(host.dir().join("id"), KEY_ID).unwrap();
    std::fs::write(host.dir().join("secret"), SECRET).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();

    call(&host, &token, "CA1").await;
    let first = sealed(&kim, 1).await.remove(0);
    until("it is in the bucket alone", async || Ok((spooled(&host) == 0).then_some(()))).await.unwrap();
    is_heard(&kim, &first).await;
    let object = format!("{}/{LOCKED}/east/recordings/acme/{first}.caveat", weed.url());
    let lock = reqwest::get(format!("{object}?retention")).await.unwrap().text().await.unwrap();
    assert!(lock.contains("COMPLIANCE"), "{lock}");

    // The store goes away: calls go on, are ruled on, sealed and heard.
    weed.down();
    call(&host, &token, "CA2").await;
    let both = sealed(&kim, 2).await;
    let second = both.iter().find(|id| **id != first).unwrap();
    is_heard(&kim, second).await;
    assert_eq!(spooled(&host), 1);
    weed.up();
    until("the backlog drains", async || Ok((spooled(&host) == 0).then_some(()))).await.unwrap();
    is_heard(&kim, second).await;
    let entries = host.audit("acme", "bundle").unwrap();
    assert_eq!(entries.matches("\"kind\":\"sealed\"").count(), 2);
    assert_eq!(host.stop().unwrap(), 0);
    assert!(!host.log().contains(SECRET), "a secret is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_lock_is_refused_at_the_start() {
    let Some(weed) = Weed::start() else { return };
    let config = in_bucket(&weed).replace("s3://locked", "s3://plain");
    let mut host = Host::prepare(&config).unwrap();
    std::fs::write(host.dir().join("id"), KEY_ID).unwrap();
    std::fs::write(host.dir().join("secret"), SECRET).unwrap();
    let refused = host.start().unwrap_err().to_string();
    assert!(refused.contains("lock-days") && refused.contains("without object lock"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_new_is_recorded_and_somebody_is_told() {
    let scarce =
        "[limits.store]\ndisk_free_bytes_warn = 1000000000000000\ndisk_free_bytes_min = 1000000000000000\n";
    let mut host = Host::prepare(&format!("{scarce}{CLIENT}")).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();
    let outcome = call(&host, &token, "CA1").await;
    assert!(outcome.marks.iter().any(|m| m == "caveat:not-recorded"), "{:?}", outcome.marks);
    assert!(kim.recordings("quality").await.unwrap().is_empty());
    let alerts =
        reqwest::Client::new().get(format!("{}/v1/alerts", host.url)).bearer_auth(&token).send().await;
    let alerts: Value = alerts.unwrap().json().await.unwrap();
    let told = alerts.as_array().unwrap().iter().filter(|a| a["rule"] == "host.disk").count();
    assert_eq!(told, 1, "{alerts}");
    let counted = reqwest::get(format!("{}/metrics", host.url)).await.unwrap().text().await.unwrap();
    assert!(counted.contains("caveat_calls_without_room_total"), "{counted}");
    assert_eq!(host.stop().unwrap(), 0);
}
