//! The house standard: agents read a disclosure, and do not ask for a full card number.
//!
//! A pack remembers nothing from event to event. What it found earlier on the call comes back to it as a label.

mod phrase;

use caveat_sdk::{
    CaptureRules, Facts, Pack, Rule,
    capture::{Duty, Event, Ruling, Score, Speech},
    facts::{Label, LabelKind, Role, Span},
    settings::Problem,
};
use phrase::Phrase;

const DISCLOSURE: Rule = Rule { id: "house.disclosure", citation: "House standard 1" };
const CARD_NUMBER: Rule = Rule { id: "house.card-number", citation: "House standard 2" };

/// Of a phrase that was recognized word for word.
const CONFIDENCE: u8 = 90;
const FULL_SCORE: i16 = 10;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    disclosure: String,
    disclosure_within_s: u32,
    card_requests: Vec<String>,
    pause_s: u32,
}

struct HouseStandard {
    disclosure: Phrase,
    disclosure_within_ms: u32,
    card_requests: Vec<Phrase>,
    pause_ms: u32,
}

impl Pack for HouseStandard {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut phrase = |at: String, text: &str| {
            let phrase = Phrase::new(text);
            if phrase.is_none() {
                problems.push(Problem { at, message: "no word in it to listen for".into() });
            }
            phrase
        };
        let disclosure = phrase("/disclosure".into(), &settings.disclosure);
        let requests = settings.card_requests.iter().enumerate();
        let card_requests =
            requests.filter_map(|(n, text)| phrase(format!("/card-requests/{n}"), text)).collect();
        match disclosure {
            Some(disclosure) if problems.is_empty() => Ok(Self {
                disclosure,
                disclosure_within_ms: settings.disclosure_within_s * 1_000,
                card_requests,
                pause_ms: settings.pause_s * 1_000,
            }),
            _ => Err(problems),
        }
    }
}

impl CaptureRules for HouseStandard {
    fn capture(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        match event {
            Event::Words(speech) => self.listen(speech, facts, &mut ruling),
            Event::Ended => {
                self.judge_disclosure(facts, &mut ruling);
                return ruling;
            }
            _ => {}
        }
        self.pause_after_request(facts, &mut ruling);
        ruling
    }
}

impl HouseStandard {
    /// Labels what the standard asks for and what it forbids, in what agents have just said.
    fn listen(&self, speech: &Speech, facts: &Facts, ruling: &mut Ruling) {
        for leg in agent_legs(facts) {
            for place in self.disclosure.places(speech, leg) {
                ruling.label(LabelKind::RequiredPhrase, place, CONFIDENCE);
            }
            for place in self.card_requests.iter().flat_map(|request| request.places(speech, leg)) {
                ruling.label(LabelKind::ForbiddenPhrase, place, CONFIDENCE);
                ruling.oblige(&CARD_NUMBER, Duty::Alert("An agent asked for a full card number.".into()));
                ruling.remedy(&CARD_NUMBER, "use-the-keypad");
                score(ruling, &CARD_NUMBER, 0, Some(place));
            }
        }
    }

    /// The answer to such a request may be the number.
    fn pause_after_request(&self, facts: &Facts, ruling: &mut Ruling) {
        let requests = labels(&facts.labels, LabelKind::ForbiddenPhrase)
            .chain(labels(&ruling.labels, LabelKind::ForbiddenPhrase));
        let Some(last) = requests.map(|place| place.end).max() else { return };
        if facts.now.saturating_sub(facts.began) < u64::from(last) + u64::from(self.pause_ms) {
            ruling.suspend(&CARD_NUMBER, "A full card number was asked for: the answer is not kept.");
        } else if !ruling.scores.is_empty() {
            ruling.because(&CARD_NUMBER, "A full card number was asked for.");
        }
    }

    fn judge_disclosure(&self, facts: &Facts, ruling: &mut Ruling) {
        let over_too_soon = facts.now.saturating_sub(facts.began) < u64::from(self.disclosure_within_ms);
        if over_too_soon || agent_legs(facts).next().is_none() {
            return;
        }
        let first = labels(&facts.labels, LabelKind::RequiredPhrase).min_by_key(|place| place.start);
        match first {
            Some(place) if place.start <= self.disclosure_within_ms => {
                score(ruling, &DISCLOSURE, FULL_SCORE, Some(place));
            }
            Some(place) => {
                ruling.because(&DISCLOSURE, "The disclosure was read too late.");
                score(ruling, &DISCLOSURE, FULL_SCORE / 2, Some(place));
            }
            None => {
                ruling.because(&DISCLOSURE, "The disclosure was not read.");
                ruling.oblige(&DISCLOSURE, Duty::Alert("An agent did not read the disclosure.".into()));
                ruling.see_to(&DISCLOSURE, "coach-agent", None);
                score(ruling, &DISCLOSURE, 0, None);
            }
        }
    }
}

fn agent_legs(facts: &Facts) -> impl Iterator<Item = u8> + '_ {
    facts.parties.iter().filter(|party| party.role == Role::Agent).filter_map(|party| party.leg)
}

fn labels(all: &[Label], kind: LabelKind) -> impl Iterator<Item = Span> + '_ {
    all.iter().filter(move |label| label.kind == kind).map(|label| label.where_)
}

fn score(ruling: &mut Ruling, rule: &Rule, points: i16, place: Option<Span>) {
    ruling.scores.push(Score { rule: rule.id.into(), points, out_of: FULL_SCORE, where_: place });
}

caveat_sdk::pack!(HouseStandard: capture);
