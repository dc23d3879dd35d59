//! What is known of a running call: happenings in, facts and events out.

use caveat_model::{
    AttributeValue, CallTraits, CaptureEvent, Consent, ConsentForm, Facts, Key, Keyed, Label, Moment, Notice,
    Offset, Party, PartyId, PartyTraits, Pause, RegionEvidence, RegionSource, Speech, Word, numbering,
};

use caveat_retention::Mark;

use crate::{ClientProfile, Happening, Limits, NewCall, NewNotice, NewParty, RecorderError};

/// The facts of one call, and what was heard and keyed on it lately.
#[derive(Debug)]
pub(crate) struct CallFacts {
    facts: Facts,
    words: Vec<Word>,
    keys: Vec<Key>,
    /// Whose numbers were on the call.
    numbers: Vec<String>,
    limits: Limits,
}

impl CallFacts {
    /// The facts at the beginning of a call.
    pub(crate) fn new(
        call: NewCall,
        client: &ClientProfile,
        began: Moment,
        limits: &Limits,
    ) -> Result<Self, RecorderError> {
        let mut facts = Facts {
            now: began,
            began,
            direction: call.direction,
            traits: CallTraits { captured: false, can_pause: false, ..call.traits },
            purposes: call.purposes,
            attributes: call.attributes,
            ..Facts::default()
        };
        facts.add_usual(&client.usual_facts());
        let mut known = Self { facts, words: vec![], keys: vec![], numbers: vec![], limits: limits.clone() };
        for party in call.parties {
            known.join(party)?;
        }
        for notice in call.notices {
            known.notice(notice, None)?;
        }
        Ok(known)
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What holds find its recording by: the call, the numbers and ids of who is on it, the case it belongs to. They are
    /// kept as commitments only.
    pub(crate) fn marks(&self, call: &str) -> Vec<Mark> {
        const PEOPLE: [&str; 3] = ["person.id", "agent.id", "customer.id"];
        const CASE: &str = "case.id";
        let mut marks = vec![Mark { kind: "call", value: call.to_owned() }];
        marks.extend(self.numbers.iter().map(|n| Mark { kind: "person", value: n.clone() }));
        for attribute in &self.facts.attributes {
            let AttributeValue::Text(value) = &attribute.value else { continue };
            let kind = match attribute.name.as_str() {
                name if PEOPLE.contains(&name) => "person",
                CASE => "case",
                _ => continue,
            };
            marks.push(Mark { kind, value: value.clone() });
        }
        marks
    }

    /// Takes in what happened. `oldest_in_memory` is the earliest audio that can still be kept.
    pub(crate) fn apply(
        &mut self,
        happening: Happening,
        now: Moment,
        oldest_in_memory: Option<Offset>,
    ) -> Result<CaptureEvent, RecorderError> {
        self.at(now);
        Ok(match happening {
            Happening::PartyJoined(party) => CaptureEvent::PartyJoined(self.join(party)?),
            Happening::PartyLeft(id) => {
                let at = self.facts.elapsed();
                let party = self.party(id)?;
                party.left = Some(at);
                party.traits.present = false;
                CaptureEvent::PartyLeft(id)
            }
            Happening::RegionLearned { party: id, region, source } => {
                let learned = self.facts.elapsed();
                self.party(id)?.regions.push(RegionEvidence { region, source, learned });
                CaptureEvent::RegionLearned(id)
            }
            Happening::NoticePlayed(notice) => {
                self.notice(notice, oldest_in_memory)?;
                CaptureEvent::NoticePlayed
            }
            Happening::Consent { party: id, form, given, recorded } => {
                self.room_for("consents", self.facts.consents.len())?;
                let at = self.facts.elapsed();
                self.party(id)?;
                self.facts.consents.push(Consent { party: id, form, at, given, recorded });
                if given { CaptureEvent::ConsentGiven(id) } else { CaptureEvent::ConsentRefused(id) }
            }
            Happening::Words(heard) => self.hear(heard)?,
            Happening::Key(pressed) => {
                self.forget_what_is_old();
                let before = self.keys.clone();
                self.keys.push(pressed);
                CaptureEvent::Keys(Keyed { pressed, before, words: self.words.clone() })
            }
            Happening::PauseAsked(asker) => CaptureEvent::PauseAsked(asker),
            Happening::ResumeAsked(asker) => CaptureEvent::ResumeAsked(asker),
            Happening::Held(id) => {
                self.party(id)?.traits.on_hold = true;
                CaptureEvent::Held(id)
            }
            Happening::DutyDone(duty) => {
                // The session sees to it: packs are not told of duties.
                return Err(RecorderError::NoSuchDuty { duty, open: String::new() });
            }
            Happening::Unheld(id) => {
                self.party(id)?.traits.on_hold = false;
                CaptureEvent::Unheld(id)
            }
        })
    }

    pub(crate) fn at(&mut self, now: Moment) {
        // The call's own time never runs back, whatever the machine's clock does.
        self.facts.now = self.facts.now.max(now);
    }

    pub(crate) fn captured(&mut self, captured: bool) {
        self.facts.traits.captured = captured;
    }

    pub(crate) fn paused(&mut self, pause: Option<Pause>) {
        self.facts.paused = pause;
    }

    /// Whether any of them is new.
    pub(crate) fn found(&mut self, labels: impl IntoIterator<Item = Label>) -> bool {
        let before = self.facts.labels.len();
        for label in labels {
            if self.facts.labels.len() < self.limits.facts_max && !self.facts.labels.contains(&label) {
                self.facts.labels.push(label);
            }
        }
        self.facts.labels.len() > before
    }

    fn join(&mut self, new: NewParty) -> Result<PartyId, RecorderError> {
        let id = PartyId::try_from(self.facts.parties.len()).unwrap_or(PartyId::MAX);
        if self.facts.parties.len() >= self.limits.parties_max {
            return Err(RecorderError::TooMany { what: "parties", limit: self.limits.parties_max });
        }
        if new.leg.is_some_and(|leg| leg >= self.limits.legs_max) {
            return Err(RecorderError::TooMany { what: "legs", limit: self.limits.legs_max.into() });
        }
        self.short("language", &new.language)?;
        let joined = self.facts.elapsed();
        let number = numbering::look_up(new.number.as_deref().unwrap_or_default());
        self.numbers.extend(new.number.filter(|n| !n.trim().is_empty()));
        let evidence = [
            (new.stated, RegionSource::Stated),
            (new.on_file, RegionSource::OnFile),
            (number.region, RegionSource::Number),
        ];
        let regions = evidence
            .into_iter()
            .filter_map(|(region, source)| Some(RegionEvidence { region: region?, source, learned: joined }))
            .collect();
        self.facts.parties.push(Party {
            id,
            role: new.role,
            leg: new.leg,
            number: number.kind,
            regions,
            language: new.language,
            joined,
            left: None,
            traits: PartyTraits { present: true, ..new.traits },
        });
        if new.written_consent {
            let form = ConsentForm::Written;
            self.facts.consents.push(Consent { party: id, form, at: joined, given: true, recorded: false });
        }
        Ok(id)
    }

    fn notice(&mut self, new: NewNotice, oldest_in_memory: Option<Offset>) -> Result<(), RecorderError> {
        self.room_for("notices", self.facts.notices.len())?;
        self.short("language", &new.language)?;
        let hears = |p: &&Party| p.traits.present && new.heard_on.is_none_or(|leg| p.leg == Some(leg));
        let present = || self.facts.parties.iter().filter(hears).map(|p| p.id).collect();
        let heard_by = new.heard_by.unwrap_or_else(present);
        // It is in the recording if recording is on, or can begin with it.
        let recorded = new.record_from.is_some_and(|from| {
            self.facts.traits.captured || oldest_in_memory.is_some_and(|oldest| oldest <= from)
        });
        self.facts.notices.push(Notice {
            kind: new.kind,
            at: self.facts.elapsed(),
            recorded,
            late: self.facts.traits.captured,
            heard_by,
            language: new.language,
            every_s: new.every_s,
        });
        Ok(())
    }

    fn hear(&mut self, heard: Vec<Word>) -> Result<CaptureEvent, RecorderError> {
        for word in &heard {
            self.short("word", &word.text)?;
            if word.leg >= self.limits.legs_max || word.end < word.start {
                return Err(RecorderError::BadWord { leg: word.leg, start: word.start, end: word.end });
            }
        }
        self.forget_what_is_old();
        let before = self.words.clone();
        self.words.extend(heard.iter().cloned());
        self.words.sort_by_key(|w| (w.start, w.end));
        Ok(CaptureEvent::Words(Speech { heard, before }))
    }

    /// What was keyed on a leg without a longer break, up to now: the symbols, and since when.
    pub(crate) fn entry_on(&self, leg: u8) -> Option<(String, Offset)> {
        const BREAK_MS: Offset = 5_000;
        let mut keys = self.keys.iter().rev().filter(|k| k.leg == leg);
        let newest = keys.next()?;
        let (mut entry, mut since) = (vec![newest.symbol], newest.start);
        for key in keys {
            if since.saturating_sub(key.end) > BREAK_MS {
                break;
            }
            entry.push(key.symbol);
            since = since.min(key.start);
        }
        Some((entry.into_iter().rev().collect(), since))
    }

    fn forget_what_is_old(&mut self) {
        let from = self.facts.elapsed().saturating_sub(self.limits.context_ms);
        let excess = self.words.len().saturating_sub(self.limits.context_words);
        self.words.drain(..excess);
        self.words.retain(|w| w.end >= from);
        self.keys.retain(|k| k.end >= from);
    }

    fn party(&mut self, id: PartyId) -> Result<&mut Party, RecorderError> {
        self.facts.parties.iter_mut().find(|p| p.id == id).ok_or(RecorderError::NoSuchParty { id })
    }

    fn room_for(&self, what: &'static str, count: usize) -> Result<(), RecorderError> {
        let limit = self.limits.facts_max;
        if count < limit { Ok(()) } else { Err(RecorderError::TooMany { what, limit }) }
    }

    fn short(&self, what: &'static str, text: &str) -> Result<(), RecorderError> {
        let limit = self.limits.text_bytes_max;
        if text.len() <= limit {
            Ok(())
        } else {
            Err(RecorderError::TooLong { what, bytes: text.len(), limit })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::{NoticeKind, NumberKind, PartyRole};

    fn client() -> ClientProfile {
        ClientProfile {
            id: "acme".parse().unwrap(),
            recorder_region: "GA".parse().ok(),
            purposes: vec![],
            can_pause: true,
            medical_record: false,
            placement: serde_json::from_str("{}").unwrap(),
            full_need: vec![],
            attributes: vec![],
            practice: crate::Practice::default(),
        }
    }

    fn a_call(limits: &Limits) -> CallFacts {
        let party =
            |role, number: &str| NewParty { role, number: Some(number.into()), ..NewParty::default() };
        let parties =
            vec![party(PartyRole::Agent, "+13055550101"), party(PartyRole::Customer, "+14045550102")];
        let call = NewCall { parties, ..NewCall::default() };
        CallFacts::new(call, &client(), Moment::from_millis(1_000), limits).unwrap()
    }

    fn notice(record_from: Option<Offset>) -> Happening {
        let kind = NoticeKind::Spoken;
        Happening::NoticePlayed(NewNotice {
            kind,
            record_from,
            heard_by: None,
            heard_on: None,
            language: "en".into(),
            every_s: 0,
        })
    }

    #[test]
    fn a_number_becomes_evidence_and_is_dropped() {
        let known = a_call(&Limits::default());
        let agent = &known.facts().parties[0];
        assert_eq!((agent.number, agent.regions[0].region.as_str()), (NumberKind::Geographic, "FL"));
        assert!(!serde_json::to_string(known.facts()).unwrap().contains("5550101"));
    }

    #[test]
    fn a_notice_is_recorded_only_if_its_audio_can_still_be_kept() {
        let check = |record_from, oldest, want| {
            let mut known = a_call(&Limits::default());
            known.apply(notice(record_from), Moment::from_millis(9_000), oldest).unwrap();
            assert_eq!(known.facts().notices[0].recorded, want, "{record_from:?} {oldest:?}");
        };
        check(Some(2_000), Some(0), true);
        check(Some(2_000), Some(2_001), false);
        check(Some(2_000), None, false);
        check(None, Some(0), false);
    }

    #[test]
    fn whoever_joins_later_has_not_heard_an_earlier_notice() {
        let mut known = a_call(&Limits::default());
        known.apply(notice(None), Moment::from_millis(3_000), None).unwrap();
        let late = Happening::PartyJoined(NewParty::default());
        let event = known.apply(late, Moment::from_millis(9_000), None).unwrap();
        assert_eq!(event, CaptureEvent::PartyJoined(2));
        assert_eq!(known.facts().notices[0].heard_by, [0, 1]);
    }

    #[test]
    fn context_is_bounded() {
        let limits = Limits { context_words: 3, context_ms: 1_000, ..Limits::default() };
        let mut known = a_call(&limits);
        for i in 0..10u32 {
            let word = Word { leg: 0, start: i * 100, end: i * 100 + 50, text: "x".into() };
            let now = Moment::from_millis(1_000 + u64::from(i) * 100);
            let CaptureEvent::Words(speech) = known.apply(Happening::Words(vec![word]), now, None).unwrap()
            else {
                panic!("words make a words event");
            };
            assert!(speech.before.len() <= 3);
        }
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_and_changes_nothing() {
        let mut known = a_call(&Limits { text_bytes_max: 8, parties_max: 2, ..Limits::default() });
        let before = known.facts().clone();
        let long = Word { leg: 0, start: 0, end: 1, text: "x".repeat(9) };
        let backwards = Word { leg: 0, start: 5, end: 1, text: "x".into() };
        for bad in [
            Happening::Words(vec![long]),
            Happening::Words(vec![backwards]),
            Happening::PartyJoined(NewParty::default()),
            Happening::PartyLeft(9),
        ] {
            assert!(known.apply(bad, before.now, None).is_err());
            assert_eq!(known.facts(), &before);
        }
    }
}
