//! Several hosts on one PostgreSQL and one S3: one log, one set of packs, one list of sessions, whichever host is asked; and
//! what a dead host was recording is sealed by another.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use caveat_tests::{
    cluster::Cluster,
    host,
    house::{call, heard, noise, sealed},
    kills,
    many::{Plan, entries, hosts_of, logged, run, upgrade},
    people::{Heard, Person, loudness},
    proxy::Line,
    receiver::Receiver,
    twilio::CUSTOMER,
    watch::until,
};
use serde_json::{Value, json};

async fn names_of_packs(person: &Person) -> Vec<String> {
    let told: Value = person.get("/v1/packs").await.unwrap().json().await.unwrap();
    let packs = told["in-force"].as_array();
    packs.unwrap_or(&vec![]).iter().filter_map(|p| p["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_are_one() {
    let Some(mut cluster) = Cluster::start(3, "").await.unwrap() else { return };
    let urls: Vec<String> = cluster.members.iter().map(|m| m.host.url.clone()).collect();
    let kim = cluster.kim(0).await.unwrap();

    // Calls of one client on all of them at once; what is asked at one about a call of another is handed on.
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..9 {
        let (url, token) = (urls[n % 3].clone(), cluster.token.clone());
        let mut script = call(&format!("CA{n}"));
        script.sound(CUSTOMER, &noise(8_000, n as u32 + 1));
        calls.spawn(async move { script.play(&url, &token).await.unwrap() });
    }
    let http = reqwest::Client::new();
    for url in &urls {
        for id in ["CA0", "CA1", "CA2"] {
            let look = || http.get(format!("{url}/v1/calls/{id}")).bearer_auth(&cluster.token).send();
            let told: Value = until("it is known wherever it runs", async || {
                let answer = look().await?;
                Ok(if answer.status().is_success() { Some(answer.json().await?) } else { None })
            })
            .await
            .unwrap();
            assert_eq!(told["state"], "recording", "{id} at {url}");
        }
    }
    let event = json!({"words": [{"leg": 1, "start": 100, "end": 300, "text": "hello"}]});
    let post = http.post(format!("{}/v1/calls/CA1/events", urls[2])).bearer_auth(&cluster.token);
    let answer = post.json(&event).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let unknown = http.get(format!("{}/v1/calls/CA99", urls[0])).bearer_auth(&cluster.token);
    assert_eq!(unknown.send().await.unwrap().status(), 404);
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }

    // Every recording plays from any host, under the session of one.
    let ids = sealed(&kim.at(&urls[1]), 9).await.unwrap();
    for (n, id) in ids.iter().enumerate() {
        let there = heard(&kim.at(&urls[n % 3]), id).await.unwrap();
        assert!(loudness(&there[1], 200, 7_800) > 1_000, "{id}");
    }

    // Packs that are changed at one rule on all.
    let pack = caveat_tests::host::packs().unwrap().join("pci-dss-0.1.0.wasm");
    let integrator = cluster.host(0).unwrap().command(
        &["token", "create", "--client", "acme", "--name", "packs", "--scopes", "admin,read-api"],
        "",
    );
    let integrator = integrator.unwrap();
    let post = http.post(format!("{}/v1/packs/swap?client=acme&why=cards", urls[0]));
    let swap = post.bearer_auth(integrator.trim()).body(std::fs::read(pack).unwrap()).send().await.unwrap();
    assert!(swap.status().is_success(), "{}", swap.text().await.unwrap());
    let swapped = Instant::now();
    for url in &urls {
        let there = Person::with_session(url, integrator.trim());
        until("the pack is in force", async || {
            Ok(names_of_packs(&there).await.contains(&"pci-dss".to_owned()).then_some(()))
        })
        .await
        .unwrap();
    }
    println!("all three hosts obey after {} ms", swapped.elapsed().as_millis());

    // Who signs out at one is signed out at all.
    assert!(kim.at(&urls[2]).get("/v1/session").await.unwrap().status().is_success());
    kim.at(&urls[1]).delete("/v1/session").await.unwrap();
    for url in &urls {
        assert_eq!(kim.at(url).get("/v1/session").await.unwrap().status(), 401, "{url}");
    }

    // One tree, whoever appended to it.
    let auditor = cluster.host(2).unwrap();
    let text = auditor.audit("acme", "bundle").unwrap();
    assert_eq!(kills::sealed_once(&text).unwrap(), 9);
    let hosts = hosts_of(&entries(&auditor.dir().join("bundle")).unwrap());
    assert_eq!(hosts, ["h0", "h1", "h2"].map(str::to_owned).into());
    for member in &mut cluster.members {
        assert_eq!(member.host.stop().unwrap(), 0, "{}", member.host.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_host_was_recording_is_sealed_by_another_and_once() {
    let Some(mut cluster) = Cluster::start(2, "").await.unwrap() else { return };
    let kim = cluster.kim(1).await.unwrap();
    let (url, token) = (cluster.host(0).unwrap().url.clone(), cluster.token.clone());
    let playing = tokio::spawn(async move { kills::script(7, 20).play(&url, &token).await });
    until("some seconds are shared", async || {
        Ok((cluster.host(0)?.log().matches("caveat::shared").count() >= 6).then_some(()))
    })
    .await
    .unwrap();
    cluster.members[0].host.kill().unwrap();
    playing.abort();
    let log = cluster.host(0).unwrap().log();
    let shared: Vec<_> =
        log.lines().filter(|l| l.contains("caveat::shared")).filter_map(kills::durable).collect();
    let recording = shared[0].0.clone();
    until("another host seals it", async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.contains(&(recording.clone(), "interrupted".to_owned())).then_some(()))
    })
    .await
    .unwrap();
    let Heard::Sound(channels, _) = kim.play(&recording, "quality").await.unwrap() else { panic!("refused") };
    for (_, call, (leg, second), sounding) in &shared {
        kills::is_there(&channels[*leg], *call, (*leg, *second), *sounding).unwrap();
    }

    // It comes back with what it had on its disk, and adds nothing.
    cluster.members[0].host.start().unwrap();
    let entries = cluster.host(1).unwrap().audit("acme", "bundle").unwrap();
    assert_eq!(kills::sealed_once(&entries).unwrap(), 1);
    // What it records from now on is its own again.
    let mut script = call("CA8");
    script.sound(CUSTOMER, &noise(1_500, 3));
    script.play(&cluster.host(0).unwrap().url, &cluster.token).await.unwrap();
    sealed(&kim, 1).await.unwrap();
    for member in &mut cluster.members {
        assert_eq!(member.host.stop().unwrap(), 0, "{}", member.host.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_taken_over_from_appends_nothing_and_ends() {
    let Some(mut cluster) = Cluster::start(2, "").await.unwrap() else { return };
    let first = &cluster.members[0];
    first.database(Line::Silent);
    logged(&cluster.members[1].host, "taking over what another host was recording").await.unwrap();
    cluster.members[0].mend().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while cluster.members[0].host.runs().unwrap() {
        assert!(Instant::now() < deadline, "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(cluster.members[0].host.log().contains("taken over"));
    cluster.members[0].host.start().unwrap();
    cluster.members[0].host.audit("acme", "bundle").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn news_are_told_once_and_what_a_host_leaves_by_another() {
    let (receiver, hook) = Receiver::listen(0).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "only the two of us know").unwrap();
    let more = format!(
        "[[client.webhook]]\nurl = \"{hook}\"\nsecret-file = \"{}\"\nevents = [\"state\"]\n\
         [limits.webhooks]\nback_off_ms = 50\nback_off_max_ms = 200\nattempts_max = 100000\n",
        secret.path().display()
    );
    let Some(mut cluster) = Cluster::start(2, &more).await.unwrap() else { return };
    let token = cluster.token.clone();
    let play = async |url: String, id: String| {
        let mut script = call(&id);
        script.sound(CUSTOMER, &noise(1_000, 1));
        script.play(&url, &token).await.unwrap();
    };
    let url = |cluster: &Cluster, n: usize| cluster.host(n).unwrap().url.clone();
    let told = async |id: &str, state: &str| {
        until("it is told", async || {
            let bodies = receiver.bodies();
            Ok(bodies.iter().any(|b| b["call"] == id && b["state"] == state).then_some(()))
        })
        .await
        .unwrap();
    };
    futures::future::join_all((0..8).map(|n| play(url(&cluster, n % 2), format!("CA{n}")))).await;
    for n in 0..8 {
        told(&format!("CA{n}"), "ended").await;
    }

    // What a host could not tell before it died, and what another left in order, is told by whoever lives.
    for (id, dies) in [("CA8", true), ("CA9", false)] {
        receiver.refuses.store(usize::MAX, SeqCst);
        play(url(&cluster, 0), id.to_owned()).await;
        until("it was tried", async || {
            let refused = receiver.refused.lock().unwrap();
            Ok(refused.iter().any(|b| b["call"] == id).then_some(()))
        })
        .await
        .unwrap();
        if dies {
            cluster.members[0].host.kill().unwrap();
        } else {
            assert_eq!(cluster.members[0].host.stop().unwrap(), 0);
        }
        receiver.refuses.store(0, SeqCst);
        told(id, "recording").await;
        if dies {
            cluster.members[0].host.start().unwrap();
        }
    }
    let bodies = receiver.bodies();
    let ids: HashSet<u64> = bodies.iter().map(|b| b["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), bodies.len(), "told twice: {bodies:?}");
}

/// Another each time; printed, so that what failed can be run again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_whatever_befalls_a_host() {
    let given = std::env::var("CAVEAT_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}: again with CAVEAT_SEED={seed}");
    let Some(found) = run(Plan { faults: 5, hosts: 3, seed }).await.unwrap() else { return };
    println!("{found:?}");
    assert!(found.seconds > 0 && found.sealed > 0, "too little was going on");
}

/// `CAVEAT_OLD` names a program from before; else it is the same one, and what is shown is that hosts can be replaced one by
/// one while calls run.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_hosts_are_upgraded_one_after_the_other() {
    let old = std::env::var_os("CAVEAT_OLD").map_or_else(|| host::program().unwrap(), PathBuf::from);
    let seed = u64::from(std::process::id());
    let Some(found) = upgrade(&old, 3, seed).await.unwrap() else { return };
    println!("seed {seed}: {found:?}");
    assert_eq!(found.upgraded, 3);
    assert!(found.seconds > 0 && found.sealed > 0, "too little was going on");
}
