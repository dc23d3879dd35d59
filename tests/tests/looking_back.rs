//! History ruled again: with the packs that ruled, and with others.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use caveat_packs::PackFile;
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
    assert_eq!(db.common().run("spoil a detail", other).await.unwrap().rows(), 1);
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

/// Clients whose calls are kept by a pack `records`: of a broker, of a hospital, of a shop in California.
const RECORDS: &str = r#"
[[client]]
id = "broker"

[[client.pack]]
file = "securities.wasm"

[[client]]
id = "hospital"

[[client.pack]]
file = "hipaa-hitech.wasm"

[[client]]
id = "shop"

[[client.pack]]
file = "state-privacy.wasm"
settings = { stated-days = 365 }
"#;

/// A shipped pack as a pack of the name `records`: so there are several files, of different code, for one place.
fn as_records(pack: &str, dir: &Path) {
    let built = caveat_tests::host::packs().unwrap().join(format!("{pack}-0.1.0.wasm"));
    let file = PackFile::open(&built).unwrap();
    // What the builder appended goes: a custom section is 0, its size, the size of its name, its name.
    let name = b"caveat:manifest";
    let mut begin = file.bytes().windows(name.len()).rposition(|w| w == name).unwrap() - 2;
    while file.bytes()[begin - 1] & 0x80 != 0 {
        begin -= 1;
    }
    let mut manifest = file.manifest().as_ref().clone();
    manifest.pack.name = "records".into();
    manifest.pack.aliases.clear();
    let component = &file.bytes()[..begin - 1];
    let records = PackFile::assemble(manifest, file.schema().cloned(), component).unwrap();
    fs::write(dir.join(format!("{pack}.wasm")), records.bytes()).unwrap();
}

/// One event a line, as they lie in a file; a recording each.
fn past_of_records() -> String {
    let play = |role: &str, function: &str, account: &str, factors: &[&str]| {
        let shown = |kind| json!({"kind": kind, "at": "2026-11-23T11:59:00Z"});
        let factors: Vec<Value> = factors.iter().map(shown).collect();
        json!({"access": {"act": "play", "purpose": "payment", "person":
            {"role": role, "function": function, "account": account, "factors": factors}}})
    };
    let word = |(n, text): (u32, &str)| json!({"leg": 1, "start": 1_000 + 300 * n, "end": 1_200 + 300 * n, "text": text});
    let code: Vec<Value> = (0..).zip("the security code is seven three seven".split(' ')).map(word).collect();
    let events = [
        json!({"storage": {"dispose": {"what": "recording", "basis": "schedule"}}}),
        json!({"storage": {"seal": {"cipher": "aes-256-gcm", "key": "active"}}}),
        play("supervisor", "disputes", "individual", &["password"]),
        play("agent", "billing", "shared", &["password", "totp"]),
        play("agent", "front-desk", "shared", &["password", "totp"]),
        json!({"capture": {"words": {"heard": code}}}),
    ];
    let line = |(n, event): (usize, Value)| {
        let parties = json!([{"role": "agent", "on-file": "GA"}, {"role": "customer", "on-file": "CA"}]);
        let retention = json!({"state": "TX", "provider": "hospital", "part-of-record": true});
        let facts = json!({"now": "2026-11-23T12:00:00Z", "began": "2026-11-20T12:00:00Z", "parties": parties,
            "attributes": {"retention": retention}});
        json!({"recording": format!("call-{n}"), "event": event, "facts": facts}).to_string()
    };
    events.into_iter().enumerate().map(|e| line(e) + "\n").collect()
}

/// What a change would have done to that past of a client: JSON, and text.
fn of_records(host: &Host, client: &str, change: &[&str], code: i32) -> (Value, String) {
    let events = host.dir().join("events.jsonl");
    let base = ["impact", "--client", client, "--events", events.to_str().unwrap(), "--fail-on", "any"];
    let (ended, text) = host.outcome(&[&base[..], change].concat()).unwrap();
    assert_eq!(ended, code, "{text}");
    let (_, json) = host.outcome(&[&base[..], change, &["--json"]].concat()).unwrap();
    (serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}")), text)
}

/// The only group of a report of which all of this is true.
fn group(report: &Value, wanted: Value) -> Value {
    let wanted = wanted.as_object().unwrap();
    let fits = |group: &&Value| wanted.iter().all(|(key, value)| group[key] == *value);
    let found: Vec<&Value> = report["groups"].as_array().unwrap().iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{wanted:?} in {report:#}");
    found[0].clone()
}

#[test]
fn another_file_shows_what_is_kept_longer_destroyed_hidden_and_refused_to_whom() {
    let host = Host::prepare(RECORDS).unwrap();
    for pack in ["securities", "hipaa-hitech", "state-privacy"] {
        as_records(pack, host.dir());
    }
    let file = |name: &str| host.dir().join(name).display().to_string();
    fs::write(file("events.jsonl"), past_of_records()).unwrap();
    // Settings of one pack are none of another's.
    fs::write(file("none.toml"), "").unwrap();
    fs::write(file("month.toml"), "stated-days = 30\n").unwrap();
    let put = |pack: &str| format!("records={}", file(&format!("{pack}.wasm")));
    let (none, month) = (format!("records={}", file("none.toml")), format!("records={}", file("month.toml")));

    let hospital = ["--replace", &put("hipaa-hitech"), "--settings", &none];
    let (found, text) = of_records(&host, "broker", &hospital, CHANGES);
    // Three years by 17 CFR 240.17a-4(b)(4), ten by Tex. Health & Safety Code 241.103: from 2029-11-20 to 2036-11-20.
    let longer = group(&found, json!({"effect": "retain-until", "from": "a date"}));
    assert_eq!(
        (&longer["direction"], &longer["days"]),
        (&json!("stricter"), &json!([2557, 2557])),
        "{longer}"
    );
    assert_eq!(longer["rule"], "hipaa.record-retention");
    assert!(
        text.contains("retain-until a date -> a date (+2557 days)  hipaa.record-retention  CA\n"),
        "{text}"
    );
    let hidden = group(&found, json!({"effect": "redaction", "role": "supervisor"}));
    assert_eq!(
        (&hidden["to"], &hidden["rule"]),
        (&json!("serve-redacted"), &json!("hipaa.minimum-necessary"))
    );
    assert!(
        text.contains("nothing -> serve-redacted  hipaa.minimum-necessary  CA  supervisor, play\n"),
        "{text}"
    );
    let refused = group(&found, json!({"effect": "access"}));
    let example = &refused["examples"][0];
    assert_eq!(
        (&refused["role"], &refused["act"], &refused["events"]),
        (&json!("agent"), &json!("play"), &json!(2))
    );
    assert_eq!(
        (&example["function"], &example["recording"]),
        (&json!("billing"), &json!("call-3")),
        "{refused}"
    );
    let lost = json!([{"role": "agent", "act": "play", "from": "allow", "to": "refuse", "requests": 2,
        "functions": ["billing", "front-desk"]}]);
    assert_eq!(found["access-changed"], lost);
    assert!(text.contains("  agent (billing, front-desk), play: allow -> refuse, 2 requests\n"), "{text}");
    assert!(text.contains("e.g. play by billing at 2026-11-23T12:00:00.000Z, entry 4, call-3\n"), "{text}");

    // The other way round it is kept shorter, and who was refused is given it.
    let broker = ["--replace", &put("securities"), "--settings", &none];
    let (found, text) = of_records(&host, "hospital", &broker, CHANGES);
    let shorter = group(&found, json!({"effect": "retain-until", "to": "a date"}));
    assert_eq!(
        (&shorter["direction"], &shorter["days"]),
        (&json!("laxer"), &json!([-2557, -2557])),
        "{shorter}"
    );
    assert!(text.contains("(-2557 days)"), "{text}");
    assert_eq!(found["access-changed"][0]["to"], "allow");

    // What has to be destroyed, at all and sooner.
    let privacy = ["--replace", &put("state-privacy"), "--settings", &month];
    let (found, text) = of_records(&host, "broker", &privacy, CHANGES);
    let destroyed = group(&found, json!({"effect": "destroy-by"}));
    assert_eq!(
        (&destroyed["from"], &destroyed["direction"]),
        (&json!(""), &json!("stricter")),
        "{destroyed}"
    );
    assert!(text.contains("destroy-by   nothing -> a date  privacy.retention-stated  CA\n"), "{text}");
    let (found, text) = of_records(&host, "shop", &privacy, CHANGES);
    let sooner = group(&found, json!({"effect": "destroy-by"}));
    assert_eq!(
        (&sooner["direction"], &sooner["days"]),
        (&json!("stricter"), &json!([-335, -335])),
        "{sooner}"
    );
    assert!(text.contains("destroy-by   a date -> a date (-335 days)"), "{text}");
    let (found, _) = of_records(&host, "shop", &["--replace", &put("state-privacy")], 0);
    assert_eq!(found["events-changed"], 0, "its own file and settings change nothing");

    // One pack more: what is said is purged and no longer recorded, and a password alone is not enough any more.
    let cards = caveat_tests::host::packs().unwrap().join("pci-dss-0.1.0.wasm");
    let add = format!("pci-dss={}", cards.display());
    let (found, text) = of_records(&host, "broker", &["--add", &add], CHANGES);
    let purged = group(&found, json!({"effect": "redaction"}));
    assert_eq!(
        (&purged["to"], &purged["direction"]),
        (&json!("purge+mask-keys"), &json!("stricter")),
        "{purged}"
    );
    assert_eq!(purged["rule"], "pci.no-card-code");
    let stopped = json!([{"from": "allow", "to": "suspend", "recordings": 1, "examples": ["call-5"]}]);
    assert_eq!(found["recordings-changed"], stopped);
    assert!(
        text.starts_with("broker: 6 events, ")
            && text.contains("  1 recordings: allow -> suspend (call-5)\n"),
        "{text}"
    );
    let disputes = json!({"role": "supervisor", "act": "play", "from": "allow", "to": "step-up", "requests": 1,
        "functions": ["disputes"]});
    assert!(found["access-changed"].as_array().unwrap().contains(&disputes), "{found:#}");
    let (code, said) = host
        .outcome(&["impact", "--client", "broker", "--add", &format!("records={}", cards.display())])
        .unwrap();
    assert!(code == 1 && said.contains("is the pack `pci-dss`"), "{said}");
}
