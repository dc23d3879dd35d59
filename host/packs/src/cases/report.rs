//! How cases went: for people, and for machines that read JUnit.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use crate::{PackError, report::Paint};

/// How the cases of a pack went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// Which pack, or whose packs.
    pub pack: String,
    /// How many cases agreed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// How many a filter left out.
    pub left_out: usize,
    /// Each of them.
    pub cases: Vec<CaseResult>,
    /// Each declared rule; empty where the packs of a client were asked together.
    pub coverage: Vec<RuleCoverage>,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseResult {
    /// File name.
    pub file: String,
    /// Line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What it is called.
    pub name: String,
    /// How long its events took together, in microseconds.
    pub took_us: u64,
    /// What differed; empty when it passed.
    pub problems: Vec<Difference>,
    /// Where something differed: the reasons that the pack gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// One key of an expectation that was not met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Which of several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// A key of the expectation, or `the pack failed`.
    pub what: String,
    /// Expected and said.
    pub agreed: Vec<String>,
    /// Expected and not said.
    pub missing: Vec<String>,
    /// Said and not expected.
    pub unexpected: Vec<String>,
}

/// Whether cases show a rule both speaking and keeping silent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RuleCoverage {
    /// Its id.
    pub rule: String,
    /// Cases written for it in which it had a say.
    pub cases_for: usize,
    /// Cases written for it in which it had none.
    pub cases_against: usize,
}

/// In one line: `step 2 (party-joined): decision: - allow, + deny`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            write!(f, "{step}: ")?;
        }
        let missing = self.missing.iter().map(|w| format!("- {w}"));
        let lines: Vec<String> = missing.chain(self.unexpected.iter().map(|w| format!("+ {w}"))).collect();
        write!(f, "{}: {}", self.what, lines.join(", "))
    }
}

impl CaseReport {
    /// Whether every case agreed.
    pub fn passed(&self) -> bool {
        self.failed == 0
    }

    /// For people: what failed as a diff, then the tally and the rules that lack a case.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        for case in &self.cases {
            case.write(&mut out, paint);
        }
        let tally = format!("{} passed, {} failed", self.passed, self.failed);
        if self.left_out > 0 {
            let _ = writeln!(out, "\n{}: {tally}, {} left out", paint.strong(&self.pack), self.left_out);
            return out;
        }
        if self.coverage.is_empty() {
            let _ = writeln!(out, "\n{}: {tally}", paint.strong(&self.pack));
            return out;
        }
        let bare: Vec<&RuleCoverage> =
            self.coverage.iter().filter(|c| c.cases_for == 0 || c.cases_against == 0).collect();
        let _ = writeln!(
            out,
            "\n{}: {tally}; {} of {} rules have a case for and a case against",
            paint.strong(&self.pack),
            self.coverage.len() - bare.len(),
            self.coverage.len()
        );
        for rule in bare {
            let _ = writeln!(out, "  {}: {} for, {} against", rule.rule, rule.cases_for, rule.cases_against);
        }
        out
    }

    /// JUnit's XML of several reports, a suite per pack, as continuous integration reads it.
    ///
    /// # Errors
    /// [`PackError::Report`] when it cannot be written.
    pub fn to_junit(reports: &[Self]) -> Result<String, PackError> {
        let mut junit = Report::new("caveat pack test");
        for report in reports {
            let mut suite = TestSuite::new(&report.pack);
            suite.add_test_cases(report.cases.iter().map(CaseResult::to_junit));
            junit.add_test_suite(suite);
        }
        junit.to_string().map_err(|e| PackError::Report { what: "JUnit", why: e.to_string() })
    }
}

impl CaseResult {
    fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }

    fn write(&self, out: &mut String, paint: Paint) {
        let mark = if self.problems.is_empty() { paint.good("ok  ") } else { paint.bad("FAIL") };
        let _ = writeln!(out, "{mark} {} {}", self.name, paint.faint(&self.place()));
        let mut step = None;
        for problem in &self.problems {
            if problem.step != step {
                step.clone_from(&problem.step);
                let _ = writeln!(out, "     {}", step.as_deref().unwrap_or_default());
            }
            let _ = writeln!(out, "     {}", paint.strong(&problem.what));
            for word in &problem.agreed {
                let _ = writeln!(out, "         {word}");
            }
            for word in &problem.missing {
                let _ =
                    writeln!(out, "       {} {}", paint.bad(&format!("- {word}")), paint.faint("expected"));
            }
            for word in &problem.unexpected {
                let got = paint.good(&format!("+ {}", below(word)));
                let _ = writeln!(out, "       {got} {}", paint.faint("got"));
            }
        }
        if !self.reasons.is_empty() {
            let _ = writeln!(out, "     the pack's reasons");
        }
        for reason in &self.reasons {
            let _ = writeln!(out, "         {}", below(reason));
        }
    }

    fn to_junit(&self) -> TestCase {
        let status = if self.problems.is_empty() {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = self.problems.first().map(ToString::to_string).unwrap_or_default();
            let mut text = String::new();
            self.write(&mut text, Paint(false));
            status.set_message(first).set_description(text);
            status
        };
        let mut case = TestCase::new(&self.name, status);
        case.set_classname(self.place()).set_time(Duration::from_micros(self.took_us));
        case
    }
}

/// Text of several lines, each under the first.
fn below(text: &str) -> String {
    text.replace('\n', "\n         ")
}
