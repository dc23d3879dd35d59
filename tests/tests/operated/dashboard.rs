//! The dashboard and the alert rules, put to a real Prometheus that reads a real host.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use caveat_tests::{
    host::free_port,
    house::{House, call, noise, sealed},
    twilio::CUSTOMER,
    upload::upload,
    watch::until,
};
use serde_json::Value;

use crate::{
    CONFIG,
    examples::{file, text, tool},
};

/// What is there only once something is amiss, or comes over lines that no call of this test takes.
const MAY_BE_EMPTY: [&str; 6] = [
    "caveat_gap_milliseconds_total",
    "caveat_monitor_differences_total",
    "caveat_rtp_packets_total",
    "caveat_spool_bytes",
    "caveat_webhooks_waiting",
    "caveat_webhooks_lost_total",
];

/// A Prometheus of one's own that reads a host each second.
struct Prometheus {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    fn read(host: &str) -> anyhow::Result<Self> {
        let (dir, port) = (tempfile::tempdir()?, free_port()?);
        let address = host.split_once("://").context("an address")?.1;
        let config = text("monitoring/prometheus.yaml")
            .replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
            .replace("alerts.yaml", &file("monitoring/alerts.yaml").canonicalize()?.display().to_string())
            .replace("127.0.0.1:8080", address);
        ensure!(config.contains("evaluation_interval") && config.contains(address), "{config}");
        std::fs::write(dir.path().join("prometheus.yaml"), config)?;
        let child = Command::new(tool("prometheus/usr/bin/prometheus"))
            .arg("--config.file=prometheus.yaml")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.path=data", "--log.level=error"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .context("prometheus; `cargo xtask test` installs it")?;
        Ok(Self { child, url: format!("http://127.0.0.1:{port}/api/v1"), _dir: dir })
    }

    /// The numbers that an expression gives now; an error is what Prometheus has against it.
    async fn ask(&self, expression: &str) -> anyhow::Result<Vec<f64>> {
        let asked = reqwest::Client::new().get(format!("{}/query", self.url)).query(&[("query", expression)]);
        let told: Value = asked.send().await?.json().await?;
        ensure!(told["status"] == "success", "{expression}: {told}");
        let series = told["data"]["result"].as_array().context("a result")?;
        let number = |one: &Value| one["value"][1].as_str()?.parse().ok();
        series.iter().map(|one| number(one).context("a number")).collect()
    }

    /// The name, state and health of each alert rule.
    async fn rules(&self) -> anyhow::Result<Vec<[String; 3]>> {
        let told: Value = reqwest::get(format!("{}/rules", self.url)).await?.json().await?;
        let rules = told["data"]["groups"][0]["rules"].as_array().context("a group of rules")?;
        let of = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        Ok(rules.iter().map(|rule| ["name", "state", "health"].map(|key| of(rule, key))).collect())
    }

    async fn until_alert(&self, name: &str, state: &str) -> anyhow::Result<()> {
        until(&format!("{name} is {state}"), async || {
            let rules = self.rules().await?;
            Ok(rules.iter().any(|[its, now, _]| its == name && now == state).then_some(()))
        })
        .await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the panels ask for, by their titles.
fn panels() -> Vec<(String, String)> {
    let board: Value = serde_json::from_str(&text("monitoring/grafana.json")).unwrap();
    let mut asked = vec![];
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            // As Grafana puts in what was chosen.
            let expression = expression
                .replace("$instance", ".*")
                .replace("$client", ".*")
                .replace("$__rate_interval", "30s")
                .replace("$__range", "5m");
            asked.push((panel["title"].as_str().unwrap().to_owned(), expression));
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn panels_show_a_host_and_alerts_wake_somebody_at_the_first_lost_call() {
    let quota = "\n[client.quota]\ncalls-at-once-max = 1\n";
    let mut house = House::start(&format!("{CONFIG}{quota}"), &[("cora", "compliance")]).unwrap();
    let prometheus = Prometheus::read(&house.host.url).unwrap();
    let nothing_yet = "caveat_calls_over_quota_total == 0";
    until("it reads the host", async || {
        Ok(prometheus.ask(nothing_yet).await.is_ok_and(|found| found.len() == 1).then_some(()))
    })
    .await
    .unwrap();
    let cora = house.person("cora").await.unwrap();
    upload(&house, "CA1").await.unwrap();
    sealed(&cora, 1).await.unwrap();

    let panels = panels();
    assert!(panels.len() > 20, "{panels:?}");
    for (title, expression) in &panels {
        if MAY_BE_EMPTY.iter().any(|name| expression.contains(name)) {
            prometheus.ask(expression).await.unwrap();
            continue;
        }
        let what = format!("`{title}` shows something: {expression}");
        let shown = until(&what, async || {
            let found = prometheus.ask(expression).await?;
            Ok(found.iter().any(|number| number.is_finite()).then_some(found))
        });
        println!("{title}: {:?}", shown.await.unwrap());
    }
    // One may be waiting for its time: what else the machine does may fill the disk.
    until("rules were tried, and none fires", async || {
        let rules = prometheus.rules().await?;
        Ok(rules.iter().all(|[_, state, health]| state != "firing" && health == "ok").then_some(()))
    })
    .await
    .unwrap();

    // One call too many, of a counter that had never counted.
    let (url, token) = (house.host.url.clone(), house.token.clone());
    let running = tokio::spawn(async move {
        let mut script = call("CA2");
        script.sound(CUSTOMER, &noise(60_000, 1));
        script.play(&url, &token).await
    });
    until("a call runs", async || Ok((prometheus.ask("sum(caveat_calls)").await? == [1.0]).then_some(())))
        .await
        .unwrap();
    upload(&house, "CA3").await.unwrap_err();
    prometheus.until_alert("CaveatOverQuota", "firing").await.unwrap();
    running.abort();
    house.host.kill().unwrap();
    prometheus.until_alert("CaveatDown", "pending").await.unwrap();
}
