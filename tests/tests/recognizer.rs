//! The recognizer of `examples/recognizer/`, beside a running host: a payment is spoken by espeak-ng into the host's AudioSocket and
//! heard by PocketSphinx. Nobody tells the host what is said but the recognizer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use caveat_tests::{
    host::{Host, free_port},
    house::{CLIENT, House, heard, sealed},
};

/// The talk lasts some 40 seconds, in its own time.
const BOUND: Duration = Duration::from_secs(180);

const CONFIG: &str = r#"
[audiosocket]
listen = "127.0.0.1:SOCKET"

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true
full-need = ["disputes"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_that_is_read_out_is_kept_nowhere() {
    let port = free_port().unwrap();
    let host = Host::prepare(&CONFIG.replace("SOCKET", &port.to_string())).unwrap();
    let mut house = House::of(host, &[("kim", "supervisor")]).unwrap();

    let said = talk(&house, port);
    assert!(said.contains("the host: suspended"), "{said}");
    assert!(said.contains("stopped for the card: True; went on after the payment: True"), "{said}");

    let kim = house.person("kim").await.unwrap();
    let id = sealed(&kim, 1).await.unwrap().remove(0);
    let legs = heard(&kim, &id).await.unwrap();
    // She says three things: that she wants to pay, her card number, the code on its back.
    let customer = utterances(&legs[1]);
    let [(from, until)] = customer[..] else {
        panic!("only the first thing that she says is kept: {customer:?} of {said}");
    };
    assert!(until - from < 3_000, "a number of sixteen digits takes longer: {customer:?}");
    // What comes after the payment is there again. That it went through may be kept or not: it went on when that was heard.
    let agent = utterances(&legs[0]);
    assert!(agent.len() >= 3 && agent.last().unwrap().0 > until + 10_000, "{agent:?}");

    let words = kim.get(&format!("/v1/recordings/{id}/transcript?purpose=quality")).await.unwrap();
    let words = words.error_for_status().unwrap().text().await.unwrap();
    assert!(words.contains("bill"), "what was heard before the card is there: {words}");
    for digit in ["\"four\"", "\"one\"", "\"nine\"", "\"eight\"", "\"two\""] {
        assert!(!words.contains(digit), "{digit} was part of the card: {words}");
    }

    house.host.stop().unwrap();
    let log = house.host.audit(CLIENT, "bundle").unwrap();
    assert!(log.contains("\"event\":\"words\""), "the words were ruled on");
}

/// Runs the example's own script; what it says. It ends with 0 only if recording stopped for the card and went on.
fn talk(house: &House, port: u16) -> String {
    let python = tools().join("bin/python");
    assert!(python.exists(), "no recognizer is installed: run `cargo xtask test`, which installs it");
    let mut script = Command::new(python)
        .arg(example().join("call.py"))
        .args(["--host", &house.host.url, "--audiosocket", &format!("127.0.0.1:{port}")])
        .env("CAVEAT_TOKEN", &house.token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = within(&mut script, BOUND);
    let output = script.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(ended && output.status.success(), "{}: {said}", output.status);
    said
}

/// Whether it ends by itself; killed if not.
fn within(script: &mut Child, bound: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < bound {
        if script.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    script.kill().unwrap();
    false
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/recognizer")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/recognizer")
}

/// Where somebody speaks, in milliseconds: stretches with no silence of a second in them.
fn utterances(leg: &[i16]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = vec![];
    for (i, _) in leg.iter().enumerate().filter(|(_, s)| s.unsigned_abs() > 500) {
        let ms = (i / 8) as u32;
        match found.last_mut() {
            Some((_, end)) if ms <= *end + 1_000 => *end = ms + 1,
            _ => found.push((ms, ms + 1)),
        }
    }
    found
}
