//! Points that packs gave, by agent and rule. Looking at them is ruled on as a search is.

use std::collections::BTreeMap;

use caveat_access::SignedIn;
use caveat_model::{Act, Facts, Form, Purpose, RecordingId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Asked, Decided, History, Recorder, RecorderError, Window, history::SCORED, search::agent};

/// Recordings shown of each rule, the newest.
const EXAMPLES: usize = 5;

/// The scores of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Scorecard {
    /// As their calls said; empty where they did not.
    pub agent: String,
    /// Calls that were scored.
    pub calls: u64,
    /// Points given.
    pub points: i64,
    /// Of.
    pub out_of: i64,
    /// By rule, the weakest first.
    pub rules: Vec<RuleScore>,
}

/// What an agent was given for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RuleScore {
    /// Of which pack.
    pub pack: String,
    /// Its id.
    pub rule: String,
    /// How often it was scored.
    pub times: u64,
    /// Points given.
    pub points: i64,
    /// Of.
    pub out_of: i64,
    /// Some recordings in which points were missing.
    pub examples: Vec<RecordingId>,
}

#[derive(Default)]
struct Card {
    calls: std::collections::BTreeSet<RecordingId>,
    rules: BTreeMap<(String, String), RuleScore>,
}

impl Recorder {
    /// Scores of a time, by agent; the best first. `most` decisions are read for it.
    ///
    /// # Errors
    /// [`RecorderError::TooMuch`]: points were given in more decisions of that time; and as [`Recorder::search`].
    pub async fn scorecards(
        &self,
        who: &SignedIn,
        purpose: Purpose,
        window: Window,
        most: usize,
    ) -> Result<Result<Vec<Scorecard>, Decided>, RecorderError> {
        let asked = Asked { act: Act::Search, form: Form::FactsOnly, ..Asked::to_play(purpose) };
        let granted = match self.decide(who, None, Facts::default(), &asked).await? {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        let cards = self.cards(who, window, most).await;
        self.result(&who.client, granted.intent, cards.is_ok(), 0).await?;
        Ok(Ok(cards?))
    }

    async fn cards(
        &self,
        who: &SignedIn,
        window: Window,
        most: usize,
    ) -> Result<Vec<Scorecard>, RecorderError> {
        let opener = self.house.vault.opener().clone();
        let ledger = self.house.ledger.clone();
        let mut history = History::of_list(ledger, opener, &who.client, window, SCORED).await?;
        let mut read = 0;
        let mut cards: BTreeMap<String, Card> = BTreeMap::new();
        loop {
            let decisions = history.next().await?;
            if decisions.is_empty() {
                break;
            }
            for recorded in decisions.into_iter().filter_map(|d| d.recorded.ok()) {
                let Some(recording) = recorded.recording else { continue };
                let scored = || recorded.verdict.rulings.iter().filter(|r| !r.ruling.scores.is_empty());
                read += usize::from(scored().next().is_some());
                if read > most {
                    return Err(RecorderError::TooMuch {
                        what: "decisions in which points were given",
                        most,
                    });
                }
                for ruling in scored() {
                    let card = cards.entry(agent(&recorded.facts).unwrap_or_default()).or_default();
                    card.add(recording, &ruling.pack.name, &ruling.ruling.scores);
                }
            }
        }
        let mut cards: Vec<Scorecard> = cards.into_iter().map(|(agent, card)| card.shown(agent)).collect();
        cards.sort_by(|a, b| share(b.points, b.out_of).total_cmp(&share(a.points, a.out_of)));
        Ok(cards)
    }
}

impl Card {
    fn add(&mut self, recording: RecordingId, pack: &str, scores: &[caveat_model::Score]) {
        self.calls.insert(recording);
        for score in scores {
            let key = (pack.to_owned(), score.rule.clone());
            let rule = self.rules.entry(key).or_insert_with(|| RuleScore {
                pack: pack.to_owned(),
                rule: score.rule.clone(),
                times: 0,
                points: 0,
                out_of: 0,
                examples: vec![],
            });
            rule.times += 1;
            rule.points += i64::from(score.points);
            rule.out_of += i64::from(score.out_of);
            if score.points < score.out_of && !rule.examples.contains(&recording) {
                rule.examples.push(recording);
                rule.examples.truncate(EXAMPLES);
            }
        }
    }

    fn shown(self, agent: String) -> Scorecard {
        let mut rules: Vec<RuleScore> = self.rules.into_values().collect();
        rules.sort_by(|a, b| share(a.points, a.out_of).total_cmp(&share(b.points, b.out_of)));
        let sum = |of: fn(&RuleScore) -> i64| rules.iter().map(of).sum();
        let (points, out_of) = (sum(|r| r.points), sum(|r| r.out_of));
        Scorecard { agent, calls: self.calls.len() as u64, points, out_of, rules }
    }
}

fn share(points: i64, out_of: i64) -> f64 {
    if out_of == 0 { 1.0 } else { points as f64 / out_of as f64 }
}
