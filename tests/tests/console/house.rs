//! A host with recordings, and people who sign in at its console.

use anyhow::Context;
use caveat_tests::{
    chromium::Chromium,
    host::{Host, free_port},
    house::{CLIENT, House, noise},
    people::{PASSWORD, code},
    provider::{Provider, SECRET},
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 5000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality", "training"]
can-pause = true
dispose-after-days = 90

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
settings = { options = ["pa-5704-15"] }

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"

[[client.pack]]
file = "PACKS/agent-standards-0.1.0.wasm"
settings = { required = [], forbidden = [{ id = "3 promises", say = ["we send another"], keep-nothing-s = 0 }] }
"#;

const CARDS: &str = "file = \"PACKS/pci-dss-0.1.0.wasm\"\n";

/// A host that is told where browsers reach it.
fn configured(config: &str) -> anyhow::Result<Host> {
    let host = Host::prepare(config)?;
    let file = host.dir().join("caveat.toml");
    let text = std::fs::read_to_string(&file)?;
    let url = host.url.replace("127.0.0.1", "localhost");
    std::fs::write(&file, format!("{text}\n[http]\npublic-url = \"{url}\"\n"))?;
    Ok(host)
}

/// A running host with people of every kind.
pub(crate) fn start() -> anyhow::Result<House> {
    start_as(CONFIG)
}

/// The same, where the client's assessor takes a passkey that verified its owner for two factors (PCI DSS 8.4.1).
pub(crate) fn start_with_verified_passkeys() -> anyhow::Result<House> {
    let settings = format!("{CARDS}settings = {{ verified-passkey-is-mfa = true }}\n");
    start_as(&CONFIG.replace(CARDS, &settings))
}

/// The same, where an identity provider vouches for people.
pub(crate) fn start_with_provider() -> anyhow::Result<(House, Provider)> {
    let port = free_port()?;
    let host = configured(&(without_cards() + &Provider::config(port)))?;
    std::fs::write(host.dir().join("provider-secret"), SECRET)?;
    let redirect = format!("{}/v1/session/oidc/callback", host.url.replace("127.0.0.1", "localhost"));
    let provider = Provider::start(port, &redirect)?;
    Ok((House::of(host, &[("sam", "supervisor")])?, provider))
}

fn without_cards() -> String {
    CONFIG.replace(&format!("[[client.pack]]\n{CARDS}"), "")
}

fn start_as(config: &str) -> anyhow::Result<House> {
    let people = [
        ("cora", "compliance"),
        ("dan", "compliance"),
        ("sam", "supervisor"),
        ("tom", "trainer"),
        ("ada", "admin"),
        ("ivy", "integrator"),
        ("al", "agent"),
    ];
    House::of(configured(config)?, &people)
}

/// As browsers reach it.
pub(crate) fn url(house: &House) -> String {
    house.host.url.replace("127.0.0.1", "localhost")
}

/// A recording of a call that is over, with words on both legs; its id.
pub(crate) async fn upload(house: &House, call: &str) -> anyhow::Result<String> {
    upload_from(house, call, "GA").await
}

/// The same of somebody who calls from this place.
pub(crate) async fn upload_from(house: &House, call: &str, place: &str) -> anyhow::Result<String> {
    const SECONDS: u32 = 12;
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = std::io::Cursor::new(vec![]);
    let mut writer = hound::WavWriter::new(&mut wav, spec)?;
    for (at, (left, right)) in noise(SECONDS * 1_000, 1).iter().zip(noise(SECONDS * 1_000, 2)).enumerate() {
        // They speak in turn, two seconds each.
        let is_agents_turn = (at / 16_000) % 2 == 0;
        writer.write_sample(if is_agents_turn { *left } else { 0 })?;
        writer.write_sample(if is_agents_turn { 0 } else { right })?;
    }
    writer.finalize()?;
    let word = |leg: u8, at: u32, text: &str| json!({"leg": leg, "start": at, "end": at + 300, "text": text});
    let said = |leg, at: u32, texts: &[&str]| -> Value {
        let words = texts.iter().zip(0..).map(|(text, n)| word(leg, at + n * 350, text));
        json!({"at": at + 1_900, "happening": {"words": words.collect::<Vec<_>>()}})
    };
    let events = json!([
        said(0, 100, &["good", "morning", "the", "shop"]),
        said(1, 2_100, &["my", "order", "came", "broken"]),
        said(0, 4_100, &["we", "send", "another"]),
    ]);
    let facts = json!({
        "external-id": call, "direction": "inbound",
        "parties": [
            {"role": "agent", "leg": 0, "stated": "TX"},
            {"role": "customer", "leg": 1, "number": "+14045550102", "stated": place},
        ],
        "attributes": [
            {"name": "agent.id", "value": {"text": "alex"}},
            {"name": "call.kind", "value": {"text": "customer-service"}},
        ],
    });
    let form = Form::new()
        .part("call", Part::text(facts.to_string()))
        .part("events", Part::text(events.to_string()))
        .part("audio", Part::bytes(wav.into_inner()).file_name("call.wav"));
    let http = reqwest::Client::new();
    let sent = http.post(format!("{}/v1/uploads", house.host.url)).bearer_auth(&house.token).multipart(form);
    let taken: Value = sent.send().await?.json().await?;
    let id = taken["answer"]["recording"].as_str().with_context(|| taken.to_string())?;
    Ok(id.to_owned())
}

/// Somebody signs in at the console.
pub(crate) async fn sign_in(browser: &Chromium, house: &House, person: &str) -> anyhow::Result<()> {
    browser.open(&url(house)).await?;
    browser.fill("[name=client]", CLIENT).await?;
    browser.fill("[name=person]", person).await?;
    browser.fill("[name=password]", PASSWORD).await?;
    browser.fill("[name=code]", &code(house.secret(person)?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find("[aria-label='Sign out']").await.map(drop)
}

/// Goes to a page of the console.
pub(crate) async fn go(browser: &Chromium, page: &str) -> anyhow::Result<()> {
    browser.run(&format!("location.hash = '#/{page}'")).await?;
    browser.find("main h1").await.map(drop)
}
