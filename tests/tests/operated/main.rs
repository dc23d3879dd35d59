//! A host as whoever runs it meets it: its start and end, whether it is ready, what it tells, what is wrong with a
//! deployment, backups, and the files of `examples/`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod backup;
mod dashboard;
mod doctor;
mod examples;
mod quota;
mod ready;
mod start;
mod told;

use caveat_tests::host::Host;
use serde_json::Value;

/// A client whose calls may be recorded, with checks that are made often.
pub const CONFIG: &str = r#"
[limits.host]
check_every_ms = 100

[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

/// What `/readyz` answers: its status, and the checks.
pub async fn readyz(host: &Host) -> anyhow::Result<(u16, Value)> {
    let answer = reqwest::get(format!("{}/readyz", host.url)).await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// One check of such an answer.
pub fn check<'a>(readiness: &'a Value, name: &str) -> &'a Value {
    let checks = readiness["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not checked: {readiness}"))
}

/// What `/metrics` answers.
pub async fn metrics(host: &Host) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("{}/metrics", host.url)).await?.text().await?)
}
