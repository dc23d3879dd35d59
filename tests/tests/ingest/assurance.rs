//! Recording assurance: what was expected, what came, and what is wrong with it.

use std::fs;

use caveat_audio::wav;
use caveat_tests::watch::until;
use reqwest::{
    Client,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::house::{House, house};

/// So many seconds at this level.
fn tone(level: i16, seconds: usize) -> Vec<i16> {
    [level, -level].repeat(4_000 * seconds)
}

async fn upload(house: &House, id: &str, began: &str, legs: &[Vec<i16>]) {
    let call = json!({"external-id": id, "began": began, "direction": "inbound", "parties": [
        {"role": "agent", "stated": "TX", "leg": 0}, {"role": "customer", "stated": "GA", "leg": 1}]});
    let form =
        Form::new().text("call", call.to_string()).part("audio", Part::bytes(wav::of_legs(legs).unwrap()));
    let request = Client::new().post(format!("{}/v1/uploads", house.host.url)).bearer_auth(&house.token);
    assert_eq!(request.multipart(form).send().await.unwrap().status(), 202);
}

const TIME: &str = "since=2026-01-05&until=2026-01-06";

#[tokio::test(flavor = "multi_thread")]
async fn flaws_raise_alerts_and_show_in_the_report() {
    let house = house().await;
    let good = || tone(4_000, 12);
    let quiet = || vec![0; 8_000 * 12];
    let late = |seconds: usize| [vec![0; 8_000 * seconds], tone(4_000, 12)].concat();
    upload(&house, "good", "2026-01-05T09:00:00Z", &[good(), good()]).await;
    upload(&house, "silent", "2026-01-05T09:01:00Z", &[quiet(), quiet()]).await;
    upload(&house, "one-legged", "2026-01-05T09:02:00Z", &[good(), quiet()]).await;
    upload(&house, "clipped", "2026-01-05T09:03:00Z", &[good(), tone(i16::MAX, 12)]).await;
    upload(&house, "short", "2026-01-05T09:04:00Z", &[good(), good()]).await;
    upload(&house, "late", "2026-01-05T09:05:20Z", &[late(0), late(0)]).await;
    house.listed("sealed", 6).await;

    // The phone system's records come later: by API, and by file beside the running host.
    let csv = "id,began,duration_ms,legs\n\
        good,2026-01-05T09:00:00Z,12000,2\n\
        short,2026-01-05T09:04:00Z,60000,\n\
        late,2026-01-05T09:05:00Z,32000,\n\
        missing,2026-01-05T09:06:00Z,30000,\n";
    let post = async |kind: &str, body: String| {
        let request = Client::new().post(format!("{}/v1/expected-calls", house.host.url));
        request.bearer_auth(&house.token).header("content-type", kind).body(body).send().await.unwrap()
    };
    let entered: Value = post("text/csv", csv.to_owned()).await.json().await.unwrap();
    assert_eq!(entered, json!({"entered": 4}));
    let later = json!([{"id": "missing-too", "began": "2026-01-05T09:07:00Z"},
        {"id": "not-yet", "began": "2999-01-05T09:07:00Z"}]);
    fs::write(house.host.dir().join("calls.json"), later.to_string()).unwrap();
    let file = house.host.dir().join("calls.json").display().to_string();
    let printed = house.host.command(&["assurance", "import", "--client", "acme", &file], "").unwrap();
    assert!(printed.contains("2 expected calls"), "{printed}");
    let refused = post("text/csv", "id,began\nx,yesterday\n".to_owned()).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("line 2"));

    let report = house.get(&format!("/v1/assurance?{TIME}")).await;
    assert_eq!(
        (&report["expected"], &report["expected-captured"], &report["captured"]),
        (&json!(5), &json!(3), &json!(6))
    );
    let flaws =
        json!({"silent": 1, "one-legged": 1, "clipped": 1, "short": 2, "late-start": 1, "missing": 2});
    assert_eq!(report["flaws"], flaws, "{report:#}");
    let mut names: Vec<&str> =
        report["findings"].as_array().unwrap().iter().filter_map(|f| f["call"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["late", "late", "missing", "missing-too", "short"]);

    // Each was told of once, and nothing in an alert names a call.
    let alerts = until("all alerts", async || {
        let alerts = house.get("/v1/alerts?limit=100").await;
        let alerts: Vec<Value> = alerts.as_array().cloned().unwrap_or_default();
        let of: Vec<Value> = alerts.into_iter().filter(|a| a["kind"] == "assurance").collect();
        Ok((of.len() >= 8).then_some(of))
    })
    .await
    .unwrap();
    assert_eq!(alerts.len(), 8, "{alerts:#?}");
    assert!(alerts.iter().all(|a| !a["message"].as_str().unwrap().contains("missing-too")));

    // The command says the same, and fails because of it.
    let args = [
        "assurance",
        "report",
        "--client",
        "acme",
        "--since",
        "2026-01-05",
        "--until",
        "2026-01-06",
        "--json",
    ];
    let (code, printed) = house.host.outcome(&args).unwrap();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &printed["flaws"]), (1, &flaws));
    let (code, printed) =
        house.host.outcome(&["assurance", "report", "--client", "acme", "--since", "2998-01-01"]).unwrap();
    assert_eq!(code, 0, "{printed}");
    // What names calls is sealed.
    for (path, bytes) in house.host.written().unwrap() {
        let kept = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("state.db"));
        assert!(!kept || !bytes.windows(11).any(|w| w == b"missing-too"), "{}", path.display());
    }
    house.stop();
}
