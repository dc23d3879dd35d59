//! What one recording's page and a month's scorecards are made of is looked up: the rest of the log is not read for it.

use std::path::{Path, PathBuf};

use caveat_tests::{
    house::{House, sealed},
    people::Person,
    upload::upload,
};
use serde_json::Value;

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[limits.requests]
requests_per_minute_max = 600000
requests_at_once_max = 100000
SCORED_MAX

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/agent-standards-0.1.0.wasm"
settings = { required = [], forbidden = [{ id = "3 promises", say = ["we send another"], keep-nothing-s = 0 }] }
"#;

/// A tile of the log: so many entries.
const TILE: u64 = 256;
/// The names of the second and the third.
const MIDDLE: [&str; 2] = ["001", "002"];

async fn answer(person: &Person, path: &str) -> (u16, Value) {
    let answer = person.get(path).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn size(person: &Person) -> u64 {
    let text = person.get("/v1/ledger/checkpoint").await.unwrap().text().await.unwrap();
    text.lines().nth(1).and_then(|size| size.parse().ok()).unwrap()
}

/// Objects of whole tiles of the log, entries and hashes, that are neither the first nor near the end.
fn middle_tiles(dir: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![dir.to_owned()], vec![]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_of = |level: &str| path.parent().is_some_and(|parent| parent.ends_with(level));
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if (is_of("tile/entries") || is_of("tile/0")) && MIDDLE.contains(&name.as_str()) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_and_scorecards_are_there_without_the_rest_of_the_log() {
    let people = [("cora", "compliance")];
    let mut house = House::start(&CONFIG.replace("SCORED_MAX", ""), &people).unwrap();
    let cora = house.person("cora").await.unwrap();
    let id = upload(&house, "CA-1").await.unwrap();
    sealed(&cora, 1).await.unwrap();
    let timeline = format!("/v1/recordings/{id}/timeline?purpose=quality");
    let (status, before) = answer(&cora, &timeline).await;
    assert_eq!(status, 200);
    let events = before["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["event"] == "sealed"), "{before}");
    let (_, cards) = answer(&cora, "/v1/scorecards?purpose=quality").await;
    assert_eq!((&cards[0]["agent"], &cards[0]["calls"]), (&"alex".into(), &1.into()), "{cards}");
    assert!(size(&cora).await < TILE, "all of it stands in the first tile");

    // Searches are logged, too, and are about no recording. The store has the tiles of them after the log has.
    while size(&cora).await < 4 * TILE || middle_tiles(house.host.dir()).len() < 2 * MIDDLE.len() {
        assert_eq!(answer(&cora, "/v1/recordings?purpose=quality").await.0, 200);
    }
    // Nothing of them is there any more, but near the end, to which is appended.
    let gone = middle_tiles(house.host.dir());
    let aside = tempfile::tempdir().unwrap();
    for (n, path) in gone.iter().enumerate() {
        std::fs::copy(path, aside.path().join(n.to_string())).unwrap();
        std::fs::remove_file(path).unwrap();
    }
    assert_ne!(answer(&cora, "/v1/ledger/export?purpose=legal").await.0, 200, "this reads all of it");
    let (status, after) = answer(&cora, &timeline).await;
    assert_eq!(status, 200, "{after}");
    assert_eq!(after["events"].as_array().unwrap()[..events.len()], events[..]);
    assert_eq!(answer(&cora, "/v1/scorecards?purpose=quality").await, (200, cards));
    for (n, path) in gone.iter().enumerate() {
        std::fs::copy(aside.path().join(n.to_string()), path).unwrap();
    }
    assert_eq!(house.host.stop().unwrap(), 0);
    house.host.audit("acme", "bundle").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn scorecards_of_more_than_may_be_read_are_refused_and_say_so() {
    let config = CONFIG.replace("SCORED_MAX", "scored_decisions_max = 1");
    let mut house = House::start(&config, &[("cora", "compliance")]).unwrap();
    let cora = house.person("cora").await.unwrap();
    upload(&house, "CA-1").await.unwrap();
    upload(&house, "CA-2").await.unwrap();
    sealed(&cora, 2).await.unwrap();
    let (status, problem) = answer(&cora, "/v1/scorecards?purpose=quality").await;
    assert_eq!(status, 400, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("more than 1") && detail.contains("since"), "{detail}");
    let (status, none) = answer(&cora, "/v1/scorecards?purpose=quality&since=2099-01-01").await;
    assert_eq!((status, none), (200, Value::Array(vec![])));
    assert_eq!(house.host.stop().unwrap(), 0);
}
