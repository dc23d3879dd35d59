//! The description of the API, and what the host does where somebody believes it: schemathesis makes requests of it, good
//! ones and bad ones, and looks whether the answers are what it promises.
//!
//! `CAVEAT_SCHEMA_SECONDS` and `CAVEAT_SCHEMA_EXAMPLES` have it go on for longer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use caveat_tests::{
    house::{CLIENT, House, call, noise, sealed},
    people::{PASSWORD, code},
    twilio::CUSTOMER,
};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[limits.requests]
requests_per_minute_max = 600000
requests_at_once_max = 100000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

/// What every answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method,\
                      allow_header_conformance";

/// Streams end with the call or the host, take another protocol, or sound; the others end the session that asks.
const NOT_ASKED: [&str; 9] = [
    "get-v1-live",
    "get-v1-packs-impact-id-progress",
    "get-v1-twilio-media",
    "get-v1-twilio-media-client",
    "get-v1-audiohook",
    "post-v1-uploads",
    "delete-v1-session",
    "post-v1-me-password",
    "post-v1-me-totp",
];

fn tool(name: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/schemathesis/bin");
    let tool = folder.join(name);
    assert!(tool.is_file(), "{}: run `cargo xtask test`, which installs it", tool.display());
    Command::new(tool)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Asks for everything with a token, and counts.
struct Asking<'h> {
    house: &'h House,
    document: PathBuf,
    seconds: u32,
}

impl Asking<'_> {
    /// As somebody. Where `recording` is given, what is asked of a recording is asked of that one, so that more comes of it
    /// than that there is none.
    fn with(&self, who: &str, token: &str, recording: Option<&str>) -> Value {
        let dir = self.house.host.dir();
        let config = dir.join(format!("{who}.toml"));
        let one = recording.map_or(String::new(), |id| {
            format!(
                "[[operations]]\ninclude-path-regex = \"^/v1/recordings/\"\n\
                 parameters = {{ id = \"{id}\", purpose = \"quality\" }}\n\
                 [[operations]]\ninclude-path = \"/v1/recordings\"\nparameters = {{ purpose = \"quality\" }}\n"
            )
        });
        std::fs::write(&config, one).unwrap();
        let report = dir.join(format!("{who}.json"));
        let mut asks = tool("schemathesis");
        asks.args(["--config-file"]).arg(&config).arg("run").arg(&self.document);
        asks.args(["--url", &self.house.host.url, "--checks", CHECKS, "--seed", "1", "--workers", "1"]);
        asks.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-shrink"]);
        asks.args(["--max-examples", &number("CAVEAT_SCHEMA_EXAMPLES", 5).to_string()]);
        asks.args(["--max-time", &self.seconds.to_string(), "--warnings", "off"]);
        asks.args(["--suppress-health-check", "all", "--request-timeout", "30"]);
        asks.args(["--report-json-path"]).arg(&report).args(["--report", "json"]);
        asks.args(["-H", &format!("Authorization: Bearer {token}")]);
        for name in NOT_ASKED {
            asks.args(["--exclude-operation-id", name]);
        }
        let output = asks.current_dir(dir).output().unwrap();
        let told = told(&output);
        let tail: Vec<&str> = told.lines().rev().take(40).collect();
        println!("== {who}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        assert!(output.status.success(), "{who}:\n{told}\nThe host:\n{}", self.house.host.log());
        let report = std::fs::read(&report).unwrap_or_default();
        serde_json::from_slice(&report).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_says_of_itself_is_so() {
    let people = [("cora", "compliance"), ("ada", "admin")];
    let mut house = House::start(CONFIG, &people).unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(2_000, 3));
    script.event(json!({"words": [{"leg": 1, "start": 100, "end": 400, "text": "hello"}]}));
    script.play(&house.host.url, &house.token).await.unwrap();
    let http = reqwest::Client::new();
    let mut tokens = Vec::new();
    for (id, _) in people {
        let now = code(house.secret(id).unwrap(), 0).unwrap();
        let body = json!({"client": CLIENT, "person": id, "password": PASSWORD, "code": now});
        let answer = http.post(format!("{}/v1/session", house.host.url)).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        tokens.push(answer["token"].as_str().unwrap().to_owned());
    }
    let cora = caveat_tests::people::Person::with_session(&house.host.url, &tokens[0]);
    let recording = sealed(&cora, 1).await.unwrap().remove(0);

    let document = house.host.dir().join("openapi.json");
    let text = http.get(format!("{}/v1/openapi.json", house.host.url)).send().await.unwrap();
    std::fs::write(&document, text.bytes().await.unwrap()).unwrap();
    let valid = tool("openapi-spec-validator").arg(&document).output().unwrap();
    assert!(valid.status.success(), "{}", told(&valid));

    let asking = Asking { house: &house, document, seconds: number("CAVEAT_SCHEMA_SECONDS", 30) };
    asking.with("compliance", &tokens[0], Some(&recording));
    asking.with("admin", &tokens[1], None);
    asking.with("machine", &house.token, None);
    assert!(!house.host.log().contains("panicked"), "{}", house.host.log());
    assert_eq!(house.host.stop().unwrap(), 0);
}
