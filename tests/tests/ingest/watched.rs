//! Recordings made elsewhere, uploaded or put into a folder: fast, ruled on in their own time, and never twice.

use std::{fs, path::PathBuf};

use caveat_audio::wav;
use caveat_tests::watch::until;
use reqwest::{
    Client,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::house::{House, house, stretches};

fn call(id: &str, agent: &str) -> Value {
    json!({"external-id": id, "began": "2026-01-05T09:00:00Z", "direction": "inbound", "parties": [
        {"role": "agent", "stated": agent, "leg": 0}, {"role": "customer", "stated": "GA", "leg": 1}]})
}

/// Two legs that sound for so long.
fn sound(seconds: usize) -> Vec<u8> {
    wav::of_legs(&[[3_000, -3_000].repeat(4_000 * seconds), [6_000, -6_000].repeat(4_000 * seconds)]).unwrap()
}

impl House {
    fn path(&self, path: &str) -> PathBuf {
        self.host.dir().join(path)
    }

    /// Puts a pair into a folder, whole, as whoever writes there should.
    fn put(&self, folder: &str, name: &str, sidecar: &str, audio: &[u8]) {
        for (end, bytes) in [("json", sidecar.as_bytes()), ("wav", audio)] {
            let (whole, path) =
                (self.path(&format!("whole.{end}")), self.path(folder).join(format!("{name}.{end}")));
            fs::write(&whole, bytes).unwrap();
            fs::rename(whole, path).unwrap();
        }
    }

    /// How much is in the write-ahead log, which is allocated as zeros.
    fn kept_bytes(&self) -> usize {
        let files = self.host.written().unwrap().into_iter();
        let logs = files.filter(|(path, _)| path.extension().is_some_and(|end| end == "wal"));
        logs.map(|(_, bytes)| bytes.iter().filter(|byte| **byte != 0).count()).sum()
    }

    /// Waits until there is such a file, and reads it.
    async fn file(&self, path: &str) -> Vec<u8> {
        until(path, async || Ok(fs::read(self.path(path)).ok())).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_recording_is_taken_in_fast_and_ruled_on_in_its_own_time() {
    let house = house().await;
    // Twenty minutes, of which two are a pause.
    let events = json!([
        {"at": 300_000, "happening": {"pause-asked": "person"}},
        {"at": 420_000, "happening": {"resume-asked": "person"}},
        {"at": 600_500, "happening": {"party-joined": {"role": "customer", "stated": "FL"}}}]);
    let form = Form::new()
        .text("call", call("UP1", "TX").to_string())
        .text("events", events.to_string())
        .part("audio", Part::bytes(sound(1_200)));
    let request = Client::new().post(format!("{}/v1/uploads", house.host.url)).bearer_auth(&house.token);
    let taken: Value = request.multipart(form).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&taken["lasts-ms"], &taken["answer"]["state"]),
        (&json!(1_200_000), &json!("recording")),
        "{taken}"
    );
    let sound = house.sound().await;
    for leg in &sound {
        // Somebody in an all-party state joined, and was told nothing: from then on nothing is kept.
        assert_eq!(stretches(leg), [(0, 300_000), (420_000, 600_500)]);
    }
    let listed = house.kim.get("/v1/recordings?purpose=quality").await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed[0]["began"], "2026-01-05T09:00:00.000Z");
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_emptied_into_recordings() {
    let house = house().await;
    let events = json!([{"at": 500, "happening": {"pause-asked": "person"}},
        {"at": 1_000, "happening": {"resume-asked": "person"}}]);
    let sidecar = json!({"call": call("F1", "TX"), "events": events}).to_string();
    let audio = sound(3);
    // Audio without a sidecar waits; a name that begins with a dot is not whole.
    fs::write(house.path("inbox/lonely.wav"), &audio).unwrap();
    house.put("inbox", ".hidden", &sidecar, &audio);
    house.put("inbox", "one", &sidecar, &audio);
    assert_eq!(house.file("inbox/done/one.wav").await, audio);
    house.file("inbox/done/one.json").await;
    let id = house.listed("sealed", 1).await.remove(0);
    assert_eq!(stretches(&house.play(&id).await[1]), [(0, 500), (1_000, 3_000)]);

    // The same again is not another recording.
    house.put("inbox", "again", &sidecar, &audio);
    house.file("inbox/done/again.json").await;
    assert_eq!(house.kim.recordings("quality").await.unwrap().len(), 1);

    for (name, sidecar, audio, wanted) in [
        ("broken", "{".to_owned(), &audio[..], "JSON"),
        ("misspelt", json!({"call": {"extrnal-id": "x"}}).to_string(), &audio[..], "extrnal-id"),
        ("cut", json!({"call": call("F2", "TX")}).to_string(), &audio[..1_000], "cut short"),
        ("refused", json!({"call": call("F3", "FL")}).to_string(), &audio[..], "the rules"),
        (
            "tomorrow",
            json!({"call": {"external-id": "F4", "began": "2999-01-01"}}).to_string(),
            &audio[..],
            "not come",
        ),
    ] {
        house.put("inbox", name, &sidecar, audio);
        let reason = house.file(&format!("inbox/failed/{name}.reason.txt")).await;
        let reason = String::from_utf8(reason).unwrap();
        assert!(reason.contains(wanted), "{name}: {reason}");
        assert_eq!(house.file(&format!("inbox/failed/{name}.wav")).await, audio);
    }
    assert!(house.path("inbox/lonely.wav").exists() && house.path("inbox/.hidden.wav").exists());

    // Where that is wanted, no plain audio stays behind.
    let sidecar = json!({"call": call("F5", "TX")}).to_string();
    house.put("inbox-to-empty", "two", &sidecar, &audio);
    house.file("inbox-to-empty/done/two.json").await;
    house.listed("sealed", 2).await;
    assert!(!house.path("inbox-to-empty/two.wav").exists());
    assert!(!house.path("inbox-to-empty/done/two.wav").exists());
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_takes_nothing_in_twice() {
    let mut house = house().await;
    // Long enough to be cut short.
    let audio = sound(1_800);
    house.put("inbox", "long", &json!({"call": call("F1", "TX")}).to_string(), &audio);
    // Before any of its audio was kept, a crash would only have it begun anew.
    until("some of its audio is kept", async || Ok((house.kept_bytes() > 100_000).then_some(())))
        .await
        .unwrap();
    house.host.kill().unwrap();
    house.host.start().unwrap();
    let reason = house.file("inbox/failed/long.reason.txt").await;
    let reason = String::from_utf8(reason).unwrap();
    assert!(reason.contains("interrupted") && reason.contains("change the sidecar"), "{reason}");
    house.listed("interrupted", 1).await;
    assert_eq!(house.kim.recordings("quality").await.unwrap().len(), 1);

    // With another sidecar it is taken in anew, as it says.
    house.put("inbox", "long", &json!({"call": call("F1-again", "TX")}).to_string(), &sound(2));
    house.file("inbox/done/long.json").await;
    assert_eq!(house.listed("sealed", 1).await.len(), 1);
    house.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_told_to_stop_finishes_what_it_has_begun() {
    let mut house = house().await;
    house.put("inbox", "long", &json!({"call": call("F1", "TX")}).to_string(), &sound(900));
    until("it is being taken in", async || {
        let listed = house.kim.recordings("quality").await?;
        Ok(listed.iter().any(|(_, state)| state == "recording").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);
    assert!(house.path("inbox/done/long.wav").exists() && !house.path("inbox/failed").exists());
    house.host.start().unwrap();
    house.listed("sealed", 1).await;
    assert_eq!(house.kim.recordings("quality").await.unwrap().len(), 1);
    house.stop();
}
