//! What `pack.toml` says, and what lies beside it.

use super::{
    folder::Folder,
    lint::{
        LICENSE, NO_CASES, PACK_SUMMARY, README, RULE_CONFIDENCE, RULE_SUMMARY, RULE_TITLE, WORD_SUMMARY,
    },
    report::{Found, Place},
};
use crate::{MANIFEST_FILE, Rule};

/// What tells that a citation is of law, and not of a house's own manual.
const OF_LAW: [&str; 15] = [
    "U.S.C.",
    "CFR",
    "FR ",
    "Stat.",
    "Code",
    "§",
    " v. ",
    "Rev. ",
    "ILCS",
    "Directive",
    "Regulation",
    " Act ",
    "GDPR",
    "Laws",
    "PCI DSS",
];

pub(super) fn check(folder: &Folder, found: &mut Found) {
    let manifest = &folder.manifest;
    let at = |path: &str| Place::of(MANIFEST_FILE, folder.line(path));
    if manifest.pack.summary.trim().is_empty() {
        let mend =
            "add `summary = \"...\"` under [pack]: a sentence or two for whoever has to decide about it";
        found.add(PACK_SUMMARY, at("pack"), "the pack has no summary", mend);
    }
    if manifest.pack.license.trim().is_empty() {
        let mend = "add `license = \"...\"` under [pack], an SPDX expression such as \"Apache-2.0\"";
        found.add(LICENSE, at("pack"), "nobody can tell under which license the pack is", mend);
    }
    let some_say_how_sure = manifest.rules.iter().any(|r| r.confidence.is_some());
    for (n, rule) in manifest.rules.iter().enumerate() {
        check_rule(rule, some_say_how_sure, &at(&format!("rule.{n}.id")), found);
    }
    let facts = manifest.facts.iter().enumerate().map(|(n, f)| ("fact", n, &f.name, &f.summary));
    let actions = manifest.actions.iter().enumerate().map(|(n, a)| ("action", n, &a.name, &a.summary));
    for (table, n, name, summary) in facts.chain(actions) {
        if summary.trim().is_empty() {
            let mend = format!("add `summary` to this [[{table}]]");
            let message = format!("nobody can tell what the {table} `{name}` means");
            found.add(WORD_SUMMARY, at(&format!("{table}.{n}.name")), message, mend);
        }
    }
    if folder.readme.as_deref().is_none_or(|text| text.trim().is_empty()) {
        let mend = "write README.md: what the pack is for, what it does not cover, what a client can set";
        found.add(README, Place::of("README.md", None), "the pack has no README.md", mend);
    }
    if folder.cases.is_empty() {
        let mend =
            "write cases/*.toml: for every rule an event on which it speaks and one on which it does not";
        found.add(NO_CASES, Place::of("cases", None), "nothing shows what the pack says", mend);
    }
}

fn check_rule(rule: &Rule, some_say_how_sure: bool, place: &Place, found: &mut Found) {
    let Rule { id, title, summary, citation, confidence } = rule;
    if title.trim().is_empty() {
        let message = format!("rule `{id}` has no title");
        found.add(RULE_TITLE, place.clone(), message, "add `title`: a few words for lists");
    }
    if summary.trim().is_empty() {
        let message = format!("rule `{id}` has no summary");
        let mend = "add `summary`: what the rule asks for, in a sentence that counsel can confirm";
        found.add(RULE_SUMMARY, place.clone(), message, mend);
    }
    let of_law = OF_LAW.iter().any(|mark| citation.contains(mark));
    if confidence.is_none() && (of_law || some_say_how_sure) {
        let message = format!("nobody can tell how sure the author of rule `{id}` is");
        let mend = "add `confidence`: \"high\" (settled), \"medium\" (counsel should confirm) or \"low\" (a cautious reading)";
        found.add(RULE_CONFIDENCE, place.clone(), message, mend);
    }
}
