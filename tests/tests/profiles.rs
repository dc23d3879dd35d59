//! The client profiles of `examples/`: each loads as it stands, and its packs, together and with its settings, answer the
//! cases beside it. A case names what the verdict has to ask for, at least, and which demands it finds at odds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use caveat_engine::{Engine, Limits};
use caveat_model::Verdict;
use caveat_packs::{LoadedPack, PackFile, decide, load, settings_from_toml};
use caveat_tests::host::{packs, program};
use serde::Deserialize;
use serde_json::{Value, json};

const PROFILES: [&str; 7] =
    ["bank", "broker-dealer", "clinic", "collections-agency", "emergency-line", "insurer", "investment-firm"];

/// Its only client.
#[derive(Deserialize)]
struct Profile {
    client: [Client; 1],
}

/// What packs are told of every call of it, and which packs.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Client {
    recorder_region: String,
    purposes: Vec<String>,
    can_pause: bool,
    pack: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    file: PathBuf,
    #[serde(default)]
    settings: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "capture")]
    stage: String,
    facts: toml::Table,
    event: toml::Value,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    outcome: String,
    /// All of these, by code; others may be asked for too.
    #[serde(default)]
    obligations: Vec<String>,
    /// None of these.
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    remedies: Vec<String>,
    /// Just these.
    conflicts: Option<Vec<String>>,
}

fn capture() -> String {
    "capture".to_owned()
}

fn folder(profile: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(profile)
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    toml::from_str(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn each_loads_as_it_stands() {
    packs().unwrap();
    for profile in PROFILES {
        let check = Command::new(program().unwrap())
            .args(["--log", "error", "check", "--config"])
            .arg(folder(profile).join("caveat.toml"))
            .output()
            .unwrap();
        assert!(check.status.success(), "{profile}: {}", String::from_utf8_lossy(&check.stderr));
    }
}

#[test]
fn its_packs_together_answer_its_cases() {
    let engine = Engine::new(Limits::default(), None).unwrap();
    let mut wrong = Vec::new();
    for profile in PROFILES {
        let dir = folder(profile);
        let Profile { client: [client] } = read(&dir.join("caveat.toml"));
        let packs = client.packs(&engine, &dir);
        let Cases { case } = read(&dir.join("cases.toml"));
        assert!(case.len() >= 5, "{profile} has only {} cases", case.len());
        for case in case {
            let text =
                json!({ "event": { &case.stage: plain(&case.event) }, "facts": client.facts(&case.facts) });
            let (verdict, traces) = decide(&engine, &packs, &case.name, &text.to_string()).unwrap();
            assert!(traces.is_empty(), "{profile}: {}: a pack broke off", case.name);
            let problems = case.expect.problems(&verdict);
            wrong.extend(problems.into_iter().map(|p| format!("{profile}: {}: {p}", case.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Client {
    fn packs(&self, engine: &Engine, dir: &Path) -> Vec<Arc<LoadedPack>> {
        let one = |choice: &Choice| {
            let file = PackFile::open(&dir.join(&choice.file)).unwrap();
            Arc::new(load(engine, &file, &settings_from_toml(choice.settings.clone())).unwrap())
        };
        self.pack.iter().map(one).collect()
    }

    /// With what the configuration tells. A call of a case begins now, unless it says when.
    fn facts(&self, given: &toml::Table) -> Value {
        let mut facts = plain(&toml::Value::Table(given.clone()));
        let now = facts["now"].clone();
        let told = [
            ("began", now),
            ("recorder-region", json!(self.recorder_region)),
            ("purposes", json!(self.purposes)),
            ("traits", json!({})),
        ];
        for (name, value) in told {
            facts.as_object_mut().unwrap().entry(name).or_insert(value);
        }
        facts["traits"]["can-pause"] = json!(self.can_pause);
        facts
    }
}

/// As JSON, dates as text.
fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::Datetime(at) => json!(at.to_string()),
        toml::Value::Array(all) => all.iter().map(plain).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(n) => json!(n),
        toml::Value::Float(n) => json!(n),
        toml::Value::Boolean(yes) => json!(yes),
    }
}

impl Expect {
    fn problems(&self, verdict: &Verdict) -> Vec<String> {
        let outcome = verdict.outcome.word(verdict.stage);
        let asked: BTreeSet<String> = verdict.obligations().map(|(_, o)| o.duty.code()).collect();
        let remedies: BTreeSet<String> = verdict.remedies().map(|r| r.action.clone()).collect();
        let conflicts: BTreeSet<String> = verdict
            .conflicts
            .iter()
            .map(|c| serde_json::to_value(c.kind).unwrap().as_str().unwrap().to_owned())
            .collect();
        let mut problems = Vec::new();
        if outcome != self.outcome {
            let rules: Vec<_> = verdict.reasons().map(|(_, reason)| &reason.rule).collect();
            problems.push(format!("`{outcome}` and not `{}`, by {rules:?}", self.outcome));
        }
        let missing = |wanted: &[String], got: &BTreeSet<String>| -> Vec<String> {
            wanted.iter().filter(|w| !got.contains(*w)).cloned().collect()
        };
        for (what, wanted, got) in
            [("obligations", &self.obligations, &asked), ("remedies", &self.remedies, &remedies)]
        {
            let missing = missing(wanted, got);
            if !missing.is_empty() {
                problems.push(format!("{what} {missing:?} are missing among {got:?}"));
            }
        }
        let unwanted: Vec<_> = self.without.iter().filter(|w| asked.contains(*w)).collect();
        if !unwanted.is_empty() {
            problems.push(format!("{unwanted:?} should not be asked for"));
        }
        let wanted = self.conflicts.as_ref().map(|all| all.iter().cloned().collect::<BTreeSet<_>>());
        if wanted.is_some_and(|wanted| wanted != conflicts) {
            problems.push(format!("conflicts {conflicts:?} and not {:?}", self.conflicts));
        }
        problems
    }
}
