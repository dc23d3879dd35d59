//! Calls that are over, as somebody sends them who recorded them elsewhere.

use anyhow::Context;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::house::{House, noise};

/// A recording of a call that is over, with words on both legs; its id.
pub async fn upload(house: &House, call: &str) -> anyhow::Result<String> {
    upload_from(house, call, "GA").await
}

/// The same of somebody who calls from this place.
pub async fn upload_from(house: &House, call: &str, place: &str) -> anyhow::Result<String> {
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
