//! What follows from periods for storage: a date at sealing and review, a refusal while one runs, destruction when none does.

use caveat_sdk::{
    Facts, Rule,
    facts::{Moment, StoreKind},
    storage::{Basis, Disposal, Duty, Element, Outcome, Ruling},
};

use crate::{Period, is_listed, known};

/// A period that applies to a recording.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The rule that says so.
    pub rule: &'static Rule,
    /// How long.
    pub period: &'static Period,
    /// From when on.
    pub from: Moment,
}

/// Whether a period for recordings bears on what is destroyed or looked at. It does not on voiceprints, logs, a stretch that
/// the rules themselves remove, or a copy beside which the recording itself is kept.
pub fn concerns(disposal: &Disposal, facts: &Facts) -> bool {
    match disposal.what {
        Element::Template | Element::AuditLog => false,
        Element::Segment => disposal.basis != Basis::Rules,
        Element::Backup => !facts.placements.iter().any(|p| p.kind == StoreKind::Primary),
        _ => true,
    }
}

/// Whether a period for recordings bears on an element that is looked at on schedule.
pub fn is_the_recording(element: Element) -> bool {
    !matches!(element, Element::Template | Element::AuditLog | Element::Segment | Element::Backup)
}

/// At sealing and review: until when, by each that still runs.
pub fn announce(kept: &[Kept], confirmed: &[String], facts: &Facts, ruling: &mut Ruling) {
    for (one, until) in running(kept, confirmed, facts) {
        ruling.because_of(one.rule, one.period.citation, &one.period.says(confirmed));
        ruling.oblige(one.rule, Duty::RetainUntil(until));
    }
}

/// At disposal: refused while one runs. Whoever tried is told which, as a task of the period's name.
pub fn hold_back(kept: &[Kept], confirmed: &[String], facts: &Facts, ruling: &mut Ruling) {
    for (one, until) in running(kept, confirmed, facts) {
        ruling.outcome = Outcome::Refuse;
        ruling.because_of(one.rule, one.period.citation, &one.period.says(confirmed));
        ruling.oblige(one.rule, Duty::RetainUntil(until));
        ruling.see_to(one.rule, one.period.name, None);
    }
}

/// Ways to destroy that leave nothing to reconstruct (NIST SP 800-88), sorted. Any other way leaves something.
const WAYS: [&str; 12] = [
    "800-88",
    "clear",
    "crypto-erase",
    "cryptographic-erase",
    "degauss",
    "destroy",
    "incinerate",
    "nist-800-88",
    "pulverize",
    "purge",
    "secure-destroy",
    "shred",
];

/// At disposal, where nothing stands against it: so that nothing can be reconstructed. The host's own way is such a one; whoever
/// names another (`retention.method`) is refused.
pub fn destroy(rule: &Rule, facts: &Facts, ruling: &mut Ruling) {
    if ruling.outcome != Outcome::Allow {
        return;
    }
    if known::word(facts, &["retention.method"]).is_some_and(|way| !is_listed(&WAYS, &way)) {
        ruling.refuse(rule, "That way of deleting leaves something to reconstruct.");
        return;
    }
    ruling.because(rule, "Its period is over: it is destroyed so that nothing can be reconstructed.");
    ruling.oblige(rule, Duty::SecureDestroy);
}

fn running<'a>(
    kept: &'a [Kept],
    confirmed: &'a [String],
    facts: &'a Facts,
) -> impl Iterator<Item = (&'a Kept, Moment)> {
    let ends = kept.iter().map(|one| (one, one.period.after(one.from, confirmed)));
    ends.filter(|(_, until)| facts.now < *until)
}
