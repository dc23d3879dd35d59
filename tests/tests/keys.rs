//! Keys of clients on a running host: which cipher seals what, new versions, the end of old ones by two people, and nothing
//! of a key anywhere but in the keyring.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../host/vault/tests/services/mod.rs"]
mod services;

use std::{fs, path::PathBuf, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_tests::{
    host::Host,
    house::{House, call, heard, noise, sealed},
    people::{Person, code},
    twilio::CUSTOMER,
    watch::until,
};
use serde_json::{Value, json};
use services::{Bao, Moto, TOKEN};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client]]
id = "bank"
recorder-region = "GA"
purposes = ["quality"]
cipher = "aes-256-gcm"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client]]
id = "clinic"
recorder-region = "GA"
purposes = ["quality"]

[client.placement]
region = "GA"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/hipaa-hitech-0.1.0.wasm"
settings = { options = ["hipaa-nist-ciphers"] }
"#;

/// First bytes of a sealed object before its header; the header begins with the suite.
const BEFORE_SUITE: usize = 12;

async fn recorded(host: &Host, client: &str, token: &str, secret: &str) -> (Person, String) {
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(2_000, 1));
    let outcome = script.play(&host.url, token).await.unwrap();
    assert_eq!(outcome.marks, ["caveat:recording"], "{client}");
    let kim = Person::sign_in(&host.url, client, "kim", &code(secret, 0).unwrap()).await.unwrap();
    let id = sealed(&kim, 1).await.unwrap().remove(0);
    (kim, id)
}

async fn sounds(person: &Person, id: &str) {
    assert!(heard(person, id).await.unwrap()[1].iter().any(|sample| *sample != 0));
}

fn object(host: &Host, client: &str, id: &str) -> Vec<u8> {
    fs::read(host.dir().join(format!("data/store/recordings/{client}/{id}.caveat"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_is_sealed_with_its_cipher_or_the_one_that_its_packs_ask_for() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let clients = ["acme", "bank", "clinic"];
    let tokens = clients.map(|client| host.token(client).unwrap());
    let secrets = clients.map(|client| host.enroll(client, "kim", "supervisor", "").unwrap());
    host.start().unwrap();
    let mut heard = vec![];
    for ((client, token), secret) in clients.iter().zip(&tokens).zip(&secrets) {
        heard.push(recorded(&host, client, token, secret).await);
    }
    let suites: Vec<u8> =
        clients.iter().zip(&heard).map(|(c, (_, id))| object(&host, c, id)[BEFORE_SUITE]).collect();
    assert_eq!(suites, [1, 2, 2]);
    for (person, id) in &heard {
        sounds(person, id).await;
    }
    // The packs were told: the clinic's of both, in turn.
    for (client, rulings) in [("acme", 1), ("bank", 1), ("clinic", 2)] {
        let entries = host.audit(client, client).unwrap();
        assert_eq!(entries.matches("\"event\":\"seal\"").count(), rulings, "{client}");
    }
    assert_eq!(host.stop().unwrap(), 0);
}

fn with_passphrase() -> Host {
    let host = Host::prepare(CONFIG).unwrap();
    let file = host.dir().join("passphrase");
    fs::write(&file, "correct horse battery\n").unwrap();
    let config = host.dir().join("caveat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let sealed = "[host]\nkeyring-passphrase-file = \"passphrase\"\n";
    fs::write(&config, text.replacen("[host]\n", sealed, 1)).unwrap();
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_one_person_and_its_old_versions_are_destroyed_by_two() {
    let people = [("kim", "supervisor"), ("ann", "compliance"), ("ben", "compliance")];
    let mut house = House::of(with_passphrase(), &people).unwrap();
    let (kim, id) = recorded(&house.host, "acme", &house.token, house.secret("kim").unwrap()).await;
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    assert_eq!(kim.get("/v1/keys").await.unwrap().status().as_u16(), 403, "a supervisor sees no keys");
    // No core dump would ever hold one.
    let limits = fs::read_to_string(format!("/proc/{}/limits", house.host.pid().unwrap())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");

    assert_eq!(ann.json(&["key", "rotate"]).unwrap()["version"], 2);
    let rewrapped = until("everything is wrapped anew", async || {
        let status = ben.json(&["key", "status"])?;
        Ok(status["wrapped"].get("1").is_none().then_some(status))
    });
    let status = rewrapped.await.unwrap();
    assert_eq!(status["versions"], json!([1, 2]), "{status}");
    assert!(!status.to_string().contains("horse"));

    let asked = ann.json(&["key", "destroy", "--reason", "a laptop is lost"]).unwrap();
    let number = asked["id"].to_string();
    assert_eq!(
        (&asked["act"], &asked["before"], &asked["asked-by"]),
        (&json!("destroy-keys"), &json!(2), &json!("ann")),
        "{asked}"
    );
    assert_eq!(ben.json(&["request", "list"]).unwrap()[0]["reason"], "a laptop is lost");
    let (exit, _, why) = ann.run(&["request", "confirm", &number]).unwrap();
    assert!(exit == 1 && why.contains("second person"), "{exit}: {why}");
    let (exit, _, why) = ben.run(&["key", "destroy", "--before", "9"]).unwrap();
    assert!(exit == 1 && why.contains("cannot be destroyed"), "{exit}: {why}");
    assert_eq!(ben.json(&["request", "confirm", &number]).unwrap(), json!({"keys-destroyed": 2}));
    assert_eq!(ann.json(&["key", "status"]).unwrap()["versions"], json!([2]));
    assert_eq!(ann.json(&["request", "list"]).unwrap(), json!([]));
    sounds(&kim, &id).await;
    // Whoever has signed out is nobody.
    assert_eq!(ben.run(&["person", "sign-out"]).unwrap().0, 0);
    assert_eq!(ben.run(&["key", "status"]).unwrap().0, 1);

    // It holds after a restart, and the ledger tells of each step and of two people.
    assert_eq!(house.host.stop().unwrap(), 0);
    house.host.start().unwrap();
    let entries = house.host.audit("acme", "bundle").unwrap();
    for act in ["rotate", "rewrapped", "destroy", "destroyed"] {
        assert_eq!(entries.matches(&format!("\"act\":\"{act}\",\"version\":2")).count(), 1, "{act}");
    }
    assert_eq!(entries.matches("\"subject\":\"keys-before-2\"").count(), 1);
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_a_log_or_in_anything_but_the_keyring() {
    let mut house = House::start(CONFIG, &[("kim", "supervisor")]).unwrap();
    let (kim, id) = recorded(&house.host, "acme", &house.token, house.secret("kim").unwrap()).await;
    let host = &mut house.host;
    sounds(&kim, &id).await;
    host.audit("acme", "bundle").unwrap();
    assert_eq!(host.stop().unwrap(), 0);
    let ring = host.dir().join("data/keys/keyring");
    let keyring: Value = serde_json::from_slice(&fs::read(&ring).unwrap()).unwrap();
    let keys: Vec<&str> = keyring["keys"].as_object().unwrap().values().filter_map(Value::as_str).collect();
    assert!(!keys.is_empty());
    let files: Vec<(PathBuf, Vec<u8>)> = host.written().unwrap();
    for key in keys {
        let bytes = BASE64_STANDARD.decode(key).unwrap();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let listed = format!("{bytes:?}");
        let written = [key.as_bytes(), &bytes, hex.as_bytes(), listed.trim_matches(['[', ']']).as_bytes()];
        for (path, content) in files.iter().filter(|(path, _)| *path != ring) {
            let found = written.iter().any(|form| content.windows(form.len()).any(|w| w == *form));
            assert!(!found, "{} holds a key", path.display());
        }
    }
    // Nothing that holds a key can be printed for debugging.
    let vault = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/vault/src");
    let debug = Command::new("grep").args(["-rnE", "-A4", "derive\\(.*Debug"]).arg(vault).output().unwrap();
    let printable = String::from_utf8(debug.stdout).unwrap();
    for secret in ["RecordingKeys", "ClientSecret", "struct Keyring", "struct Versions", "struct Transit {"] {
        assert!(!printable.contains(secret), "{secret} can be printed");
    }
}

/// A host whose clients' keys a service keeps: through a rotation, the end of the old version by two people, and a restart.
async fn keys_are_kept_by(host: Host) {
    let people = [("kim", "supervisor"), ("ann", "compliance"), ("ben", "compliance")];
    let mut house = House::of(host, &people).unwrap();
    let (mut kim, before) = recorded(&house.host, "acme", &house.token, house.secret("kim").unwrap()).await;
    let [ann, ben] = ["ann", "ben"].map(|id| house.terminal(id).unwrap());
    assert!(!house.host.dir().join("data/keyring").exists(), "there is no keyring");
    assert_eq!(ann.json(&["key", "rotate"]).unwrap()["version"], 2);
    let under = async |wrapped: &str| {
        let status = ben.json(&["key", "status"])?;
        Ok(status["wrapped"].get(wrapped).is_none().then_some(status))
    };
    until("everything is wrapped anew", async || under("1").await).await.unwrap();
    let number = ann.json(&["key", "destroy"]).unwrap()["id"].to_string();
    assert_eq!(ben.json(&["request", "confirm", &number]).unwrap(), json!({"keys-destroyed": 2}));
    sounds(&kim, &before).await;

    // Another process has nothing but the database and the service.
    assert_eq!(house.host.stop().unwrap(), 0);
    house.host.start().unwrap();
    kim.reconnect();
    sounds(&kim, &before).await;
    let mut script = call("CA2");
    script.sound(CUSTOMER, &noise(2_000, 1));
    script.play(&house.host.url, &house.token).await.unwrap();
    for id in sealed(&kim, 2).await.unwrap() {
        sounds(&kim, &id).await;
    }
    let status = ann.json(&["key", "status"]).unwrap();
    assert_eq!(status["versions"], json!([2]), "{status}");
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn openbao_keeps_the_keys_of_a_host() {
    let Some(bao) = Bao::start() else { return };
    let keys = format!("[keys.transit]\nurl = \"{}\"\ntoken-file = \"token\"\n", bao.url);
    let host = Host::prepare(&format!("{keys}{CONFIG}")).unwrap();
    fs::write(host.dir().join("token"), format!("{TOKEN}\n")).unwrap();
    keys_are_kept_by(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_kms_keeps_the_keys_of_a_host() {
    let Some(moto) = Moto::start() else { return };
    let keys = format!("[keys.aws-kms]\nregion = \"us-east-1\"\nendpoint = \"{}\"\n", moto.url);
    let mut host = Host::prepare(&format!("{keys}{CONFIG}")).unwrap();
    host.environment = [("AWS_ACCESS_KEY_ID", &moto.access_key), ("AWS_SECRET_ACCESS_KEY", &moto.secret)]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec();
    keys_are_kept_by(host).await;
    drop(moto);
}
