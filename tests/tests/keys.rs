//! Keys of clients on a running host: which cipher seals what, new versions, the end of old ones by two people, and nothing
//! of a key anywhere but in the keyring.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_tests::{
    host::Host,
    people::{Heard, PASSWORD, Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use serde_json::{Value, json};

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
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new("CA1", &facts);
    script.sound(CUSTOMER, &[3_000, -2_000, 4_000, -1_000].repeat(4_000));
    let outcome = script.play(&host.url, token).await.unwrap();
    assert_eq!(outcome.marks, ["caveat:recording"], "{client}");
    let kim = Person::sign_in(&host.url, client, "kim", &code(secret, 0).unwrap()).await.unwrap();
    let id = until("a sealed recording", async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let id = id.await.unwrap();
    (kim, id)
}

async fn sounds(person: &Person, id: &str) {
    let Heard::Sound(played, _) = person.play(id, "quality").await.unwrap() else {
        panic!("it may be heard")
    };
    assert!(played[1].iter().any(|sample| *sample != 0));
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

/// `caveat key ...` as this person, with both factors.
fn key(host: &Host, (person, secret): &(&str, String), args: &[&str], step: u64) -> anyhow::Result<Value> {
    let code = code(secret, step)?;
    let mut all = vec!["key"];
    all.extend(args);
    all.extend(["--client", "acme", "--as", person, "--url", &host.url, "--json"]);
    Ok(serde_json::from_str(&host.command(&all, &format!("{PASSWORD}\n{code}\n"))?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_one_person_and_its_old_versions_are_destroyed_by_two() {
    let mut host = with_passphrase();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    let people = ["cora", "dana", "elin", "fred", "gina"]
        .map(|id| (id, host.enroll("acme", id, "compliance", "").unwrap()));
    let [cora, dana, elin, fred, gina] = &people;
    host.start().unwrap();
    let (kim, id) = recorded(&host, "acme", &token, &secret).await;
    assert_eq!(kim.get("/v1/keys").await.unwrap().status().as_u16(), 403, "a supervisor sees no keys");
    // No core dump would ever hold one.
    let limits = fs::read_to_string(format!("/proc/{}/limits", host.pid().unwrap())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");

    assert_eq!(key(&host, cora, &["rotate"], 0).unwrap()["version"], 2);
    let dana_in = Person::sign_in(&host.url, "acme", "dana", &code(&dana.1, 0).unwrap()).await.unwrap();
    let rewrapped = until("everything is wrapped anew", async || {
        let status: Value = dana_in.get("/v1/keys").await?.json().await?;
        Ok(status["wrapped"].get("1").is_none().then_some(status))
    });
    let status = rewrapped.await.unwrap();
    assert_eq!(status["versions"], json!([1, 2]), "{status}");
    assert!(!status.to_string().contains("horse"));

    let asked = key(&host, elin, &["destroy"], 0).unwrap();
    let number = asked["id"].to_string();
    assert_eq!((&asked["before"], &asked["by"]), (&json!(2), &json!("elin")));
    // Whoever asked is one person, however often; a code of the next half minute is good too.
    let alone = key(&host, elin, &["destroy", "--confirm", &number], 1).unwrap_err().to_string();
    assert!(alone.contains("another person has to"), "{alone}");
    let early = key(&host, gina, &["destroy", "--before", "9"], 0).unwrap_err().to_string();
    assert!(early.contains("cannot be destroyed"), "{early}");
    key(&host, fred, &["destroy", "--confirm", &number], 0).unwrap();
    let status: Value = dana_in.get("/v1/keys").await.unwrap().json().await.unwrap();
    assert_eq!((&status["versions"], &status["requests"]), (&json!([2]), &json!([])));
    sounds(&kim, &id).await;

    // It holds after a restart, and the ledger tells of each step and of two people.
    assert_eq!(host.stop().unwrap(), 0);
    host.start().unwrap();
    let entries = host.audit("acme", "bundle").unwrap();
    for act in ["rotate", "rewrapped", "destroy-asked", "destroy", "destroyed"] {
        assert_eq!(entries.matches(&format!("\"act\":\"{act}\",\"version\":2")).count(), 1, "{act}");
    }
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_a_log_or_in_anything_but_the_keyring() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let (kim, id) = recorded(&host, "acme", &token, &secret).await;
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
