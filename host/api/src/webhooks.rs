//! Telling a client's own systems what happens on its calls: signed POSTs, in order, tried again, beside the path.
//!
//! One task a hook takes news off the recorder's watch into a bounded queue in memory, another sends them. Neither is ever
//! waited for by a call. News that is lost, because the queue is full or the receiver does not answer, or with a restart
//! of the host, is not sent again; where the host sees it, it raises an alert. What a receiver must not miss it can read:
//! `/v1/alerts`, `/v1/calls/{call}`, the ledger.
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
    sync::Arc,
    time::Duration,
};

use caveat_model::{ClientId, Clock, SystemClock};
use caveat_recorder::{Live, News, Numbered, Recorder, RecordingState};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
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
#[derive(Clone)]
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
    /// News of one hook that wait in memory; more are lost, and an alert says so.
    pub waiting_max: usize,
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

/// Starts telling. The tasks end with the program.
///
/// # Errors
/// No HTTP client can be made on this machine.
pub fn start_webhooks(
    recorder: &Recorder,
    hooks: Vec<Webhook>,
    limits: &WebhookLimits,
) -> Result<(), reqwest::Error> {
    // A redirect would carry news to a place that nobody wrote into the configuration.
    let http = reqwest::Client::builder()
        .timeout(Duration::from_millis(limits.answer_ms))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    for hook in hooks {
        let (queue, waiting) = mpsc::channel(limits.waiting_max.max(1));
        let hook = Arc::new(hook);
        tokio::spawn(gather(recorder.clone(), hook.clone(), queue));
        tokio::spawn(send(recorder.clone(), hook, http.clone(), waiting, limits.clone()));
    }
    Ok(())
}

/// Takes what the hook wants off the watch.
async fn gather(recorder: Recorder, hook: Arc<Webhook>, queue: mpsc::Sender<Value>) {
    let (_, mut news) = recorder.watch().news(None);
    let mut states = HashMap::new();
    loop {
        let lost = match news.recv().await {
            Ok(numbered) => match wanted(&hook, &numbered, &mut states) {
                Some(body) => queue.try_send(body).is_err().then_some(1),
                None => None,
            },
            Err(RecvError::Lagged(missed)) => Some(missed),
            Err(RecvError::Closed) => return,
        };
        if let Some(lost) = lost {
            raise(&recorder, &hook, &format!("{lost} or more were not taken up: its queue is full")).await;
        }
    }
}

/// What is sent of a piece of news, if anything.
fn wanted(hook: &Webhook, told: &Numbered, states: &mut HashMap<String, RecordingState>) -> Option<Value> {
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
    Some(body)
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
async fn send(
    recorder: Recorder,
    hook: Arc<Webhook>,
    http: reqwest::Client,
    mut waiting: mpsc::Receiver<Value>,
    limits: WebhookLimits,
) {
    while let Some(body) = waiting.recv().await {
        if let Err(why) = deliver(&hook, &http, &body, &limits).await {
            tracing::warn!(client = %hook.client, url = hook.url, %why, id = %body["id"], "a webhook was given up");
            raise(&recorder, &hook, &format!("the receiver did not take it: {why}")).await;
        }
    }
}

/// One piece of news, until it is taken; else why it was not, the last time.
async fn deliver(
    hook: &Webhook,
    http: &reqwest::Client,
    body: &Value,
    limits: &WebhookLimits,
) -> Result<(), String> {
    let bytes = body.to_string();
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
            .header("caveat-signature", signature(&hook.secret, at, &bytes))
            .body(bytes.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => why = format!("it answered {}", answer.status()),
            // Without the address, which may hold a secret.
            Err(error) => why = error.without_url().to_string(),
        }
    }
    Err(why)
}

fn signature(secret: &[u8], at_s: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{at_s}.{body}").as_bytes());
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
            signature(b"secret", 1_700_000_000, r#"{"a":1}"#),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
