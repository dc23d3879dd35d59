//! Texts that look like rules of the pack and are not declared.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    folder::Folder,
    lint::RULE_LITERAL,
    report::{Found, Place},
};
use crate::Manifest;

/// What follows a stem and a dot in the name of a file.
const FILES: [&str; 9] = ["rs", "toml", "py", "js", "json", "md", "wasm", "wit", "html"];

/// Looks for `stem.word` in quotes in the sources, and bare in `literals`, the texts of a component. Stems are those of the
/// rules that are declared (`pci` of `pci.mask-pan`).
pub(super) fn check(folder: &Folder, literals: &str, found: &mut Found) {
    let known = Known::of(&folder.manifest);
    let mut seen = BTreeSet::new();
    for source in folder.sources.iter().chain(&folder.data) {
        for (n, line) in source.text.lines().enumerate() {
            for id in known.quoted(line) {
                if seen.insert(id.to_owned()) {
                    add(found, Place::of(&source.name, Some(n + 1)), id);
                }
            }
        }
    }
    for id in known.bare(literals) {
        if seen.insert(id.to_owned()) {
            add(found, Place::default(), id);
        }
    }
}

fn add(found: &mut Found, place: Place, id: &str) {
    let message = format!("`{id}` looks like a rule, and pack.toml does not declare it");
    let mend = "declare it as a [[rule]], or correct it: a ruling that names it would count as a failure of the pack";
    found.add(RULE_LITERAL, place, message, mend);
}

struct Known<'a> {
    /// Rules, facts and actions; by stem.
    words: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let stem = |id: &'a str| id.split_once('.').map(|(stem, _)| stem);
        let mut words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for rule in &manifest.rules {
            if let Some(stem) = stem(&rule.id) {
                words.entry(stem).or_default().insert(&rule.id);
            }
        }
        for fact in &manifest.facts {
            if let Some(of_stem) = stem(&fact.name).and_then(|stem| words.get_mut(stem)) {
                of_stem.insert(&fact.name);
            }
        }
        Self { words }
    }

    /// In quotes, and nothing else in them.
    fn quoted<'t>(&self, line: &'t str) -> Vec<&'t str> {
        let mut odd = Vec::new();
        for (stem, words) in &self.words {
            for (at, _) in line.match_indices(stem) {
                let run = run(&line[at..]);
                let quote = line[..at].chars().next_back().filter(|c| matches!(c, '"' | '\'' | '`'));
                let closed = quote.is_some() && line[at + run.len()..].chars().next() == quote;
                if closed && is_id(stem, run) && !words.contains(run) {
                    odd.push(run);
                }
            }
        }
        odd
    }

    /// One literal lies against the next in memory: a known word at the beginning of a run is that word.
    fn bare<'t>(&self, literals: &'t str) -> Vec<&'t str> {
        let mut odd = Vec::new();
        for (stem, words) in &self.words {
            for (at, _) in literals.match_indices(stem) {
                let run = run(&literals[at..]);
                let in_word = literals[..at].ends_with(['/', '.', '-', '_']);
                if in_word || !is_id(stem, run) {
                    continue;
                }
                // `pci.` may be a literal too, with a known word behind it.
                let behind = &run[stem.len() + 1..];
                if !words.iter().any(|word| run.starts_with(word) || behind.starts_with(word)) {
                    odd.push(run);
                }
            }
        }
        odd
    }
}

fn run(text: &str) -> &str {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let run = text.find(|c| !inside(c)).map_or(text, |end| &text[..end]);
    run.trim_end_matches(['.', '-'])
}

fn is_id(stem: &str, run: &str) -> bool {
    let Some(word) = run.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) else { return false };
    word.starts_with(|c: char| c.is_ascii_lowercase()) && !FILES.contains(&word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::*;

    const MANIFEST: &str = r#"[pack]
name = "house"
version = "1.0.0"
contract = "0.1.0"
title = "House"
stages = ["capture"]
[on-failure]
capture = "suspend"
[[rule]]
id = "house.disclosure"
citation = "1"
[[fact]]
name = "house.known-caller"
type = "flag"
"#;

    #[test]
    fn only_what_looks_like_a_rule_is_one() {
        let manifest = Manifest::parse(Path::new("pack.toml"), MANIFEST).unwrap();
        let known = Known::of(&manifest);
        let quoted = |line: &str, wanted: &[&str]| assert_eq!(known.quoted(line), wanted, "{line}");
        quoted(r#"Rule { id: "house.disclosure" }"#, &[]);
        quoted(r#"Rule { id: "house.disclosed" }"#, &["house.disclosed"]);
        quoted("id: 'house.greeting', 'house.known-caller'", &["house.greeting"]);
        quoted(r#"include!("house.rs"); "the house. It" "greenhouse.x""#, &[]);
        let bare = |text: &str, wanted: &[&str]| assert_eq!(known.bare(text), wanted, "{text}");
        bare("xhouse.disclosurehouse.known-callerManual 3", &[]);
        bare("house.greetingManual 3, src/house.rs", &["house.greeting"]);
        bare("house.house.disclosureManual 3", &[]);
    }
}
