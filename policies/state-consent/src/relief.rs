//! What lifts a jurisdiction's requirement of all parties: its own exemptions, and opt-ins that counsel signed.
//!
//! One party's consent is still needed afterwards. California's exemption for evidence of crimes (Penal Code 633.5) depends on
//! what somebody reasonably believes, which no recorder can tell: it is an opt-in.

use caveat_sdk::{
    Rule,
    capture::{Duty, Ruling},
    dates,
    facts::{Direction, Moment, Purpose},
};

use crate::{
    call::Call,
    forms::{Forms, Standing},
    places::{FEDERAL, Place, STAND_INS, UNKNOWN},
    purposes::{self, Purposes},
    rules,
    settings::Policy,
};

/// A row of `data/options.toml`.
#[derive(Debug)]
pub(crate) struct Relief {
    pub(crate) names: &'static [&'static str],
    place: Place,
    rule: Rule,
    message: &'static str,
    agent_on_call: bool,
    vendor_free: bool,
    recorded_outside: bool,
    told: bool,
    said: &'static str,
    kinds: &'static [&'static str],
    kind_unknown: bool,
    purposes: Purposes,
    destroy_within_days: Option<u32>,
    no_third_party: bool,
    tasks: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/relief.rs"));

/// Why a requirement does not bind this call.
pub(crate) enum Ground {
    Exempt { rule: &'static Rule, citation: &'static str, message: &'static str },
    OptIn(&'static Relief),
}

impl Ground {
    /// Why this place's requirement of all parties does not bind, if so.
    pub(crate) fn find(policy: &Policy, call: &Call<'_>, place: Place) -> Option<Self> {
        exemption(call, place).or_else(|| line_elsewhere(policy, call)).or_else(|| {
            let opted = RELIEFS.iter().enumerate().filter(|(n, _)| policy.relies_on(*n));
            opted.map(|(_, relief)| relief).find(|r| r.place == place && r.holds(call)).map(Self::OptIn)
        })
    }

    /// Writes it down, with what has to be done in exchange.
    pub(crate) fn write(&self, call: &Call<'_>, ruling: &mut Ruling) {
        match self {
            Self::Exempt { rule, citation, message } => {
                ruling.because_of(rule, citation, message);
            }
            Self::OptIn(relief) => relief.write(call.facts.began, ruling),
        }
    }
}

fn exemption(call: &Call<'_>, place: Place) -> Option<Ground> {
    let row = place.row();
    let exempt = |rule, citation: &'static str, message| {
        (!citation.is_empty()).then_some(Ground::Exempt { rule, citation, message })
    };
    let mut ground = None;
    if call.is_emergency_line() {
        const MESSAGE: &str = "The call is on a published emergency line, which the statute exempts.";
        ground = exempt(&rules::EMERGENCY_LINE, row.emergency_line, MESSAGE);
        // The exemption follows the line, not the caller: where the caller is need not be known.
        if place == UNKNOWN && !call.places.without(STAND_INS).without(FEDERAL).is_empty() {
            const MESSAGE: &str =
                "The call is on a published emergency line; it need not be known where the caller is.";
            ground = exempt(&rules::EMERGENCY_LINE, rules::EMERGENCY_LINE.citation, MESSAGE);
        }
    }
    if ground.is_none() && call.participates && call.is_emergency() {
        const MESSAGE: &str = "The call is of an emergency nature: one party's consent is enough.";
        ground = exempt(&rules::EMERGENCY_NATURE, row.emergency_nature, MESSAGE);
    }
    if ground.is_none() && call.participates && call.facts.flag("call.threats") == Some(true) {
        const MESSAGE: &str =
            "The call conveys threats or extortion: the consent of the party who receives them is enough.";
        ground = exempt(&rules::THREATS, row.threats, MESSAGE);
    }
    if ground.is_none() && call.participates && call.facts.flag("call.harassing") == Some(true) {
        const MESSAGE: &str = "The call is anonymous, repeated or at an extremely inconvenient hour: one party's consent is enough.";
        ground = exempt(&rules::HARASSMENT, row.harassment, MESSAGE);
    }
    if ground.is_none()
        && call.participates
        && call.facts.direction == Direction::Inbound
        && call.facts.flag("call.from-telemarketer") == Some(true)
    {
        const MESSAGE: &str =
            "A telemarketer called the client: whoever is called may record, the caller may not.";
        ground = exempt(&rules::TELEMARKETER_CALLED, row.telemarketer, MESSAGE);
    }
    ground
}

/// The exemption of the place where a published emergency line is, for a caller of another place: where counsel says so. Who calls
/// for help from out of state calls there.
fn line_elsewhere(policy: &Policy, call: &Call<'_>) -> Option<Ground> {
    const MESSAGE: &str =
        "The call is on a published emergency line, which the statute of the place where it is exempts.";
    let citation = Place::of_region(&call.facts.recorder_region).row().emergency_line;
    let governs = policy.emergency_line_by_its_place && call.is_emergency_line() && !citation.is_empty();
    governs.then_some(Ground::Exempt { rule: &rules::EMERGENCY_LINE, citation, message: MESSAGE })
}

/// Everybody from outside was told before anything was kept, stayed, and has not refused.
fn is_told(call: &Call<'_>) -> bool {
    let told = Forms::NOTICE.and(Forms::RECORDED);
    call.outsiders().all(|party| Standing::of(party, call.facts, false).forms().meet(told))
}

impl Relief {
    fn holds(&self, call: &Call<'_>) -> bool {
        (!self.agent_on_call || call.agent_participates)
            && (!self.vendor_free || !call.serves_a_vendor())
            && (!self.recorded_outside || call.is_recorded_outside(self.place))
            && (!self.told || is_told(call))
            && (self.said.is_empty() || call.facts.flag(self.said) == Some(true))
            && (self.kinds.is_empty() || self.is_of_kind(call.facts.text("call.kind")))
            && (self.purposes.is_empty() || purposes::all_within(call.facts, self.purposes) == Some(true))
    }

    fn is_of_kind(&self, kind: Option<&str>) -> bool {
        match kind {
            None => self.kind_unknown,
            Some(kind) => self.kinds.iter().any(|k| kind.split(['_', ' ', '-']).eq(k.split('-'))),
        }
    }

    fn write(&self, began: Moment, ruling: &mut Ruling) {
        ruling.because(&self.rule, self.message);
        if !self.purposes.is_empty() {
            ruling.oblige(&self.rule, Duty::RestrictUse(self.purposes.to_vec()));
        }
        for task in self.tasks {
            ruling.see_to(&self.rule, task, None);
        }
        if self.no_third_party {
            ruling.oblige(&self.rule, Duty::NoThirdParty);
        }
        if let Some(days) = self.destroy_within_days {
            ruling.oblige(&self.rule, Duty::DestroyBy(dates::plus_days(began, days)));
        }
    }
}
