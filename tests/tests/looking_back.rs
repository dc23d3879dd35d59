//! History ruled again: with the packs that ruled, and with others.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_state::{Db, Statement};
use caveat_tests::{
    host::Host,
    twilio::{CUSTOMER, Script},
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

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"

[[client]]
id = "globex"

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Exit code of `impact` when there are changes of the kind that `--fail-on` names.
const CHANGES: i32 = 3;

/// A host with three calls behind it: recorded, recorded with a card's code said aloud, and not recorded for want of
/// notice.
async fn host_with_a_past() -> Host {
    let mut host = Host::prepare(CONFIG).unwrap();
    let token = host.token("acme").unwrap();
    host.start().unwrap();
    for (id, agent, text) in
        [("CA1", "TX", "hello there"), ("CA2", "TX", "my code is 737"), ("CA3", "FL", "")]
    {
        let place = [("agent-region", agent), ("customer-region", "GA"), ("direction", "inbound")];
        let mut script = Script::new(id, &place);
        script.sound(CUSTOMER, &[3_000, -3_000].repeat(4 * 3_000));
        let word = |(n, text): (u32, &str)| json!({"leg": 1, "start": 300 + 300 * n, "end": 500 + 300 * n, "text": text});
        let words: Vec<Value> = (0..).zip(text.split_whitespace()).map(word).collect();
        if !words.is_empty() {
            script.event(json!({"words": words}));
        }
        script.play(&host.url, &token).await.unwrap();
    }
    host
}

fn report(host: &Host, args: &[&str], code: i32) -> Value {
    let args = [args, &["--client", "acme", "--json"]].concat();
    let (ended, printed) = host.outcome(&args).unwrap();
    assert_eq!(ended, code, "{printed}");
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_decisions_come_out_the_same_until_something_is_not_what_it_was() {
    let mut host = host_with_a_past().await;
    // Beside the running host, and after it.
    report(&host, &["replay"], 0);
    host.stop().unwrap();
    let good = report(&host, &["replay"], 0);
    let count = |name: &str| good[name].as_u64().unwrap();
    assert_eq!(good["differences"], json!([]));
    assert!(count("replayed") >= 6 && count("rulings") > count("replayed"), "{good}");
    let later = report(&host, &["replay", "--since", "2100-01-01T00:00:00Z"], 0);
    assert_eq!(later["decisions"], 0);

    let spoiled = |folder: &str| -> Value {
        let inside = |path: &std::path::Path| path.components().any(|c| c.as_os_str() == folder);
        let files = host.written().unwrap();
        let (path, bytes) =
            files.iter().find(|(path, _)| inside(path)).unwrap_or_else(|| panic!("no {folder}"));
        let mut other = bytes.clone();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        std::fs::write(path, &other).unwrap();
        let found = report(&host, &["replay"], 1);
        std::fs::write(path, bytes).unwrap();
        found
    };
    let first = |report: &Value| report["differences"][0]["field"].as_str().unwrap().to_owned();
    for folder in ["packs", "settings"] {
        let found = spoiled(folder);
        assert_eq!(first(&found), "archive", "one bit of {folder}: {found}");
    }
    let found = with_a_spoiled_detail(&host, || report(&host, &["replay"], 1)).await;
    assert_eq!(first(&found), "detail", "{found}");
    assert_eq!(report(&host, &["replay"], 0), good, "mended, it agrees again");
    let (code, text) = host.outcome(&["replay", "--client", "acme"]).unwrap();
    assert!(code == 0 && text.contains("everything agrees"), "{text}");

    // Whoever names no client asks about all of them, and one that is not what it was is enough.
    let (code, text) = host.outcome(&["replay"]).unwrap();
    let (acme, globex) = text.split_once("globex: 0 decisions").unwrap_or_else(|| panic!("{text}"));
    assert!(code == 0 && acme.starts_with("acme: ") && globex.ends_with("everything agrees\n"), "{text}");
    let all = |code: i32| -> Value {
        let (ended, printed) = host.outcome(&["replay", "--json"]).unwrap();
        assert_eq!(ended, code, "{printed}");
        serde_json::from_str(&printed).unwrap()
    };
    assert_eq!(all(0)[0], good, "the same as of this client alone");
    let found = with_a_spoiled_detail(&host, || all(1)).await;
    assert_eq!((first(&found[0]), &found[1]["differences"]), ("detail".to_owned(), &json!([])), "{found}");
}

/// What `look` sees while a detail beside the ledger is not what it was.
async fn with_a_spoiled_detail(host: &Host, look: impl FnOnce() -> Value) -> Value {
    let files = host.written().unwrap();
    let (path, good) = files.iter().find(|(path, _)| path.ends_with("state.db")).unwrap();
    let db = Db::open_file(path).await.unwrap();
    let other = "UPDATE ledger_detail SET sealed = $1 WHERE digest = (SELECT MIN(digest) FROM ledger_detail)";
    let other = Statement::new(other).bind(&b"another"[..]);
    assert_eq!(db.run("spoil a detail", other).await.unwrap().rows(), 1);
    db.close().await;
    let found = look();
    std::fs::write(path, good).unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_shows_what_it_would_have_done_before_it_is_made() {
    let mut host = host_with_a_past().await;
    host.stop().unwrap();
    let packs = caveat_tests::host::packs().unwrap();
    let same = format!("pci-dss={}", packs.join("pci-dss-0.1.0.wasm").display());
    let unchanged = report(&host, &["impact", "--replace", &same, "--fail-on", "any"], 0);
    assert_eq!((&unchanged["events-changed"], &unchanged["groups"]), (&json!(0), &json!([])), "{unchanged}");
    assert_eq!(unchanged["recordings"], 3);

    // Without the consent pack the third call would have been recorded.
    let lax = report(&host, &["impact", "--remove", "state-consent", "--fail-on", "laxer"], CHANGES);
    let changed = &lax["recordings-changed"][0];
    assert_eq!((&changed["to"], &changed["recordings"]), (&json!("allow"), &json!(1)), "{lax}");
    let groups = lax["groups"].as_array().unwrap();
    let of = |rule: &str| groups.iter().find(|g| g["rule"].as_str().unwrap().starts_with(rule));
    let consent = of("consent.").unwrap_or_else(|| panic!("no group of its rules: {lax}"));
    assert_eq!((&consent["direction"], &consent["state"]), (&json!("laxer"), &json!("GA")), "{lax}");
    assert!(!consent["examples"].as_array().unwrap().is_empty());
    report(&host, &["impact", "--remove", "state-consent", "--fail-on", "stricter"], 0);

    // Settings that ask every party in Georgia: no call of the three would have been kept.
    let settings = host.dir().join("strict.toml");
    std::fs::write(&settings, "options = [\"express\"]\npurposes = [\"training\"]\n").unwrap();
    let strict = format!("state-consent={}", settings.display());
    let strict = report(&host, &["impact", "--settings", &strict, "--fail-on", "stricter"], CHANGES);
    let kept: u64 = strict["recordings-changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["recordings"].as_u64().unwrap())
        .sum();
    assert!(kept >= 2, "{strict}");

    let (code, text) = host.outcome(&["impact", "--client", "acme", "--remove", "hipaa-hitech"]).unwrap();
    assert!(code != 0 && text.contains("it has state-consent, pci-dss"), "{text}");
    let (code, text) = host.outcome(&["impact", "--client", "acme"]).unwrap();
    assert!(code != 0 && text.contains("--replace"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_file_are_ruled_on_by_the_packs_of_today_and_by_the_candidate() {
    let host = Host::prepare(CONFIG).unwrap();
    let florida: Value =
        serde_json::from_str(include_str!("../../examples/quickstart/florida.json")).unwrap();
    let mut lines = String::new();
    for n in 0..1_000 {
        let mut line = florida.clone();
        line["recording"] = json!(format!("call-{n}"));
        if n % 4 == 0 {
            line["facts"]["parties"][1]["number"] = json!("+14045550113");
        }
        lines += &format!("{line}\n");
    }
    let path = host.dir().join("events.jsonl");
    std::fs::write(&path, &lines).unwrap();
    let events = path.to_str().unwrap();
    let found = report(&host, &["impact", "--events", events, "--remove", "state-consent"], 0);
    assert_eq!((&found["events"], &found["recordings"]), (&json!(1_000), &json!(1_000)));
    assert_eq!(found["recordings-changed"][0]["recordings"], 750, "{found}");

    std::fs::write(&path, lines + "{\"event\": 1}\n").unwrap();
    let args = ["impact", "--client", "acme", "--events", events, "--remove", "state-consent"];
    let (code, text) = host.outcome(&args).unwrap();
    assert!(code == 1 && text.contains("events.jsonl, line 1001:"), "{text}");
}
