//! Evidence that leaves the house: it holds for a stranger with the public key alone, in our program and in a page of Python,
//! and no part of it can be changed, left out or put from elsewhere, not even by whoever has the signing key.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_notes::SigningKey;
use caveat_tests::{
    host::Host,
    house::{House, call, sealed},
    through::Terminal,
    twilio::{AGENT, CUSTOMER},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 1000
interim_every_ms = 1000

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality", "dispute"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"
"#;

type Member = (String, Vec<u8>);

/// A file of evidence, taken apart.
#[derive(Clone)]
struct Evidence(Vec<Member>);

impl Evidence {
    fn read(path: &Path) -> Self {
        let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
        let read = |entry: std::io::Result<tar::Entry<'_, fs::File>>| {
            let mut entry = entry.unwrap();
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        };
        Self(archive.entries().unwrap().map(read).collect())
    }

    fn write(&self, path: &Path) {
        let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
        for (name, bytes) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        tar.finish().unwrap();
    }

    /// The one member whose name ends so.
    fn member(&mut self, ending: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(name, _)| name.ends_with(ending)).unwrap().1
    }

    fn json(&mut self, ending: &str) -> Value {
        serde_json::from_slice(self.member(ending)).unwrap()
    }

    /// With another text in the place of a member.
    fn with(mut self, ending: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(self.member(ending));
        self
    }

    /// With the lines that `keep` keeps.
    fn with_lines(self, ending: &str, keep: impl Fn(&Value) -> bool) -> Self {
        self.with(ending, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let kept = text.lines().filter(|line| keep(&serde_json::from_str(line).unwrap()));
            *bytes = kept.map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        })
    }

    /// Listed and signed again, as whoever has the signing key could.
    fn signed(mut self, key: &SigningKey) -> Self {
        let mut manifest = self.json("manifest.json");
        let others = self.0.iter().filter(|(name, _)| !name.starts_with("manifest."));
        let listed = others
            .map(|(name, bytes)| json!({"name": name, "bytes": bytes.len(), "sha256": digest(bytes)}))
            .collect::<Vec<_>>();
        manifest["members"] = listed.into();
        let text = serde_json::to_vec(&manifest).unwrap();
        let log = manifest["log"].as_str().unwrap();
        let note =
            caveat_notes::sign(&format!("caveat-evidence/1\n{log}\n{}\n", digest(&text)), key).unwrap();
        *self.member("manifest.json") = text;
        *self.member("manifest.sig") = note.into_bytes();
        self
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Both judges, who have to agree.
struct Judges<'a> {
    host: &'a Host,
    key: String,
}

impl Judges<'_> {
    fn judge(&self, path: &Path) -> (bool, String) {
        let file = path.to_str().unwrap();
        let (status, ours) = self.host.outcome(&["evidence", "verify", file, "--key", &self.key]).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/evidence/verify.py");
        let python = Command::new("python3").args([script, file, &self.key]).output().unwrap();
        let theirs = String::from_utf8_lossy(&[python.stdout, python.stderr].concat()).into_owned();
        assert_eq!(status == 0, python.status.success(), "they disagree:\n{ours}\n{theirs}");
        (status == 0, format!("{ours}\n{theirs}"))
    }

    fn refuse(&self, what: &str, evidence: &Evidence) {
        let path = self.host.dir().join("tampered.tar");
        evidence.write(&path);
        let (good, said) = self.judge(&path);
        assert!(!good, "{what}:\n{said}");
        assert!(said.contains("NOT GOOD") && !said.contains("panicked"), "{what}:\n{said}");
    }
}

/// A call of two parties; in one, a security code is heard so late that its second is destroyed by key.
async fn play(house: &House, id: &str, level: i16, code: bool) {
    let mut script = call(id);
    let sound = [level, -level, level / 2, -level].repeat(2_000 * 4);
    let said = if code {
        ["the", "security", "code", "is", "737"]
    } else {
        ["nice", "weather", "we", "have", "here"]
    };
    let word = |(i, text): (u32, &str)| {
        let start = 300 + 300 * i;
        json!({"leg": CUSTOMER, "start": start, "end": start + 200, "text": text})
    };
    let said: Vec<Value> = (0..).zip(said).map(word).collect();
    // Words that come when their seconds are sealed are in no transcript.
    if code {
        script.sound(CUSTOMER, &sound);
        script.event(json!({"words": said}));
    } else {
        script.sound(CUSTOMER, &sound[..4_000]);
        script.event(json!({"words": said}));
        script.sound(CUSTOMER, &sound[4_000..]);
    }
    script.sound(AGENT, &[level / 2, -level].repeat(2_000));
    script.play(&house.host.url, &house.token).await.unwrap();
}

/// Everything that a test needs: a host that ran, two recordings, evidence of both, and cora, who takes it out.
struct Made {
    host: Host,
    files: [PathBuf; 2],
    ids: Vec<String>,
    cora: Terminal,
}

async fn made() -> Made {
    let house = House::start(CONFIG, &[("cora", "compliance"), ("kim", "supervisor")]).unwrap();
    for (id, level, code) in [("CA1", 3_000, false), ("CA2", 5_000, true)] {
        play(&house, id, level, code).await;
    }
    let (kim, cora) = (house.person("kim").await.unwrap(), house.terminal("cora").unwrap());
    let ids = sealed(&kim, 2).await.unwrap();
    // A supervisor takes no recording out of the house.
    let refused = kim.get(&format!("/v1/recordings/{}/evidence?purpose=dispute", ids[0])).await.unwrap();
    assert_eq!(refused.status().as_u16(), 403);
    let files = ["first.tar", "second.tar"].map(|name| house.host.dir().join(name));
    assert_eq!(export(&cora, &files[0], &ids[0], &[]), 0);
    assert_ne!(export(&cora, &files[0], &ids[1], &[]), 0, "what is there is not written over");
    let path = format!("/v1/recordings/{}/evidence?purpose=dispute", ids[1]);
    let answer = cora.person().get(&path).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-tar");
    fs::write(&files[1], answer.bytes().await.unwrap()).unwrap();
    Made { host: house.host, files, ids, cora }
}

/// The command's exit code.
fn export(who: &Terminal, out: &Path, what: &str, more: &[&str]) -> i32 {
    let args = ["evidence", "export", what, "--purpose", "dispute", "--out", out.to_str().unwrap()];
    who.run(&[&args, more].concat()).unwrap().0
}

fn judges(host: &Host) -> Judges<'_> {
    let key = host.command(&["ledger", "key", "--client", "acme"], "").unwrap().trim().to_owned();
    Judges { host, key }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_holds_and_no_part_of_it_can_be_another() {
    let Made { mut host, files, ids, .. } = made().await;
    // The log goes on, and what was handed out still holds.
    let entries = host.audit("acme", "bundle").unwrap();
    assert_eq!(host.stop().unwrap(), 0);
    let judges = judges(&host);
    let mut shown = vec![];
    for (file, id) in files.iter().zip(&ids) {
        let (good, said) = judges.judge(file);
        assert!(good && said.contains(id), "{said}");
        assert!(said.contains("consent.one-party"), "reasons are told: {said}");
        assert!(entries.contains(&digest(&fs::read(file).unwrap())), "the log names the file that left");
        let json = ["evidence", "verify", file.to_str().unwrap(), "--key", &judges.key, "--json"];
        let report: Value = serde_json::from_str(&host.command(&json, "").unwrap()).unwrap();
        assert_eq!(report["problems"], json!([]));
        shown.push((report["recordings"][0]["frames"].as_u64(), report["recordings"][0]["shown"].as_u64()));
    }
    // What was destroyed is vouched for, and shown to nobody; peaks are not shown at all.
    assert!(shown[0].1.unwrap() < shown[0].0.unwrap() && shown[0].1.unwrap() >= 10, "{shown:?}");
    assert!(shown[1].1.unwrap() < shown[1].0.unwrap() && shown[1].1.unwrap() >= 7, "{shown:?}");

    let [first, second] = files.each_ref().map(|file| Evidence::read(file));
    let words = |mut evidence: Evidence| -> Vec<String> {
        let said = evidence.json("transcript.json");
        let text = |word: &Value| word["text"].as_str().unwrap().to_owned();
        said.as_array().unwrap().iter().map(text).collect()
    };
    assert_eq!(words(first.clone()), ["nice", "weather", "we", "have", "here"]);
    assert!(!words(second.clone()).contains(&"737".to_owned()));
    strangers(&judges, &first, &second);
    let key = SigningKey::open(&host.dir().join("data/keys/ledger")).unwrap();
    insiders(&judges, &key.for_client(&"acme".parse().unwrap()), first, second);
}

/// Whoever has no key.
fn strangers(judges: &Judges<'_>, first: &Evidence, second: &Evidence) {
    for (at, (name, bytes)) in first.0.iter().enumerate() {
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut altered = first.clone();
            altered.0[at].1[place] ^= 1;
            judges.refuse(&format!("{name} with byte {place} changed"), &altered);
        }
        let mut dropped = first.clone();
        dropped.0.remove(at);
        judges.refuse(&format!("no {name}"), &dropped);
        let mut other = first.clone();
        other.0[at].1.clone_from(&second.0[at].1);
        judges.refuse(&format!("{name} of the other recording"), &other);
        let mut swapped = first.clone();
        let next = (at + 1) % first.0.len();
        swapped.0[at].1.clone_from(&first.0[next].1);
        swapped.0[next].1.clone_from(bytes);
        judges.refuse(&format!("{name} in the place of {}", first.0[next].0), &swapped);
    }
    let mut more = first.clone();
    more.0.push(("recordings/note.txt".into(), b"hello".to_vec()));
    judges.refuse("one more member", &more);
    let mut twice = first.clone();
    twice.0.push(first.0[1].clone());
    judges.refuse("a member twice", &twice);
    let key = judges.key.replace("acme", "other");
    assert!(
        !Judges { host: judges.host, key }.judge(&judges.host.dir().join("first.tar")).0,
        "another's key"
    );
}

/// Whoever has the key that evidence and checkpoints are signed with, and changes what was said before.
fn insiders(judges: &Judges<'_>, key: &SigningKey, first: Evidence, mut second: Evidence) {
    let path = judges.host.dir().join("signed.tar");
    first.clone().signed(key).write(&path);
    let (good, said) = judges.judge(&path);
    assert!(good, "signing again what is right changes nothing: {said}");

    let forge = |what: &str, forged: Evidence| judges.refuse(what, &forged.signed(key));
    let entry = |line: &Value| -> Value {
        serde_json::from_slice(&BASE64_STANDARD.decode(line["entry"].as_str().unwrap()).unwrap()).unwrap()
    };
    let without = |kind: &'static str| {
        first.clone().with_lines("entries.jsonl", move |line| entry(line)["event"]["kind"] != kind)
    };
    for kind in ["recording-opened", "sealed", "access-intent"] {
        forge(&format!("no entry `{kind}`"), without(kind));
    }
    for ending in [
        "header.bin",
        "frames.bin",
        "audio.wav",
        "transcript.json",
        "entries.jsonl",
        "details.jsonl",
        "recording.json",
    ] {
        let theirs = second.member(ending).clone();
        forge(&format!("{ending} of the other recording"), first.clone().with(ending, |m| *m = theirs));
        let empty = first.clone().with(ending, Vec::clear);
        forge(&format!("{ending} emptied"), empty);
    }
    let frames = first.clone().member("frames.bin").len();
    for place in [1, 60, frames / 2, frames - 1] {
        let altered = first.clone().with("frames.bin", |m| m[place] ^= 1);
        forge(&format!("frames.bin with byte {place} changed"), altered);
    }
    forge("a header of another time", first.clone().with("header.bin", |m| m[2 + 4 + 16 + 7] ^= 1));
    forge(
        "another sound",
        first.clone().with("audio.wav", |m| {
            let last = m.len() - 1;
            m[last] ^= 1;
        }),
    );
    forge("a sound cut short", first.clone().with("audio.wav", |m| m.truncate(44)));
    forge(
        "an entry changed",
        first.clone().with("entries.jsonl", |m| {
            let text = String::from_utf8(m.clone()).unwrap();
            let (head, rest) = text.split_once('\n').unwrap();
            let mut line: Value = serde_json::from_str(head).unwrap();
            let mut told = entry(&line);
            told["at"] = "2020-01-01T00:00:00.000Z".into();
            line["entry"] = BASE64_STANDARD.encode(serde_json::to_vec(&told).unwrap()).into();
            *m = format!("{line}\n{rest}").into_bytes();
        }),
    );
    let retold = |change: fn(&mut Value)| {
        first.clone().with("details.jsonl", move |m| {
            let text = String::from_utf8(m.clone()).unwrap();
            let (head, rest) = text.split_once('\n').unwrap();
            let mut line: Value = serde_json::from_str(head).unwrap();
            change(&mut line);
            *m = format!("{line}\n{rest}").into_bytes();
        })
    };
    forge("a decision told otherwise", retold(|line| line["plain"]["verdict"]["outcome"] = "refuse".into()));
    forge("a detail with another key", retold(|line| line["key"] = BASE64_STANDARD.encode([7; 32]).into()));
    forge("a detail of another entry", retold(|line| line["index"] = 0.into()));
    forge(
        "no decision on this export",
        first.clone().with_lines("details.jsonl", |line| line["plain"]["verdict"]["stage"] != "access"),
    );
    let manifest = |change: fn(&mut Value)| {
        first.clone().with("manifest.json", move |m| {
            let mut text: Value = serde_json::from_slice(m).unwrap();
            change(&mut text);
            *m = serde_json::to_vec(&text).unwrap();
        })
    };
    forge("another purpose", manifest(|m| m["purpose"] = "training".into()));
    forge(
        "another recording's name",
        manifest(|m| {
            m["recordings"][0]["id"] = "01890000-0000-7000-8000-000000000000".into();
        }),
    );
    forge("another intent", manifest(|m| m["recordings"][0]["decided"]["ledger-index"] = 1.into()));
    forge(
        "what was hidden is shown",
        manifest(|m| {
            m["recordings"][0]["decided"]["silenced"] = json!([{"start": 0, "end": 500}]);
        }),
    );
    // Signed once, and older than what it should vouch for; then one of the right age that is another log's.
    forge("a stale checkpoint", first.clone().with("checkpoint", |m| *m = checkpoint(key, 3, &[5; 32])));
    let size: u64 =
        String::from_utf8_lossy(first.clone().member("checkpoint")).lines().nth(1).unwrap().parse().unwrap();
    forge("another tree", first.clone().with("checkpoint", |m| *m = checkpoint(key, size, &[5; 32])));
}

/// A checkpoint as the log would have signed it.
fn checkpoint(key: &SigningKey, size: u64, root: &[u8]) -> Vec<u8> {
    let text = format!("{}\n{size}\n{}\n", key.name(), BASE64_STANDARD.encode(root));
    caveat_notes::sign(&text, key).unwrap().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_shows_what_was_asked_for_and_of_a_case_all() {
    let Made { mut host, ids, cora, .. } = made().await;
    let file = |name: &str| host.dir().join(name);
    let (part, case, again) = (file("part.tar"), file("case.tar"), file("again.tar"));
    let redacted = file("redacted.tar");
    let span = ["--from-ms", "1200", "--to-ms", "2500"];
    assert_eq!(export(&cora, &part, &ids[0], &span), 0);
    assert_eq!(export(&cora, &again, "no such case", &[]), 1);
    assert_eq!(export(&cora, &redacted, &ids[1], &["--form", "redacted"]), 0);
    assert_eq!(host.stop().unwrap(), 0);
    let (good, said) = judges(&host).judge(&part);
    assert!(good && said.contains("5 shown"), "two seconds of two legs, and words of one: {said}");
    let sound =
        hound::WavReader::new(std::io::Cursor::new(Evidence::read(&part).member("audio.wav").clone()));
    assert_eq!(sound.unwrap().duration(), 16_000);

    // Every second near something labelled is left out, on its leg.
    let (good, said) = judges(&host).judge(&redacted);
    assert!(good, "{said}");
    let manifest = Evidence::read(&redacted).json("manifest.json");
    let hidden = &manifest["recordings"][0]["decided"]["silenced"];
    assert!(!hidden.as_array().unwrap().is_empty(), "{manifest}");

    // A hold is what makes a case.
    host.start().unwrap();
    for id in &ids {
        cora.json(&["hold", "set", "--matter", "smith v. acme / 2", "--recording", id]).unwrap();
    }
    assert_eq!(export(&cora, &case, "smith v. acme / 2", &[]), 0);
    assert_eq!(host.stop().unwrap(), 0);
    let judges = judges(&host);
    let (good, said) = judges.judge(&case);
    assert!(good && ids.iter().all(|id| said.contains(id.as_str())), "{said}");
    let mut mixed = Evidence::read(&case);
    let frames: Vec<usize> = (0..mixed.0.len()).filter(|i| mixed.0[*i].0.ends_with("frames.bin")).collect();
    let [a, b] = frames[..] else { panic!("two recordings") };
    let theirs = mixed.0[b].1.clone();
    mixed.0[a].1 = theirs;
    let key = SigningKey::open(&host.dir().join("data/keys/ledger")).unwrap();
    judges.refuse("frames of the other one", &mixed.signed(&key.for_client(&"acme".parse().unwrap())));
}
