//! Past the host, straight to its database by SQL, with the host's own role: what a client's rows are kept from by the server
//! itself, whatever statement the host may be brought to send.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use caveat_tests::{
    host::Host,
    house::{call, noise},
    pooler::Pooler,
    postgres::Postgres,
    twilio::CUSTOMER,
};

const CONFIG: &str = r#"
[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client]]
id = "globex"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Tables that belong to no client.
const COMMON: [&str; 2] = ["lease", "migration"];

/// What is looked into across clients, by purpose. Whoever adds to it says why at `Purpose`.
const ACROSS: [(&str, &[&str]); 6] = [
    ("assurance", &["expected_call"]),
    ("count", &["access_ceremony", "access_session"]),
    (
        "expiry",
        &["access_ceremony", "access_session", "announced", "captured_call", "expected_call", "taken_file"],
    ),
    ("packs", &["pack_set"]),
    (
        "recovery",
        &[
            "announced",
            "begun",
            "call_place",
            "captured_call",
            "late",
            "outbox",
            "recording",
            "request",
            "vault_recording",
        ],
    ),
    (
        "sign-in",
        &["access_ceremony", "access_enrolment", "access_machine", "access_person", "access_session"],
    ),
];

/// Tables that say of each row whose it is.
fn tables(server: &Postgres) -> BTreeSet<String> {
    let of_client = "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE a.attname = 'client' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
          AND c.relnamespace = CAST('public' AS regnamespace)";
    server.ask("caveat_owner", of_client).unwrap().into_iter().collect()
}

/// A host that has recorded a call of each of two clients.
async fn recorded() -> Option<(Postgres, Host)> {
    let server = Postgres::start().unwrap()?;
    let mut host = Host::prepare(&format!("database = \"{}\"\n{CONFIG}", server.url())).unwrap();
    let said = server.migrate(&host).unwrap();
    assert!(said.contains("`caveat_host` was not there"), "{said}");
    let tokens = ["acme", "globex"].map(|client| (client, host.token(client).unwrap()));
    for client in ["acme", "globex"] {
        host.enroll(client, "kim", "supervisor", "").unwrap();
    }
    host.start().unwrap();
    for (client, token) in &tokens {
        let mut script = call(&format!("CA-{client}"));
        script.sound(CUSTOMER, &noise(2_000, 1));
        script.play(&host.url, token).await.unwrap();
    }
    Some((server, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_keeps_clients_apart() {
    let Some((server, mut host)) = recorded().await else { return };
    assert_eq!(host.stop().unwrap(), 0);
    let tables = tables(&server);
    assert!(tables.len() > 30, "{tables:?}");
    let as_host = |setting: &str, statement: &str| {
        server.ask("caveat_host", &format!("BEGIN; {setting}; {statement}; ROLLBACK"))
    };
    let nobody = "SELECT 1 WHERE false";
    let acme = "SET LOCAL caveat.client = 'acme'";
    let of = |client: &str, table: &str| {
        let text = format!("SELECT COUNT(*) FROM {table} WHERE client = '{client}'");
        server.ask("caveat_owner", &text).unwrap()[0].parse::<u64>().unwrap()
    };

    let mut with_rows = 0;
    for table in &tables {
        let (ours, theirs) = (of("acme", table), of("globex", table));
        with_rows += usize::from(ours > 0 && theirs > 0);
        let count = format!("SELECT COUNT(*), COUNT(*) FILTER (WHERE client <> 'acme') FROM {table}");
        assert_eq!(as_host(nobody, &count).unwrap(), ["0|0"], "{table}: who says nothing sees nothing");
        let empty = "SET LOCAL caveat.client = ''";
        assert_eq!(as_host(empty, &count).unwrap(), ["0|0"], "{table}");
        assert_eq!(as_host(acme, &count).unwrap(), [format!("{ours}|0")], "{table}: acme sees its own");
        let unknown = "SET LOCAL caveat.across = 'curiosity'";
        assert_eq!(as_host(unknown, &count).unwrap(), ["0|0"], "{table}");
        // What is there of another cannot be changed, nor taken, nor taken away.
        for statement in [
            format!(
                "WITH d AS (DELETE FROM {table} WHERE client = 'globex' RETURNING 1) SELECT COUNT(*) FROM d"
            ),
            format!(
                "WITH u AS (UPDATE {table} SET client = 'acme' WHERE client = 'globex' RETURNING 1)
                 SELECT COUNT(*) FROM u"
            ),
        ] {
            assert_eq!(as_host(acme, &statement).unwrap(), ["0"], "{statement}");
        }
        if ours > 0 {
            let give = format!("UPDATE {table} SET client = 'globex'");
            let refused = as_host(acme, &give).unwrap_err().to_string();
            assert!(refused.contains("violates row-level security policy"), "{table}: {refused}");
        }
    }
    assert!(with_rows >= 10, "few tables have rows of both: {with_rows}");
    let put = "INSERT INTO outbox (client, receiver, number, body) VALUES ('globex', 'r', 1, '')";
    let refused = as_host(acme, put).unwrap_err().to_string();
    assert!(refused.contains("violates row-level security policy"), "{refused}");
    for change in [
        "ALTER TABLE recording DISABLE ROW LEVEL SECURITY",
        "DROP POLICY client ON recording",
        "CREATE TABLE mine (client TEXT)",
        "SET ROLE caveat_owner",
        "TRUNCATE recording",
    ] {
        as_host(nobody, change).unwrap_err();
    }
}

/// Looked up in the catalog, so that a table that somebody adds is among them.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_a_client_has_its_policy_and_purposes_are_good_for_no_more_than_they_say() {
    let Some(server) = Postgres::start().unwrap() else { return };
    let host = Host::prepare(&format!("database = \"{}\"\n{CONFIG}", server.url())).unwrap();
    server.migrate(&host).unwrap();
    let again = server.migrate(&host).unwrap();
    assert!(!again.contains("was not there"), "{again}");
    let ask = |text: &str| server.ask("caveat_owner", text).unwrap();

    let all: BTreeSet<_> =
        ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").into_iter().collect();
    let tables = tables(&server);
    let common: Vec<_> = all.difference(&tables).map(String::as_str).collect();
    assert_eq!(common, COMMON, "tables without a client");
    let on = ask("SELECT relname FROM pg_class WHERE relrowsecurity");
    assert_eq!(on.into_iter().collect::<BTreeSet<_>>(), tables, "row-level security is off somewhere");
    let own = ask("SELECT tablename FROM pg_policies WHERE policyname = 'client'
        AND qual LIKE '%client = ( SELECT NULLIF(current_setting(''caveat.client''%' AND with_check IS NULL
        AND cmd = 'ALL' AND roles = '{public}' AND permissive = 'PERMISSIVE'");
    assert_eq!(own.into_iter().collect::<BTreeSet<_>>(), tables, "a table without the policy");

    let mut across = BTreeMap::<String, BTreeSet<String>>::new();
    for row in ask("SELECT policyname, tablename, qual FROM pg_policies WHERE policyname <> 'client'") {
        let [policy, table, qual] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let purpose = policy.rsplit_once(' ').unwrap().1.to_owned();
        let wanted = "( SELECT current_setting('caveat.across'::text, true) AS current_setting) = '";
        assert!(policy.starts_with("across ") && qual.contains(&format!("{wanted}{purpose}'")), "{row}");
        across.entry(purpose).or_default().insert(table.to_owned());
    }
    let wanted = ACROSS.map(|(purpose, tables)| {
        (purpose.to_owned(), tables.iter().map(|table| (*table).to_owned()).collect())
    });
    assert_eq!(across, BTreeMap::from(wanted));

    // The host's role may do with rows what it does, and nothing with tables.
    let rights = ask("SELECT DISTINCT privilege_type FROM information_schema.role_table_grants
        WHERE grantee = 'caveat_host' AND table_name <> 'migration' ORDER BY 1");
    assert_eq!(rights, ["DELETE", "INSERT", "SELECT", "UPDATE"]);
    let rights = ask("SELECT privilege_type FROM information_schema.role_table_grants
        WHERE grantee = 'caveat_host' AND table_name = 'migration'");
    assert_eq!(rights, ["SELECT"]);
}

/// Through a pooler that gives each transaction another connection, what was set for one client would hold for another.
#[tokio::test(flavor = "multi_thread")]
async fn no_host_starts_behind_a_pooler_that_mixes_sessions() {
    let Some(server) = Postgres::start().unwrap() else { return };
    for (mode, does) in [("transaction", false), ("statement", false), ("session", true)] {
        let Some(pooler) = Pooler::start(&server, mode).unwrap() else { return };
        let config = format!("database = \"{}\"\n{CONFIG}", Postgres::url_at(pooler.port));
        let mut host = Host::prepare(&config).unwrap();
        let migrated = server.migrate(&host);
        if does {
            migrated.unwrap();
            let token = host.token("acme").unwrap();
            host.start().unwrap();
            let mut script = call("CA-pooled");
            script.sound(CUSTOMER, &noise(2_000, 1));
            script.play(&host.url, &token).await.unwrap();
            assert_eq!(host.stop().unwrap(), 0, "{mode}");
            continue;
        }
        // The tables are made all the same.
        for said in [migrated.unwrap_err(), host.start().unwrap_err()] {
            assert!(said.to_string().contains("pool_mode = session"), "{mode}: {said}");
        }
        let (_, said) = host.outcome(&["doctor"]).unwrap();
        assert!(said.contains("set `pool_mode = session` in the pooler"), "{mode}: {said}");
    }
}
