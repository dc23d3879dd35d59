//! `caveat doctor` on deployments that are broken, each in one way.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use caveat_tests::{host::Host, postgres::Postgres};
use serde_json::Value;

use crate::CONFIG;

/// What it ends with, and what it found.
fn doctor(host: &Host) -> (i32, Vec<(String, String)>, String) {
    let (code, printed) = host.outcome(&["doctor", "--json"]).unwrap();
    let found: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("no JSON: {printed}"));
    let findings = found["findings"].as_array().unwrap().iter().map(|finding| {
        for key in ["where", "what", "remedy"] {
            assert!(!finding[key].as_str().unwrap().is_empty(), "{finding}");
        }
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (text("check"), text("weight"))
    });
    (code, findings.collect(), printed)
}

/// Breaks a deployment that was good.
type Break = fn(&Host);

const BROKEN: [(&str, Break, &str, i32); 9] = [
    ("a misspelt key", |h| h.rewrite("[limits.host]", "[limits.hots]").unwrap(), "config", 2),
    ("a pack that is not there", |h| h.rewrite("pci-dss-0.1.0", "pci-dss-9.9.9").unwrap(), "packs", 2),
    (
        "a pack that nobody signed",
        |h| {
            let key =
                h.command(&["pack", "keygen", "house", "--out", h.dir().join("key").to_str().unwrap()], "");
            let key = key.unwrap_or_else(|error| panic!("{error:#}"));
            let key = key.split_whitespace().find(|word| word.contains('+')).unwrap().to_owned();
            h.rewrite("purposes", &format!("trusted-pack-keys = [\"{key}\"]\npurposes")).unwrap();
        },
        "packs",
        2,
    ),
    (
        "keys that others may read",
        |h| {
            let file = h.dir().join("data/keys/keyring");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
        },
        "keys",
        2,
    ),
    (
        "a passphrase for a keyring that has none",
        |h| {
            std::fs::write(h.dir().join("passphrase"), "correct horse").unwrap();
            h.rewrite("data-dir", "keyring-passphrase-file = \"passphrase\"\ndata-dir").unwrap();
        },
        "keys",
        2,
    ),
    (
        "a store that is no folder",
        |h| {
            std::fs::write(h.dir().join("file"), "").unwrap();
            h.rewrite("data-dir", "store = \"file/store\"\ndata-dir").unwrap();
        },
        "store",
        2,
    ),
    (
        "a secret that is not set",
        |h| {
            let hook = "[[client.webhook]]\nurl = \"https://a.example\"\nsecret-env = \"NOT_SET\"\nevents = [\"alert\"]\n";
            h.rewrite("[[client.pack]]", &format!("{hook}[[client.pack]]")).unwrap();
        },
        "secrets",
        2,
    ),
    (
        "a certificate of another key, and over",
        |h| {
            let made = |name: &str| {
                let key = rcgen::KeyPair::generate().unwrap();
                let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
                parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
                let certificate = parameters.self_signed(&key).unwrap();
                std::fs::write(h.dir().join(format!("{name}.pem")), certificate.pem()).unwrap();
                std::fs::write(h.dir().join(format!("{name}.key")), key.serialize_pem()).unwrap();
            };
            made("one");
            made("other");
            let tls = "[http.tls]\ncertificate = \"one.pem\"\nkey = \"other.key\"\n\n[limits.host]";
            h.rewrite("[limits.host]", tls).unwrap();
        },
        "certificates",
        2,
    ),
    (
        "too little room",
        |h| h.rewrite("disk_free_bytes_warn = 0", "disk_free_bytes_warn = 9000000000000000000").unwrap(),
        "disk",
        1,
    ),
];

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let good = Host::prepare(CONFIG).unwrap();
    let (code, findings, printed) = doctor(&good);
    assert_eq!((code, findings.len()), (0, 0), "{printed}");
    for (what, break_it, check, wanted) in BROKEN {
        let host = Host::prepare(CONFIG).unwrap();
        // Whoever seals something first makes the keyring.
        host.enroll("acme", "kim", "supervisor", "").unwrap();
        break_it(&host);
        let (code, findings, printed) = doctor(&host);
        // That the keyring has no passphrase is always said here, with the lesser weight.
        let weight = if wanted == 2 { "fault" } else { "warning" };
        assert!(
            code == wanted && findings.contains(&(check.into(), weight.into())),
            "{what}: {code}\n{printed}"
        );
        let others = findings.iter().filter(|(other, weight)| other != check && weight == "fault");
        assert_eq!(others.count(), 0, "{what}\n{printed}");
    }
}

#[test]
fn a_port_that_somebody_has_is_named_but_not_the_hosts_own() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let taken = TcpListener::bind(host.url.trim_start_matches("http://")).unwrap();
    let (code, findings, printed) = doctor(&host);
    assert!(code == 2 && findings.contains(&("ports".into(), "fault".into())), "{printed}");
    drop(taken);
    host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let (code, findings, printed) = doctor(&host);
    assert!(code == 1 && !findings.iter().any(|(check, _)| check == "ports"), "{printed}");
    assert!(Path::new(&host.dir().join("data/state.db")).exists());
}

#[test]
fn a_database_role_that_passes_by_every_rule_is_named_and_no_host_starts_as_one() {
    let Some(server) = Postgres::start().unwrap() else { return };
    let mut host = Host::prepare(&format!("database = \"{}\"\n{CONFIG}", server.url())).unwrap();
    host.enroll("acme", "kim", "supervisor", "").unwrap_err();
    let (code, findings, printed) = doctor(&host);
    assert!(code == 2 && findings.contains(&("database".into(), "fault".into())), "no role yet: {printed}");
    server.run("CREATE ROLE caveat_host LOGIN").unwrap();
    let (code, _, printed) = doctor(&host);
    assert!(code == 2 && printed.contains("caveat database migrate"), "no tables yet: {printed}");
    server.migrate(&host).unwrap();
    let (code, findings, printed) = doctor(&host);
    assert_eq!((code, findings.len()), (0, 0), "{printed}");

    server.run("CREATE ROLE passes LOGIN BYPASSRLS").unwrap();
    server.run("CREATE ROLE becomes LOGIN NOINHERIT IN ROLE caveat_owner").unwrap();
    let mut before = "caveat_host".to_owned();
    let mut comes_in_as = |host: &Host, role: &str| {
        host.rewrite(&format!("//{before}@"), &format!("//{role}@")).unwrap();
        before = role.to_owned();
    };
    let privileged = [
        ("caveat", "is a superuser"),
        ("passes", "BYPASSRLS"),
        ("caveat_owner", "owns the tables"),
        ("becomes", "may become their owner"),
    ];
    for (role, why) in privileged {
        comes_in_as(&host, role);
        let (code, findings, printed) = doctor(&host);
        assert!(code == 2 && findings.contains(&("database".into(), "fault".into())), "{printed}");
        assert!(printed.contains(why), "{role}: {printed}");
    }
    for (role, why) in privileged {
        comes_in_as(&host, role);
        let refused = host.start().unwrap_err().to_string();
        assert!(refused.contains(why) && refused.contains("caveat database migrate"), "{role}: {refused}");
    }
    host.rewrite("//becomes@", "//caveat_host@").unwrap();
    host.start().unwrap();
    assert_eq!(host.stop().unwrap(), 0);

    // Somebody lifts what keeps clients apart.
    server.ask("caveat_owner", "ALTER TABLE vault_page DISABLE ROW LEVEL SECURITY").unwrap();
    let refused = host.start().unwrap_err().to_string();
    assert!(refused.contains("apart in vault_page"), "{refused}");
    server.migrate(&host).unwrap();
    host.start().unwrap();
}
