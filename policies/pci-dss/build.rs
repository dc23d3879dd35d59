//! Turns `pack.toml` and `data/` into constants and static tables, so that the guest carries no parser and the code
//! cannot cite a rule that the manifest does not declare. Whatever is wrong with a row stops the build here.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};

fn main() {
    println!("cargo::rerun-if-changed=pack.toml");
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=build.rs");
    write("rules.rs", &rules(read("pack.toml")));
    pack_law::build::unsure();
    let mut tables = String::new();
    limits(read("data/limits.toml"), &mut tables);
    roles(read("data/roles.toml"), &mut tables);
    words(read("data/words.toml"), &mut tables);
    write("tables.rs", &tables);
}

fn fail(what: &str) -> ! {
    println!("cargo::error={what}");
    std::process::exit(1)
}

fn read<T: DeserializeOwned>(path: &str) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|e| fail(&format!("{path}: {e}")));
    toml::from_str(&text).unwrap_or_else(|e| fail(&format!("{path}: {e}")))
}

fn write(name: &str, text: &str) {
    let dir = env::var("OUT_DIR").unwrap_or_else(|_| fail("cargo sets OUT_DIR"));
    fs::write(Path::new(&dir).join(name), text).unwrap_or_else(|e| fail(&e.to_string()));
}

#[derive(Deserialize)]
struct Manifest {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    title: String,
    citation: String,
    confidence: String,
}

fn rules(manifest: Manifest) -> String {
    let mut out = String::new();
    let mut seen = BTreeSet::new();
    for Rule { id, title, citation, confidence } in manifest.rule {
        check_confidence(&id, &confidence);
        let Some(name) = id.strip_prefix("pci.") else {
            fail(&format!("rule `{id}` does not begin with `pci.`"))
        };
        if !seen.insert(id.clone()) {
            fail(&format!("rule `{id}` is declared twice"));
        }
        line(
            &mut out,
            &format!(
                "/// {title}.\npub(crate) const {}: Rule = Rule {{ id: {id:?}, citation: {citation:?} }};",
                constant(name)
            ),
        );
    }
    out
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    limit: Vec<Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    name: String,
    value: u16,
    citation: String,
    source: String,
    confidence: String,
    checked: Option<String>,
}

fn limits(data: Limits, out: &mut String) {
    for Limit { name, value, citation, source, confidence, checked } in data.limit {
        let dated = |text: &str| {
            text.split_once(": ").is_some_and(|(day, against)| day.len() == 10 && !against.is_empty())
        };
        if checked.is_some_and(|text| !dated(&text)) {
            fail(&format!("{name}: checked is written as `2026-11-28: against which text`"));
        }
        check_confidence(&name, &confidence);
        if !["V", "V2", "K"].contains(&source.as_str()) {
            fail(&format!("{name}: source `{source}` is neither V, V2 nor K"));
        }
        line(out, &format!("/// {citation}.\npub(crate) const {}: u16 = {value};", constant(&name)));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roles {
    citation: String,
    confidence: String,
    roles: BTreeMap<String, String>,
    jobs: BTreeMap<String, Vec<String>>,
}

fn roles(data: Roles, out: &mut String) {
    check_confidence(&data.citation, &data.confidence);
    let mut arms = String::new();
    for (role, gets) in &data.roles {
        if !["masked", "nothing"].contains(&gets.as_str()) {
            fail(&format!("roles.toml: {role} gets `{gets}`, neither masked nor nothing"));
        }
        line(&mut arms, &format!("Role::{} => Gets::{},", pascal(role), pascal(gets)));
    }
    // A role that is missing leaves the match incomplete, and the build stops there.
    line(
        out,
        &format!(
            "/// {}.\npub(crate) const fn gets(role: Role) -> Gets {{ match role {{\n{arms}}} }}",
            data.citation
        ),
    );
    for (name, words) in data.jobs {
        list(&format!("jobs-{name}"), &data.citation, words, out);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    citation: String,
    words: Vec<String>,
}

fn words(data: BTreeMap<String, Words>, out: &mut String) {
    for (name, Words { citation, words }) in data {
        list(&name, &citation, words, out);
    }
}

fn list(name: &str, citation: &str, words: Vec<String>, out: &mut String) {
    let (count, words) = (words.len(), words.into_iter().collect::<BTreeSet<_>>());
    if words.len() != count || words.iter().any(|w| *w != w.to_lowercase()) {
        fail(&format!("{name}: a word is listed twice or is not in lower case"));
    }
    let words: Vec<_> = words.into_iter().collect();
    line(out, &format!("/// {citation}.\npub(crate) static {}: &[&str] = &{words:?};", constant(name)));
}

fn check_confidence(row: &str, word: &str) {
    if !["high", "medium", "low"].contains(&word) {
        fail(&format!("{row}: confidence `{word}` is neither high, medium nor low"));
    }
}

fn constant(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

fn pascal(word: &str) -> String {
    word.split('-').map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}");
}
