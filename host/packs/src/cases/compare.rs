//! What was expected beside what was said.

use std::collections::BTreeSet;

use caveat_model::Verdict;

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
        found
    }
}
