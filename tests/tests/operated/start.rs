//! Nothing is bound before the configuration is valid; systemd is told; what can change changes while a call runs; a stop
//! keeps what was acknowledged.

use std::{net::TcpListener, os::unix::net::UnixDatagram, time::Duration};

use caveat_tests::{
    host::Host,
    house::{House, call, heard, noise, sealed},
    people::loudness,
    twilio::CUSTOMER,
    watch::until,
};
use serde_json::{Value, json};

use crate::{CONFIG, check, metrics, readyz};

#[test]
fn nothing_is_bound_before_the_configuration_is_valid() {
    let host = Host::prepare(&format!("{CONFIG}\n[limits.people]\nidle_minutes_maks = 1\n")).unwrap();
    // Somebody has the port: a host that got as far as that would say so.
    let taken = TcpListener::bind(host.url.trim_start_matches("http://")).unwrap();
    let (code, said) = host.outcome(&["serve"]).unwrap();
    assert!(
        said.contains("caveat.toml") && said.contains("line ") && said.contains("`idle_minutes_maks`"),
        "{said}"
    );
    assert!(code == 1 && !said.contains("listen on"), "{said}");
    assert!(!host.dir().join("data").exists(), "something was written");
    drop(taken);
}

/// The next datagram.
fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1_024];
    let read = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}

/// The next that is no sign of life.
fn told_of_state(socket: &UnixDatagram) -> String {
    loop {
        let told = told(socket);
        if told.trim() != "WATCHDOG=1" {
            return told;
        }
    }
}

#[test]
fn systemd_is_told_of_every_step() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let path = host.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let path = path.to_str().unwrap().to_owned();
    host.environment = vec![("NOTIFY_SOCKET".into(), path), ("WATCHDOG_USEC".into(), "2000000".into())];
    host.spawn().unwrap();
    let ready = told_of_state(&socket);
    assert!(ready.contains("READY=1") && ready.contains("STATUS=1 clients"), "{ready}");
    // What is told is so: the socket is open.
    std::net::TcpStream::connect(host.url.trim_start_matches("http://")).unwrap();
    assert_eq!(told(&socket).trim(), "WATCHDOG=1");
    host.signal("HUP").unwrap();
    let reloading = told_of_state(&socket);
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(told_of_state(&socket).contains("READY=1"));
    host.signal("TERM").unwrap();
    assert!(told_of_state(&socket).contains("STOPPING=1"));
    assert_eq!(host.ended().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_change_changes_while_a_call_runs_and_a_bad_file_changes_nothing() {
    let people = [("kim", "supervisor"), ("ada", "admin")];
    let house = House::start(CONFIG, &people).unwrap();
    let (kim, ada) = (house.person("kim").await.unwrap(), house.person("ada").await.unwrap());
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(4_000, 1));
    let (url, token) = (house.host.url.clone(), house.token.clone());
    let running = tokio::spawn(async move { script.play(&url, &token).await });
    until("the call runs", async || {
        Ok(metrics(&house.host).await?.contains("caveat_calls_total").then_some(()))
    })
    .await
    .unwrap();

    let reload = async |who: &caveat_tests::people::Person| {
        let answer = who.post("/v1/reload", &json!({})).await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(reload(&kim).await.0, 403, "a supervisor is not who reloads");
    house.host.rewrite("purposes = [\"quality\"]", "purposes = [\"quality\", \"training\"]").unwrap();
    house.host.rewrite("check_every_ms = 100", "check_every_ms = 150").unwrap();
    house
        .host
        .rewrite("\n[[client.pack]]\nfile = \"", "\n[[client.pack]]\nmode = \"monitor\"\nfile = \"")
        .unwrap();
    let (status, told) = reload(&ada).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["in-force"], json!(["client `acme`: pack", "client `acme`: purposes"]));
    assert_eq!(told["needs-restart"], json!(["limits.host.check_every_ms"]));
    let packs: Value = kim.get("/v1/packs").await.unwrap().json().await.unwrap();
    assert_eq!(packs["in-force"][0]["mode"], "monitor", "{packs}");

    // A file that cannot be used: said in the answer, the log and a metric; everything goes on.
    house.host.rewrite("[limits.host]", "[limits.hots]").unwrap();
    let (status, told) = reload(&ada).await;
    assert!(status == 400 && told["detail"].as_str().unwrap().contains("`hots`"), "{told}");
    let counted = metrics(&house.host).await.unwrap();
    assert!(counted.contains("caveat_config_stale 1"), "{counted}");
    assert!(counted.contains("caveat_config_reloads_total{result=\"failed\"} 1"), "{counted}");
    assert!(house.host.log().contains("the configuration that the host has is kept"));
    house.host.rewrite("[limits.hots]", "[limits.host]").unwrap();
    house.host.signal("HUP").unwrap();
    until("the file is good again", async || {
        Ok(metrics(&house.host).await?.contains("caveat_config_stale 0").then_some(()))
    })
    .await
    .unwrap();

    running.await.unwrap().unwrap();
    let ids = sealed(&kim, 1).await.unwrap();
    let legs = heard(&kim, &ids[0]).await.unwrap();
    assert!(legs.iter().any(|leg| leg.len() >= 8 * 3_900), "the call was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_so_first_and_keeps_what_was_acknowledged() {
    let config = CONFIG.replace("late_window_ms = 500", "late_window_ms = 2500");
    let mut house = House::start(&config, &[("kim", "supervisor")]).unwrap();
    let mut kim = house.person("kim").await.unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(60_000, 1));
    let (url, token) = (house.host.url.clone(), house.token.clone());
    let running = tokio::spawn(async move { script.play(&url, &token).await });
    until("seconds of the call are sealed", async || {
        let listed = kim.recordings("quality").await?;
        let took = std::fs::read_dir(house.host.dir().join("data/write-ahead"))?;
        let bytes: u64 = took.map(|file| Ok(file?.metadata()?.len())).sum::<std::io::Result<u64>>()?;
        Ok((listed.len() == 1 && bytes > 30_000).then_some(()))
    })
    .await
    .unwrap();
    let (status, before) = readyz(&house.host).await.unwrap();
    assert_eq!((status, &before["ready"]), (200, &json!(true)), "{before}");
    house.host.signal("TERM").unwrap();
    let draining = until("it says that it is stopping", async || {
        let (status, readiness) = readyz(&house.host).await?;
        Ok((status == 503).then_some(readiness))
    })
    .await
    .unwrap();
    assert_eq!(check(&draining, "draining")["standing"], "bad", "{draining}");
    assert_eq!(house.host.ended().unwrap(), 0);
    drop(running.await);
    house.host.start().unwrap();
    kim.reconnect();
    let listed = kim.recordings("quality").await.unwrap();
    assert_eq!(listed[0].1, "interrupted", "{listed:?}");
    let legs = heard(&kim, &listed[0].0).await.unwrap();
    let whole = legs.iter().map(|leg| leg.len() as u32 / 8).max().unwrap();
    assert!(whole >= 2_000, "{whole} ms were kept");
    assert!(legs.iter().any(|leg| loudness(leg, 500, 1_500) > 1_000), "it is silent");
}
