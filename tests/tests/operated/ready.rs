//! `/readyz` means it: each thing that a host needs is taken away, and it says which, and since when.

use caveat_tests::{clock, host::Host, watch::until};
use serde_json::{Value, json};

use crate::{CONFIG, check, metrics, readyz};

/// Waits until a check stands so.
async fn stands(host: &Host, name: &str, standing: &str) -> (u16, Value) {
    let what = format!("{name} is {standing}");
    until(&what, async || {
        let (status, readiness) = readyz(host).await?;
        Ok((check(&readiness, name)["standing"] == standing).then_some((status, readiness)))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_told_and_so_is_its_return() {
    let mut host = Host::prepare(CONFIG).unwrap();
    host.start().unwrap();
    let (status, readiness) = stands(&host, "store", "good").await;
    assert_eq!((status, &readiness["ready"]), (200, &json!(true)), "{readiness}");
    for name in ["database", "ledger", "store", "disk", "packs", "clock"] {
        assert_eq!(check(&readiness, name)["standing"], "good", "{readiness}");
    }
    let (store, away) = (host.dir().join("data/store"), host.dir().join("data/away"));
    std::fs::rename(&store, &away).unwrap();
    let (status, gone) = stands(&host, "store", "bad").await;
    assert_eq!((status, &gone["ready"]), (503, &json!(false)), "{gone}");
    let since = check(&gone, "store")["since"].clone();
    assert!(since.as_str() > check(&readiness, "store")["since"].as_str(), "{gone}");
    // It stands so since then, however often it is looked at.
    let (_, later) = stands(&host, "store", "bad").await;
    assert_eq!(check(&later, "store")["since"], since);
    assert!(metrics(&host).await.unwrap().contains("caveat_ready 0"));
    std::fs::rename(&away, &store).unwrap();
    assert_eq!(stands(&host, "store", "good").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_calls_away() {
    let full = "\n[limits.store]\ndisk_free_bytes_warn = 9000000000000000000\ndisk_free_bytes_min = 9000000000000000000\n";
    let mut host = Host::prepare(&format!("{CONFIG}{full}")).unwrap();
    host.start().unwrap();
    let (status, readiness) = stands(&host, "disk", "bad").await;
    assert!(
        status == 503
            && check(&readiness, "disk")["why"].as_str().unwrap().contains("nothing new is recorded")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_is_found_by_the_log() {
    let mut host = Host::prepare(CONFIG).unwrap();
    // Two days ahead, then right again.
    host.environment = clock::off_by("+2d").unwrap();
    host.start().unwrap();
    stands(&host, "clock", "good").await;
    assert_eq!(host.stop().unwrap(), 0);
    host.environment.clear();
    host.start().unwrap();
    let (status, readiness) = stands(&host, "clock", "bad").await;
    assert_eq!(status, 503);
    assert!(check(&readiness, "clock")["why"].as_str().unwrap().contains("before the last entries of a log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_stopped_is_told() {
    let Some(server) = caveat_tests::postgres::Postgres::start().unwrap() else { return };
    let database = format!("database = \"{}\"\n{CONFIG}", server.url());
    let mut host = Host::prepare(&database).unwrap();
    server.migrate(&host).unwrap();
    host.start().unwrap();
    assert_eq!(stands(&host, "database", "good").await.0, 200);
    server.stop().unwrap();
    let (status, readiness) = stands(&host, "database", "bad").await;
    assert_eq!((status, &check(&readiness, "ledger")["standing"]), (503, &json!("bad")), "{readiness}");
    // It lives, and says so at once.
    let alive = reqwest::get(format!("{}/healthz", host.url)).await.unwrap();
    assert_eq!(alive.text().await.unwrap(), "ok\n");
    host.kill().unwrap();
}
