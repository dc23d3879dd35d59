//! Scenarios about recording: the call is played from its beginning, and the last event is judged, or, where things are
//! said and keyed, those.

use std::collections::VecDeque;

use caveat_model::{
    Asker, CaptureEvent, Consent, ConsentForm, Event, Facts, Key, Keyed, Notice, NoticeKind, Offset, Party,
    PartyId, PartyRole, PartyTraits, Pause, PauseCause, Region, RegionEvidence, RegionSource, Speech, Word,
};
use serde_json::{Map, Value};

use super::{Scenario, Step, Translation, happening, happening::Happening, words, words::Table};
use crate::plain;

/// When a notice is complete that was played in time, and one that was not.
const NOTICE_MS: Offset = 4_000;
const LATE_NOTICE_MS: Offset = 60_000;
/// When a party answers a notice, or leaves because of it.
const ANSWER_MS: Offset = 8_000;
/// When something is said that has no time of its own.
const CONTENT_MS: Offset = 20_000;
/// How long a word or a key takes.
const WORD_MS: Offset = 400;
/// How many words and keys a pack is shown from before an event.
const CONTEXT: usize = 64;
/// When a card number that a scenario expects is asked for.
const QUESTION_MS: Offset = 60_000;
/// What scenarios call the seconds between two tones.
const BEEP_INTERVAL: [&str; 3] = ["beep_every_s", "beep_interval_s", "tone_interval_s"];

pub(super) fn translate(scenario: &Scenario) -> Translation {
    let mut call = Call::new(scenario);
    let mut moments = call.moments(scenario);
    moments.sort_by_key(|(at, _)| *at);
    for (at, moment) in moments {
        call.play(at, moment);
    }
    call.judge()
}

/// Something at a point in a call.
enum Moment {
    Offered,
    Notice(Notice),
    Answers(Vec<Consent>),
    Learned(PartyId),
    Happens(Happening),
    PartyJoins(PartyId),
    PartyLeaves(PartyId),
    Content(Map<String, Value>),
}

/// One party, with what becomes known of it later.
struct Cast {
    party: Party,
    /// Where it is, from when on.
    place: Option<RegionEvidence>,
    /// When it leaves, if during the call.
    leaves: Option<Offset>,
    /// Whether it was told on joining later.
    told: bool,
}

struct Call {
    facts: Facts,
    cast: Vec<Cast>,
    heard: VecDeque<Word>,
    keyed: VecDeque<Key>,
    steps: Vec<Step>,
    notes: Vec<String>,
    has_content: bool,
    /// When the last event was: time does not go back.
    latest: Offset,
}

impl Call {
    fn new(scenario: &Scenario) -> Self {
        let mut facts = scenario.facts();
        let can_pause =
            |table: &str| scenario.table(table).flag(&["can_pause", "pause_available", "pause_technology"]);
        facts.traits.can_pause = can_pause("call").or(can_pause("tenant")).unwrap_or(true);
        let mut call = Self {
            facts,
            cast: vec![],
            heard: VecDeque::new(),
            keyed: VecDeque::new(),
            steps: vec![],
            notes: vec![],
            has_content: false,
            latest: 0,
        };
        for (n, party) in scenario.list("parties").iter().filter_map(Value::as_object).enumerate() {
            call.add_party(n as PartyId, Table(Some(party)));
        }
        if call.cast.is_empty() {
            // A call has two ends, even where a scenario does not dwell on them.
            for role in [PartyRole::Agent, PartyRole::Customer] {
                let id = call.cast.len() as PartyId;
                call.cast.push(Cast { party: party(id, role), place: None, leaves: None, told: false });
            }
        }
        call
    }

    fn add_party(&mut self, id: PartyId, table: Table<'_>) {
        let role = table.text(&["role"]).unwrap_or_default();
        let mut party = party(id, words::party_role(role));
        let (kind, by_number) = table.text(&["number"]).map(plain::number_facts).unwrap_or_default();
        party.number = kind;
        party.language = table.text(&["language"]).unwrap_or_default().to_owned();
        party.joined =
            seconds(table.whole(&["joined_at_s", "joins_at_s", "join_at_s", "joined_s", "joins_s"]));
        let flag = |names: &[&str]| table.flag(names).unwrap_or(false);
        party.traits = PartyTraits {
            present: true,
            silent: flag(&["silent", "listen_only"]) || role == "monitor",
            on_hold: flag(&["on_hold"]),
            minor: flag(&["minor"]) || table.whole(&["age"]).is_some_and(|age| age < 18),
            remote_worker: flag(&["remote_worker", "remote", "work_from_home", "wfh"]),
        };
        let own_people = matches!(party.role, PartyRole::Agent | PartyRole::Supervisor);
        let place = table.text(&["location"]).filter(|l| !["", "unknown"].contains(l)).and_then(|location| {
            let region = plain::region(location, by_number.as_ref());
            if region.is_none() {
                self.notes.push(format!("`{location}` is no place that the contract knows"));
            }
            let source = if own_people { RegionSource::OnFile } else { RegionSource::Stated };
            Some(RegionEvidence {
                region: region?,
                source,
                learned: seconds(table.whole(&["location_known_at_s"])),
            })
        });
        let on_file: Option<Region> =
            table.text(&["on_file", "address"]).and_then(|l| plain::region(l, by_number.as_ref()));
        let evidence = |region, source| RegionEvidence { region, source, learned: 0 };
        party.regions.extend(on_file.map(|r| evidence(r, RegionSource::OnFile)));
        party.regions.extend(by_number.map(|r| evidence(r, RegionSource::Number)));
        let leaves = table.whole(&["left_at_s", "leaves_at_s", "left_s", "leaves_s"]);
        let leaves = leaves.map(|s| seconds(Some(s)));
        self.cast.push(Cast { party, place, leaves, told: flag(&["told", "notified"]) });
    }

    /// Everything that happens, in the order in which simultaneous things happen.
    fn moments(&mut self, scenario: &Scenario) -> Vec<(Offset, Moment)> {
        let consent = scenario.table("consent");
        let written = self.consents(consent, &["written"], ConsentForm::Written, true, 0);
        self.facts.consents.extend(written);
        let mut moments = vec![(0, Moment::Offered)];
        for sentence in scenario.list("events").iter().filter_map(Value::as_str) {
            match happening::understand(sentence) {
                (at, Some(happening)) => moments.push((at.saturating_mul(1000), Moment::Happens(happening))),
                (_, None) => self.notes.push(format!("no event stands for `{sentence}`")),
            }
        }
        if scenario.table("call").flag(&["card_entry_expected", "card_entry", "expects_card_entry"])
            == Some(true)
        {
            moments.push((QUESTION_MS, Moment::Happens(Happening::asks_for_card())));
        }
        moments.extend(self.announcement(consent));
        moments.extend(self.tone(consent));
        for cast in &self.cast {
            let id = cast.party.id;
            if cast.party.joined > 0 {
                moments.push((cast.party.joined, Moment::PartyJoins(id)));
                if cast.told {
                    moments.push((cast.party.joined, Moment::Happens(Happening::Notice(true))));
                }
            }
            moments.extend(cast.leaves.map(|at| (at, Moment::PartyLeaves(id))));
            if let Some(place) = cast.place.as_ref().filter(|p| p.learned > 0) {
                moments.push((place.learned, Moment::Learned(id)));
            }
        }
        let mut answers = self.consents(consent, &["express"], ConsentForm::Express, true, ANSWER_MS);
        answers.extend(self.consents(
            consent,
            &["refused", "declined"],
            ConsentForm::Express,
            false,
            ANSWER_MS,
        ));
        if !answers.is_empty() {
            moments.push((ANSWER_MS, Moment::Answers(answers)));
        }
        moments.extend(content_moments(scenario, &moments));
        moments
    }

    fn announcement(&self, consent: Table<'_>) -> Vec<(Offset, Moment)> {
        let word = consent.text(&["announcement"]).unwrap_or("none");
        if word == "none" {
            return vec![];
        }
        let late = word.contains("late");
        let kind = match word {
            w if w.contains("beep") => NoticeKind::Beep,
            w if w.contains("written") => NoticeKind::Written,
            _ => NoticeKind::Spoken,
        };
        let at = match kind {
            NoticeKind::Written => 0,
            _ if late => LATE_NOTICE_MS,
            _ => NOTICE_MS,
        };
        let notice = Notice {
            kind,
            at,
            recorded: kind != NoticeKind::Written && !word.contains("not-recorded"),
            late,
            heard_by: self.with_roles(consent.words(&["heard_by", "announcement_to"]), |p| p.joined <= at),
            language: consent.text(&["language", "announcement_language"]).unwrap_or_default().to_owned(),
            every_s: if kind == NoticeKind::Beep { beep_every_s(consent) } else { 0 },
        };
        let mut moments = vec![(at, Moment::Notice(notice))];
        if consent.flag(&["parties_stay"]) == Some(false) {
            let leaves =
                self.cast.iter().map(|c| &c.party).filter(|p| p.role != PartyRole::Agent && p.joined <= at);
            moments.extend(leaves.map(|p| (at.max(ANSWER_MS), Moment::PartyLeaves(p.id))));
        }
        moments
    }

    /// `beep_tone = true`, or how often it sounds: a warning tone that accompanies the recording from its start.
    fn tone(&self, consent: Table<'_>) -> Option<(Offset, Moment)> {
        let has_interval = consent.whole(&BEEP_INTERVAL).is_some();
        let announced = consent.text(&["announcement"]).is_some_and(|word| word.contains("beep"));
        let sounds = consent.flag(&["beep_tone", "beep"]).unwrap_or(has_interval && !announced);
        sounds.then_some(())?;
        let notice = Notice {
            kind: NoticeKind::Beep,
            at: 0,
            recorded: true,
            late: false,
            heard_by: self.with_roles(vec![], |p| p.joined == 0),
            language: String::new(),
            every_s: beep_every_s(consent),
        };
        Some((0, Moment::Notice(notice)))
    }

    /// `written = ["customer"]`, or `written = true` for everyone but the agent.
    fn consents(
        &self,
        table: Table<'_>,
        names: &[&str],
        form: ConsentForm,
        given: bool,
        at: Offset,
    ) -> Vec<Consent> {
        let everyone = table.flag(names) == Some(true);
        let roles = table.words(names);
        if roles.is_empty() && !everyone {
            return vec![];
        }
        let parties = self.with_roles(roles, |p| p.role != PartyRole::Agent);
        let recorded = form == ConsentForm::Express;
        parties.into_iter().map(|party| Consent { party, form, at, given, recorded }).collect()
    }

    /// Parties with any of these roles; where none is named, those that `otherwise` takes.
    fn with_roles(&self, roles: Vec<&str>, otherwise: impl Fn(&Party) -> bool) -> Vec<PartyId> {
        let roles: Vec<PartyRole> = roles.into_iter().map(words::party_role).collect();
        let parties = self.cast.iter().map(|c| &c.party);
        parties
            .filter(|p| if roles.is_empty() { otherwise(p) } else { roles.contains(&p.role) })
            .map(|p| p.id)
            .collect()
    }

    fn play(&mut self, at: Offset, moment: Moment) {
        match moment {
            Moment::Offered => self.push(at, CaptureEvent::Offered),
            Moment::Notice(notice) => {
                self.facts.traits.captured |= notice.late;
                let spoken = notice.kind != NoticeKind::Written;
                self.facts.notices.push(notice);
                if spoken {
                    self.push(at, CaptureEvent::NoticePlayed);
                }
            }
            Moment::Answers(answers) => {
                for answer in answers {
                    let (party, given) = (answer.party, answer.given);
                    self.facts.consents.push(answer);
                    self.push(
                        at,
                        if given {
                            CaptureEvent::ConsentGiven(party)
                        } else {
                            CaptureEvent::ConsentRefused(party)
                        },
                    );
                }
            }
            Moment::Learned(id) => self.push(at, CaptureEvent::RegionLearned(id)),
            Moment::PartyJoins(id) => self.push(at, CaptureEvent::PartyJoined(id)),
            Moment::PartyLeaves(id) => self.leave(at, id),
            Moment::Happens(happening) => self.happen(at, happening),
            Moment::Content(item) => self.content(at, Table(Some(&item))),
        }
    }

    fn happen(&mut self, at: Offset, happening: Happening) {
        match happening {
            Happening::Starts => self.facts.traits.captured = true,
            Happening::Said(role, text) => {
                let leg = self.leg_of(role);
                let words = self.speak(at, leg, plain::spoken(&text));
                self.push_words(words);
            }
            Happening::Pause(asker) => {
                self.push(at, CaptureEvent::PauseAsked(asker));
                let cause = match asker {
                    Asker::CardEntry => PauseCause::CardEntry,
                    Asker::Protocol => PauseCause::Protocol,
                    Asker::Person | Asker::Timer => PauseCause::Asked,
                };
                self.facts.paused = Some(Pause { since: at, cause });
            }
            Happening::Resume(asker) => {
                self.push(at, CaptureEvent::ResumeAsked(asker));
                self.facts.paused = None;
            }
            Happening::Hold => self.hold(at, true),
            Happening::Unhold => self.hold(at, false),
            Happening::Joins(role) => {
                // A party with a time of its own joins then.
                if !self.cast.iter().any(|c| c.party.role == role && c.party.joined > 0) {
                    let id = self.cast.len() as PartyId;
                    let mut party = party(id, role);
                    party.joined = at;
                    self.cast.push(Cast { party, place: None, leaves: None, told: false });
                    self.push(at, CaptureEvent::PartyJoined(id));
                }
            }
            Happening::Leaves(role) => {
                if let Some(id) = self.find(role) {
                    self.leave(at, id);
                }
            }
            Happening::Notice(recorded) => {
                let late = self.facts.traits.captured;
                let heard_by = self.with_roles(vec![], |p| p.joined <= at && p.traits.present);
                let notice = Notice {
                    kind: NoticeKind::Spoken,
                    at,
                    recorded,
                    late,
                    heard_by,
                    language: String::new(),
                    every_s: 0,
                };
                self.play(at, Moment::Notice(notice));
            }
            Happening::Consents | Happening::Refuses => {
                let given = happening == Happening::Consents;
                if let Some(party) = self.find(PartyRole::Customer) {
                    let answer = Consent { party, form: ConsentForm::Express, at, given, recorded: true };
                    self.play(at, Moment::Answers(vec![answer]));
                }
            }
            Happening::Ends => self.push(at, CaptureEvent::Ended),
        }
    }

    fn content(&mut self, at: Offset, item: Table<'_>) {
        self.has_content = true;
        let kind = item.text(&["what"]).and_then(words::label);
        let value = item.get(&["value"]).map(plain::text_of).unwrap_or_default();
        let leg = self
            .leg_of(item.text(&["by", "speaker", "party"]).map_or(PartyRole::Customer, words::party_role));
        let lead_in = item.text(&["context"]).unwrap_or_else(|| words::lead_in(kind));
        let was_paused = self.facts.paused;
        // Tones masked before they reach the recorder are as much kept from it as those during a pause.
        let kept_off = ["while_paused", "masked", "suppressed"].iter().any(|f| item.flag(&[f]) == Some(true));
        if kept_off && was_paused.is_none() {
            self.facts.paused = Some(Pause { since: at, cause: PauseCause::CardEntry });
        }
        let first = self.steps.len();
        match item.text(&["how"]) {
            Some("keyed" | "dtmf" | "keypad" | "dtmf-in-band" | "rfc4733" | "sip-info") => {
                // Nobody keys unasked; without the question digits are only digits.
                let question = self.speak(at, self.leg_of(PartyRole::Agent), plain::spoken(lead_in));
                let asked = question.last().map_or(at, |w| w.end);
                self.push_words(question);
                self.key(asked, leg, &value)
            }
            _ => {
                let said = plain::spoken(lead_in).into_iter().chain(plain::spoken(&value)).collect();
                let words = self.speak(at, leg, said);
                self.push_words(words);
            }
        }
        for step in &mut self.steps[first..] {
            step.judged = true;
        }
        self.facts.paused = was_paused;
    }

    fn key(&mut self, at: Offset, leg: u8, value: &str) {
        let symbols = value.chars().filter(|c| c.is_ascii_digit() || "*#ABCD".contains(*c));
        for (n, symbol) in symbols.enumerate() {
            let start = at + n as Offset * WORD_MS;
            let pressed = Key { leg, start, end: start + WORD_MS / 2, symbol };
            let (before, words) =
                (self.keyed.iter().copied().collect(), self.heard.iter().cloned().collect());
            self.push(start + WORD_MS, CaptureEvent::Keys(Keyed { pressed, before, words }));
            remember(&mut self.keyed, pressed);
        }
    }

    fn speak(&self, at: Offset, leg: u8, texts: Vec<String>) -> Vec<Word> {
        let word = |(n, text)| {
            let start = at + n as Offset * WORD_MS;
            Word { leg, start, end: start + WORD_MS, text }
        };
        texts.into_iter().enumerate().map(word).collect()
    }

    fn push_words(&mut self, heard: Vec<Word>) {
        let Some(end) = heard.last().map(|w| w.end) else { return };
        let before = self.heard.iter().cloned().collect();
        self.push(end, CaptureEvent::Words(Speech { heard: heard.clone(), before }));
        for word in heard {
            remember(&mut self.heard, word);
        }
    }

    fn hold(&mut self, at: Offset, on_hold: bool) {
        if let Some(id) = self.find(PartyRole::Customer) {
            self.cast[usize::from(id)].party.traits.on_hold = on_hold;
            self.push(at, if on_hold { CaptureEvent::Held(id) } else { CaptureEvent::Unheld(id) });
        }
    }

    fn leave(&mut self, at: Offset, id: PartyId) {
        let party = &mut self.cast[usize::from(id)].party;
        party.left = Some(at);
        party.traits.present = false;
        self.push(at, CaptureEvent::PartyLeft(id));
    }

    fn find(&self, role: PartyRole) -> Option<PartyId> {
        let mut present = self.cast.iter().filter(|c| c.party.traits.present);
        present.find(|c| c.party.role == role).map(|c| c.party.id)
    }

    fn leg_of(&self, role: PartyRole) -> u8 {
        self.find(role).unwrap_or(0)
    }

    /// An event, with the parties that are known by then and the places that are known of them.
    fn push(&mut self, at: Offset, event: CaptureEvent) {
        let at = at.max(self.latest);
        self.latest = at;
        let mut facts = self.facts.clone();
        facts.now = facts.began.plus_millis(u64::from(at));
        let known = self.cast.iter().filter(|c| c.party.joined <= at).map(|cast| {
            let mut party = cast.party.clone();
            party.regions.extend(cast.place.clone().filter(|p| p.learned <= at));
            party
        });
        facts.parties = known.collect();
        self.steps.push(Step { event: Event::Capture(event), facts, judged: false });
    }

    fn judge(mut self) -> Translation {
        if !self.has_content
            && let Some(last) = self.steps.last_mut()
        {
            last.judged = true;
        }
        Translation { steps: self.steps, notes: self.notes }
    }
}

/// What is said while paused comes after the first pause; the rest after everything else.
fn content_moments(scenario: &Scenario, moments: &[(Offset, Moment)]) -> Vec<(Offset, Moment)> {
    let is_pause = |m: &Moment| matches!(m, Moment::Happens(Happening::Pause(_)));
    let paused_at = moments.iter().find(|(_, m)| is_pause(m)).map(|(at, _)| *at);
    let last = moments.iter().map(|(at, _)| *at).max().unwrap_or(0);
    let place = |(n, item): (usize, &Map<String, Value>)| {
        let table = Table(Some(item));
        let paused = table.flag(&["while_paused"]).unwrap_or(false);
        let at = match (table.whole(&["at_s"]), paused_at) {
            (Some(s), _) => seconds(Some(s)),
            (None, Some(pause)) if paused => pause + 1_000 + n as Offset,
            _ => last.max(CONTENT_MS) + 1_000 + n as Offset * 15_000,
        };
        (at, Moment::Content(item.clone()))
    };
    scenario.list("content").iter().filter_map(Value::as_object).enumerate().map(place).collect()
}

fn party(id: PartyId, role: PartyRole) -> Party {
    Party {
        id,
        role,
        leg: Some(id),
        number: Default::default(),
        regions: vec![],
        language: String::new(),
        joined: 0,
        left: None,
        traits: PartyTraits { present: true, ..PartyTraits::default() },
    }
}

/// Connecticut's interval unless the scenario says otherwise.
fn beep_every_s(consent: Table<'_>) -> u16 {
    let every = consent.whole(&BEEP_INTERVAL).unwrap_or(15);
    u16::try_from(every).unwrap_or(u16::MAX)
}

fn seconds(s: Option<u64>) -> Offset {
    s.and_then(|s| u32::try_from(s.saturating_mul(1000)).ok()).unwrap_or(0)
}

fn remember<T>(context: &mut VecDeque<T>, item: T) {
    if context.len() == CONTEXT {
        context.pop_front();
    }
    context.push_back(item);
}

#[cfg(test)]
mod tests;
