//! Telling a client's own systems what happens on its calls: signed POSTs, in order, tried again, beside the path.
//!
//! One task a hook takes news off the recorder's watch into the recorder's outbox, which is on the disk and bounded; another
//! sends them, and after a restart what is still there. Neither is ever waited for by a call. Of several hosts each tells what
//! happened on it, and what others left. A receiver may be told twice of one `id`: when the host ends between its answer and the
//! note of it, or stands still for so long that another takes it for dead. News is lost when the outbox is full, when a
//! receiver has not taken it after all attempts, and when the host ends in the moment before it is written down; in the first
//! two cases an alert is raised. What a receiver must not miss it can read: `/v1/alerts`, `/v1/calls/{call}`, the ledger.
//!
//! The body is JSON: `id` (rising), `kind` (`state`, `duty`, `alert`), `client`, `at`, and what the kind says. The header
//! `caveat-signature: t=SECONDS,v1=HEX` holds HMAC-SHA256, under the hook's secret, of `SECONDS.BODY`. To check it:
//!
//! ```python
//! t, v1 = (part.split("=", 1)[1] for part in request.headers["caveat-signature"].split(","))
//! wanted = hmac.new(secret, t.encode() + b"." + request.body, hashlib.sha256).hexdigest()
//! assert hmac.compare_digest(v1, wanted) and abs(time.time() - int(t)) < 300
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::body::Bytes;
use caveat_model::{ClientId, Clock, SystemClock};
use caveat_recorder::{Live, News, Numbered, Outgoing, Recorder, RecorderError, RecordingState};
use futures::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{
        Mutex, Notify,
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    task::{AbortHandle, JoinHandle},
    time::sleep,
};

/// What a hook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvents {
    /// A call is recorded, suspended, not recorded any more, and why.
    State,
    /// Something has to be done on a call, was done, or was not in time.
    Duty,
    /// Somebody has to see to something.
    Alert,
}

/// Where to tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose news.
    pub client: ClientId,
    /// Where to.
    pub url: String,
    /// What the signature is made with.
    pub secret: Vec<u8>,
    /// Which news.
    pub events: BTreeSet<HookEvents>,
}

/// Bounds on telling; each can be set in `caveat.toml` under `[limits.webhooks]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookLimits {
    /// News of one hook that wait, on the disk; more are lost, and an alert says so.
    pub waiting_max: u64,
    /// A receiver has to have answered within this time, in milliseconds.
    pub answer_ms: u64,
    /// How often one piece of news is tried.
    pub attempts_max: u32,
    /// Before the second attempt, in milliseconds; doubled before each further one.
    pub back_off_ms: u64,
    /// Between two attempts at most, in milliseconds.
    pub back_off_max_ms: u64,
}

impl Default for WebhookLimits {
    fn default() -> Self {
        Self {
            waiting_max: 1_000,
            answer_ms: 10_000,
            attempts_max: 8,
            back_off_ms: 500,
            back_off_max_ms: 60_000,
        }
    }
}

/// The kind of the alert about lost news. It is not told by webhook: it would be lost too.
const LOST: &str = "webhook-lost";

/// News that are read from the outbox, or written to it, at once.
const AT_ONCE: u32 = 64;

/// Why telling could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No HTTP client can be made on this machine.
    #[error("no HTTP client could be made: {0}")]
    Client(#[from] reqwest::Error),
    /// What waits cannot be read.
    #[error(transparent)]
    Outbox(#[from] RecorderError),
}

/// A hook, and what is known of its part of the outbox.
struct Line {
    hook: Webhook,
    /// Names it there. Its address may hold a secret.
    name: String,
    waiting: AtomicU64,
    /// Something was put there.
    put: Notify,
    limits: WebhookLimits,
}

/// The hooks that are told now. The tasks end with the program.
pub struct Webhooks {
    recorder: Recorder,
    http: reqwest::Client,
    limits: WebhookLimits,
    told: Mutex<Vec<Told>>,
}

/// A hook that is told.
struct Told {
    line: Arc<Line>,
    stop: watch::Sender<bool>,
    gathering: JoinHandle<()>,
    sending: AbortHandle,
}

impl Told {
    /// Waits until all that was told by now is in the outbox. What has not been sent stays there.
    async fn finish(self) {
        // An error means that it has ended.
        let _ = self.stop.send(true);
        let _ = self.gathering.await;
        self.sending.abort();
    }
}

impl Webhooks {
    /// Starts telling, first of what an earlier run left.
    ///
    /// # Errors
    /// No HTTP client can be made on this machine; the outbox cannot be read.
    pub async fn start(
        recorder: &Recorder,
        hooks: Vec<Webhook>,
        limits: &WebhookLimits,
    ) -> Result<Self, WebhookError> {
        // A redirect would carry news to a place that nobody wrote into the configuration.
        let http = reqwest::Client::builder()
            .timeout(Duration::from_millis(limits.answer_ms))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let webhooks =
            Self { recorder: recorder.clone(), http, limits: limits.clone(), told: Mutex::default() };
        webhooks.renew(hooks).await?;
        Ok(webhooks)
    }

    /// These are told from now on. One that was told before and is the same misses nothing; what waits for one that is not
    /// named any more is dropped.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub async fn renew(&self, hooks: Vec<Webhook>) -> Result<(), WebhookError> {
        let mut told = self.told.lock().await;
        let (stay, go): (Vec<_>, Vec<_>) = told.drain(..).partition(|one| hooks.contains(&one.line.hook));
        *told = stay;
        join_all(go.into_iter().map(Told::finish)).await;
        let outbox = self.recorder.outbox();
        for client in self.recorder.clients().iter() {
            let of_client =
                hooks.iter().filter(|hook| hook.client == client.id).map(name_of).collect::<Vec<_>>();
            outbox.keep_only(&client.id, &of_client).await?;
        }
        for hook in hooks {
            if told.iter().any(|known| known.line.hook == hook) {
                continue;
            }
            let name = name_of(&hook);
            let waiting = outbox.count(&hook.client, &name).await?;
            let line =
                Line { hook, name, waiting: 0.into(), put: Notify::new(), limits: self.limits.clone() };
            line.counts(waiting);
            told.push(self.tell(Arc::new(line)));
        }
        Ok(())
    }

    fn tell(&self, line: Arc<Line>) -> Told {
        let (stop, stopped) = watch::channel(false);
        // From here on nothing is missed.
        let (_, news) = self.recorder.watch().news(None);
        let gathering = tokio::spawn(gather(self.recorder.clone(), line.clone(), news, stopped));
        let sending =
            tokio::spawn(send(self.recorder.clone(), line.clone(), self.http.clone())).abort_handle();
        Told { line, stop, gathering, sending }
    }

    /// Waits until all that was told by now is in the outbox. What has not been sent is sent by another host, or by the next run.
    pub async fn finish(&self) {
        join_all(self.told.lock().await.drain(..).map(Told::finish)).await;
        if let Err(error) = self.recorder.outbox().leave().await {
            tracing::warn!(%error, "news that were not told wait for this host alone");
        }
    }
}

impl Line {
    /// So many more wait.
    fn counts(&self, more: u64) {
        self.waiting.fetch_add(more, Relaxed);
        self.gauge().increment(more as f64);
    }

    /// So many wait no longer.
    fn strikes(&self, fewer: u64) {
        // What was taken over from another host may not have been counted yet.
        let left = |waiting: u64| Some(waiting.saturating_sub(fewer));
        let before = self.waiting.fetch_update(Relaxed, Relaxed, left).unwrap_or_default();
        self.gauge().decrement(before.min(fewer) as f64);
    }

    fn gauge(&self) -> metrics::Gauge {
        metrics::gauge!("caveat_webhooks_waiting", "client" => self.hook.client.to_string())
    }
}

fn name_of(hook: &Webhook) -> String {
    let text = json!([hook.url, hook.events]).to_string();
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Takes what the hook wants off the watch, until it is stopped and nothing is left there.
async fn gather(
    recorder: Recorder,
    line: Arc<Line>,
    mut news: Receiver<Arc<Numbered>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut states = HashMap::new();
    let not_taken = metrics::counter!("caveat_webhooks_lost_total", "client" => line.hook.client.to_string());
    // Whoever watches for an increase would miss the first of a counter that was not there.
    not_taken.increment(0);
    loop {
        let first = tokio::select! {
            biased;
            first = news.recv() => first,
            _ = stopped.changed() => return,
        };
        let mut next = match first {
            Ok(numbered) => Ok(numbered),
            Err(RecvError::Lagged(missed)) => Err(TryRecvError::Lagged(missed)),
            Err(RecvError::Closed) => return,
        };
        let (mut taken, mut lost) = (vec![], 0);
        // What came meanwhile goes with it.
        loop {
            match next {
                Ok(numbered) => taken.extend(wanted(&line.hook, &numbered, &mut states)),
                Err(TryRecvError::Lagged(missed)) => lost += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
            if taken.len() >= AT_ONCE as usize {
                break;
            }
            next = news.try_recv();
        }
        lost += keep(&recorder, &line, taken).await;
        if lost > 0 {
            not_taken.increment(lost);
            let why = format!("{lost} or more were not taken up: its queue is full, or cannot be written");
            raise(&recorder, &line.hook, &why).await;
        }
    }
}

/// Puts news into the outbox; how many found no room.
async fn keep(recorder: &Recorder, line: &Line, mut taken: Vec<Outgoing>) -> u64 {
    let room = line.limits.waiting_max.saturating_sub(line.waiting.load(Relaxed));
    let lost = taken.split_off(taken.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
    if taken.is_empty() {
        return lost.len() as u64;
    }
    // Counted first: whoever sends strikes off no more than was counted.
    line.counts(taken.len() as u64);
    let lost = match recorder.outbox().put(&line.hook.client, &line.name, &taken).await {
        Ok(()) => lost.len(),
        Err(error) => {
            tracing::error!(client = %line.hook.client, %error, "news for a webhook could not be kept");
            line.strikes(taken.len() as u64);
            lost.len() + taken.len()
        }
    };
    line.put.notify_one();
    lost as u64
}

/// What is sent of a piece of news, if anything.
fn wanted(hook: &Webhook, told: &Numbered, states: &mut HashMap<String, RecordingState>) -> Option<Outgoing> {
    if told.client != hook.client {
        return None;
    }
    let (events, body) = match &told.news {
        News::Verdict(live) => (HookEvents::State, state(live, states)?),
        News::Duty(duty) => (HookEvents::Duty, serde_json::to_value(duty).ok()?),
        News::Alert(alert) if alert.kind == LOST => return None,
        News::Alert(alert) => (HookEvents::Alert, json!({ "at": alert.at, "alert": alert })),
    };
    if !hook.events.contains(&events) {
        return None;
    }
    let mut body = body;
    body["id"] = told.number.into();
    body["kind"] = serde_json::to_value(events).ok()?;
    body["client"] = told.client.as_str().into();
    Some(Outgoing { number: told.number, body: body.to_string().into_bytes() })
}

/// A change of what is done with a call's audio; none where nothing changed.
fn state(live: &Live, states: &mut HashMap<String, RecordingState>) -> Option<Value> {
    let state = live.state.filter(|_| !live.call.is_empty())?;
    let was = states.insert(live.call.clone(), state);
    if live.event == "ended" {
        states.remove(&live.call);
    } else if was == Some(state) {
        return None;
    }
    // Why somebody paused is in their own words, which may name anybody.
    let why: Vec<Value> = live
        .not_recording
        .iter()
        .map(|(rule, citation, message)| {
            let message = if rule == "pause" { "A pause was asked for." } else { message };
            json!({ "rule": rule, "citation": citation, "message": message })
        })
        .collect();
    Some(json!({
        "at": live.at, "call": live.call, "recording": live.recording, "event": live.event,
        "state": if live.event == "ended" { json!("ended") } else { json!(state) },
        "not-recording": why,
    }))
}

/// Sends one after the other.
async fn send(recorder: Recorder, line: Arc<Line>, http: reqwest::Client) {
    let (client, outbox) = (&line.hook.client, recorder.outbox());
    let mut taken_over = outbox.taken_over();
    loop {
        let waiting = match outbox.waiting(client, &line.name, AT_ONCE).await {
            Ok(waiting) if waiting.is_empty() => {
                tokio::select! {
                    () = line.put.notified() => {}
                    _ = taken_over.changed() => {
                        if let Ok(waiting) = outbox.count(client, &line.name).await {
                            line.counts(waiting.saturating_sub(line.waiting.load(Relaxed)));
                        }
                    }
                }
                continue;
            }
            Ok(waiting) => waiting,
            Err(error) => {
                tracing::error!(%client, %error, "news for a webhook cannot be read");
                sleep(Duration::from_millis(line.limits.back_off_max_ms)).await;
                continue;
            }
        };
        for Outgoing { number, body } in waiting {
            if let Err(why) = deliver(&line.hook, &http, body.into(), &line.limits).await {
                tracing::warn!(%client, url = line.hook.url, %why, id = number, "a webhook was given up");
                raise(&recorder, &line.hook, &format!("the receiver did not take it: {why}")).await;
            }
            if let Err(error) = outbox.strike(client, &line.name, number).await {
                // It is told again, and may be told twice.
                tracing::error!(%client, %error, id = number, "news that were told stay in the outbox");
                sleep(Duration::from_millis(line.limits.back_off_ms)).await;
                break;
            }
            line.strikes(1);
        }
    }
}

/// One piece of news, until it is taken; else why it was not, the last time.
async fn deliver(
    hook: &Webhook,
    http: &reqwest::Client,
    body: Bytes,
    limits: &WebhookLimits,
) -> Result<(), String> {
    let mut pause = limits.back_off_ms;
    let mut why = String::from("nothing was tried: limits.webhooks.attempts_max is 0");
    for attempt in 0..limits.attempts_max {
        if attempt > 0 {
            sleep(Duration::from_millis(pause)).await;
            pause = pause.saturating_mul(2).min(limits.back_off_max_ms);
        }
        let at = SystemClock.now().as_millis() / 1_000;
        let request = http
            .post(&hook.url)
            .header("content-type", "application/json")
            .header("caveat-signature", signature(&hook.secret, at, &body))
            .body(body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => why = format!("it answered {}", answer.status()),
            // Without the address, which may hold a secret.
            Err(error) => why = error.without_url().to_string(),
        }
    }
    Err(why)
}

fn signature(secret: &[u8], at_s: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{at_s}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

/// Tells somebody of lost news, once until they confirm it.
async fn raise(recorder: &Recorder, hook: &Webhook, why: &str) {
    let message = format!(
        "News for a webhook of this client was lost ({why}). See that the receiver runs; what it missed stands under \
         /v1/alerts and in the ledger."
    );
    if let Err(error) = recorder.raise_alert(&hook.client, LOST, "host.webhook", &message).await {
        tracing::error!(client = %hook.client, %error, "an alert could not be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_any_other_implementation() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            signature(b"secret", 1_700_000_000, br#"{"a":1}"#),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
