//! Access: somebody asks for a recording. Log before act: intent in the ledger, then the act, then its result.

use std::ops::Range;

use caveat_access::SignedIn;
use caveat_ledger::EntryKind;
use caveat_model::{
    AccessRequest, Act, Attribute, AttributeValue, ClientId, Duty, Event, FactorKind, Facts, Form, Label,
    LabelKind, Outcome, Person, Purpose, Reason, RecordingId, Span, SpanSet, Verdict,
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{BoxStream, iter},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::{
    Limits, Recorder, RecorderError, Who,
    bounds::Bound,
    catalog::Listed,
    house::{About, Logged},
    playback::{Format, Sound},
};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which act.
    pub act: Act,
    /// Why.
    pub purpose: Purpose,
    /// In which form.
    pub form: Form,
    /// Which part; none for all of it.
    pub span: Option<Span>,
    /// Emergency access is invoked.
    pub break_glass: bool,
    /// In the person's own words; some accesses are not given without.
    pub reason: String,
    /// Outside the client: who is given it, for the accounting; empty for nobody.
    pub recipient: String,
}

impl Asked {
    /// To hear all of a recording as it is.
    pub fn to_play(purpose: Purpose) -> Self {
        Self {
            act: Act::Play,
            purpose,
            form: Form::Original,
            span: None,
            break_glass: false,
            reason: String::new(),
            recipient: String::new(),
        }
    }
}

/// What was decided about an access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Decided {
    /// `allow`, `step-up`, `refuse`.
    pub outcome: String,
    /// What goes with it ("serve-redacted-copy", "log-access").
    pub obligations: Vec<String>,
    /// What would change the answer.
    pub remedies: Vec<String>,
    /// Why: rule, citation, message.
    pub reasons: Vec<(String, String, String)>,
    /// What is silenced in what is served.
    pub silenced: Vec<Span>,
    /// Where the intent stands in the ledger.
    pub ledger_index: u64,
}

/// A recording that somebody may hear: ruled on and logged, once for all that is asked for of it.
#[derive(Debug)]
pub struct Play {
    client: ClientId,
    id: RecordingId,
    span: Option<Span>,
    duration_ms: u64,
    intent: u64,
    silenced: SpanSet,
    /// What was decided.
    pub decided: Decided,
    /// Its result is in the ledger.
    told: OnceCell<()>,
}

/// Some bytes of a sound.
pub struct Heard {
    /// The bytes, in pieces. The first was opened before this was given; what fails later ends them.
    pub pieces: BoxStream<'static, Result<Vec<u8>, RecorderError>>,
    /// Where they stand in it; none: nothing was chosen.
    pub range: Option<Range<u64>>,
    /// Its length.
    pub of: u64,
    /// Names the sound in its format: the same for the same bytes only.
    pub tag: String,
}

/// An access that was granted and logged, and is still to be carried out.
pub(crate) struct Granted {
    pub(crate) intent: u64,
    /// Where the verdict stands in the ledger.
    pub(crate) verdict: u64,
    pub(crate) facts: Facts,
    pub(crate) silenced: SpanSet,
    pub(crate) decided: Decided,
}

impl Recorder {
    /// What is known of a recording, without its content.
    pub async fn look(
        &self,
        who: &SignedIn,
        id: RecordingId,
        purpose: Purpose,
    ) -> Result<Result<(Listed, Facts), Decided>, RecorderError> {
        let (listed, facts) = self.house.catalog.get(&who.client, id).await?;
        let asked = Asked { act: Act::Search, form: Form::FactsOnly, ..Asked::to_play(purpose) };
        match self.decide(who, Some(id), facts, &asked).await? {
            Err(decided) => Ok(Err(decided)),
            Ok(granted) => {
                self.result(&who.client, granted.intent, true, 0).await?;
                Ok(Ok((listed, granted.facts)))
            }
        }
    }

    /// A recording as this person may hear it: all of it, with spans silenced, or not at all (`Ok(Err(..))`, with the
    /// reasons). The intent is in the ledger then, and nothing is decrypted yet: that is what [`Recorder::hear`] is for.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRecording`], [`RecorderError::NotKept`], and failures of the rooms behind.
    pub async fn play(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: &Asked,
    ) -> Result<Result<Play, Decided>, RecorderError> {
        let (listed, facts) = self.kept(&who.client, id).await?;
        let granted = match self.decide(who, Some(id), facts, asked).await? {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        Ok(Ok(Play {
            client: who.client.clone(),
            id,
            span: asked.span,
            duration_ms: listed.duration_ms,
            intent: granted.intent,
            silenced: granted.silenced,
            decided: granted.decided,
            told: OnceCell::new(),
        }))
    }

    /// Some bytes of what was granted; `choose` is told its tag and length. The result is logged with the first of them,
    /// as if all had been served: whoever has a piece may ask for the others. What was redacted since is silent.
    ///
    /// # Errors
    /// [`RecorderError::NotKept`], and failures of the rooms behind.
    pub async fn hear(
        &self,
        play: &Play,
        format: Format,
        choose: impl FnOnce(&str, u64) -> Option<Range<u64>>,
    ) -> Result<Heard, RecorderError> {
        let heard = async {
            let reader = self.house.vault.reader(&play.client, play.id).await?;
            let silenced = play.silenced.clone();
            let sound = Sound::of(reader, play.span, silenced, play.duration_ms, format)?;
            let (tag, of) = (sound.tag(), sound.len());
            let range = choose(&tag, of);
            let mut pieces = sound.pieces(range.clone().unwrap_or_default()).boxed();
            let first = pieces.try_next().await?;
            let pieces = iter(first.map(Ok)).chain(pieces).boxed();
            Ok(Heard { pieces, range, of, tag })
        }
        .await;
        let (is_ok, bytes) = (heard.is_ok(), heard.as_ref().map_or(0, |heard: &Heard| heard.of));
        let told = play.told.get_or_try_init(|| self.result(&play.client, play.intent, is_ok, bytes));
        told.await?;
        heard
    }

    /// Logs a sign-in and what the packs say of it; false: they refuse it.
    pub async fn sign_in(&self, who: &SignedIn) -> Result<Result<(), Decided>, RecorderError> {
        let (act, purpose) = (Act::SignIn, Purpose::Operations);
        let asked = Asked { act, form: Form::FactsOnly, ..Asked::to_play(purpose) };
        match self.decide(who, None, Facts::default(), &asked).await? {
            Err(decided) => Ok(Err(decided)),
            Ok(granted) => {
                self.result(&who.client, granted.intent, true, 0).await?;
                Ok(Ok(()))
            }
        }
    }

    /// Rules on an access and logs the intent, granted or not.
    pub(crate) async fn decide(
        &self,
        who: &SignedIn,
        id: Option<RecordingId>,
        mut facts: Facts,
        asked: &Asked,
    ) -> Result<Result<Granted, Decided>, RecorderError> {
        facts.now = self.house.clock.now();
        facts.attributes.extend(passkey(who));
        if id.is_none() {
            facts.began = facts.now;
        } else if let Some(id) = id {
            facts.holds = self.house.retention.holds(&who.client, id).await?;
        }
        let event = Event::Access(AccessRequest {
            act: asked.act,
            purpose: asked.purpose,
            form: asked.form,
            span: asked.span,
            person: self.person(who, asked),
        });
        let verdict = self.house.ask(&who.client, &event, &facts).await?;
        let by = Who::new(format!("person {}", who.person), asked.reason.as_str());
        let by = Who { to: asked.recipient.clone(), ..by };
        let logged = self.house.log(&who.client, id, &event, &facts, verdict, Some(&by)).await?;
        let refused = self.refuses(&who.client, id, &event, &logged.verdict, &asked.reason).await?;
        let grant = logged.verdict.outcome == Outcome::Allow && refused.is_none();
        let pseudonym = match id {
            Some(id) => Some(self.house.pseudonym(&who.client, id).await?),
            None => None,
        };
        let name = who.person.as_str().as_bytes();
        let intent = EntryKind::AccessIntent {
            recording: pseudonym,
            person: self.house.vault.commitment(&who.client, "person", name).await?.to_string(),
            act: asked.act,
            purpose: asked.purpose,
            verdict: logged.index,
            grant,
        };
        let intent = self.house.enter(&who.client, intent).await?;
        let about = About { recording: id, ..About::default() };
        self.house.tell(&who.client, &event, &logged, about).await?;
        let silenced = silenced(&logged.verdict, &facts.labels, asked.form, &self.house.limits);
        let mut decided = decided(&logged, &silenced, intent);
        if let Some((reason, remedy)) = refused {
            decided.outcome = Outcome::Refuse.word(logged.verdict.stage).to_owned();
            decided.reasons.insert(0, (reason.rule, reason.citation, reason.message));
            decided.remedies.extend(remedy);
        } else if grant {
            self.raise_what_follows(&who.client, id, &logged).await?;
        }
        let verdict = logged.index;
        if grant { Ok(Ok(Granted { intent, verdict, facts, silenced, decided })) } else { Ok(Err(decided)) }
    }

    /// Why the host itself refuses what packs allow: the recording may not be used for this, or a reason is owed; and
    /// what would change that.
    async fn refuses(
        &self,
        client: &ClientId,
        id: Option<RecordingId>,
        event: &Event,
        verdict: &Verdict,
        reason: &str,
    ) -> Result<Option<(Reason, Option<String>)>, RecorderError> {
        let Event::Access(asked) = event else { return Ok(None) };
        let mut bounds = Bound::of(verdict);
        if let Some(id) = id {
            bounds.extend(self.house.bounds.of(client, id).await?);
        }
        if let Some(refused) = bounds.iter().find_map(|bound| bound.refuses(asked)) {
            return Ok(Some((refused, None)));
        }
        let owed = verdict.obligations().find(|(_, o)| o.duty == Duty::RecordReason);
        let Some((_, owed)) = owed.filter(|_| reason.trim().is_empty()) else { return Ok(None) };
        let citation = verdict.reasons().find(|(_, r)| r.rule == owed.rule).map(|(_, r)| r.citation.clone());
        let message = "This access is given only with a reason, which is kept; none was given.".to_owned();
        let refused = Reason { rule: owed.rule.clone(), citation: citation.unwrap_or_default(), message };
        Ok(Some((refused, Some("give-a-reason".to_owned()))))
    }

    /// What somebody has to do after an access stays open as an alert until they confirm it. The accounting of disclosures
    /// nobody has to keep: it is read from the log.
    async fn raise_what_follows(
        &self,
        client: &ClientId,
        id: Option<RecordingId>,
        logged: &Logged,
    ) -> Result<(), RecorderError> {
        for (_, obligation) in logged.verdict.obligations() {
            let index = logged.index;
            let message = match obligation.duty {
                Duty::AfterReview => {
                    format!("The access that ledger entry {index} allowed has to be reviewed.")
                }
                _ => continue,
            };
            let reasons = logged.verdict.reasons().map(|(_, r)| r);
            let citation = reasons.filter(|r| r.rule == obligation.rule).map(|r| r.citation.as_str()).next();
            let why = (obligation.rule.as_str(), citation.unwrap_or_default(), message.as_str());
            let now = self.house.clock.now();
            self.house.alerts.raise(client, now, id, &obligation.duty.code(), why).await?;
        }
        Ok(())
    }

    fn person(&self, who: &SignedIn, asked: &Asked) -> Person {
        let mut person = who.to_model();
        person.traits.verified = true;
        person.traits.break_glass = asked.break_glass;
        person.traits.full_need =
            self.clients.get(&who.client).is_some_and(|c| c.full_need.contains(&who.function));
        person
    }

    pub(crate) async fn result(
        &self,
        client: &ClientId,
        intent: u64,
        ok: bool,
        bytes: u64,
    ) -> Result<(), RecorderError> {
        self.house.enter(client, EntryKind::AccessResult { intent, ok, bytes, digest: None }).await?;
        Ok(())
    }
}

/// What packs cannot see from the kind of a factor: the door takes a passkey only where its device has verified who holds
/// it (WebAuthn, section 6.1: the flag UV).
fn passkey(who: &SignedIn) -> Option<Attribute> {
    let shown = who.factors.iter().any(|factor| factor.kind == FactorKind::Passkey);
    shown.then(|| Attribute { name: "access.passkey-verified".into(), value: AttributeValue::Flag(true) })
}

/// Labelled spans of the kinds that the verdict hides; all labelled spans where a redacted form was asked for.
fn silenced(verdict: &Verdict, labels: &[Label], form: Form, limits: &Limits) -> SpanSet {
    const NEVER_HIDDEN: [LabelKind; 2] = [LabelKind::RequiredPhrase, LabelKind::ForbiddenPhrase];
    let hidden = |kind: LabelKind| {
        let asked = form != Form::Original && !NEVER_HIDDEN.contains(&kind);
        asked || verdict.terms.serve_redacted.as_ref().is_some_and(|kinds| kinds.contains(&kind))
    };
    let hidden = labels.iter().filter(|l| hidden(l.kind));
    hidden.flat_map(|l| limits.wide_enough(&[l.span], std::slice::from_ref(l))).collect()
}

pub(crate) fn decided(logged: &Logged, silenced: &SpanSet, intent: u64) -> Decided {
    let verdict = &logged.verdict;
    let reasons = verdict.reasons().map(|(_, r)| (r.rule.clone(), r.citation.clone(), r.message.clone()));
    // What no pack says: a hold, or demands that cannot all be met.
    let at_odds =
        verdict.conflicts.iter().map(|c| ("host.conflict".to_owned(), String::new(), c.resolution.clone()));
    Decided {
        outcome: verdict.outcome.word(verdict.stage).to_owned(),
        obligations: verdict.obligations().map(|(_, o)| o.duty.code()).collect(),
        remedies: verdict.remedies().map(|r| r.action.clone()).collect(),
        reasons: reasons.chain(at_odds).collect(),
        silenced: silenced.as_slice().to_vec(),
        ledger_index: intent,
    }
}
