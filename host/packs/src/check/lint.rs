//! The lints: each with an id that stays, how grave it is, and what it asks for.

use serde::Serialize;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; never fails a check.
    Note,
    /// Fails a check with `--deny-warnings`.
    Warning,
    /// Fails a check.
    Error,
}

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lint {
    /// Kebab-case; stays the same from version to version.
    pub id: &'static str,
    /// Of its findings.
    pub severity: Severity,
    /// What it asks for.
    pub about: &'static str,
}

const fn error(id: &'static str, about: &'static str) -> Lint {
    Lint { id, severity: Severity::Error, about }
}

const fn warning(id: &'static str, about: &'static str) -> Lint {
    Lint { id, severity: Severity::Warning, about }
}

pub(super) const MANIFEST: Lint = error("manifest", "pack.toml can be read, and says what it has to");
pub(super) const CONTRACT: Lint = error("contract", "the pack keeps a contract that this host serves");
pub(super) const COMPONENT: Lint =
    error("component", "what was built is a pack that loads with its default settings");
pub(super) const STALE: Lint =
    error("stale", "the built pack has the manifest, schema and cases of its folder");
pub(super) const SIZE: Lint =
    warning("size", "the component is no larger than 1 MiB in Rust, 32 MiB in Python or JavaScript");
pub(super) const SIZE_LIMIT: Lint =
    error("size-limit", "the component is no larger than hosts take by default (64 MiB)");
pub(super) const STAGE_EXPORTS: Lint =
    error("stage-exports", "the component exports the stages that pack.toml names, no others");
pub(super) const IMPORT_UNDECLARED: Lint =
    error("import-undeclared", "the component imports nothing that `imports` does not name");
pub(super) const IMPORT_UNUSED: Lint = warning("import-unused", "what `imports` names is imported");
pub(super) const NEEDS_UNUSED: Lint =
    warning("needs-unused", "fuel that `[needs]` asks for is used in some case");
pub(super) const RELAXED_SIMD: Lint =
    error("relaxed-simd", "no instruction whose result the processor may choose");
pub(super) const THREADS: Lint = error("threads", "no shared memory, no atomic instruction");
pub(super) const FLOAT_NAN: Lint = Lint {
    id: "float-nan",
    severity: if caveat_engine::NAN_IS_CANONICAL { Severity::Note } else { Severity::Error },
    about: "floating point whose NaN has bits of the processor's choice; this engine gives every NaN the same bits",
};

pub(super) const RULE_CITATION: Lint = error("rule-citation", "every rule cites something");
pub(super) const RULE_TITLE: Lint = error("rule-title", "every rule has a title");
pub(super) const RULE_SUMMARY: Lint = error("rule-summary", "every rule has a summary");
pub(super) const RULE_CONFIDENCE: Lint = warning(
    "rule-confidence",
    "a rule says how sure its author is, where it cites law or where other rules of the pack say so",
);
pub(super) const RULE_UNDECLARED: Lint =
    error("rule-undeclared", "every rule that a ruling names in a case is declared");
pub(super) const RULE_LITERAL: Lint =
    warning("rule-literal", "no text in the sources or the component looks like a rule that is not declared");
pub(super) const RULE_CASE_FOR: Lint =
    error("rule-case-for", "every rule has a case that names it, in which it has a say");
pub(super) const RULE_CASE_AGAINST: Lint = error(
    "rule-case-against",
    "every rule has a case that names it, in which it could have had a say and has none",
);

pub(super) const NO_CASES: Lint = error("no-cases", "cases/ holds a case");
pub(super) const CASE_FAILS: Lint = error("case-fails", "every case agrees with what the pack says");
pub(super) const CASE_EXPECTS_NOTHING: Lint = warning("case-expects-nothing", "every case expects something");
pub(super) const ACTION_UNDECLARED: Lint =
    error("action-undeclared", "every action of a remedy or task in a case is declared as `[[action]]`");
pub(super) const ACTION_UNUSED: Lint =
    warning("action-unused", "every `[[action]]` is said in a case, or stands in the sources");
pub(super) const FACT_UNDECLARED: Lint =
    warning("fact-undeclared", "every attribute that a case gives is declared as `[[fact]]`");
pub(super) const FACT_UNUSED: Lint =
    warning("fact-unused", "every `[[fact]]` is read somewhere in the sources");

pub(super) const README: Lint = error("readme", "README.md says what the pack is for");
pub(super) const PACK_SUMMARY: Lint = error("pack-summary", "pack.toml has a summary of the pack");
pub(super) const LICENSE: Lint = warning("license", "pack.toml names a license");
pub(super) const WORD_SUMMARY: Lint =
    warning("word-summary", "every `[[fact]]` and `[[action]]` has a summary");
pub(super) const SETTINGS_SCHEMA: Lint =
    error("settings-schema", "the schema of the settings is a valid JSON Schema");
pub(super) const SETTINGS_DEFAULT: Lint = error("settings-default", "the schema's own defaults satisfy it");
pub(super) const SETTINGS_DESCRIPTION: Lint =
    error("settings-description", "every setting has a description");
pub(super) const SETTINGS_OPEN: Lint =
    warning("settings-open", "`additionalProperties` is false: a misspelt setting is refused");
pub(super) const SETTING_UNUSED: Lint =
    warning("setting-unused", "every setting is read somewhere in the sources");
pub(super) const DATA_UNUSED: Lint = warning("data-unused", "every file in data/ is named in the sources");
pub(super) const DATA_KEY_UNUSED: Lint =
    warning("data-key-unused", "every key in data/*.toml is read somewhere in the sources");

impl Lint {
    /// All of them, by what they look at.
    pub const ALL: [Self; 39] = [
        MANIFEST,
        CONTRACT,
        COMPONENT,
        STALE,
        SIZE,
        SIZE_LIMIT,
        STAGE_EXPORTS,
        IMPORT_UNDECLARED,
        IMPORT_UNUSED,
        NEEDS_UNUSED,
        RELAXED_SIMD,
        THREADS,
        FLOAT_NAN,
        RULE_CITATION,
        RULE_TITLE,
        RULE_SUMMARY,
        RULE_CONFIDENCE,
        RULE_UNDECLARED,
        RULE_LITERAL,
        RULE_CASE_FOR,
        RULE_CASE_AGAINST,
        NO_CASES,
        CASE_FAILS,
        CASE_EXPECTS_NOTHING,
        ACTION_UNDECLARED,
        ACTION_UNUSED,
        FACT_UNDECLARED,
        FACT_UNUSED,
        README,
        PACK_SUMMARY,
        LICENSE,
        WORD_SUMMARY,
        SETTINGS_SCHEMA,
        SETTINGS_DEFAULT,
        SETTINGS_DESCRIPTION,
        SETTINGS_OPEN,
        SETTING_UNUSED,
        DATA_UNUSED,
        DATA_KEY_UNUSED,
    ];
}
