//! Packs of a running host, changed by the commands that users have.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_tests::{
    host::Host,
    twilio::{CUSTOMER, Script},
    watch::{Live, until},
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn packs_change_while_a_call_runs_and_stay_changed() {
    let mut host = Host::prepare(CONFIG).unwrap();
    let phones = host.token("acme").unwrap();
    let scopes = "admin,read-api";
    let create = ["token", "create", "--client", "acme", "--name", "ops", "--scopes", scopes];
    let admin = host.command(&create, "").unwrap().trim().to_owned();
    host.start().unwrap();
    let base = host.url.clone();
    let names = async || -> Vec<String> {
        let request = Client::new().get(format!("{base}/v1/packs")).bearer_auth(&admin);
        let listed: Value = request.send().await.unwrap().json().await.unwrap();
        let packs = listed["in-force"].as_array().unwrap();
        packs.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names().await, ["state-consent"]);

    let mut live = Live::open(&host.url, &phones).await.unwrap();
    let place = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new("CA1", &place);
    // It hangs up when all has been shown, however long a swap takes here.
    script.sound(CUSTOMER, &vec![1_000; 8 * 180_000]);
    let (url, token) = (host.url.clone(), phones.clone());
    let call = tokio::spawn(async move { script.play(&url, &token).await });
    live.next_on("offered").await.unwrap();

    let packs = caveat_tests::host::packs().unwrap();
    let pci = std::fs::read(packs.join("pci-dss-0.1.0.wasm")).unwrap();
    let swap = async |body: Vec<u8>, token: &str| {
        let url = format!("{base}/v1/packs/swap?client=acme&why=cards");
        Client::new().post(url).bearer_auth(token).body(body).send().await.unwrap()
    };
    assert_eq!(swap(pci.clone(), &phones).await.status(), StatusCode::FORBIDDEN, "not its scope");
    let broken = swap(pci[..pci.len() / 2].to_vec(), &admin).await;
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    assert_eq!(names().await, ["state-consent"], "the last good set stays");
    let failed = "caveat_pack_swaps_total{client=\"acme\",kind=\"swap\",result=\"failed\"} 1";
    let metrics = host.metrics().await.unwrap();
    assert!(metrics.lines().any(|l| l == failed), "{metrics}");
    let log = host.log();
    let told = log.lines().find(|l| l.contains("packs not changed; the set in force stays"));
    assert!(told.is_some_and(|l| l.contains("ERROR") && l.contains("client=acme")), "{log}");
    assert_eq!(swap(pci, &admin).await.status(), StatusCode::OK);
    assert_eq!(names().await, ["state-consent", "pci-dss"]);
    let metrics = host.metrics().await.unwrap();
    let line = "caveat_pack_swaps_total{client=\"acme\",kind=\"swap\",result=\"done\"} 1";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
    assert!(
        metrics.contains("caveat_pack_rulings_total{pack=\"state-consent\",stage=\"capture\""),
        "{metrics}"
    );

    let paused = format!("{}/v1/calls/CA1/events", host.url);
    let request = Client::new().post(paused).bearer_auth(&phones).json(&json!({"pause-asked": "person"}));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK, "the call still runs");
    assert!(!call.is_finished());
    call.abort();

    host.stop().unwrap();
    let log = host.audit("acme", "bundle").unwrap();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text} in the ledger"));
    let (offered, changed, paused) =
        (at("\"event\":\"offered\""), log.rfind("packs-changed").unwrap(), at("\"event\":\"pause-asked\""));
    assert!(offered < changed && changed < paused);
    assert!(!log[offered..changed].contains("pci-dss") && log[paused..].contains("pci-dss"));

    host.start().unwrap();
    let after = until("the packs", async || Ok(Some(names().await))).await.unwrap();
    assert_eq!(after, ["pci-dss", "state-consent"], "what was swapped in stands after a restart");
    let url = format!("{}/v1/packs/rollback", host.url);
    let back = Client::new().post(&url).bearer_auth(&admin).send().await.unwrap();
    assert_eq!(back.status(), StatusCode::OK);
    assert_eq!(names().await, ["state-consent"]);
    let none = Client::new().post(&url).bearer_auth(&admin).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND, "there is nothing before it");
}

/// The line of the configuration, or of another file beside it, in which this stands.
fn line_of(host: &Host, file: &str, text: &str) -> usize {
    let whole = std::fs::read_to_string(host.dir().join(file)).unwrap();
    1 + whole.lines().position(|line| line.contains(text)).unwrap()
}

#[test]
fn a_bad_setting_is_shown_in_its_file_and_line() {
    let bad = "[client.pack.settings]\noptions = [\n  \"express\",\n  17,\n]\npurposs = [\"training\"]\n";
    let mut host = Host::prepare(&format!("{CONFIG}{bad}")).unwrap();
    let settings = [
        format!("line {}: `/options/1`: 17 is not of type", line_of(&host, "caveat.toml", "  17,")),
        format!(
            "line {}: `/purposs`: there is no such setting; did you mean `purposes`?",
            line_of(&host, "caveat.toml", "purposs")
        ),
    ];
    let all_told = |said: &str| {
        let named = said.contains("settings of pack `state-consent` in ") && said.contains("caveat.toml");
        assert!(named && settings.iter().all(|s| said.contains(s)), "{settings:?} are not in\n{said}");
    };
    let (code, said) = host.outcome(&["check"]).unwrap();
    assert_eq!(code, 1);
    all_told(&said);
    all_told(&host.start().unwrap_err().to_string());

    host.rewrite(bad, "").unwrap();
    let token = ["token", "create", "--client", "acme", "--name", "ops", "--scopes", "admin,read-api"];
    let token = host.command(&token, "").unwrap();
    host.start().unwrap();
    let (file, path) = (host.dir().join("strict.toml"), caveat_tests::host::packs().unwrap());
    std::fs::write(&file, "# for a trial\n\npurposes = \"training\"\n").unwrap();
    let pack = format!("state-consent={}", path.join("state-consent-0.1.0.wasm").display());
    let swap = ["pack", "swap", "--client", "acme", "--replace", &pack, "--settings", file.to_str().unwrap()];
    let (code, said) = host.through(token.trim(), &swap).unwrap();
    let wanted = format!("settings of pack `state-consent` in {}: line 3: `/purposes`: ", file.display());
    assert!(code == 1 && said.contains(&wanted), "no {wanted} in\n{said}");
    let json = host.dir().join("strict.json");
    std::fs::write(&json, "{\n  \"options\": [\n    3\n  ]\n}\n").unwrap();
    let (_, said) =
        host.through(token.trim(), &[&swap[..6], &["--settings", json.to_str().unwrap()]].concat()).unwrap();
    assert!(said.contains(&format!("{}: line 3: `/options/0`: 3 is not of type", json.display())), "{said}");
    let impact = ["impact", "--client", "acme", "--settings"];
    let given = format!("state-consent={}", file.display());
    let (code, said) = host.outcome(&[&impact[..], &[&given]].concat()).unwrap();
    assert!(code == 1 && said.contains(&wanted), "no {wanted} in\n{said}");
    host.stop().unwrap();
}
