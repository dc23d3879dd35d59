//! No statement goes through all that a client has for a few rows of it: every one in the sources is put to SQLite, which says
//! how it would look for what is asked.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use caveat_tests::host::Host;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};

const CONFIG: &str = r#"
[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Tables with rows for each call, recording, entry or access. Others have few.
const GROW: [&str; 18] = [
    "alert",
    "answer",
    "bound",
    "call_place",
    "captured_call",
    "expected_call",
    "late",
    "ledger_detail",
    "ledger_place",
    "recording",
    "retention_held",
    "retention_kept",
    "retention_mark",
    "retention_receipt",
    "retention_review",
    "retention_schedule",
    "vault_escrow",
    "vault_recording",
];

/// What may, and why.
const MAY: [(&str, &str); 2] = [
    ("SELECT DISTINCT client, recording FROM late", "has only what is yet to be removed"),
    ("COALESCE((SELECT MAX(id) FROM", "SQLite takes the last of the index"),
];

/// The statements of a source file that are written out whole, each on one line. Tests are left out.
fn statements(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found = vec![];
    for (at, _) in source.match_indices('"') {
        let text = &source[at + 1..];
        if !["SELECT ", "UPDATE ", "DELETE ", "INSERT "].iter().any(|verb| text.starts_with(verb)) {
            continue;
        }
        let text = text.split('"').next().unwrap_or_default().replace('\\', " ");
        found.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    found
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, into),
            false if path.extension().is_some_and(|end| end == "rs") => into.push(path),
            false => {}
        }
    }
}

/// The table that a plan goes through, where it stands for itself or for a name that the statement gives it.
fn table<'a>(statement: &'a str, name: &'a str) -> &'a str {
    let words: Vec<&str> = statement.split([' ', ',', '(', ')']).collect();
    words.windows(2).find(|pair| pair[1] == name && GROW.contains(&pair[0])).map_or(name, |pair| pair[0])
}

/// Steps of a plan that go through a whole table, or through all of a client's rows in it.
fn goes_through_all(statement: &str, plan: &[String]) -> Option<String> {
    let sorted = plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY");
    if statement.contains(" LIMIT ") && !sorted {
        return None;
    }
    let all = plan.iter().find(|step| {
        let mut words = step.split(' ');
        let (verb, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let whole = verb == "SCAN" || verb == "SEARCH" && step.ends_with("(client=?)");
        whole && GROW.contains(&table(statement, name))
    });
    all.cloned()
}

async fn plan(database: &mut SqliteConnection, statement: &str) -> Result<Vec<String>, sqlx::Error> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(database).await?;
    Ok(steps.into_iter().map(|(.., step)| step).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_goes_through_all_that_a_client_has() {
    let mut host = Host::prepare(CONFIG).unwrap();
    host.start().unwrap();
    assert_eq!(host.stop().unwrap(), 0);
    let file = host.written().unwrap().into_iter().map(|(file, _)| file).find(|f| f.ends_with("state.db"));
    let mut database = SqliteConnectOptions::new().filename(file.unwrap()).connect().await.unwrap();

    let mut files = vec![];
    for room in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../host")).unwrap() {
        let folder = room.unwrap().path().join("src");
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
    }
    let (mut asked, mut of_growing, mut wrong) = (0, BTreeSet::<&str>::new(), vec![]);
    for file in files {
        for statement in statements(&fs::read_to_string(&file).unwrap()) {
            // What is put together as the host runs, or is PostgreSQL's alone, SQLite does not take.
            let Ok(plan) = plan(&mut database, &statement).await else { continue };
            asked += 1;
            of_growing.extend(GROW.iter().filter(|table| statement.contains(**table)));
            let known = MAY.iter().any(|(part, _)| statement.contains(part));
            if let (Some(step), false) = (goes_through_all(&statement, &plan), known) {
                wrong.push(format!("{}: {step}\n  {statement}", file.display()));
            }
        }
    }
    println!("{asked} statements");
    assert!(asked > 150, "{asked} were found");
    assert_eq!(of_growing.len(), GROW.len(), "some tables are looked into by no statement: {of_growing:?}");
    assert!(wrong.is_empty(), "an index is wanted, or a LIMIT in its order:\n{}", wrong.join("\n"));
}

#[test]
fn a_plan_that_goes_through_all_is_found() {
    let plan = |step: &str| [step.to_owned()];
    let by_client = "SEARCH retention_kept USING INDEX x (client=?)";
    assert!(goes_through_all("SELECT a FROM retention_kept WHERE client = $1", &plan(by_client)).is_some());
    assert!(goes_through_all("SELECT k.a FROM retention_kept k", &plan("SCAN k")).is_some());
    assert!(goes_through_all("SELECT a FROM lease", &plan("SCAN lease")).is_none());
    let paged = "SELECT a FROM retention_kept WHERE client = $1 ORDER BY id LIMIT $2";
    assert!(goes_through_all(paged, &plan(by_client)).is_none());
    let sorted = [by_client.to_owned(), "USE TEMP B-TREE FOR ORDER BY".to_owned()];
    assert!(goes_through_all(paged, &sorted).is_some());
}
