//! The whole path with its recordings in an S3 bucket, and with a disk that has no room.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../host/stores/tests/weed/mod.rs"]
mod weed;

use std::{path::PathBuf, process::Command};

use caveat_model::Clock;
use caveat_tests::{
    host::Host,
    house::{House, call, heard, noise, sealed},
    people::{Person, loudness},
    twilio::{CUSTOMER, Outcome},
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

async fn three_seconds(house: &House, id: &str) -> Outcome {
    let mut script = call(id);
    script.sound(CUSTOMER, &noise(3_000, 1));
    script.play(&house.host.url, &house.token).await.unwrap()
}

const KIM: [(&str, &str); 1] = [("kim", "supervisor")];

fn with_secrets(config: &str) -> Host {
    let host = Host::prepare(config).unwrap();
    std::fs::write(host.dir().join("id"), KEY_ID).unwrap();
    std::fs::write(host.dir().join("secret"), SECRET).unwrap();
    host
}

async fn is_heard(kim: &Person, id: &str) {
    assert!(loudness(&heard(kim, id).await.unwrap()[1], 100, 2_900) > 1_000);
}

fn spooled(host: &Host) -> usize {
    let once = host.dir().join("data/spool/once/recordings");
    host.written().unwrap().iter().filter(|(path, _)| path.starts_with(&once)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_lie_locked_in_a_bucket_and_an_outage_disturbs_no_call() {
    let Some(mut weed) = Weed::start() else { return };
    let people = [KIM[0], ("ann", "compliance"), ("ben", "compliance")];
    let mut house = House::of(with_secrets(&in_bucket(&weed)), &people).unwrap();
    let kim = house.person("kim").await.unwrap();

    three_seconds(&house, "CA1").await;
    let first = sealed(&kim, 1).await.unwrap().remove(0);
    until("it is in the bucket alone", async || Ok((spooled(&house.host) == 0).then_some(()))).await.unwrap();
    is_heard(&kim, &first).await;
    let object = format!("{}/{LOCKED}/east/recordings/acme/{first}.caveat", weed.url());
    let lock = reqwest::get(format!("{object}?retention")).await.unwrap().text().await.unwrap();
    assert!(lock.contains("COMPLIANCE"), "{lock}");

    // The store goes away: calls go on, are ruled on, sealed and heard.
    weed.down();
    three_seconds(&house, "CA2").await;
    let both = sealed(&kim, 2).await.unwrap();
    let second = both.iter().find(|id| **id != first).unwrap();
    is_heard(&kim, second).await;
    assert_eq!(spooled(&house.host), 1);
    // Other packs rule from here on than the configuration names, and so after a restart.
    let [ann] = ["ann"].map(|id| house.terminal(id).unwrap());
    let pack = caveat_tests::host::packs().unwrap().join("pci-dss-0.1.0.wasm");
    ann.json(&["pack", "swap", "--client", "acme", "--add", pack.to_str().unwrap()]).unwrap();
    // A host that starts now has what it needs here.
    assert_eq!(house.host.stop().unwrap(), 0);
    house.host.start().unwrap();
    let mut kim = kim;
    kim.reconnect();
    is_heard(&kim, second).await;
    three_seconds(&house, "CA3").await;
    let third = sealed(&kim, 3).await.unwrap().pop().unwrap();
    is_heard(&kim, &third).await;
    weed.up();
    until("the backlog drains", async || Ok((spooled(&house.host) == 0).then_some(()))).await.unwrap();
    is_heard(&kim, second).await;

    // What two people shred opens no more, and the locked object is what it was, to the bit.
    let bytes = async || reqwest::get(&object).await.unwrap().bytes().await.unwrap();
    let before = bytes().await;
    let ben = house.terminal("ben").unwrap();
    let shred = ["recording", "redact", &first, "--span", "1-2", "--mode", "shred", "--reason", "too much"];
    let request = ann.json(&shred).unwrap()["id"].to_string();
    ben.json(&["request", "confirm", &request]).unwrap();
    let after = heard(&kim, &first).await.unwrap();
    assert_eq!(loudness(&after[1], 1_000, 2_000), 0);
    assert!(loudness(&after[1], 100, 1_000) > 1_000 && loudness(&after[1], 2_000, 2_900) > 1_000);
    assert_eq!(bytes().await, before);
    let lock = reqwest::get(format!("{object}?retention")).await.unwrap().text().await.unwrap();
    assert!(lock.contains("COMPLIANCE"), "{lock}");
    let receipts = ann.json(&["retention", "receipts"]).unwrap();
    assert_eq!(
        (&receipts[0]["what"], &receipts[0]["recording"]),
        (&"segment".into(), &first.as_str().into())
    );
    let entries = house.host.audit("acme", "bundle").unwrap();
    assert_eq!(entries.matches("\"kind\":\"sealed\"").count(), 3);
    assert_eq!(house.host.stop().unwrap(), 0);
    assert!(!house.host.log().contains(SECRET), "a secret is in the log");
}

/// Two people want a recording gone; the rules that came since want it kept for years, and the bucket hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_is_raised_later_lengthens_the_lock() {
    let Some(weed) = Weed::start() else { return };
    let config = in_bucket(&weed).replace("immutable = true", "immutable = true, associate-agreement = true");
    let config =
        config.replace("[limits.store]\n", "[limits.retention]\nsweep_every_ms = 200\n[limits.store]\n");
    let due = "purposes = [\"quality\"]\nmedical-record = true\ndispose-after-days = 0\n";
    let config = config.replace("purposes = [\"quality\"]\n", due);
    let mut house =
        House::of(with_secrets(&config), &[("ann", "compliance"), ("ben", "compliance")]).unwrap();
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    let hold = ann.json(&["hold", "set", "--matter", "Smith", "--call", "CA1"]).unwrap()["id"].to_string();
    three_seconds(&house, "CA1").await;
    let id = sealed(&ann.person(), 1).await.unwrap().remove(0);
    let object = format!("{}/{LOCKED}/east/recordings/acme/{id}.caveat?retention", weed.url());
    let locked_until = async || {
        let text = reqwest::get(&object).await?.text().await?;
        let date = text.split_once("<RetainUntilDate>").map(|(_, rest)| rest[..4].to_owned());
        anyhow::Ok(date.filter(|_| text.contains("COMPLIANCE")))
    };
    let now = year_now();
    let soon = until("a lock", async || locked_until().await).await.unwrap();
    assert!([now, now + 1].map(|y| y.to_string()).contains(&soon), "30 days: {soon}");

    // What a redaction leaves at its edges is locked like the recording.
    ann.json(&["recording", "redact", &id, "--span", "0.4-1.25", "--mode", "mask", "--reason", "a card"])
        .unwrap();
    let patch = format!("{}/{LOCKED}/east/patches/acme/{id}/1.patch?retention", weed.url());
    let lock = until("a lock on the patch", async || {
        let text = reqwest::get(&patch).await?.text().await?;
        Ok(text.contains("RetainUntilDate").then_some(text))
    });
    assert!(lock.await.unwrap().contains("COMPLIANCE"));

    let pack = caveat_tests::host::packs().unwrap().join("hipaa-hitech-0.1.0.wasm");
    ann.json(&["pack", "swap", "--client", "acme", "--add", pack.to_str().unwrap()]).unwrap();
    let request = ann.json(&["hold", "lift", &hold]).unwrap()["id"].to_string();
    ben.json(&["request", "confirm", &request]).unwrap();
    let longer = until("a longer lock", async || {
        let year = locked_until().await?.and_then(|year| year.parse::<u32>().ok());
        Ok(year.filter(|year| *year > now + 1))
    });
    // How long medical records are kept, states say; all of them say years.
    assert!(longer.await.unwrap() >= now + 5);
    assert_eq!(ann.json(&["retention", "receipts"]).unwrap(), serde_json::json!([]), "and it is kept");
    assert_eq!(house.host.stop().unwrap(), 0);
}

fn year_now() -> u32 {
    caveat_model::SystemClock.now().date()[..4].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_cannot_lock_is_refused_at_the_start() {
    let Some(weed) = Weed::start() else { return };
    let config = in_bucket(&weed).replace("s3://locked", "s3://plain");
    let refused = with_secrets(&config).start().unwrap_err().to_string();
    assert!(refused.contains("lock-days") && refused.contains("without object lock"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_new_is_recorded_and_somebody_is_told() {
    let scarce =
        "[limits.store]\ndisk_free_bytes_warn = 1000000000000000\ndisk_free_bytes_min = 1000000000000000\n";
    let mut house = House::start(&format!("{scarce}{CLIENT}"), &KIM).unwrap();
    let kim = house.person("kim").await.unwrap();
    let outcome = three_seconds(&house, "CA1").await;
    assert!(outcome.marks.iter().any(|m| m == "caveat:not-recorded"), "{:?}", outcome.marks);
    assert!(kim.recordings("quality").await.unwrap().is_empty());
    let alerts = reqwest::Client::new().get(format!("{}/v1/alerts", house.host.url));
    let alerts: Value = alerts.bearer_auth(&house.token).send().await.unwrap().json().await.unwrap();
    let told = alerts.as_array().unwrap().iter().filter(|a| a["rule"] == "host.disk").count();
    assert_eq!(told, 1, "{alerts}");
    let counted = reqwest::get(format!("{}/metrics", house.host.url)).await.unwrap().text().await.unwrap();
    assert!(counted.contains("caveat_calls_without_room_total{client=\"acme\"} 1\n"), "{counted}");
    assert_eq!(house.host.stop().unwrap(), 0);
}

/// A small file system of its own under a host's data; none without root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={mib}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        if !mount.is_ok_and(|done| done.status.success()) {
            println!("skipped: only root may mount a small disk");
            return None;
        }
        Some(Self(at))
    }

    /// Somebody else uses so much of it, and no more.
    fn takes(&self, mib: usize) {
        let file = self.0.join("of-somebody-else");
        std::fs::remove_file(&file).unwrap_or_default();
        std::fs::write(&file, vec![1; mib << 20]).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_while_a_call_runs_harms_none_and_recovers() {
    let marks = "[limits.vault]\nlog_file_bytes = 262144\n[limits.store]\ndisk_free_bytes_warn = 40000000\ndisk_free_bytes_min = 20000000\n";
    let host = Host::prepare(&format!("{marks}{CLIENT}")).unwrap();
    let Some(disk) = SmallDisk::mount(host.dir().join("data"), 64) else { return };
    let mut house = House::of(host, &KIM).unwrap();
    let kim = house.person("kim").await.unwrap();
    let alerts = async || {
        let alerts: Value = kim.get("/v1/alerts").await?.json().await?;
        let of_disk = alerts.as_array().into_iter().flatten().filter(|a| a["rule"] == "host.disk");
        anyhow::Ok(of_disk.map(|a| a["message"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>())
    };
    let marks_of = |outcome: &Outcome| outcome.marks.clone();

    let mut long = call("CA1");
    long.sound(CUSTOMER, &noise(20_000, 1));
    let (url, token) = (house.host.url.clone(), house.token.clone());
    let running = tokio::spawn(async move { long.play(&url, &token).await });
    until("the call is recorded", async || {
        let call: Value = kim.get("/v1/calls/CA1").await?.json().await?;
        Ok((call["state"] == "recording").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(alerts().await.unwrap(), [] as [&str; 0]);

    // Below the first mark somebody is told, and calls are recorded as ever.
    disk.takes(30);
    until("somebody is told", async || Ok((!alerts().await?.is_empty()).then_some(()))).await.unwrap();
    assert!(alerts().await.unwrap()[0].contains("disk_free_bytes_warn"), "{:?}", alerts().await);
    let low = three_seconds(&house, "CA2").await;
    assert!(marks_of(&low).contains(&"caveat:recording".to_owned()), "{low:?}");

    // Below the second nothing new is recorded, and what is goes on.
    disk.takes(50);
    until("the disk is full", async || {
        Ok(alerts().await?.iter().any(|told| told.contains("disk_free_bytes_min")).then_some(()))
    })
    .await
    .unwrap();
    let full = three_seconds(&house, "CA3").await;
    assert!(marks_of(&full).contains(&"caveat:not-recorded".to_owned()), "{full:?}");
    assert!(!running.is_finished(), "the call lasts while all of this happens");

    // With room again it is as before.
    disk.takes(1);
    until("there is room", async || {
        let readiness: Value = reqwest::get(format!("{}/readyz", house.host.url)).await?.json().await?;
        Ok((!readiness.to_string().contains("\"bad\"")).then_some(()))
    })
    .await
    .unwrap();
    let again = three_seconds(&house, "CA4").await;
    assert!(marks_of(&again).contains(&"caveat:recording".to_owned()), "{again:?}");
    let outcome = running.await.unwrap().unwrap();
    assert_eq!(outcome.marks, ["caveat:recording"]);
    let ids = sealed(&kim, 3).await.unwrap();
    let mut lengths = vec![];
    for id in &ids {
        let sound = heard(&kim, id).await.unwrap();
        // Nothing is missing in the middle; behind the end of what was said there may be silence.
        let loud = |s: &usize| loudness(&sound[1], *s as u32 * 1_000, (*s as u32 + 1) * 1_000) > 1_000;
        lengths.push((0..sound[1].len() / 8_000).take_while(loud).count());
    }
    lengths.sort_unstable();
    assert!(lengths[0] >= 2 && lengths[2] >= 20, "seconds that are heard from the beginning on: {lengths:?}");
    assert_eq!(house.host.stop().unwrap(), 0);
}
