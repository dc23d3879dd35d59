//! The ruling: what every jurisdiction with a link to the call asks for, against what every party has given.
//!
//! It is level-triggered: everything is in the facts, so the same reading serves every event.

use caveat_sdk::{
    Facts, Rule,
    capture::{Duty, Outcome, Ruling},
    facts::{CallTraits, Party, PartyTraits, Purpose},
};

use crate::{
    Said,
    call::Call,
    forms::{Forms, Standing},
    places::{
        ALL_PARTY, EVIDENCE, FEDERAL, IN_PERSON, MINORS_CANNOT, NO_UTILITY, NO_VENDOR, PUBLIC_BODY, Place,
        Places, STAND_INS, UNKNOWN,
    },
    purposes,
    relief::Ground,
    rules,
    settings::Policy,
};

pub(crate) fn rule(policy: &Policy, facts: &Facts, said: Said) -> Ruling {
    let hearing = Hearing::new(policy, facts);
    let mut ruling = Ruling::allow();
    hearing.refuse_outright(&mut ruling);
    let strict = hearing.strict();
    let all_consent = strict.is_empty() || hearing.all_parties(strict, &mut ruling);
    if all_consent {
        hearing.one_party(strict, &mut ruling);
    }
    if ruling.outcome == Outcome::Allow {
        hearing.worth_as_evidence(&mut ruling);
    }
    if said == Said::OnlyRestraint && ruling.outcome == Outcome::Allow {
        ruling.reasons.clear();
    }
    ruling
}

struct Hearing<'a> {
    policy: &'a Policy,
    call: Call<'a>,
    is_public_body: bool,
    is_in_person: bool,
}

/// Somebody whose consent an all-party jurisdiction asks for.
struct Heard {
    standing: Standing,
    joined_late: bool,
}

impl<'a> Hearing<'a> {
    fn new(policy: &'a Policy, facts: &'a Facts) -> Self {
        let is = |name| facts.flag(name) == Some(true);
        Self {
            policy,
            call: Call::new(facts),
            is_public_body: is("tenant.public-body"),
            is_in_person: is("call.in-person") || is("call.speakerphone"),
        }
    }

    /// What no consent to recording cures.
    fn refuse_outright(&self, ruling: &mut Ruling) {
        let call = &self.call;
        if purposes::all_within(call.facts, self.policy.purposes) == Some(false) {
            ruling
                .refuse(
                    &rules::PURPOSE,
                    "The declared purpose is none of those that this client records for.",
                )
                .remedy(&rules::PURPOSE, "declare-permitted-purpose");
        }
        if call.facts.flag("tenant.telephone-utility") == Some(true)
            && call.facts.flag("tenant.puc-waiver") != Some(true)
            && call.outsiders().next().is_some()
        {
            for place in call.places.within(NO_UTILITY).iter() {
                let why = "A telephone utility may not record calls with customers unless the commission waived it.";
                let rule = &rules::TELEPHONE_UTILITY;
                refuse_by(ruling, rule, place.row().utility, &if_anywhere(place, why))
                    .remedy(rule, "obtain-puc-waiver");
            }
        }
        if call.serves_a_vendor() && call.facts.flag("consent.vendor-use") != Some(true) {
            for place in call.places.within(NO_VENDOR).iter() {
                let why = "A vendor that may use the call for ends of its own is a third party there; the client's consent \
                           does not cover it.";
                refuse_by(ruling, &rules::VENDOR, place.row().vendor, &if_anywhere(place, why))
                    .remedy(&rules::VENDOR, "remove-vendor-use");
            }
        }
        if self.policy.honor_refusal && call.refusers().next().is_some() {
            ruling.refuse(&rules::HOUSE_REFUSAL, "A party refused, and this client honors that everywhere.");
        }
    }

    /// Where the consent of the client's own person is not enough on this call.
    fn strict(&self) -> Places {
        let in_person = if self.is_in_person { IN_PERSON } else { Places::NONE };
        self.call.places.within(ALL_PARTY.or(self.policy.express).or(in_person))
    }

    /// The forms that a strict place accepts on this call.
    fn accepted(&self, place: Place) -> Forms {
        let forms = place.row().forms;
        if self.wants_express(place) {
            forms.only(Forms::OWN_ACT)
        } else if ALL_PARTY.contains(place) {
            forms
        } else {
            forms.without(Forms::PARTICIPANT).without(Forms::BEEP)
        }
    }

    fn wants_express(&self, place: Place) -> bool {
        let by_choice = match place {
            UNKNOWN => !self.policy.express.is_empty(),
            _ => self.policy.express.contains(place),
        };
        by_choice || (self.is_public_body && PUBLIC_BODY.contains(place))
    }

    /// Whether every strict place is satisfied, exempts the call, or was opted out of.
    fn all_parties(&self, strict: Places, ruling: &mut Ruling) -> bool {
        let heard = self.hear(strict);
        let nobody = self.call.facts.parties.is_empty();
        let (mut open, mut grounds) = (Places::NONE, Vec::new());
        for place in strict.iter() {
            let accepted = self.accepted(place);
            if !nobody && heard.iter().all(|h| h.standing.forms().meet(accepted)) {
                continue;
            }
            match Ground::find(self.policy, &self.call, place) {
                Some(ground) => grounds.push((place, ground)),
                None => open.insert(place),
            }
        }
        if !open.is_empty() {
            self.restrain(strict, open, &heard, ruling);
            return false;
        }
        let mut satisfied = strict;
        for (place, ground) in grounds {
            satisfied = satisfied.without(Places::of(place));
            ground.write(&self.call, ruling);
        }
        for place in satisfied.iter() {
            self.write_satisfied(place, &heard, ruling);
        }
        true
    }

    /// Everyone from outside, and the client's own who refused.
    fn hear(&self, strict: Places) -> Vec<Heard> {
        let call = &self.call;
        // Audio from before a notice needed nobody else's consent when only those who joined later brought strict law in.
        let was_lax = call.places_from_the_start().within(strict).is_empty();
        let parties = call.outsiders().chain(call.refusers().filter(|p| !call.is_outsider(p)));
        let hear = |party: &Party| {
            let joined_late = call.joined_late(party);
            Heard { standing: Standing::of(party, call.facts, was_lax || joined_late), joined_late }
        };
        parties.map(hear).collect()
    }

    fn write_satisfied(&self, place: Place, heard: &[Heard], ruling: &mut Ruling) {
        let row = place.row();
        let not_beep = self.accepted(place).without(Forms::BEEP);
        if heard.iter().any(|h| !h.standing.forms().meet(not_beep)) {
            let why = format!("{} accepts a tone that is repeated through the recording.", row.name);
            ruling.because_of(&rules::BEEP, row.statute, &why);
            return;
        }
        let (rule, citation) = self.authority(place);
        let mut why = format!("{}: every party consented, or was told and stayed.", row.name);
        let relies_on_notice = heard.iter().any(|h| !h.standing.forms().meet(Forms::OWN_ACT));
        if relies_on_notice && !row.implied.is_empty() {
            let stricter = row.code.to_ascii_lowercase();
            why += &format!(
                " That staying on the line is consent there rests on {}; the option express-{stricter} is stricter.",
                row.implied
            );
        }
        ruling.because_of(rule, citation, &why);
    }

    /// Whose requirement it is.
    fn authority(&self, place: Place) -> (&'static Rule, &'static str) {
        let row = place.row();
        if self.wants_express(place) {
            let by_law = self.is_public_body && PUBLIC_BODY.contains(place);
            (&rules::EXPRESS, if by_law { row.public_body } else { rules::EXPRESS.citation })
        } else if STAND_INS.contains(place) {
            (&rules::UNKNOWN_PLACE, row.statute)
        } else if ALL_PARTY.contains(place) {
            (&rules::ALL_PARTY, row.statute)
        } else {
            (&rules::IN_PERSON, row.in_person)
        }
    }

    /// Says no, or not yet: when all that is missing is that somebody who just joined be told.
    fn restrain(&self, strict: Places, open: Places, heard: &[Heard], ruling: &mut Ruling) {
        let call = &self.call;
        let from_the_start = call.places_from_the_start().within(strict);
        let brought_later = |place, h: &Heard| h.joined_late || !from_the_start.contains(place);
        let lacking = |place| {
            let accepted = self.accepted(place);
            heard.iter().filter(move |h| !h.standing.forms().meet(accepted))
        };
        let is_running = call.facts.traits.contains(CallTraits::CAPTURED)
            || heard.iter().any(|h| !h.standing.gave.is_empty());
        let only_new = is_running
            && !heard.is_empty()
            && !call.is_emergency()
            && open.iter().all(|place| {
                lacking(place).all(|h| brought_later(place, h) && h.standing.only_needs_telling())
            });
        if only_new {
            let why = "Somebody joined who has not been told; nothing is kept until they are.";
            ruling.suspend(&rules::LATE_JOINER, why).oblige(&rules::LATE_JOINER, Duty::Announce);
            for place in open.iter() {
                let (_, citation) = self.authority(place);
                let why = format!("{} requires the consent of all parties.", place.row().name);
                ruling.because_of(&rules::LATE_JOINER, citation, &why);
            }
            remedies(ruling, &rules::LATE_JOINER, &[PLAY, RECORD]);
            return;
        }
        ruling.outcome = Outcome::Refuse;
        let mut kept_unlawfully = false;
        for place in open.iter() {
            let lacking: Vec<&Heard> = lacking(place).collect();
            self.refuse_place(place, &lacking, heard, ruling);
            let accepted = self.accepted(place);
            kept_unlawfully |=
                lacking.iter().any(|h| !brought_later(place, h) && !h.standing.gave.meet(accepted));
        }
        let was_kept =
            call.facts.traits.contains(CallTraits::CAPTURED) || heard.iter().any(|h| h.standing.told_late);
        if kept_unlawfully && was_kept {
            ruling.oblige(&rules::PRIOR, Duty::DiscardCaptured);
            ruling.because(&rules::PRIOR, "What was kept before consent is not cured by later consent.");
            remedies(ruling, &rules::PRIOR, &[DISCARD]);
        }
        // Nothing may be put before an emergency call: not even a notice.
        if call.is_emergency_line() {
            ruling.remedies.clear();
        }
    }

    /// Why one place is not satisfied, and what would satisfy it.
    fn refuse_place(&self, place: Place, lacking: &[&Heard], heard: &[Heard], ruling: &mut Ruling) {
        let (name, accepted) = (place.row().name, self.accepted(place));
        let (rule, citation) = self.authority(place);
        let doubt = place.row().doubt;
        let mut say = |rule: &Rule, mut why: String, actions: &[&str]| {
            if !doubt.is_empty() {
                why.push(' ');
                why.push_str(doubt);
            }
            ruling.because_of(rule, citation, &why);
            remedies(ruling, rule, actions);
        };
        let any = |test: fn(&Standing) -> bool| lacking.iter().any(|h| test(&h.standing));
        let all_gave = |form| !lacking.is_empty() && lacking.iter().all(|h| h.standing.gave.meet(form));
        if any(|s| s.refused) {
            let why = format!("{name} requires the consent of all parties; a party refused.");
            say(&rules::REFUSED, why, &[EXPRESS]);
        } else if any(|s| s.went) {
            let why =
                format!("{name} requires the consent of all parties; a party that was told did not stay.");
            say(&rules::REFUSED, why, &[EXPRESS]);
        } else if any(|s| s.told_late) {
            let why =
                format!("{name} requires consent before recording; audio was kept from before the notice.");
            say(&rules::PRIOR, why, &[PLAY, RECORD, DISCARD]);
        } else if any(|s| s.told_in_another_language) {
            let why = format!(
                "{name} requires the consent of all parties; a party does not speak the notice's language."
            );
            say(&rules::NOTICE_LANGUAGE, why, &[TRANSLATE, PLAY, RECORD]);
        } else if self.wants_express(place) {
            let why = format!(
                "{name}: here a notice is not enough; each party has to say, key or write that it agrees."
            );
            say(rule, why, &[EXPRESS]);
        } else if all_gave(Forms::NOTICE) && accepted.meet(Forms::RECORDED) {
            let why = format!("{name} accepts a notice only when it is in the recording; this one is not.");
            say(&rules::NOTICE_RECORDED, why, &[RECORD]);
        } else if all_gave(Forms::BEEP) {
            let why = format!("{name} requires the consent of all parties; a tone alone is none there.");
            say(&rules::BEEP, why, &[PLAY, RECORD]);
        } else {
            let missing = if heard.iter().all(|h| h.standing.gave.is_empty()) {
                "no notice has been given"
            } else if lacking.iter().all(|h| h.standing.gave.is_empty()) {
                "not every party has been told"
            } else {
                "what was given does not count there"
            };
            say(rule, format!("{name} requires the consent of all parties; {missing}."), &[PLAY, RECORD]);
        }
    }

    /// Where a recording may be made and is worth nothing in court, whoever wants evidence is told.
    fn worth_as_evidence(&self, ruling: &mut Ruling) {
        let call = &self.call;
        let wants = [Purpose::Evidence, Purpose::Legal, Purpose::Dispute];
        if !call.facts.purposes.iter().any(|p| wants.contains(p)) {
            return;
        }
        let told = Forms::NOTICE.and(Forms::RECORDED);
        if call.outsiders().all(|p| Standing::of(p, call.facts, true).forms().meet(told)) {
            return;
        }
        for place in call.places.within(EVIDENCE).iter() {
            let why = format!(
                "{} lets it be recorded; it is evidence in a civil action only if the speaker was told.",
                place.row().name
            );
            ruling.because_of(&rules::EVIDENCE_NOTICE, place.row().evidence, &why);
        }
    }

    /// One party's consent, which every jurisdiction asks for at the least.
    fn one_party(&self, strict: Places, ruling: &mut Ruling) {
        let call = &self.call;
        if call.is_emergency_line() && !strict.is_empty() {
            return;
        }
        if call.is_left_on_hold() {
            let why = "A party is on hold and talks to nobody of the client's: what it says there is no part of the call.";
            ruling.suspend(&rules::PARTY_EXIT, why).remedy(&rules::PARTY_EXIT, RETURN);
            return;
        }
        if call.participates || call.outsiders().next().is_none() {
            if strict.is_empty() && ruling.outcome == Outcome::Allow {
                let why = "One party's consent is enough in every place with a link to the call, and the client's own gives it.";
                ruling.because_of(&rules::ONE_PARTY, &self.statutes(), why);
            }
            return;
        }
        self.among_outsiders(strict, ruling);
    }

    /// Nobody of the client's takes part: somebody among those who remain has to have consented.
    fn among_outsiders(&self, strict: Places, ruling: &mut Ruling) {
        let call = &self.call;
        let stop = if call.may_return() { Outcome::Suspend } else { Outcome::Refuse };
        let minors_cannot = call.places.within(MINORS_CANNOT);
        let is_minor = |p: &Party| p.traits.contains(PartyTraits::MINOR);
        let consents = |p: &&Party| !Standing::of(p, call.facts, true).forms().is_empty();
        let mut consenting = call.outsiders().filter(consents).peekable();
        if consenting.peek().is_none() {
            let why = "Nobody of the client's is on the line, and none of those who are has consented.";
            ruling.outcome = ruling.outcome.max(stop);
            ruling.because(&rules::PARTY_EXIT, why);
            remedies(ruling, &rules::PARTY_EXIT, &[PLAY, RECORD, RETURN]);
        } else if !minors_cannot.is_empty() && consenting.all(is_minor) {
            let why = "Nobody of the client's is on the line, and a child cannot be the consenting party.";
            ruling.outcome = ruling.outcome.max(stop);
            for place in minors_cannot.iter() {
                ruling.because_of(&rules::MINOR, place.row().minor, why);
            }
            remedies(ruling, &rules::MINOR, &[RETURN]);
        } else if strict.is_empty() {
            let why = "One party's consent is enough in every place with a link to the call, and a party on it gave it.";
            ruling.because_of(&rules::ONE_PARTY, &self.statutes(), why);
        }
    }

    /// The federal floor, then each state with a link to the call.
    fn statutes(&self) -> String {
        let mut all = String::from(rules::ONE_PARTY.citation);
        for place in self.call.places.without(FEDERAL).iter() {
            all.push_str("; ");
            all.push_str(place.row().statute);
        }
        all
    }
}

const PLAY: &str = "play-announcement";
const RECORD: &str = "record-announcement";
const DISCARD: &str = "discard-captured-audio";
const EXPRESS: &str = "obtain-express-consent";
const TRANSLATE: &str = "translate-announcement";
const RETURN: &str = "return-to-the-line";

fn remedies(ruling: &mut Ruling, rule: &Rule, actions: &[&str]) {
    for action in actions {
        if !ruling.remedies.iter().any(|r| r.action == *action) {
            ruling.remedy(rule, action);
        }
    }
}

/// A rule of some place, where a party may be anywhere.
fn if_anywhere(place: Place, why: &str) -> String {
    match place {
        UNKNOWN => format!("A party may be anywhere, so the strictest law counts. {why}"),
        _ => why.to_owned(),
    }
}

fn refuse_by<'r>(ruling: &'r mut Ruling, rule: &Rule, citation: &str, why: &str) -> &'r mut Ruling {
    ruling.outcome = Outcome::Refuse;
    ruling.because_of(rule, citation, why)
}
