//! A host that records the sessions of one trunk, and a supervisor who listens.

use caveat_tests::{
    host::{Host, free_port},
    people::{Heard, Person, code},
    siprec::media_ports,
    watch::{Live, until},
};
use reqwest::{Client, StatusCode};
use serde_json::Value;

/// A number in a state where one party's consent is enough, and one where all have to consent.
pub(crate) const ONE_PARTY: &str = "+14045550102";
pub(crate) const ALL_PARTY: &str = "+13055550101";

pub(crate) struct Recorder {
    pub(crate) host: Host,
    pub(crate) token: String,
    secret: String,
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
}

/// More keys: of `[siprec]`, of `[limits.siprec]`, of `[limits.calls]`, of `[media]`, and of the trunk; and more packs.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    pub(crate) siprec: &'a str,
    pub(crate) limits: &'a str,
    pub(crate) calls: &'a str,
    pub(crate) media: &'a str,
    pub(crate) trunk: &'a str,
    pub(crate) packs: &'a str,
}

impl Recorder {
    /// With more keys of `[siprec]`, of `[limits.siprec]`, and of the trunk.
    pub(crate) fn start(siprec: &str, limits: &str, trunk: &str) -> Self {
        Self::with(&Keys { siprec, limits, trunk, ..Keys::default() })
    }

    pub(crate) fn with(Keys { siprec, limits, calls, media, trunk, packs }: &Keys<'_>) -> Self {
        let (udp, tcp) = (free_port().unwrap(), free_port().unwrap());
        let (first, last) = media_ports();
        let config = format!(
            r#"
[limits.calls]
late_window_ms = 500
{calls}

[limits.siprec]
strangers_per_s = 1000
{limits}

[media]
address = "127.0.0.1"
port-min = {first}
port-max = {last}
streams-max = 10
{media}

[siprec]
listen-udp = "127.0.0.1:{udp}"
listen-tcp = "127.0.0.1:{tcp}"
{siprec}

[[siprec.trunk]]
name = "sbc"
client = "acme"
from = ["127.0.0.0/8"]
user = "srs"
direction = "inbound"
agents = ["*@example.bank", "7301@*", "1001@*"]
agents-region = "GA"
{trunk}

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
{packs}
"#
        );
        let mut host = Host::prepare(&config).unwrap();
        let token = host.token("acme").unwrap();
        let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
        host.start().unwrap();
        Self { host, token, secret, udp, tcp }
    }

    pub(crate) async fn live(&self) -> Live {
        Live::open(&self.host.url, &self.token).await.unwrap()
    }

    pub(crate) async fn calls(&self) -> Vec<String> {
        let request = Client::new().get(format!("{}/v1/calls", self.host.url)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// How long the one call that runs has been running, in milliseconds.
    pub(crate) async fn at(&self) -> u64 {
        let call = self.calls().await.remove(0);
        let request = Client::new().get(format!("{}/v1/calls/{call}", self.host.url));
        let standing: Value = request.bearer_auth(&self.token).send().await.unwrap().json().await.unwrap();
        standing["at"].as_u64().unwrap()
    }

    /// Tells of something on the one call that runs.
    pub(crate) async fn tell(&self, happening: Value) {
        let call = self.calls().await.remove(0);
        let path = format!("{}/v1/calls/{call}/events", self.host.url);
        let answer = Client::new().post(path).bearer_auth(&self.token).json(&happening).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn supervisor(&self) -> Person {
        let code = code(&self.secret, 0).unwrap();
        Person::sign_in(&self.host.url, "acme", "kim", &code).await.unwrap()
    }

    /// How the only sealed recording sounds.
    pub(crate) async fn sealed(&self) -> Vec<Vec<i16>> {
        let kim = self.supervisor().await;
        let id = until("a sealed recording", async || {
            let listed = kim.recordings("quality").await?;
            Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
        });
        played(&kim, &id.await.unwrap()).await
    }
}

/// How a recording sounds, as soon as it is sealed.
pub(crate) async fn played(kim: &Person, id: &str) -> Vec<Vec<i16>> {
    until("it is sealed", async || {
        let listed = kim.recordings("quality").await?;
        Ok(listed.contains(&(id.to_owned(), "sealed".to_owned())).then_some(()))
    })
    .await
    .unwrap();
    match kim.play(id, "quality").await.unwrap() {
        Heard::Sound(played, _) => played,
        Heard::Refused(why) => panic!("a supervisor may hear it: {why}"),
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.host.log());
        }
    }
}
