//! What the tests of this folder share: a host with clients, people who are enrolled, and a look at its log.

use caveat_tests::{
    host::Host,
    people::{PASSWORD, code},
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

/// Two clients with a pack each; one of them has a further pack that rules on access.
pub(crate) const CLIENTS: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client]]
id = "rival"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Everything that the door logs, and what it builds on.
pub(crate) const LOUD: &str = "debug,caveat_access=trace,caveat_api=trace,rsipstack=warn";

/// Password and code of somebody, as `POST /v1/session` takes them.
pub(crate) fn both_factors(client: &str, id: &str, code: &str) -> Value {
    json!({"client": client, "person": id, "password": PASSWORD, "code": code})
}

/// The code of now.
pub(crate) fn now(secret: &str) -> String {
    code(secret, 0).unwrap()
}

/// The code after it, which is taken as well.
pub(crate) fn next(secret: &str) -> String {
    code(secret, 1).unwrap()
}

/// Where a browser believes to be.
pub(crate) fn origin(host: &Host) -> String {
    host.url.replace("127.0.0.1", "localhost")
}

/// The status and the body of an answer.
pub(crate) async fn read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

/// Nothing of what is secret stands in the log, and the log is there.
pub(crate) fn tells_nothing_of(host: &Host, secrets: &[&str]) {
    let log = host.log();
    assert!(log.contains("ready"), "the host logs:\n{log}");
    for secret in secrets {
        assert!(secret.len() >= 6, "`{secret}` is in any log");
        assert!(!log.contains(secret), "the log tells `{secret}`");
    }
}
