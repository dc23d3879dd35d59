//! The path as those at its ends see it: pauses, clients that never see each other, packs that only watch.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_audio::g711;
use caveat_tests::{
    host::Host,
    people::{Heard, Person, code, loudness},
    twilio::{CUSTOMER, Script},
    watch::{Live, until},
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const ONE_CLIENT: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// A client whose consent pack only watches.
const MONITORED: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
mode = "monitor"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

/// What may lie between asking for something and its effect, on a busy machine: a host's time of a call begins when the
/// stream's token is found good, so it may be a little behind the stream's.
const PROMPTLY_MS: (u32, u32) = (150, 300);

fn one_party(id: &str) -> Script {
    Script::new(id, &[("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")])
}

fn all_party(id: &str) -> Script {
    Script::new(id, &[("agent-region", "FL"), ("customer-region", "GA"), ("direction", "inbound")])
}

async fn supervisor(host: &Host, client: &str, secret: &str) -> Person {
    Person::sign_in(&host.url, client, "kim", &code(secret, 0).unwrap()).await.unwrap()
}

async fn sealed(person: &Person) -> String {
    until("a sealed recording", async || {
        let listed = person.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_a_silence_of_its_own_length() {
    let mut host = Host::prepare(ONE_CLIENT).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut script = one_party("CA1");
    // No sample is zero and no stretch of it is like another.
    let mut state = 7u32;
    let mut noise = |ms: u32| -> Vec<i16> {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            2_000 + (state >> 20) as i16
        };
        std::iter::repeat_with(next).take(ms as usize * 8).collect()
    };
    let mut said = Vec::new();
    let mut sound = |script: &mut Script, ms: u32| {
        let samples = noise(ms);
        script.sound(CUSTOMER, &samples);
        said.extend(g711::from_mu_law(&g711::to_mu_law(&samples)));
    };
    sound(&mut script, 1_500);
    let paused = script.now();
    script.event(json!({"pause-asked": "person"}));
    sound(&mut script, 700);
    // Recognized late: said before the pause, and no reason to drop anything of it.
    script.event(json!({"words": [{"leg": 1, "start": 900, "end": 1_000, "text": "hello"}]}));
    sound(&mut script, 800);
    let resumed = script.now();
    script.event(json!({"resume-asked": "person"}));
    sound(&mut script, 1_500);
    let outcome = script.play(&host.url, &token).await.unwrap();
    let states: Vec<&Value> = outcome.answers.iter().map(|a| &a["state"]).collect();
    assert_eq!(states, ["suspended", "suspended", "recording"]);
    assert_eq!(outcome.marks, ["caveat:recording", "caveat:suspended", "caveat:recording"]);

    let kim = supervisor(&host, "acme", &secret).await;
    let Heard::Sound(played, _) = kim.play(&sealed(&kim).await, "quality").await.unwrap() else {
        panic!("a supervisor may hear it");
    };
    let played = &played[1][..said.len()];
    let silent = played.iter().position(|s| *s == 0).unwrap();
    let again = silent + played[silent..].iter().position(|s| *s != 0).unwrap();
    // To the sample: what is kept stands where it was said, so the silence is as long as what is missing.
    assert!(played[..silent] == said[..silent], "the sound before the pause has moved");
    assert!(played[again..] == said[again..], "the sound after the pause has moved");
    for (what, at, asked) in [("pause", silent as u32 / 8, paused), ("resume", again as u32 / 8, resumed)] {
        let effect = asked - PROMPTLY_MS.0..=asked + PROMPTLY_MS.1;
        assert!(effect.contains(&at), "the {what} was asked for at {asked} ms and took effect at {at} ms");
    }
    host.audit("acme", "bundle").unwrap();
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_never_sees_another() {
    let other = ONE_CLIENT.split_once("[[client]]").unwrap().1.replace("acme", "rival");
    let mut host = Host::prepare(&format!("{ONE_CLIENT}\n[[client]]{other}")).unwrap();
    let (ours, theirs) = (host.token("acme").unwrap(), host.token("rival").unwrap());
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    let their_secret = host.enroll("rival", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let url = host.url.clone();
    let http = Client::new();
    let get = async |path: &str, token: &str| {
        http.get(format!("{url}{path}")).bearer_auth(token).send().await.unwrap()
    };
    let held = async |call: &str, token: &str| {
        let request = http.post(format!("{url}/v1/calls/{call}/events")).bearer_auth(token);
        request.json(&json!({"held": 1})).send().await.unwrap().status()
    };

    // They watch while our two calls run, one of which may not be recorded.
    let mut watched = Live::open(&url, &theirs).await.unwrap();
    let before = get("/v1/ledger/checkpoint", &theirs).await.text().await.unwrap();
    let calls = [one_party("CA1"), all_party("CA2")].map(|mut script| {
        script.say(CUSTOMER, "hello there").unwrap();
        script.silence(2_000);
        let (url, token) = (url.clone(), ours.clone());
        tokio::spawn(async move { script.play(&url, &token).await })
    });
    until("our calls run", async || {
        let running: Vec<String> = get("/v1/calls", &ours).await.json().await?;
        Ok((running == ["CA1", "CA2"]).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(get("/v1/calls", &theirs).await.json::<Value>().await.unwrap(), json!([]));
    assert_eq!(held("CA1", &theirs).await, StatusCode::NOT_FOUND);
    assert_eq!(held("CA1", &ours).await, StatusCode::OK);
    for call in calls {
        call.await.unwrap().unwrap();
    }

    let (kim, rival) =
        (supervisor(&host, "acme", &secret).await, supervisor(&host, "rival", &their_secret).await);
    let id = sealed(&kim).await;
    assert_eq!(rival.recordings("quality").await.unwrap(), []);
    for path in [format!("/v1/recordings/{id}"), format!("/v1/recordings/{id}/audio")] {
        let answer = rival.get(&format!("{path}?purpose=quality")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let alerts: Vec<Value> = get("/v1/alerts", &ours).await.json().await.unwrap();
    assert!(alerts.iter().any(|a| a["kind"] == "not-recorded"), "{alerts:?}");
    assert_eq!(get("/v1/alerts", &theirs).await.json::<Value>().await.unwrap(), json!([]));
    for alert in alerts {
        let path = format!("{url}/v1/alerts/{}/confirm", alert["id"]);
        let answer = http.post(path).bearer_auth(&theirs).send().await.unwrap();
        assert!(answer.status().is_client_error());
    }

    // All that they saw is their own: signing in, and looking for recordings.
    let verdict = watched.next().await.unwrap();
    assert_eq!((&verdict["client"], &verdict["event"]), (&json!("rival"), &json!("sign-in")));
    let verdict = watched.next().await.unwrap();
    assert_eq!((&verdict["client"], &verdict["event"]), (&json!("rival"), &json!("search")));
    let [ours, theirs] = ["acme", "rival"].map(|client| host.audit(client, client).unwrap());
    assert!(ours.contains("recording-opened") && !theirs.contains("recording-opened"));
    assert!(before.lines().next().unwrap().contains("rival"), "{before}");
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_only_watches_never_blocks() {
    let mut host = Host::prepare(MONITORED).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut live = Live::open(&host.url, &token).await.unwrap();
    let mut script = all_party("CA1");
    script.say(CUSTOMER, "hello there").unwrap();
    let outcome = script.play(&host.url, &token).await.unwrap();
    assert_eq!(outcome.marks, ["caveat:recording"]);
    assert!(outcome.answers.iter().all(|a| a["state"] == "recording"), "{outcome:?}");
    let offered = live.next_on("offered").await.unwrap();
    assert_eq!((&offered["outcome"], &offered["state"]), (&json!("allow"), &json!("recording")), "{offered}");

    let kim = supervisor(&host, "acme", &secret).await;
    sealed(&kim).await;
    let http = Client::new().get(format!("{}/v1/alerts", host.url)).bearer_auth(&token);
    assert_eq!(http.send().await.unwrap().json::<Value>().await.unwrap(), json!([]));
    // And yet whoever tries it out sees what it would have said, and how often.
    let monitor = ["pack", "monitor", "--client", "acme"];
    let (code, shown) = host.through(&token, &monitor).unwrap();
    let line = shown.lines().find(|l| l.contains("  offered  ")).unwrap_or_else(|| panic!("{code}: {shown}"));
    assert!(code == 0 && line.contains("state-consent 0.1.0: allow, would be refuse"), "{line}");
    let (_, json) = host.through(&token, &[&monitor[..], &["--json"]].concat()).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    let offered = rows.iter().find(|row| row["event"] == "offered").unwrap();
    assert_eq!((&offered["outcome"], &offered["would-be"]), (&json!("allow"), &json!("refuse")), "{offered}");
    assert!(line.contains(&format!("entry {}", offered["ledger-index"])), "{line}");
    let metrics = host.metrics().await.unwrap();
    let counted = |name: &str, kind: &str| -> usize {
        let series = format!("caveat_monitor_{name}_total{{client=\"acme\",pack=\"state-consent\"{kind}}} ");
        let found = metrics.lines().find_map(|l| l.strip_prefix(&series));
        found.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse().unwrap()
    };
    assert_eq!(counted("differences", ",kind=\"stricter\""), rows.len(), "{json}");
    assert!(counted("rulings", "") > rows.len(), "it agreed on the end of the call");
    // The ledger has it too.
    let entries = host.audit("acme", "bundle").unwrap();
    let verdict = entries.split("\"event\":\"offered\"").nth(1).unwrap();
    let watched = verdict.split("\"name\":\"state-consent\"").nth(1).unwrap().split('}').next().unwrap();
    assert!(watched.contains("\"mode\":\"monitor\",\"outcome\":\"refuse\""), "{watched}");
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recognized_too_late_is_destroyed_with_the_end_of_the_call() {
    let config = format!("{ONE_CLIENT}\n[[client.pack]]\nfile = \"PACKS/pci-dss-0.1.0.wasm\"\n");
    let mut host = Host::prepare(&config).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut script = one_party("CA1");
    script.sound(CUSTOMER, &[3_000, -3_000].repeat(4 * 4_000));
    let word = |start, text: &str| json!({"leg": 1, "start": start, "end": start + 200, "text": text});
    let words = ["the", "security", "code", "is", "737"];
    let words: Vec<Value> = (0..).zip(words).map(|(i, text)| word(300 + 300 * i, text)).collect();
    script.event(json!({"words": words}));
    script.play(&host.url, &token).await.unwrap();

    let kim = supervisor(&host, "acme", &secret).await;
    let Heard::Sound(played, _) = kim.play(&sealed(&kim).await, "quality").await.unwrap() else {
        panic!("a supervisor may hear the rest");
    };
    // The code was said from 1,500 to 1,700 ms; keys are destroyed by whole seconds.
    assert_eq!(loudness(&played[1], 1_000, 2_000), 0);
    assert!(loudness(&played[1], 0, 300) > 1_000 && loudness(&played[1], 2_200, 3_800) > 1_000);
    let alerts = Client::new().get(format!("{}/v1/alerts", host.url)).bearer_auth(&token);
    let alerts: Vec<Value> = alerts.send().await.unwrap().json().await.unwrap();
    assert!(alerts.iter().any(|a| a["kind"] == "found-late"), "{alerts:?}");
    // Before and after it, the ledger says so.
    let entries = host.audit("acme", "bundle").unwrap();
    let (intent, result) =
        (entries.find("disposal-intent").unwrap(), entries.find("disposal-result").unwrap());
    assert!(intent < result);
    assert_eq!(host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_without_saying_why() {
    let mut host = Host::prepare(ONE_CLIENT).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let mut script = one_party("CA1");
    script.say(CUSTOMER, "hello").unwrap();
    script.play(&host.url, &token).await.unwrap();
    let kim = supervisor(&host, "acme", &secret).await;
    let id = sealed(&kim).await;
    for (query, status) in [("", 400), ("?purpose=curiosity", 400), ("?purpose=quality", 200)] {
        let answer = kim.get(&format!("/v1/recordings/{id}/audio{query}")).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
    // A machine, whatever its scopes, does not listen.
    let request = Client::new().get(format!("{}/v1/recordings/{id}/audio?purpose=quality", host.url));
    assert_eq!(request.bearer_auth(&token).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(host.stop().unwrap(), 0);
}
