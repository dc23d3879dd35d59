//! What a check found: for people, in the manner of compilers, and as data.

use std::fmt::Write as _;

use serde::Serialize;

use super::lint::{Lint, Severity};
use crate::report::Paint;

/// One thing that is wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Id of the lint.
    pub lint: &'static str,
    /// How grave.
    pub severity: Severity,
    /// File in the pack's folder; the built pack has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub mend: String,
}

/// All that a check found in one pack.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckReport {
    /// The pack's name, or its folder's where the manifest cannot be read.
    pub pack: String,
    /// The folder.
    pub dir: String,
    /// The gravest first, then by file and line.
    pub findings: Vec<Finding>,
    /// How many findings were silenced.
    pub allowed: usize,
}

/// Where something is wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) file: Option<String>,
    pub(super) line: Option<usize>,
}

impl Place {
    pub(super) fn of(file: impl Into<String>, line: Option<usize>) -> Self {
        Self { file: Some(file.into()), line }
    }
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) Vec<Finding>);

impl Found {
    pub(super) fn add(
        &mut self,
        lint: Lint,
        place: Place,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let Place { file, line } = place;
        let (message, mend) = (message.into(), mend.into());
        self.0.push(Finding { lint: lint.id, severity: lint.severity, file, line, message, mend });
    }

    pub(super) fn has(&self, lint: Lint) -> bool {
        self.0.iter().any(|finding| finding.lint == lint.id)
    }
}

impl CheckReport {
    pub(super) fn new(pack: String, dir: String, found: Found, allow: &[String]) -> Self {
        let all = found.0.len();
        let mut findings: Vec<Finding> =
            found.0.into_iter().filter(|f| !allow.iter().any(|id| id == f.lint)).collect();
        findings.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then_with(|| (&a.file, a.line, a.lint).cmp(&(&b.file, b.line, b.lint)))
        });
        let allowed = all - findings.len();
        Self { pack, dir, findings, allowed }
    }

    /// How many findings are this grave.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// Whether nothing is wrong; with `deny_warnings` a warning is.
    pub fn passed(&self, deny_warnings: bool) -> bool {
        self.count(Severity::Error) == 0 && !(deny_warnings && self.count(Severity::Warning) > 0)
    }

    /// For people: each finding, then the tally.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        for finding in &self.findings {
            finding.write(&self.dir, &mut out, paint);
        }
        let count = |severity, one: &str| match self.count(severity) {
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        let tally = [
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning"),
            count(Severity::Note, "note"),
        ];
        let allowed = if self.allowed > 0 { format!(", {} allowed", self.allowed) } else { String::new() };
        let _ = writeln!(out, "{}: {}{allowed}", paint.strong(&self.pack), tally.join(", "));
        out
    }
}

impl Finding {
    fn write(&self, dir: &str, out: &mut String, paint: Paint) {
        let head = match self.severity {
            Severity::Error => paint.bad(&format!("error[{}]", self.lint)),
            Severity::Warning => paint.warn(&format!("warning[{}]", self.lint)),
            Severity::Note => paint.faint(&format!("note[{}]", self.lint)),
        };
        let _ = writeln!(out, "{head}: {}", paint.strong(&self.message));
        if let Some(file) = &self.file {
            let line = self.line.map(|n| format!(":{n}")).unwrap_or_default();
            let _ = writeln!(out, "  {} {dir}/{file}{line}", paint.faint("-->"));
        }
        let _ = writeln!(out, "  {} {}\n", paint.faint("mend:"), self.mend);
    }
}
