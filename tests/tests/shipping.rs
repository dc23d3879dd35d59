//! A pack from its author to a host: signed, pushed, pulled, pinned, and refused wherever something does not fit.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::Engine as _;
use caveat_tests::{
    host::{Host, packs, program},
    registry::Registry,
};
use serde_json::Value;

/// A folder with a pack, and two keys.
struct Desk {
    dir: tempfile::TempDir,
    ours: String,
    theirs: String,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Self { dir, ours: String::new(), theirs: String::new() };
        for pack in ["state-consent-0.1.0.wasm", "pci-dss-0.1.0.wasm"] {
            fs::copy(packs().unwrap().join(pack), desk.at(pack)).unwrap();
        }
        desk.ours = desk.good(&["keygen", "ours.example/packs", "--out", "ours.key"]).trim().to_owned();
        desk.theirs = desk.good(&["keygen", "theirs.example/packs", "--out", "theirs.key"]).trim().to_owned();
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program().unwrap());
        // Nobody's own credentials are used.
        command.current_dir(self.dir.path()).env("DOCKER_CONFIG", self.dir.path());
        command.env("NO_PROXY", "127.0.0.1").env_remove("CAVEAT_REGISTRY_USER");
        command.args(["--log", "error", "pack"]).args(args);
        command
    }

    fn pack(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn good(&self, args: &[&str]) -> String {
        let output = self.pack(args);
        assert!(output.status.success(), "{args:?}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn bad(&self, args: &[&str], wanted: &str) {
        let output = self.pack(args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}\n{text}");
        assert!(text.contains(wanted), "{args:?}: no {wanted:?} in\n{text}");
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn change_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // In a string of the manifest, near the end: it stays a component.
    let at = bytes.windows(10).rposition(|w| w == b"state-cons").unwrap();
    bytes[at] = b'S';
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_signature_holds_for_these_bytes_and_these_keys_only() {
    let desk = Desk::new();
    let file = "state-consent-0.1.0.wasm";
    let ours = ["verify", file, "--key", &desk.ours];
    desk.bad(&ours, "it has no signature");
    desk.good(&["sign", file, "--key", "ours.key"]);
    let json: Value = serde_json::from_str(&desk.good(&[&ours[..], &["--json"]].concat())).unwrap();
    assert_eq!((&json["verified"], &json["pack"]), (&true.into(), &"state-consent".into()));
    desk.bad(&["verify", file, "--key", &desk.theirs], "by none of the keys that are trusted");
    desk.good(&["sign", file, "--key", "theirs.key"]);
    desk.good(&["verify", file, "--key", &desk.theirs]);
    desk.good(&ours);

    let sig = desk.at("state-consent-0.1.0.wasm.sig");
    let note = fs::read_to_string(&sig).unwrap();
    assert!(note.starts_with("caveat-pack/v1\nstate-consent 0.1.0\nsha256:"), "{note}");
    fs::write(&sig, note.replacen("0.1.0", "0.1.1", 1)).unwrap();
    desk.bad(&ours, "the text or the signature was changed");
    fs::write(&sig, note.replace("\n\n", "\n")).unwrap();
    desk.bad(&ours, "no signed note");
    desk.good(&["sign", "pci-dss-0.1.0.wasm", "--key", "ours.key"]);
    fs::copy(desk.at("pci-dss-0.1.0.wasm.sig"), &sig).unwrap();
    desk.bad(&ours, "of another pack or other bytes");

    fs::write(&sig, &note).unwrap();
    let mut bytes = fs::read(desk.at(file)).unwrap();
    // A custom section more: still a component, and not what was signed.
    bytes.extend([0, 2, 1, b'x']);
    fs::write(desk.at(file), bytes).unwrap();
    desk.bad(&ours, "of another pack or other bytes");
    desk.bad(&["keygen", "again", "--out", "ours.key"], "a key is never written over");
}

/// The manifest as the registry gives it to anybody who knows nothing of us.
async fn manifest_of(registry: &Registry, name: &str, tag: &str) -> Value {
    let url = format!("http://{}/v2/{name}/manifests/{tag}", registry.address);
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let asked = reqwest::Client::builder().no_proxy().build().unwrap().get(url).header("accept", accept);
    let answer = asked.send().await.unwrap().error_for_status().unwrap();
    assert_eq!(answer.headers()["content-type"], accept);
    answer.json().await.unwrap()
}

/// As the Wasm working group of the CNCF lays artifacts out (tag-runtime, "Wasm OCI Artifact layout"), so that other tools
/// take it for what it is.
#[tokio::test]
async fn a_pushed_pack_has_the_layout_of_wasm_artifacts() {
    let (desk, registry) = (Desk::new(), Registry::start().unwrap());
    let file = "state-consent-0.1.0.wasm";
    desk.good(&["sign", file, "--key", "ours.key"]);
    let reference = format!("oci://{}/packs/state-consent:0.1.0", registry.address);
    desk.good(&["push", file, &reference, "--plain-http"]);
    let manifest = manifest_of(&registry, "packs/state-consent", "0.1.0").await;
    assert_eq!(manifest["schemaVersion"], 2, "{manifest}");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[0]["mediaType"]), (1, &"application/wasm".into()), "{manifest}");
    let bytes = fs::read(desk.at(file)).unwrap();
    assert_eq!(layers[0]["size"], bytes.len());
    assert_eq!(fs::read(registry.blob(layers[0]["digest"].as_str().unwrap())).unwrap(), bytes);
    let config = registry.blob(manifest["config"]["digest"].as_str().unwrap());
    let config: Value = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
    assert_eq!(config["os"], "wasip2", "{config}");
    assert_eq!(config["layerDigests"][0], layers[0]["digest"], "{config}");
}

#[test]
fn a_pack_goes_through_a_registry_byte_for_byte() {
    let (desk, registry) = (Desk::new(), Registry::start().unwrap());
    let file = "state-consent-0.1.0.wasm";
    let reference = format!("oci://{}/packs/state-consent:0.1.0", registry.address);
    let push = ["push", file, &reference, "--plain-http"];
    desk.bad(&["pull", &reference, "--plain-http"], "cannot pull");
    desk.good(&push);
    let trusting = ["pull", &reference, "--plain-http", "-o", "got.wasm", "--key", &desk.ours];
    desk.bad(&trusting, "it has no signature");
    assert!(!desk.at("got.wasm").exists(), "nothing unsigned is written");
    desk.good(&["sign", file, "--key", "ours.key"]);
    let first = desk.good(&push);
    assert_eq!(desk.good(&push), first, "the same pack makes the same manifest");
    desk.good(&trusting);
    assert_eq!(fs::read(desk.at(file)).unwrap(), fs::read(desk.at("got.wasm")).unwrap());
    desk.good(&["verify", "got.wasm", "--key", &desk.ours]);
    let other = ["pull", &reference, "--plain-http", "-o", "other.wasm", "--key", &desk.theirs];
    desk.bad(&other, "by none of the keys");
    desk.good(&["pull", first.trim(), "--plain-http", "-o", "by-digest.wasm"]);
    desk.bad(&["pull", "127.0.0.1/packs/state-consent", "--plain-http"], "names no tag");

    let about = desk.good(&["inspect", &reference, "--plain-http"]);
    for wanted in
        ["state-consent 0.1.0", "sha256:", "capture", "rules", "ours.example/packs+", "not verified"]
    {
        assert!(about.contains(wanted), "no {wanted} in\n{about}");
    }
    let json: Value = serde_json::from_str(&desk.good(&["inspect", file, "--json"])).unwrap();
    assert!(json["manifest"]["rule"][0]["citation"].is_string(), "{json}");

    let blob = registry.blob(json["digest"].as_str().unwrap());
    change_byte(&blob);
    desk.bad(&["pull", &reference, "--plain-http", "-o", "changed.wasm"], "cannot pull");
    let manifest = first.trim().rsplit('@').next().unwrap().to_owned();
    let manifest = registry.blob(&manifest);
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("0.1.0", "0.1.1")).unwrap();
    desk.bad(&["pull", first.trim(), "--plain-http", "-o", "changed.wasm"], "cannot pull");
    assert!(!desk.at("changed.wasm").exists());
}

/// The user `ops` with [`PASSWORD`].
const USERS: &str = "ops:$2b$04$jmVPLciyE9BtTOJHYEl44OCSFCFB3tKcdfymXul2tXgcWeSaYCZ3W\n";
const PASSWORD: &str = "a registry password";

#[test]
fn a_registry_is_told_who_asks() {
    let (desk, registry) = (Desk::new(), Registry::start_with(USERS).unwrap());
    let reference = format!("{}/packs/state-consent:0.1.0", registry.address);
    let push = ["push", "state-consent-0.1.0.wasm", &reference, "--plain-http"];
    desk.bad(&push, "cannot push to");
    let named = [&push[..], &["--username", "ops"]].concat();
    desk.bad(&named, "CAVEAT_REGISTRY_PASSWORD is not set");
    let pushed = |password: &str| {
        let mut command = desk.command(&named);
        command.env("CAVEAT_REGISTRY_PASSWORD", password).output().unwrap().status.success()
    };
    assert!(!pushed("another"));
    assert!(pushed(PASSWORD));

    let auth = base64::prelude::BASE64_STANDARD.encode(format!("ops:{PASSWORD}"));
    let docker = serde_json::json!({ "auths": { &registry.address: { "auth": auth } } });
    fs::write(desk.at("config.json"), docker.to_string()).unwrap();
    desk.good(&["inspect", &reference, "--plain-http"]);
}

const CONFIG: &str = r#"
[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
KEYS

[[client.pack]]
file = "DESK/state-consent-0.1.0.wasm"
"#;

impl Desk {
    fn host(&self, keys: &str) -> Host {
        let desk = self.dir.path().display().to_string();
        Host::prepare(&CONFIG.replace("DESK", &desk).replace("KEYS", keys)).unwrap()
    }
}

/// What a host that must not start says.
fn refused(host: &mut Host, wanted: &[&str]) {
    let error = host.start().unwrap_err().to_string();
    assert!(wanted.iter().all(|w| error.contains(w)), "{wanted:?} are not in\n{error}");
}

/// A running host's packs, changed as its administrator does it.
struct Admin {
    url: String,
    token: String,
}

impl Admin {
    fn of(host: &Host) -> Self {
        let create = ["token", "create", "--client", "acme", "--name", "ops", "--scopes", "admin,read-api"];
        Self { url: host.url.clone(), token: host.command(&create, "").unwrap().trim().to_owned() }
    }

    fn run(&self, desk: &Desk, args: &[&str]) -> Output {
        let mut command = Command::new(program().unwrap());
        command.current_dir(desk.dir.path()).env("CAVEAT_TOKEN", &self.token).env("CAVEAT_URL", &self.url);
        command.args(["--log", "error", "pack"]).args(args).args(["--client", "acme"]).output().unwrap()
    }

    fn good(&self, desk: &Desk, args: &[&str]) {
        let output = self.run(desk, args);
        assert!(output.status.success(), "{args:?}\n{}", said(&output));
    }

    fn bad(&self, desk: &Desk, args: &[&str], wanted: &[&str]) {
        let output = self.run(desk, args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}\n{text}");
        assert!(wanted.iter().all(|w| text.contains(w)), "{args:?}: {wanted:?} are not in\n{text}");
    }
}

#[test]
fn a_client_takes_only_what_a_key_it_trusts_has_signed() {
    let desk = Desk::new();
    let mut host = desk.host(&format!("trusted-pack-keys = [\"{}\"]", desk.ours));
    let (consent, cards) = ("state-consent-0.1.0.wasm", "pci-dss-0.1.0.wasm");
    let about = ["client `acme`", "`state-consent` 0.1.0", "sha256:", "caveat pack sign"];
    refused(&mut host, &[&about[..], &["it has no signature"]].concat());
    desk.good(&["sign", consent, "--key", "theirs.key"]);
    refused(&mut host, &[&about[..], &["by none of the keys"]].concat());
    desk.good(&["sign", consent, "--key", "ours.key"]);
    let admin = Admin::of(&host);
    host.start().unwrap();

    let add = ["swap", "--add", cards];
    admin.bad(&desk, &add, &["403", "`pci-dss`", "it has no signature", "stay"]);
    desk.good(&["sign", cards, "--key", "theirs.key"]);
    admin.bad(&desk, &add, &["403", "by none of the keys"]);
    fs::copy(desk.at("state-consent-0.1.0.wasm.sig"), desk.at("pci-dss-0.1.0.wasm.sig")).unwrap();
    admin.bad(&desk, &add, &["403", "of another pack"]);
    desk.good(&["sign", cards, "--key", "ours.key"]);
    admin.good(&desk, &add);

    // The signature was archived: what was swapped in is admitted at the next start as well.
    host.stop().unwrap();
    host.start().unwrap();
    let listed = admin.run(&desk, &["list"]);
    assert!(said(&listed).contains("pci-dss 0.1.0"), "{}", said(&listed));
    admin.good(&desk, &["rollback"]);
}

#[test]
fn a_lock_binds_the_start_the_swap_and_the_way_back() {
    let desk = Desk::new();
    let (consent, cards) = (desk.at("state-consent-0.1.0.wasm"), desk.at("pci-dss-0.1.0.wasm"));
    let cards = cards.to_str().unwrap();
    let mut host = desk.host("");
    let lock = ["pack", "lock"];
    let check = ["pack", "lock", "--check"];
    assert!(host.command(&check, "").unwrap_err().to_string().contains("caveat pack lock"));
    host.command(&lock, "").unwrap();
    let text = fs::read_to_string(host.dir().join("caveat.lock")).unwrap();
    assert!(text.starts_with("# ") && text.contains("client = \"acme\"\npack = \"state-consent\""), "{text}");
    host.command(&check, "").unwrap();

    let good = fs::read(&consent).unwrap();
    fs::write(&consent, [&good[..], &[0, 2, 1, b'x']].concat()).unwrap();
    host.command(&check, "").unwrap_err();
    refused(
        &mut host,
        &["client `acme`", "`state-consent` 0.1.0", "the lock pins 0.1.0 sha256:", "caveat pack lock"],
    );
    fs::write(&consent, good).unwrap();
    let admin = Admin::of(&host);
    host.start().unwrap();

    admin.bad(&desk, &["swap", "--add", cards], &["403", "does not pin it", "caveat pack lock --add"]);
    host.command(&["pack", "lock", "--add", cards, "--client", "acme"], "").unwrap();
    let differs = host.command(&check, "").unwrap_err().to_string();
    assert!(differs.contains("failed"), "{differs}");
    admin.good(&desk, &["swap", "--add", cards]);
    admin.good(&desk, &["rollback"]);
    host.command(&lock, "").unwrap();
    admin.bad(&desk, &["rollback", "--to", "2"], &["403", "`pci-dss`", "does not pin it"]);
    assert!(said(&admin.run(&desk, &["list"])).contains("state-consent"), "the set in force stays");

    host.command(&["pack", "lock", "--add", cards, "--client", "acme"], "").unwrap();
    admin.good(&desk, &["swap", "--add", cards]);
    host.command(&lock, "").unwrap();
    host.stop().unwrap();
    refused(&mut host, &["stood last", "`pci-dss`", "does not pin it", "change those in caveat.toml"]);
}
