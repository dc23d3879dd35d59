//! Hosts are killed 300 times at random moments under load; nothing that was durable is lost, nothing is sealed twice.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../host/stores/tests/weed/mod.rs"]
mod weed;

use caveat_tests::{
    acts,
    kills::{Found, Plan, run},
};
use weed::{KEY_ID, PLAIN, SECRET, Weed};

/// Another each time; printed, so that what failed can be run again.
fn seed() -> u64 {
    let given = std::env::var("CAVEAT_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}: again with CAVEAT_SEED={seed}");
    seed
}

fn enough(found: Found) {
    println!("{found:?}");
    assert!(
        found.calls as u32 > found.kills && found.seconds as u32 > found.kills,
        "too little was going on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_durable_is_lost_to_250_kills() {
    let (store, files) = Default::default();
    enough(run(Plan { kills: 250, hosts: 5, seed: seed(), store, files }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_durable_is_lost_to_50_kills_before_it_is_in_a_bucket() {
    let Some(weed) = Weed::start() else { return };
    let url = weed.url();
    let store = format!(
        "store = \"s3://{PLAIN}\"\n[store]\nregion = \"us-east-1\"\nendpoint = \"{url}\"\nallow-http = true\nkey-id-file = \"id\"\nsecret-file = \"secret\"\n"
    );
    let files = vec![("id".to_owned(), KEY_ID.to_owned()), ("secret".to_owned(), SECRET.to_owned())];
    // Hosts that share a bucket have a prefix each.
    enough(run(Plan { kills: 50, hosts: 1, seed: seed(), store, files }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_that_25_kills_cut_short_are_done_whole_or_not_at_all() {
    let found = acts::run(25, seed()).await.unwrap();
    println!("{found:?}");
    assert!(found.acknowledged > 0 && found.acknowledged < found.acts, "too little was going on");
}
