//! A host that every kind of phone system may call, and a supervisor who listens.

use caveat_audio::wav;
use caveat_tests::{
    host::{Host, free_port},
    people::{Heard, Person, code},
    phone::tone,
    watch::until,
};
use serde_json::Value;

pub(crate) const AUTH_TOKEN: &str = "12345678901234567890123456789012";
pub(crate) const API_KEY: &str = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";
pub(crate) const CLIENT_SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 2000

[limits.media]
first_message_ms = 1500
idle_ms = 2000
reconnect_ms = 2000
stale_ms = 500
ahead_max_ms = 3000
folder_scan_ms = 50
folder_settle_ms = 100
folder_finish_ms = 60000

[limits.assurance]
grace_ms = 0
sweep_every_ms = 100

[audiosocket]
listen = "127.0.0.1:SOCKET"

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
can-pause = true

[client.twilio]
auth-token-file = "twilio-token"
public-url = "wss://recorder.example.com"
account-sid = "AC0"

[[client.audiohook]]
api-key = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
client-secret-file = "client-secret"
organizations = ["d7934305-0972-4844-938e-9060eef73d05"]

[[client.announcement]]
language = "en-US"
file = "notice.wav"

[[client.watched-folder]]
path = "inbox"

[[client.watched-folder]]
path = "inbox-to-empty"
remove-audio = true

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

pub(crate) struct House {
    pub(crate) host: Host,
    pub(crate) token: String,
    pub(crate) kim: Person,
    /// Where AudioSocket is.
    pub(crate) socket: String,
}

/// What is played to those who have to be told: 700 ms that nothing else sounds like.
pub(crate) fn notice() -> Vec<i16> {
    tone(900.0, 7_000.0, 700)
}

/// A running one.
pub(crate) async fn house() -> House {
    let port = free_port().unwrap();
    let mut host = Host::prepare(&CONFIG.replace("SOCKET", &port.to_string())).unwrap();
    std::fs::write(host.dir().join("twilio-token"), format!("{AUTH_TOKEN}\n")).unwrap();
    std::fs::write(host.dir().join("client-secret"), CLIENT_SECRET).unwrap();
    std::fs::write(host.dir().join("notice.wav"), wav::of_legs(&[notice()]).unwrap()).unwrap();
    for folder in ["inbox", "inbox-to-empty"] {
        std::fs::create_dir(host.dir().join(folder)).unwrap();
    }
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0).unwrap()).await.unwrap();
    House { host, token, kim, socket: format!("127.0.0.1:{port}") }
}

impl House {
    /// Waits until there are so many recordings of this state; their ids, newest first.
    pub(crate) async fn listed(&self, state: &str, count: usize) -> Vec<String> {
        until(&format!("{count} recordings that are {state}"), async || {
            let listed = self.kim.recordings("quality").await?;
            let ids: Vec<String> = listed.into_iter().filter(|(_, s)| s == state).map(|(id, _)| id).collect();
            Ok((ids.len() == count).then_some(ids))
        })
        .await
        .unwrap()
    }

    /// The only sealed recording, and how it sounds.
    pub(crate) async fn sound(&self) -> Vec<Vec<i16>> {
        let id = self.listed("sealed", 1).await.remove(0);
        self.play(&id).await
    }

    pub(crate) async fn play(&self, id: &str) -> Vec<Vec<i16>> {
        match self.kim.play(id, "quality").await.unwrap() {
            Heard::Sound(legs, _) => legs,
            Heard::Refused(why) => panic!("a supervisor may hear it: {why}"),
        }
    }

    /// Something happens on a call, by the API; the answer.
    pub(crate) async fn happens(&self, call: &str, happening: Value) -> Value {
        let path = format!("{}/v1/calls/{call}/events", self.host.url);
        let request = reqwest::Client::new().post(path).bearer_auth(&self.token).json(&happening);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = reqwest::Client::new().get(format!("{}{path}", self.host.url)).bearer_auth(&self.token);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Ends it; nothing may have panicked.
    pub(crate) fn stop(mut self) {
        assert_eq!(self.host.stop().unwrap(), 0);
        assert!(!self.host.log().contains("panicked"), "{}", self.host.log());
    }
}

/// Where sound begins and ends again, in milliseconds: stretches with no silence of more than 40 ms in them.
pub(crate) fn stretches(leg: &[i16]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = vec![];
    for (i, _) in leg.iter().enumerate().filter(|(_, s)| s.unsigned_abs() > 500) {
        let ms = (i / 8) as u32;
        match found.last_mut() {
            Some((_, end)) if ms <= *end + 40 => *end = ms + 1,
            _ => found.push((ms, ms + 1)),
        }
    }
    found
}
