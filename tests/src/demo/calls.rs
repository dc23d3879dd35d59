//! The six calls.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::show::Show;
use crate::{
    host::Host,
    speech::Said,
    twilio::{AGENT, CUSTOMER, Outcome, Script},
};

/// What the later chapters need to know of the calls.
pub(super) struct Recordings {
    /// The call with a card on it.
    pub(super) card: String,
    /// Where the card number is, on the customer's leg.
    pub(super) card_number: (u32, u32),
    /// Where the verification code was said, and where it was keyed.
    pub(super) card_code: Vec<(u32, u32)>,
    /// Where somebody says something harmless.
    pub(super) harmless: (u32, u32),
}

struct Call {
    client: &'static str,
    title: &'static str,
    script: Script,
    check: fn(&Outcome) -> bool,
    expected: &'static str,
}

const TEXAS: (&str, &str) = ("agent-number", "+12145550101");
const GEORGIA: (&str, &str) = ("customer-number", "+14045550102");

/// Plays all calls at once, as they would come, and prints every verdict.
pub(super) async fn play_all(
    host: &Host,
    tokens: &[(&str, String)],
    show: &mut Show,
) -> anyhow::Result<Recordings> {
    let (card, card_number, card_code, harmless) = card_call()?;
    let calls = vec![
        one_party()?,
        florida()?,
        california()?,
        card,
        patient("clinic", true)?,
        patient("walk-in", false)?,
        late_joiner()?,
    ];
    let titles: HashMap<String, &str> = calls.iter().map(|c| (c.script.id.clone(), c.title)).collect();
    for call in &calls {
        show.line(&format!("{:9} {}", call.script.id, call.title));
    }
    println!();
    let (tell, mut live) = mpsc::unbounded_channel();
    for (_, token) in tokens {
        watch(host, token, tell.clone()).await?;
    }
    drop(tell);
    let mut playing = Vec::new();
    for call in calls {
        let token = token(tokens, call.client)?;
        let url = host.url.clone();
        let Call { client, title, script, check, expected } = call;
        let id = script.id.clone();
        playing.push((
            client,
            id,
            title,
            check,
            expected,
            tokio::spawn(async move { script.play(&url, &token).await }),
        ));
    }
    let mut last: HashMap<String, Value> = HashMap::new();
    let mut outcomes = Vec::new();
    for (client, id, title, check, expected, task) in playing {
        let mut task = task;
        let outcome = loop {
            tokio::select! {
                Some(verdict) = live.recv() => note(show, &titles, &mut last, verdict),
                outcome = &mut task => break outcome?.with_context(|| title.to_owned())?,
            }
        };
        outcomes.push((client, id, check, expected, outcome));
    }
    show.line("the calls are over; what is left in memory is sealed when its window has passed");
    let recording =
        last.get("CAd").and_then(|v| v["recording"].as_str()).context("the card call was recorded")?;
    let recording = recording.to_owned();
    wait_until_quiet(host, tokens, &mut live, show, &titles, &mut last).await?;
    println!();
    for (_, id, check, expected, outcome) in outcomes {
        show.check(&format!("{id}: {expected}"), check(&outcome));
        if !check(&outcome) {
            show.line(&format!("{outcome:?}"));
        }
    }
    let told = alerts(host, &token(tokens, "shop")?).await?;
    let florida = told.iter().any(|a| a["citation"].as_str().is_some_and(|c| c.contains("934.03")));
    show.check("somebody is told that the Florida call is not recorded, with Fla. Stat. 934.03", florida);
    let told = alerts(host, &token(tokens, "walk-in")?).await?;
    let agreement = told.iter().any(|a| a["kind"] == "not-recorded");
    show.check("somebody is told that the patient's call has no place where it may be kept", agreement);
    Ok(Recordings { card: recording, card_number, card_code, harmless })
}

/// (a) One-party states, no notice.
fn one_party() -> anyhow::Result<Call> {
    let mut script = Script::new("CAa", &[TEXAS, ("agent-region", "TX"), GEORGIA, ("direction", "outbound")]);
    script.say(AGENT, "Hello, this is the shop, your order has arrived.")?;
    script.say(CUSTOMER, "Thank you, I will come by tomorrow.")?;
    let check = |o: &Outcome| o.marks.first().is_some_and(|m| m == "caveat:recording");
    let title = "(a) Texas agent, Georgia customer, no notice";
    Ok(Call { client: "shop", title, script, check, expected: "recorded: one party's consent is enough" })
}

/// (b) A Florida agent and a Georgia customer, no notice.
fn florida() -> anyhow::Result<Call> {
    let agent = [("agent-number", "+13055550101"), ("agent-region", "FL")];
    let mut script = Script::new("CAb", &[agent[0], agent[1], GEORGIA, ("direction", "outbound")]);
    script.say(AGENT, "Hello, this is the shop.")?;
    script.say(CUSTOMER, "Hello, I have a question.")?;
    let check = |o: &Outcome| {
        o.marks.iter().all(|m| m == "caveat:not-recorded")
            && o.answers.iter().all(|a| a["state"] == "not-recorded")
            && (o.answers.len(), o.marks.len()) == (2, 1)
    };
    let title = "(b) Florida agent, Georgia customer, no notice";
    Ok(Call { client: "shop", title, script, check, expected: "not recorded, and the call goes on" })
}

/// (c) California, the notice played and inside the recording.
fn california() -> anyhow::Result<Call> {
    let customer = ("customer-number", "+14155550103");
    let mut script = Script::new("CAc", &[TEXAS, ("agent-region", "TX"), customer, ("direction", "inbound")]);
    let (from, _) = script.say(AGENT, "This call is recorded for quality and training.")?;
    script.event(json!({"notice-played": {"kind": "spoken", "record-from": from, "language": "en"}}));
    script.say(CUSTOMER, "That is fine, I am calling about my order.")?;
    let check = |o: &Outcome| o.answers.last().is_some_and(|a| a["state"] == "recording");
    let title = "(c) California customer, notice played and inside the recording";
    Ok(Call { client: "shop", title, script, check, expected: "recorded from the notice on" })
}

type Place = (u32, u32);

/// (d) A card number and its verification code, spoken and keyed.
fn card_call() -> anyhow::Result<(Call, Place, Vec<Place>, Place)> {
    let mut script = Script::new("CAd", &[TEXAS, ("agent-region", "TX"), GEORGIA, ("direction", "inbound")]);
    let (at, said) = script.say(CUSTOMER, "Hello, I would like to buy the blue lamp.")?;
    let harmless = (at, at + said.duration_ms());
    // The customer is faster than anybody could pause: number and code come in one breath, and are recognized after it.
    let (at, said) = script.say(
        CUSTOMER,
        "My card number is four one one one one one one one one one one one one one one one \
         and the security code is seven three nine.",
    )?;
    let card_number = span(at, &said, 4..20);
    let spoken = span(at, &said, 25..28);
    script.silence(1_500);
    script.say(AGENT, "Thank you. Please key the security code too.")?;
    script.silence(1_500);
    let keyed = script.key(CUSTOMER, "739");
    script.silence(1_500);
    script.say(AGENT, "Thank you, the payment went through. The payment is approved.")?;
    script.silence(1_500);
    script.say(CUSTOMER, "Wonderful, goodbye.")?;
    let check = |o: &Outcome| {
        let states: Vec<&str> = o.answers.iter().filter_map(|a| a["state"].as_str()).collect();
        states.contains(&"suspended") && states.last() == Some(&"recording")
    };
    let title = "(d) a card number and its verification code, spoken and keyed";
    let expected = "paused while the card is taken, recorded again after it";
    let call = Call { client: "shop", title, script, check, expected };
    Ok((call, card_number, vec![spoken, keyed], harmless))
}

/// (e) A patient's call, with and without a business-associate agreement for the store.
fn patient(client: &'static str, agreement: bool) -> anyhow::Result<Call> {
    let id = if agreement { "CAe1" } else { "CAe2" };
    let mut script = Script::new(id, &[TEXAS, ("agent-region", "TX"), GEORGIA, ("direction", "inbound")]);
    script.say(AGENT, "Good morning, this is the clinic.")?;
    script.say(CUSTOMER, "I am calling about my test results.")?;
    Ok(if agreement {
        let check = |o: &Outcome| o.marks.first().is_some_and(|m| m == "caveat:recording");
        let title = "(e) a patient's call, business-associate agreement on file";
        Call { client, title, script, check, expected: "recorded and sealed" }
    } else {
        let check = |o: &Outcome| o.marks == ["caveat:not-recorded"];
        let title = "(e) a patient's call, no agreement with whoever keeps it";
        Call { client, title, script, check, expected: "refused before the first byte is written" }
    })
}

/// (f) Somebody from Washington joins a lawful call.
fn late_joiner() -> anyhow::Result<Call> {
    let mut script = Script::new("CAf", &[TEXAS, ("agent-region", "TX"), GEORGIA, ("direction", "inbound")]);
    script.say(AGENT, "Hello, how can I help?")?;
    script.say(CUSTOMER, "My sister will join us.")?;
    script.silence(1_500);
    script.event(json!({"party-joined": {"role": "other-party", "number": "+12065550104", "leg": 1}}));
    script.say(CUSTOMER, "Here she is.")?;
    script.silence(1_500);
    let (from, _) = script.say(AGENT, "This call is recorded.")?;
    script.event(json!({"notice-played": {"kind": "spoken", "record-from": from, "language": "en"}}));
    script.say(CUSTOMER, "All right, let us go on.")?;
    let check = |o: &Outcome| {
        let states: Vec<&str> = o.answers.iter().filter_map(|a| a["state"].as_str()).collect();
        states.first() == Some(&"recording")
            && states.contains(&"suspended")
            && states.last() == Some(&"recording")
    };
    let title = "(f) somebody from Washington joins a lawful call";
    let expected = "paused until the joiner is told, recorded again from the notice on";
    Ok(Call { client: "shop", title, script, check, expected })
}

/// From the first to the last of these words.
fn span(at: u32, said: &Said, words: std::ops::Range<usize>) -> Place {
    let words = said.words.get(words).unwrap_or_default();
    (at + words.first().map_or(0, |w| w.start), at + words.last().map_or(0, |w| w.end))
}

fn token(tokens: &[(&str, String)], client: &str) -> anyhow::Result<String> {
    tokens.iter().find(|(c, _)| *c == client).map(|(_, t)| t.clone()).context("a token for every client")
}

fn note(show: &Show, titles: &HashMap<String, &str>, last: &mut HashMap<String, Value>, verdict: Value) {
    let call = verdict["call"].as_str().unwrap_or_default().to_owned();
    let before = last.get(&call);
    // Words that change nothing would fill the screen.
    let same = |key: &str| before.is_some_and(|b| b[key] == verdict[key]);
    let quiet =
        verdict["event"] == "words" && same("state") && same("outcome") && verdict["obligations"].is_null();
    if titles.contains_key(&call) && !quiet {
        show.verdict(&call, &verdict);
    }
    last.insert(call, verdict);
}

/// Server-sent events of a client, into the channel.
async fn watch(host: &Host, token: &str, tell: mpsc::UnboundedSender<Value>) -> anyhow::Result<()> {
    let request = reqwest::Client::new().get(format!("{}/v1/live", host.url)).bearer_auth(token);
    let answer = request.send().await?;
    if !answer.status().is_success() {
        bail!("the live feed is refused: {}", answer.text().await?);
    }
    tokio::spawn(async move {
        let mut stream = answer.bytes_stream();
        let mut text = String::new();
        while let Some(Ok(bytes)) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                if let Some(data) = line.strip_prefix("data:")
                    && let Ok(verdict) = serde_json::from_str(data.trim())
                    && tell.send(verdict).is_err()
                {
                    return;
                }
            }
        }
    });
    Ok(())
}

async fn wait_until_quiet(
    host: &Host,
    tokens: &[(&str, String)],
    live: &mut mpsc::UnboundedReceiver<Value>,
    show: &Show,
    titles: &HashMap<String, &str>,
    last: &mut HashMap<String, Value>,
) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        while let Ok(verdict) = live.try_recv() {
            note(show, titles, last, verdict);
        }
        let mut running = 0;
        for (_, token) in tokens {
            let calls: Vec<String> =
                http.get(format!("{}/v1/calls", host.url)).bearer_auth(token).send().await?.json().await?;
            running += calls.len();
        }
        if running == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{running} calls are still not sealed");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn alerts(host: &Host, token: &str) -> anyhow::Result<Vec<Value>> {
    let answer =
        reqwest::Client::new().get(format!("{}/v1/alerts", host.url)).bearer_auth(token).send().await?;
    Ok(answer.json().await?)
}
