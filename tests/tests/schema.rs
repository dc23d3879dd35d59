//! The description of the API, and what the host does where somebody believes it: schemathesis makes requests of it, good
//! ones and bad ones, and looks whether the answers are what it promises.
//!
//! `CAVEAT_SCHEMA_SECONDS` and `CAVEAT_SCHEMA_EXAMPLES` have it go on for longer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use caveat_tests::{
    figures,
    host::Host,
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

/// These end the session that asks, or have it wait for its next code.
const ENDS_A_SESSION: [&str; 4] =
    ["delete-v1-session", "post-v1-me-password", "post-v1-me-totp", "post-v1-session-step-up"];

/// What comes in a request that is right as far as a schema can say, and cannot be used all the same: a file, a credential, a
/// stretch that ends before it begins, a whole number that is written with a fraction. Elsewhere, what is right is taken.
const MAY_BE_REFUSED: [&str; 14] = [
    "/v1/uploads",
    "/v1/packs/swap",
    "/v1/packs/impact",
    "/v1/packs/settings",
    "/v1/me/passkeys",
    "/v1/people",
    "/v1/me/password",
    "/v1/enrolment/confirm",
    "/v1/recordings/{id}/redactions",
    "/v1/recordings/{id}/unmask",
    "/v1/calls/announced",
    "/v1/calls/{call}/events",
    "/v1/expected-calls",
    "/v1/tokens",
];

/// WebSockets (RFC 6455).
const OTHER_PROTOCOLS: [&str; 3] = ["/v1/twilio/media", "/v1/twilio/media/{client}", "/v1/audiohook"];

/// A call on which somebody speaks all the time, and one of which whoever asks says what happens.
const SPEAKS: &str = "CAspeaks";
const TOLD_OF: &str = "CAtold";

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
    told: String,
}

/// What is asked of somebody.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// Everything, and what is asked of a recording of this one, so that more comes of it than that there is none.
    Of(&'a str),
    /// Everything.
    All,
    /// What ends a session.
    Ends,
}

impl Asking<'_> {
    /// What is set for some routes.
    fn config(which: Which<'_>) -> String {
        let mut config = format!(
            "[[operations]]\ninclude-path = \"/v1/live\"\nparameters = {{ call = \"{SPEAKS}\" }}\n\
             request-timeout = 10\nmax-stream-events = 1\n\
             [[operations]]\ninclude-path-regex = \"^/v1/calls/.call.\"\n\
             parameters = {{ call = \"{TOLD_OF}\" }}\n"
        );
        // Streams of calls take another protocol, and tell a plain request so.
        for path in MAY_BE_REFUSED.iter().chain(&OTHER_PROTOCOLS) {
            config += &format!(
                "[[operations]]\ninclude-path = \"{path}\"\n[operations.checks.positive_data_acceptance]\n\
                 expected-statuses = [\"2xx\", \"3xx\", \"400\", \"401\", \"403\", \"404\", \"409\", \"429\", \"5xx\"]\n"
            );
        }
        if let Which::Of(id) = which {
            config += &format!(
                "[[operations]]\ninclude-path-regex = \"^/v1/recordings/\"\n\
                 parameters = {{ id = \"{id}\", purpose = \"quality\" }}\n\
                 [[operations]]\ninclude-path = \"/v1/recordings\"\nparameters = {{ purpose = \"quality\" }}\n"
            );
        }
        config
    }

    /// What can be counted up is held to everything; what is made up by chance, for as long as there is time, is held to all
    /// but that right requests are taken and wrong ones are not, of which a schema does not say the last word. By hand, with
    /// more time, it is held to that too.
    fn with(&mut self, who: &str, token: &str, which: Which<'_>) {
        self.ask((who, "counted up"), token, which, &["--phases", "examples,coverage"]);
        // What ends a session leads nowhere.
        let phases = match which {
            Which::Ends => "fuzzing",
            _ => "fuzzing,stateful",
        };
        let judged = "positive_data_acceptance,negative_data_rejection";
        let by_chance = ["--phases", phases, "--exclude-checks", judged];
        let much = std::env::var("CAVEAT_SCHEMA_EXAMPLES").is_ok();
        self.ask((who, "by chance"), token, which, if much { &by_chance[..2] } else { &by_chance });
    }

    fn ask(&mut self, (who, how): (&str, &str), token: &str, which: Which<'_>, phases: &[&str]) {
        let dir = self.house.host.dir();
        let (config, asked) = (dir.join(format!("{who}.toml")), dir.join(format!("{who}.ndjson")));
        std::fs::write(&config, Self::config(which)).unwrap();
        let mut asks = tool("schemathesis");
        asks.args(["--config-file"]).arg(&config).arg("run").arg(&self.document);
        asks.args(["--url", &self.house.host.url, "--checks", "all", "--mode", "all"]);
        asks.args(phases).args(["--seed", "1", "--workers", "1"]);
        asks.args(["--continue-on-failure", "--no-shrink", "--warnings", "off"]);
        asks.args(["--max-examples", &number("CAVEAT_SCHEMA_EXAMPLES", 5).to_string()]);
        asks.args(["--max-time", &self.seconds.to_string()]);
        // A pack takes as long to compile as the machine is slow.
        asks.args([
            "--suppress-health-check",
            "all",
            "--request-timeout",
            "120",
            "--max-response-time",
            "120",
        ]);
        asks.args(["--report", "ndjson", "--report-ndjson-path"]).arg(&asked);
        asks.args(["-H", &format!("Authorization: Bearer {token}")]);
        let (flag, names) = match which {
            Which::Ends => ("--include-operation-id", &ENDS_A_SESSION[..]),
            _ => ("--exclude-operation-id", &ENDS_A_SESSION[..]),
        };
        for name in names {
            asks.args([flag, name]);
        }
        let output = asks.current_dir(dir).output().unwrap();
        let told = told(&output);
        assert!(output.status.success(), "{who}, {how}:\n{told}\nThe host:\n{}", self.house.host.log());
        let counts = Counts::of(&std::fs::read_to_string(&asked).unwrap());
        assert!(counts.answers.keys().all(|status| *status < 500), "{who}: {:?}", counts.answers);
        self.told += &counts.told(&format!("{who}, {how}"));
    }
}

/// What was asked, and how it was looked at.
#[derive(Default)]
struct Counts {
    operations: BTreeSet<String>,
    /// By phase.
    requests: BTreeMap<String, usize>,
    /// Of them: meant to be right, or wrong; and taken up from an answer before.
    right: usize,
    wrong: usize,
    followed: usize,
    /// By name.
    checks: BTreeMap<String, usize>,
    /// By status.
    answers: BTreeMap<u64, usize>,
}

impl Counts {
    /// Of a report: an event a line.
    fn of(report: &str) -> Self {
        let mut counts = Self::default();
        for line in report.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let scenario = &event["ScenarioFinished"];
            let phase = scenario["phase"].as_str().unwrap_or_default();
            let recorder = &scenario["recorder"];
            for case in recorder["cases"].as_object().into_iter().flatten().map(|(_, case)| case) {
                let value = &case["value"];
                counts.operations.insert(format!("{} {}", value["method"], value["path"]));
                match value["meta"]["generation"]["mode"].as_str() {
                    Some("negative") => counts.wrong += 1,
                    _ => counts.right += 1,
                }
                counts.followed += usize::from(case["is_transition_applied"] == true);
            }
            for (_, interaction) in recorder["interactions"].as_object().into_iter().flatten() {
                *counts.requests.entry(phase.to_owned()).or_default() += 1;
                let status = interaction["response"]["status_code"].as_u64().unwrap_or_default();
                *counts.answers.entry(status).or_default() += 1;
            }
            for (_, checks) in recorder["checks"].as_object().into_iter().flatten() {
                for check in checks.as_array().into_iter().flatten() {
                    *counts.checks.entry(check["name"].as_str().unwrap().to_owned()).or_default() += 1;
                }
            }
        }
        counts
    }

    fn told(&self, who: &str) -> String {
        let sum = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
        let each = |counts: &BTreeMap<String, usize>| {
            counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        let answers = self.answers.iter().map(|(status, n)| format!("{status} {n}")).collect::<Vec<_>>();
        format!(
            "{who}: {} operations, {} requests ({}), {} meant to be right and {} wrong, {} followed from an answer\n  \
             {} checks: {}\n  answers: {}\n",
            self.operations.len(),
            sum(&self.requests),
            each(&self.requests),
            self.right,
            self.wrong,
            self.followed,
            sum(&self.checks),
            each(&self.checks),
            answers.join(", "),
        )
    }
}

/// A call on which a word is said each second, until the task is aborted.
fn calling(house: &House, id: &str) -> tokio::task::JoinHandle<()> {
    let mut script = call(id);
    for n in 0..900 {
        script.sound(CUSTOMER, &noise(1_000, n));
        let at = script.now();
        script.event(json!({"words": [{"leg": 1, "start": at - 500, "end": at - 100, "text": "hello"}]}));
    }
    let (url, token) = (house.host.url.clone(), house.token.clone());
    tokio::spawn(async move {
        // It breaks off with the test.
        let _ = script.play(&url, &token).await;
    })
}

/// Nothing that is secret is asked for in an address, where logs and histories keep it; but for what an identity
/// provider sends back, as its protocol has it (RFC 6749, section 4.1.2).
fn has_no_secret_in_an_address(document: &Value) {
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let is_secret = ["password", "token", "secret", "invitation", "code"].contains(&name);
                let is_kept = parameter["in"] == "query" && path != "/v1/session/oidc/callback";
                assert!(!(is_secret && is_kept), "{path}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_says_of_itself_is_so() {
    let people = [("cora", "compliance"), ("sam", "supervisor"), ("ada", "admin"), ("eva", "auditor")];
    let host = Host::prepare(CONFIG).unwrap();
    let scopes = "capture,call-events,read-api,admin";
    let args = ["token", "create", "--client", CLIENT, "--name", "everything", "--scopes", scopes];
    let machine = host.command(&args, "").unwrap().trim().to_owned();
    let mut house = House::of(host, &people).unwrap();
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(2_000, 3));
    script.event(json!({"words": [{"leg": 1, "start": 100, "end": 400, "text": "hello"}]}));
    script.play(&house.host.url, &house.token).await.unwrap();
    let http = reqwest::Client::new();
    let mut tokens = BTreeMap::new();
    for (id, _) in people {
        let now = code(house.secret(id).unwrap(), 0).unwrap();
        let body = json!({"client": CLIENT, "person": id, "password": PASSWORD, "code": now});
        let answer = http.post(format!("{}/v1/session", house.host.url)).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        tokens.insert(id, answer["token"].as_str().unwrap().to_owned());
    }
    let cora = caveat_tests::people::Person::with_session(&house.host.url, &tokens["cora"]);
    let recording = sealed(&cora, 1).await.unwrap().remove(0);
    let calls = [SPEAKS, TOLD_OF].map(|id| calling(&house, id));

    let document = house.host.dir().join("openapi.json");
    let text = http.get(format!("{}/v1/openapi.json", house.host.url)).send().await.unwrap();
    let text = text.bytes().await.unwrap();
    std::fs::write(&document, &text).unwrap();
    let valid = tool("openapi-spec-validator").arg(&document).output().unwrap();
    assert!(valid.status.success(), "{}", told(&valid));
    has_no_secret_in_an_address(&serde_json::from_slice(&text).unwrap());

    let seconds = number("CAVEAT_SCHEMA_SECONDS", 20);
    let mut asking = Asking { house: &house, document, seconds, told: String::new() };
    asking.with("machine", &machine, Which::All);
    asking.with("compliance", &tokens["cora"], Which::Of(&recording));
    asking.with("supervisor", &tokens["sam"], Which::Of(&recording));
    asking.with("auditor who signs out", &tokens["eva"], Which::Ends);
    // Whoever administers may take from the others what they sign in with.
    asking.with("admin", &tokens["ada"], Which::All);
    figures::tell("what schemathesis asked", &asking.told).unwrap();
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(!house.host.log().contains("panicked"), "{}", house.host.log());
    assert_eq!(house.host.stop().unwrap(), 0);
}
