//! What a pack decides, in plain words.

use caveat_model::{Decision, Outcome, Stage, Verdict};

use super::told;
use crate::{Manifest, cases::Expect};

/// What was decided of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// In a sentence.
    pub decided: String,
    /// What has to be done.
    pub duties: Vec<Said>,
    /// What would change it.
    pub remedies: Vec<Said>,
    /// What the pack found in the event.
    pub found: Vec<String>,
    /// Why.
    pub reasons: Vec<Why>,
}

/// Something that the pack says, and the rule that says it; none where only a case's expectation is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// In words.
    pub words: String,
    /// Its id.
    pub rule: Option<String>,
}

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Id of the rule.
    pub rule: String,
    /// In the pack's words.
    pub message: String,
    /// As the ruling gives it.
    pub citation: String,
}

impl Answer {
    /// What the pack said.
    pub(super) fn of(verdict: &Verdict, manifest: &Manifest) -> Self {
        let duties = verdict.obligations().map(|(_, obligation)| Said {
            words: duty(&obligation.duty.code(), manifest),
            rule: Some(obligation.rule.clone()),
        });
        let remedies = verdict
            .remedies()
            .map(|remedy| Said { words: action(&remedy.action, manifest), rule: Some(remedy.rule.clone()) });
        let reasons = verdict.reasons().map(|(_, reason)| Why {
            rule: reason.rule.clone(),
            message: reason.message.clone(),
            citation: reason.citation.clone(),
        });
        let bound = verdict.obligations().next().is_some();
        Self {
            decided: outcome(verdict.outcome, verdict.stage, bound).to_owned(),
            duties: duties.collect(),
            remedies: remedies.collect(),
            found: verdict.labels().map(|label| told::label_name(label.kind)).collect(),
            reasons: reasons.collect(),
        }
    }

    /// Whether this rule has a say in it.
    pub(super) fn names(&self, rule: &str) -> bool {
        let said = self.duties.iter().chain(&self.remedies).filter_map(|s| s.rule.as_deref());
        said.chain(self.reasons.iter().map(|r| r.rule.as_str())).any(|id| id == rule)
    }

    /// What a case expects it to say, as far as the case says so.
    pub(super) fn expected(expect: &Expect, stage: Stage, manifest: &Manifest) -> Self {
        let said = |words: String| Said { words, rule: None };
        let obligations = expect.obligations.iter().flatten().chain(&expect.asks);
        let duties: Vec<Said> = obligations.map(|code| said(duty(code, manifest))).collect();
        let decided = match (expect.outcome, expect.decision) {
            (Some(word), _) => outcome(word, stage, !duties.is_empty()),
            (None, Some(Decision::Allow)) => outcome(Outcome::Allow, stage, false),
            (None, Some(Decision::AllowWithObligations)) => outcome(Outcome::Allow, stage, true),
            (None, Some(Decision::Deny)) => "No: not as things stand.",
            (None, None) => "The case does not say what is decided.",
        };
        let rules = expect.rules.iter().flatten().chain(&expect.decided_by);
        let remedies = expect.remedies.iter().flatten().chain(&expect.would_help);
        Self {
            decided: decided.to_owned(),
            duties,
            remedies: remedies.map(|a| said(action(a, manifest))).collect(),
            found: expect.labels.iter().flatten().map(|kind| told::label_name(*kind)).collect(),
            reasons: rules
                .map(|rule| Why { rule: rule.clone(), message: String::new(), citation: String::new() })
                .collect(),
        }
    }
}

fn outcome(outcome: Outcome, stage: Stage, bound: bool) -> &'static str {
    match (stage, outcome, bound) {
        (Stage::Capture, Outcome::Allow, false) => "It may be recorded.",
        (Stage::Capture, Outcome::Allow, true) => "It may be recorded, if what follows is done.",
        (Stage::Capture, Outcome::Restrain, _) => "Nothing is kept for now.",
        (Stage::Capture, Outcome::Refuse, _) => "It must not be recorded.",
        (Stage::Storage, Outcome::Allow, false) => "It may go ahead.",
        (Stage::Storage, Outcome::Allow, true) => "It may go ahead, if what follows is done.",
        (Stage::Storage, Outcome::Restrain, _) => "A person has to decide; until then it stays closed.",
        (Stage::Storage, Outcome::Refuse, _) => "It must not be done.",
        (Stage::Access, Outcome::Allow, false) => "Access is given.",
        (Stage::Access, Outcome::Allow, true) => "Access is given, if what follows is done.",
        (Stage::Access, Outcome::Restrain, _) => "Access is given only after more has been shown.",
        (Stage::Access, Outcome::Refuse, _) => "Access is refused.",
    }
}

/// The outcome that stands in for a pack that fails.
pub(super) fn on_failure(stage: Stage, safe: Outcome) -> &'static str {
    outcome(safe, stage, false)
}

/// A code of [`caveat_model::Duty::code`] in words.
fn duty(code: &str, manifest: &Manifest) -> String {
    let fixed = match code {
        "announce" => "Play a notice of recording to everyone who has not heard one.",
        "mask-keys" => "Silence the tones of keys from here on.",
        "purge" => "Never keep the stretch that was found.",
        "redact" => "Keep the stretch that was found, and silence it for whoever has no need of it.",
        "discard-captured-audio" => "Destroy everything kept of this call so far.",
        "must-record" => "It has to be recorded (this supplies no consent).",
        "end-call-unless-recorded" => "If it cannot be recorded, the call must not go on.",
        "restrict-use" => "Use it for the named purposes only.",
        "no-third-party-disclosure" => "Nobody outside the client may have it.",
        "encrypt" => "Encrypt it with one of the named ciphers.",
        "place-in-region" => "Keep it in one of the named places only.",
        "immutable-store" => "Keep it on a store that nobody can rewrite.",
        "secure-destroy" => "Destroy it so that nothing can be reconstructed.",
        "delete-on-authorization" => "Destroy it as soon as the payment is authorized.",
        "serve-redacted-copy" => "Give a copy in which what is hidden is silenced, not the original.",
        "log-access" => "Log the access.",
        "log-disclosure" => "Enter it in the accounting of disclosures.",
        "record-reason" => "The person has to give a reason.",
        "after-review" => "Somebody has to look at this access afterwards.",
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    let prefixed = |prefix: &str| code.strip_prefix(prefix);
    if let Some(seconds) = prefixed("beep-every-").and_then(|rest| rest.strip_suffix("-s")) {
        return format!("Sound a tone every {seconds} seconds.");
    }
    if let Some(date) = prefixed("destroy-by-") {
        return format!("Destroy it by {date}.");
    }
    if let Some(date) = prefixed("retain-until-") {
        return format!("Keep it until {date}.");
    }
    if let Some(whom) = prefixed("alert-") {
        // A word for whom to tell, or a whole sentence.
        let whom = if whom.contains(' ') { whom.to_owned() } else { whom.replace('-', " ") };
        return format!("Alert: {whom}");
    }
    action(code, manifest)
}

/// A word of the pack's own, as its manifest explains it.
fn action(name: &str, manifest: &Manifest) -> String {
    let known = manifest.actions.iter().find(|a| a.name == name).map(|a| a.summary.as_str());
    match known.filter(|summary| !summary.is_empty()) {
        Some(summary) => format!("{summary} ({name})"),
        None => name.to_owned(),
    }
}
