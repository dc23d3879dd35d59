//! `pack.toml`: what a pack is, what it is asked, what stands in for it when it fails, and the words it uses.

use std::{collections::BTreeSet, path::Path};

use caveat_engine::Needs;
use caveat_model::{Outcome, Stage};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{PackError, Problem, active::FAILURE_RULE, document, properties::Worse};

/// The manifest's file name in a pack's folder.
pub const MANIFEST_FILE: &str = "pack.toml";

/// Versions of `caveat:policy` that this host serves.
pub const SUPPORTED_CONTRACTS: [Version; 1] = [Version::new(0, 1, 0)];

/// Interfaces of the contract that a pack may import.
const IMPORTS: [&str; 1] = ["log"];

/// Everything in `pack.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// `[pack]`
    pub pack: About,
    /// `[on-failure]`
    #[serde(default)]
    pub on_failure: OnFailure,
    /// `[needs]`: what the host's defaults do not give.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
    /// `[[rule]]`
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// `[[fact]]`
    #[serde(default, rename = "fact", skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<FactNeed>,
    /// `[[action]]`
    #[serde(default, rename = "action", skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// `[[not-monotone]]`
    #[serde(default, rename = "not-monotone", skip_serializing_if = "Vec::is_empty")]
    pub not_monotone: Vec<NotMonotone>,
}

/// What the pack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct About {
    /// Lower-case letters, digits, hyphens; at most 40 characters.
    pub name: String,
    /// Semantic version of the rules.
    pub version: Version,
    /// Version of `caveat:policy` it was written for.
    pub contract: Version,
    /// For lists.
    pub title: String,
    /// A sentence or two for whoever has to decide about it.
    #[serde(default)]
    pub summary: String,
    /// Other names it answers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it is asked about; exactly what its component exports.
    pub stages: Vec<Stage>,
    /// JSON Schema of its settings, a path inside the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Interfaces of the contract that it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub license: String,
}

/// The declared safe outcome of each stage, in the contract's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OnFailure {
    /// `suspend` or `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// `ask` or `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// `step-up` or `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// How sure its author is of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Settled.
    High,
    /// Counsel should confirm.
    Medium,
    /// A cautious reading.
    Low,
}

/// One rule; every ruling names the rules that had a say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Dotted kebab-case, unique in the pack.
    pub id: String,
    /// For lists.
    #[serde(default)]
    pub title: String,
    /// Statute, section, requirement.
    pub citation: String,
    /// What it asks for.
    #[serde(default)]
    pub summary: String,
    /// How sure its author is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
}

/// Which kind of value an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactType {
    /// Yes or no.
    Flag,
    /// A whole number.
    Whole,
    /// Words.
    Text,
    /// A time.
    When,
}

/// An attribute that the pack reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FactNeed {
    /// Dotted kebab-case.
    pub name: String,
    /// Its kind of value.
    #[serde(rename = "type")]
    pub kind: FactType,
    /// What it means.
    #[serde(default)]
    pub summary: String,
}

/// A word used in remedies and tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Action {
    /// Kebab-case.
    pub name: String,
    /// What somebody has to do.
    #[serde(default)]
    pub summary: String,
}

/// A way of making facts worse by which the pack may get laxer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotMonotone {
    /// Which.
    pub change: Worse,
    /// The law's reason.
    pub reason: String,
}

impl OnFailure {
    fn word(&self, stage: Stage) -> Option<&str> {
        match stage {
            Stage::Capture => self.capture.as_deref(),
            Stage::Storage => self.storage.as_deref(),
            Stage::Access => self.access.as_deref(),
        }
    }
}

impl Manifest {
    /// Reads and checks `pack.toml` in a pack's folder.
    ///
    /// # Errors
    /// [`PackError::Document`] with the line and key of everything that is wrong.
    pub fn open(dir: &Path) -> Result<Self, PackError> {
        let path = dir.join(MANIFEST_FILE);
        let text = document::read(&path)?;
        Self::parse(&path, &text)
    }

    /// Of every rule that it declares.
    pub(crate) fn rule_ids(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.id.as_str()).collect()
    }

    /// Checks the text of a `pack.toml`; `path` is for messages.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, PackError> {
        let manifest: Self = document::parse(path, text)?;
        let mut problems = manifest.problems();
        for problem in &mut problems {
            problem.line = document::line_of(text, &problem.at);
        }
        if problems.is_empty() {
            return Ok(manifest);
        }
        Err(PackError::Document { path: path.to_owned(), problems })
    }

    /// The outcome that stands in for the pack when it fails. A stage without a declared one is refused.
    pub fn safe_outcome(&self, stage: Stage) -> Outcome {
        let word = self.on_failure.word(stage);
        if word == Some(Outcome::Restrain.word(stage)) { Outcome::Restrain } else { Outcome::Refuse }
    }

    /// What its built file is called: `NAME-VERSION.wasm`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.wasm", self.pack.name, self.pack.version)
    }

    /// Whether the pack goes by this name.
    pub fn answers_to(&self, name: &str) -> bool {
        self.pack.name == name || self.pack.aliases.iter().any(|a| a == name)
    }

    /// All that no type can rule out.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut found = Findings(Vec::new());
        self.check_pack(&mut found);
        self.check_failure(&mut found);
        self.check_words(&mut found);
        for (key, why) in self.needs.problems() {
            found.add(format!("needs.{key}"), why);
        }
        found.0
    }

    fn check_pack(&self, found: &mut Findings) {
        let about = &self.pack;
        for (at, name) in std::iter::once(("pack.name".to_owned(), &about.name))
            .chain(about.aliases.iter().enumerate().map(|(n, a)| (format!("pack.aliases.{n}"), a)))
        {
            if !is_name(name) {
                found.add(
                    at,
                    format!("`{name}` is no name: 1 to 40 lower-case letters, digits and hyphens are wanted"),
                );
            }
        }
        if !SUPPORTED_CONTRACTS.contains(&about.contract) {
            let served = SUPPORTED_CONTRACTS.map(|v| v.to_string()).join(", ");
            let message = format!(
                "this host serves caveat:policy {served}, not {}: build the pack against one of those, or use a newer host",
                about.contract
            );
            found.add("pack.contract", message);
        }
        if about.stages.is_empty() {
            found.add("pack.stages", "a pack is asked about at least one of `capture`, `storage`, `access`");
        }
        let mut seen = BTreeSet::new();
        for (n, stage) in about.stages.iter().enumerate() {
            if !seen.insert(stage) {
                found.add(format!("pack.stages.{n}"), format!("`{stage}` is named twice"));
            }
        }
        for (n, import) in about.imports.iter().enumerate() {
            if !IMPORTS.contains(&import.as_str()) {
                let hint = document::did_you_mean(import, IMPORTS);
                found.add(
                    format!("pack.imports.{n}"),
                    format!("the contract has no interface `{import}` to import{hint}"),
                );
            }
        }
        if about
            .settings
            .as_deref()
            .is_some_and(|s| s.starts_with('/') || s.split('/').any(|part| part == ".."))
        {
            found.add("pack.settings", "the schema has to lie inside the pack's folder");
        }
    }

    fn check_failure(&self, found: &mut Findings) {
        for stage in Stage::ALL {
            let at = format!("on-failure.{stage}");
            let restrain = Outcome::Restrain.word(stage);
            match (self.pack.stages.contains(&stage), self.on_failure.word(stage)) {
                (true, None) => found.add(
                    at,
                    format!("missing: what stands in for the pack when it fails, `{restrain}` or `refuse`"),
                ),
                (false, Some(_)) => found.add(at, format!("`{stage}` is not among the stages of this pack")),
                (true, Some("allow")) => found.add(
                    at,
                    format!("`allow` would let through what nobody has ruled on: `{restrain}` or `refuse` is wanted"),
                ),
                (true, Some(word)) if word != restrain && word != "refuse" => {
                    let hint = document::did_you_mean(word, [restrain, "refuse"]);
                    found.add(at, format!("`{word}` is no answer: `{restrain}` or `refuse` is wanted{hint}"));
                }
                _ => {}
            }
        }
    }

    fn check_words(&self, found: &mut Findings) {
        if self.rules.is_empty() {
            found.add("rule", "a pack without a `[[rule]]` cannot say why");
        }
        unique(found, "rule", "id", self.rules.iter().map(|r| r.id.as_str()));
        unique(found, "fact", "name", self.facts.iter().map(|f| f.name.as_str()));
        unique(found, "action", "name", self.actions.iter().map(|a| a.name.as_str()));
        for (n, exception) in self.not_monotone.iter().enumerate() {
            if exception.reason.trim().is_empty() {
                found.add(format!("not-monotone.{n}.reason"), "missing: why may the pack get laxer by it?");
            }
        }
        for (n, rule) in self.rules.iter().enumerate() {
            if rule.citation.trim().is_empty() {
                found.add(format!("rule.{n}.citation"), format!("rule `{}` cites nothing", rule.id));
            }
            if rule.id == FAILURE_RULE {
                found.add(
                    format!("rule.{n}.id"),
                    format!("`{FAILURE_RULE}` is the host's own: choose another id"),
                );
            }
        }
    }
}

/// Collects problems; lines are filled in by whoever has the text.
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::new(at, message));
    }
}

fn unique<'a>(found: &mut Findings, table: &str, key: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for (n, name) in names.enumerate() {
        let at = format!("{table}.{n}.{key}");
        if !name.split('.').all(is_kebab) {
            found.add(
                at,
                format!("`{name}` is no {key}: lower-case letters, digits, hyphens and dots are wanted"),
            );
        } else if !seen.insert(name) {
            found.add(at, format!("`{name}` is declared twice"));
        }
    }
}

/// Whether a pack may be called this.
pub(crate) fn is_name(name: &str) -> bool {
    is_kebab(name) && name.len() <= 40
}

fn is_kebab(word: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !word.is_empty() && word.bytes().all(inside) && !word.starts_with('-') && !word.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const GOOD: &str = r#"[pack]
name = "house-standard"
version = "1.2.0"
contract = "0.1.0"
title = "House standard"
aliases = ["house"]
stages = ["capture"]

[on-failure]
capture = "suspend"

[[rule]]
id = "house.disclosure"
citation = "Manual 3.1"
"#;

    #[test]
    fn a_manifest_says_what_it_says() {
        let manifest = Manifest::parse(Path::new("pack.toml"), GOOD).unwrap();
        assert_eq!(manifest.safe_outcome(Stage::Capture), Outcome::Restrain);
        assert_eq!(manifest.safe_outcome(Stage::Access), Outcome::Refuse);
        assert!(manifest.answers_to("house") && manifest.answers_to("house-standard"));
    }

    #[test]
    fn every_mistake_has_its_line_and_the_right_word() {
        let check = |from: &str, to: &str, wanted: &str| {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replacen(from, to, 1);
            let error = Manifest::parse(Path::new("pack.toml"), &text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{to}:\n{error}\n(wanted: {wanted})");
        };
        check("aliases", "alias", "line 6: `alias`");
        check("aliases", "alias", "did you mean `aliases`?");
        check("[\"capture\"]", "[\"captrue\"]", "did you mean `capture`?");
        check("\"1.2.0\"", "\"1.2\"", "line 3");
        check("\"0.1.0\"", "\"0.9.0\"", "line 4: `pack.contract`: this host serves caveat:policy 0.1.0");
        check("\"suspend\"", "\"allow\"", "line 10: `on-failure.capture`: `allow` would let through");
        check("\"suspend\"", "\"ask\"", "line 10: `on-failure.capture`: `ask` is no answer");
        check("capture = \"suspend\"", "", "`on-failure.capture`: missing");
        check("[[rule]]", "access = \"refuse\"\n[[rule]]", "`access` is not among the stages");
        check("house.disclosure", "House Disclosure", "line 13: `rule.0.id`");
        check("house.disclosure", "pack.failure", "is the host's own");
        check("Manual 3.1", " ", "line 14: `rule.0.citation`");
        check("\"house\"", "\"../etc\"", "line 6: `pack.aliases.0`");
        check("stages", "imports = [\"logs\"]\nstages", "did you mean `log`?");
        check("[[rule]]", "[needs]\nmemory-byte = 1\n[[rule]]", "did you mean `memory-bytes`?");
        check(
            "[[rule]]",
            "[needs]\nmemory-bytes = 1000\n[[rule]]",
            "line 13: `needs.memory-bytes`: less than one page",
        );
        check("[[rule]]", "[needs]\nfuel-per-ruling = 0\n[[rule]]", "`needs.fuel-per-ruling`: zero");
        check("stages", "settings = \"../x.json\"\nstages", "inside the pack's folder");
    }
}
