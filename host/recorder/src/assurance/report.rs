//! What was expected, what was captured, and what is wrong with it; and telling somebody as soon as it is known.

use std::collections::{BTreeMap, HashMap, HashSet};

use caveat_model::{ClientId, Moment, RecordingId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Assurance, Captured, ExpectedCall, Finding, OfCall, judge::judge};
use crate::{RecorderError, house::House};

/// Calls of a client that began in a time, and what is wrong with how they were captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AssuranceReport {
    /// From.
    pub since: Moment,
    /// To, and not including it.
    pub until: Moment,
    /// Calls that were expected.
    pub expected: usize,
    /// Of those, captured.
    pub expected_captured: usize,
    /// Calls that were captured, expected or not.
    pub captured: usize,
    /// How often each flaw was found.
    pub flaws: BTreeMap<&'static str, usize>,
    /// What is wrong, in order of time.
    pub findings: Vec<Finding>,
    /// There were more calls or findings than `report_rows_max`: ask for a shorter time.
    pub cut_short: bool,
}

impl Assurance {
    /// Looks at the calls that began from `since` on, before `until`. An expected call that is not due yet is not missing.
    pub async fn report(
        &self,
        client: &ClientId,
        since: Moment,
        until: Moment,
    ) -> Result<AssuranceReport, RecorderError> {
        let expected = self.expected_in(client, since, until).await?;
        let captured = self.captured_in(client, since, until).await?;
        let rows = self.limits.report_rows_max as usize;
        let mut cut_short = expected.len() >= rows || captured.len() >= rows;
        let mut by_call: HashMap<String, Vec<Captured>> = HashMap::new();
        for (call, captured) in captured {
            by_call.entry(call).or_default().push(captured);
        }
        let (now, mut findings) = (self.clock.now(), Vec::new());
        let (mut expected_captured, mut seen) = (0, HashSet::new());
        for (call, wanted) in &expected {
            // It may have begun just outside of the time that is asked for.
            let of = OfCall { client, call: &wanted.id };
            let captured = match by_call.get(call) {
                Some(captured) => captured.clone(),
                None => self.captured(of).await?,
            };
            expected_captured += usize::from(!captured.is_empty());
            if !captured.is_empty() || self.is_due(wanted, now) {
                findings.extend(judge(Some(wanted), &captured, &self.limits));
            }
            seen.insert(call);
        }
        let captured = by_call.len();
        for (_, captured) in by_call.iter().filter(|(call, _)| !seen.contains(call)) {
            findings.extend(judge(None, captured, &self.limits));
        }
        findings.sort_by_key(|f| (f.began, f.flaw));
        cut_short |= findings.len() > rows;
        findings.truncate(rows);
        let mut flaws = BTreeMap::new();
        for finding in &findings {
            *flaws.entry(finding.flaw.word()).or_default() += 1;
        }
        let expected = expected.len();
        Ok(AssuranceReport {
            since,
            until,
            expected,
            expected_captured,
            captured,
            flaws,
            findings,
            cut_short,
        })
    }

    fn is_due(&self, expected: &ExpectedCall, now: Moment) -> bool {
        let over = expected.began.plus_millis(expected.duration_ms.unwrap_or(0));
        over.plus_millis(self.limits.grace_ms) <= now
    }
}

impl House {
    /// A captured call has ended: tells of what is wrong with it.
    pub(crate) async fn assure(
        &self,
        client: &ClientId,
        call: &str,
        recording: RecordingId,
    ) -> Result<(), RecorderError> {
        let of = || OfCall { client, call };
        let expected = self.assurance.expected(of()).await?;
        let mut captured = self.assurance.captured(of()).await?;
        if expected.is_none() {
            // Where nobody lists calls, ids may come again after a while.
            captured.retain(|c| c.recording == recording);
        }
        self.tell_of_flaws(client, &judge(expected.as_ref(), &captured, &self.assurance.limits)).await?;
        if expected.is_some_and(|e| e.duration_ms.is_some()) {
            self.assurance.judged(of()).await?;
        }
        Ok(())
    }

    /// Looks for expected calls that should have been over for a while: tells of those that never came.
    pub(crate) async fn look_for_expected_calls(&self) -> Result<(), RecorderError> {
        for (client, expected) in self.assurance.due().await? {
            let of = || OfCall { client: &client, call: &expected.id };
            let captured = self.assurance.captured(of()).await?;
            self.tell_of_flaws(&client, &judge(Some(&expected), &captured, &self.assurance.limits)).await?;
            self.assurance.judged(of()).await?;
        }
        Ok(self.assurance.forget_what_is_old().await?)
    }

    async fn tell_of_flaws(&self, client: &ClientId, findings: &[Finding]) -> Result<(), RecorderError> {
        for finding in findings.iter().filter(|f| f.flaw.alarms()) {
            let flaw = finding.flaw.word();
            metrics::counter!("caveat_assurance_flaws_total", "client" => client.to_string(), "flaw" => flaw)
                .increment(1);
            let message = format!("A call that began at {}: {}", finding.began, finding.detail);
            let why = (flaw, "", message.as_str());
            self.alerts.raise(client, self.clock.now(), finding.recording, "assurance", why).await?;
        }
        Ok(())
    }
}
