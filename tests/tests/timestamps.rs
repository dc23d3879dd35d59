//! Time from somebody else: an authority of openssl's behind a small web server, asked by a running host.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use caveat_tests::{
    authority::Authority,
    cluster::Cluster,
    host::Host,
    house::{call, noise, sealed},
    many::entries,
    people::{Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use serde_json::Value;
use tokio::net::TcpListener;

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[timestamps]
url = "http://AUTHORITY/tsr"
ca-file = "CA"
every-ms = 300

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality", "dispute"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_whoever_audits_can_tell_by_whom_and_when() {
    for ec in [false, true] {
        stamped(ec).await;
    }
}

async fn stamped(ec: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) =
        ["right", "wrong"].map(|name| Authority::make(dir.path(), name, ec).unwrap()).into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (ca, others) = (authority.ca(), other.ca());
    let config = CONFIG.replace("AUTHORITY", &address).replace("CA\"", &format!("{}\"", ca.display()));
    tokio::spawn(authority.serve(listener));

    let mut host = Host::prepare(&config).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "cora", "compliance", "").unwrap();
    host.start().unwrap();
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new("CA1", &facts);
    script.sound(CUSTOMER, &[3_000, -2_000].repeat(8_000));
    script.play(&host.url, &token).await.unwrap();
    let cora = Person::sign_in(&host.url, "acme", "cora", &code(&secret, 0).unwrap()).await.unwrap();
    let id = until("a sealed recording", async || {
        let listed = cora.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let id = id.await.unwrap();
    // Evidence carries a stamp as soon as there is one over the seal.
    let evidence = host.dir().join("evidence.tar");
    let with_stamp = until("a stamp over the seal", async || {
        let answer = cora.get(&format!("/v1/recordings/{id}/evidence?purpose=dispute")).await?;
        let file = answer.bytes().await?;
        let has = file.windows(13).any(|w| w == b"timestamp.tsr");
        Ok(has.then_some(file))
    });
    fs::write(&evidence, with_stamp.await.unwrap()).unwrap();
    host.audit("acme", "bundle").unwrap();
    assert_eq!(host.stop().unwrap(), 0);

    let key = host.command(&["ledger", "key", "--client", "acme"], "").unwrap().trim().to_owned();
    let bundle = host.dir().join("bundle");
    let [bundle, evidence] = [&bundle, &evidence].map(|path| path.to_str().unwrap());
    let verify = |what: &str, path: &str, ca: &Path| {
        let args = [what, "verify", path, "--key", &key, "--json", "--timestamp-ca", ca.to_str().unwrap()];
        let (status, printed) = host.outcome(&args).unwrap();
        (status == 0, serde_json::from_str::<Value>(&printed).unwrap())
    };
    let (good, report) = verify("ledger", bundle, &ca);
    assert!(good, "{report}");
    let stamps = report["timestamps"].as_array().unwrap();
    assert!(!stamps.is_empty() && stamps.iter().all(|s| s["trusted"] == true), "{report}");
    let (good, report) = verify("evidence", evidence, &ca);
    assert!(good && report["timestamp"]["trusted"] == true, "{report}");
    for (what, path) in [("ledger", bundle), ("evidence", evidence)] {
        let (good, report) = verify(what, path, &others);
        assert!(!good && report.to_string().contains("no authority that was given vouches"), "{report}");
    }
    // The page of Python sees that it is over this log; openssl, whose it is.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/evidence/verify.py");
    let python = Command::new("python3").args([script, evidence, &key]).output().unwrap();
    let said = String::from_utf8_lossy(&[python.stdout, python.stderr].concat()).into_owned();
    assert!(python.status.success() && said.contains("a timestamp is over the first"), "{said}");
    let out = Command::new("tar").args(["-xf", evidence, "-C"]).arg(dir.path()).output().unwrap();
    assert!(out.status.success());
    let openssl = Command::new("openssl")
        .args(["ts", "-verify", "-in", "timestamp.tsr", "-data", "timestamp.checkpoint", "-CAfile"])
        .arg(&ca)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));

    // Whatever of a stamp is another is told, with and without authorities.
    let stamps = host.dir().join("bundle/timestamps");
    // One that was being entered while the log was exported is no part of it yet.
    let (_, report) = verify("ledger", bundle, &ca);
    let strays = report["problems"].to_string();
    let all = fs::read_dir(&stamps).unwrap().map(|e| e.unwrap().path());
    let is_part = |file: &PathBuf| !strays.contains(file.file_name().unwrap().to_str().unwrap());
    let mut files: Vec<PathBuf> = all.filter(is_part).collect();
    // Two stamps, each with its checkpoint, stand for all.
    files.sort();
    files.truncate(4);
    assert!(files.len() >= 2);
    for file in &files {
        let was = fs::read(file).unwrap();
        for change in ["cut", "flipped", "gone", "another"] {
            match change {
                "cut" => fs::write(file, &was[..was.len() - 1]).unwrap(),
                "flipped" => {
                    let mut flipped = was.clone();
                    let middle = was.len() / 2;
                    flipped[middle] ^= 1;
                    fs::write(file, flipped).unwrap();
                }
                "gone" => fs::remove_file(file).unwrap(),
                _ => {
                    let like = |f: &&PathBuf| f.extension() == file.extension() && *f != file;
                    let Some(another) = files.iter().find(like) else { continue };
                    fs::copy(another, file).unwrap();
                }
            }
            let (status, said) = host.outcome(&["ledger", "verify", bundle, "--key", &key]).unwrap();
            assert!(
                status == 1 && said.contains("timestamp of the first"),
                "{}, {change}: {said}",
                file.display()
            );
        }
        fs::write(file, was).unwrap();
    }
    assert!(verify("ledger", bundle, &ca).0);
}

/// Hosts that stamped each other's stamps would never come to an end.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_one_asks_and_when_it_dies_another() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::make(dir.path(), "right", true).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let more = format!(
        "[timestamps]\nurl = \"http://{address}/tsr\"\nca-file = \"{}\"\nevery-ms = 3000\n",
        authority.ca().display()
    );
    tokio::spawn(authority.serve(listener));
    let Some(mut cluster) = Cluster::start(3, &more).await.unwrap() else { return };
    let kim = cluster.kim(0).await.unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(2_000, 1));
    script.play(&cluster.host(0).unwrap().url, &cluster.token).await.unwrap();
    sealed(&kim, 1).await.unwrap();
    let turns = async |cluster: &Cluster, more: u64| {
        let term = || -> anyhow::Result<u64> {
            let rows = cluster.ask("SELECT term FROM lease WHERE name = 'turn/timestamps'")?;
            Ok(rows.first().map_or(Ok(0), |term| term.parse())?)
        };
        let until_then = term().unwrap() + more;
        until("turns pass", async || Ok((term()? >= until_then).then_some(()))).await.unwrap();
    };
    // Who stamped, and how much else the log has.
    let look = |cluster: &Cluster, bundle: &str| {
        let host = cluster.host(2).unwrap();
        host.audit("acme", bundle).unwrap();
        let (stamps, rest): (Vec<_>, Vec<_>) = entries(&host.dir().join(bundle))
            .unwrap()
            .into_iter()
            .partition(|entry| entry["event"]["kind"] == "timestamped" || entry["kind"] == "timestamped");
        let by = stamps.iter().filter_map(|entry| entry["host"].as_str().map(str::to_owned));
        (by.collect::<Vec<_>>(), rest.len())
    };
    turns(&cluster, 2).await;
    let (before, rest_before) = look(&cluster, "before");
    assert!(!before.is_empty());
    turns(&cluster, 4).await;
    let (after, rest) = look(&cluster, "after");
    let at_most = before.len() + (rest - rest_before) + 2;
    assert!(after.len() <= at_most, "{before:?}, then {after:?}");

    let holder = "SELECT holder FROM lease WHERE name = 'turn/timestamps'";
    let first = cluster.ask(holder).unwrap().remove(0);
    let number: usize = first.trim_start_matches('h').parse().unwrap();
    cluster.members[number].host.kill().unwrap();
    let next = until("another has the turn", async || {
        Ok(cluster.ask(holder)?.into_iter().find(|holder| *holder != first))
    })
    .await
    .unwrap();
    turns(&cluster, 1).await;
    let (by, _) = look(&cluster, "at the end");
    assert!(by.contains(&next), "{next} has not stamped: {by:?}");
}
