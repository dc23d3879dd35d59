//! Whose law a voice falls under: every place that any evidence links a party from outside to, and any place at all where
//! nothing is known.

use caveat_sdk::{
    Facts,
    facts::{LabelKind, Party, Role},
};
use pack_law::{is_listed, known};

use crate::{Settings, law};

/// Which laws bear on a voiceprint made from this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Laws {
    pub(crate) illinois: bool,
    pub(crate) consent: bool,
    pub(crate) washington: bool,
    /// Washington's health data, where there is talk of health.
    pub(crate) health: bool,
    pub(crate) texas: bool,
    pub(crate) colorado: bool,
}

pub(crate) fn laws(settings: &Settings, facts: &Facts) -> Laws {
    let voices: Vec<&Party> =
        facts.parties.iter().filter(|p| !matches!(p.role, Role::Automaton | Role::Vendor)).collect();
    // Nobody listed, or somebody whose place nobody knows: it may be anywhere.
    let anywhere = voices.is_empty() || voices.iter().any(|p| p.role != Role::Agent && p.regions.is_empty());
    let linked = |list: &[&str]| {
        anywhere || voices.iter().any(|p| p.regions.iter().any(|r| is_listed(list, &r.region)))
    };
    let health = facts.labels.iter().any(|label| label.kind == LabelKind::Health);
    let exempt_bank = known::flag(facts, &["tenant.glba-institution"]).unwrap_or(settings.glba_institution);
    let texas = linked(&["TX"]) && !exempt_bank;
    let colorado = linked(&["CO"]);
    Laws {
        illinois: linked(law::WRITTEN_RELEASE) && !exempt_bank && !settings.hipaa_operations,
        consent: (texas || colorado) && linked(law::CONSENT_PLACES),
        washington: linked(law::AUDIO_EXCLUDED) && settings.washington_voice_counts,
        health: linked(law::HEALTH_VOICE_PLACES) && health,
        texas,
        colorado,
    }
}
