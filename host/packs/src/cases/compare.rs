//! What was expected beside what was said.

use std::collections::BTreeSet;

use caveat_model::{Mode, PackRuling, Verdict};

use super::{
    report::Difference,
    run::rules_of,
    script::{Expect, word},
};

impl Expect {
    /// Every key of the expectation that the verdict does not meet. `step` says which of several events it was.
    pub(super) fn differences(&self, verdict: &Verdict, step: Option<&str>) -> Vec<Difference> {
        let step = step.map(str::to_owned);
        let mut found = Vec::new();
        for failure in verdict.rulings.iter().filter_map(|r| r.failure.clone()) {
            let what = "the pack failed".to_owned();
            found.push(Difference {
                step: step.clone(),
                what,
                unexpected: vec![failure],
                ..Difference::default()
            });
        }
        let mut compare = |what: &str, wanted: Option<BTreeSet<String>>, got: BTreeSet<String>| {
            let Some(wanted) = wanted.filter(|wanted| *wanted != got) else { return };
            found.push(Difference {
                step: step.clone(),
                what: what.to_owned(),
                agreed: wanted.intersection(&got).cloned().collect(),
                missing: wanted.difference(&got).cloned().collect(),
                unexpected: got.difference(&wanted).cloned().collect(),
            });
        };
        let one = |word: String| BTreeSet::from([word]);
        let many = |words: &Option<Vec<String>>| words.as_ref().map(|w| w.iter().cloned().collect());
        compare("decision", self.decision.map(|d| one(word(&d))), one(word(&verdict.decision())));
        let outcome = |o: caveat_model::Outcome| one(o.word(verdict.stage).to_owned());
        compare("outcome", self.outcome.map(outcome), outcome(verdict.outcome));
        let obligations = verdict.obligations().map(|(_, o)| o.duty.code()).collect();
        compare("obligations", many(&self.obligations), obligations);
        let remedies = verdict.remedies().map(|r| r.action.clone()).collect();
        compare("remedies", many(&self.remedies), remedies);
        compare("rules", many(&self.rules), rules_of(verdict));
        let citations = verdict.reasons().map(|(_, r)| r.citation.clone()).collect();
        compare("citations", many(&self.citations), citations);
        let labels = verdict.labels().map(|l| word(&l.kind)).collect();
        compare("labels", self.labels.as_ref().map(|all| all.iter().map(word).collect()), labels);
        let conflicts = verdict.conflicts.iter().map(|c| word(&c.kind)).collect();
        compare("conflicts", self.conflicts.as_ref().map(|all| all.iter().map(word).collect()), conflicts);
        found.extend(self.at_odds(verdict).into_iter().map(|d| Difference { step: step.clone(), ..d }));
        found
    }

    /// Of the keys that name a part of what was said, not all of it.
    fn at_odds(&self, verdict: &Verdict) -> Vec<Difference> {
        let asked: BTreeSet<String> = verdict.obligations().map(|(_, o)| o.duty.code()).collect();
        let remedies: BTreeSet<String> = verdict.remedies().map(|r| r.action.clone()).collect();
        let rules: BTreeSet<String> =
            deciding(verdict).flat_map(|r| r.ruling.reasons.iter().map(|x| x.rule.clone())).collect();
        let citations: BTreeSet<String> =
            deciding(verdict).flat_map(|r| r.ruling.reasons.iter().map(|x| x.citation.clone())).collect();
        let lacking = |what: &str, wanted: &[String], got: &BTreeSet<String>, is: fn(&str, &str) -> bool| {
            let missing: Vec<_> = wanted.iter().filter(|w| !got.iter().any(|g| is(g, w))).cloned().collect();
            let unexpected = if missing.is_empty() { vec![] } else { got.iter().cloned().collect() };
            Difference { what: what.to_owned(), missing, unexpected, ..Difference::default() }
        };
        let whole = |got: &str, wanted: &str| got == wanted;
        let decided_by = self.decided_by.as_slice();
        let unwanted: Vec<_> = self.without.iter().filter(|w| asked.contains(*w)).cloned().collect();
        let differences = [
            lacking("asks", &self.asks, &asked, whole),
            Difference { what: "without".to_owned(), unexpected: unwanted, ..Difference::default() },
            lacking("would-help", &self.would_help, &remedies, whole),
            lacking("decided-by", decided_by, &rules, whole),
            lacking("cites", &self.cites, &citations, |got, wanted| got.contains(wanted)),
        ];
        differences.into_iter().filter(|d| !(d.missing.is_empty() && d.unexpected.is_empty())).collect()
    }
}

/// The rulings that are as strict as all of them together.
fn deciding(verdict: &Verdict) -> impl Iterator<Item = &PackRuling> {
    let strictest = verdict.terms.outcome;
    verdict.rulings.iter().filter(move |r| r.mode == Mode::Active && r.ruling.outcome == strictest)
}
