//! Time from somebody else: an authority of openssl's behind a small web server, asked by a running host.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use caveat_tests::{
    host::Host,
    people::{Person, code},
    twilio::{CUSTOMER, Script},
    watch::until,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 500

[timestamps]
url = "http://AUTHORITY/tsr"
ca-file = "CA"
every-ms = 300

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality", "dispute"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Keys, certificates and settings of an authority of this name, in a folder.
struct Authority {
    dir: PathBuf,
}

impl Authority {
    fn make(dir: &Path, name: &str, ec: bool) -> Self {
        let dir = dir.join(name);
        fs::create_dir(&dir).unwrap();
        let this = Self { dir };
        let key: &[&str] = if ec {
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        } else {
            &["-newkey", "rsa:2048"]
        };
        let ca = ["req", "-x509", "-nodes", "-days", "30", "-keyout", "ca.key", "-out", "ca.pem"];
        let subject = format!("/CN={name} authority");
        let usage = ["-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign"];
        this.openssl(&[&ca[..], key, &["-subj", &subject], &usage].concat());
        let request = ["req", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=stamps"];
        this.openssl(&[&request[..], key].concat());
        fs::write(this.dir.join("tsa.ext"), "extendedKeyUsage=critical,timeStamping\n").unwrap();
        let signed =
            ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        this.openssl(&[&signed[..], &["-days", "30", "-extfile", "tsa.ext", "-out", "tsa.pem"]].concat());
        fs::write(this.dir.join("serial"), "01\n").unwrap();
        let settings = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\n\
                        signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\ness_cert_id_alg = sha256\n";
        fs::write(this.dir.join("tsa.cnf"), settings).unwrap();
        this
    }

    fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    fn openssl(&self, args: &[&str]) {
        let done = Command::new("openssl").args(args).current_dir(&self.dir).output().unwrap();
        assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        fs::write(self.dir.join("query.tsq"), request).unwrap();
        self.openssl(&[
            "ts",
            "-reply",
            "-queryfile",
            "query.tsq",
            "-config",
            "tsa.cnf",
            "-out",
            "answer.tsr",
        ]);
        fs::read(self.dir.join("answer.tsr")).unwrap()
    }

    /// Answers one request at a time, as long as the test runs.
    async fn serve(self, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![];
            let body = loop {
                let mut part = [0; 4096];
                let n = stream.read(&mut part).await.unwrap();
                asked.extend_from_slice(&part[..n]);
                if let Some(body) = body_of(&asked) {
                    break body;
                }
                assert!(n > 0, "a request broke off");
            };
            let answer = self.answer(&body);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            // Who asked may have gone.
            let _ = stream.write_all(&[head.as_bytes(), &answer].concat()).await;
        }
    }
}

/// The body of a request, once all of it is there.
fn body_of(asked: &[u8]) -> Option<Vec<u8>> {
    let at = asked.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&asked[..at]).to_lowercase();
    let length: usize = head.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
    (asked.len() >= at + length).then(|| asked[at..at + length].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_whoever_audits_can_tell_by_whom_and_when() {
    for ec in [false, true] {
        stamped(ec).await;
    }
}

async fn stamped(ec: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) =
        (Authority::make(dir.path(), "right", ec), Authority::make(dir.path(), "wrong", ec));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (ca, others) = (authority.ca(), other.ca());
    let config = CONFIG.replace("AUTHORITY", &address).replace("CA\"", &format!("{}\"", ca.display()));
    tokio::spawn(authority.serve(listener));

    let mut host = Host::prepare(&config).unwrap();
    let token = host.token("acme").unwrap();
    let secret = host.enroll("acme", "cora", "compliance", "").unwrap();
    host.start().unwrap();
    let facts = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new("CA1", &facts);
    script.sound(CUSTOMER, &[3_000, -2_000].repeat(8_000));
    script.play(&host.url, &token).await.unwrap();
    let cora = Person::sign_in(&host.url, "acme", "cora", &code(&secret, 0).unwrap()).await.unwrap();
    let id = until("a sealed recording", async || {
        let listed = cora.recordings("quality").await?;
        Ok(listed.into_iter().find(|(_, state)| state == "sealed").map(|(id, _)| id))
    });
    let id = id.await.unwrap();
    // Evidence carries a stamp as soon as there is one over the seal.
    let evidence = host.dir().join("evidence.tar");
    let with_stamp = until("a stamp over the seal", async || {
        let answer = cora.get(&format!("/v1/recordings/{id}/evidence?purpose=dispute")).await?;
        let file = answer.bytes().await?;
        let has = file.windows(13).any(|w| w == b"timestamp.tsr");
        Ok(has.then_some(file))
    });
    fs::write(&evidence, with_stamp.await.unwrap()).unwrap();
    host.audit("acme", "bundle").unwrap();
    assert_eq!(host.stop().unwrap(), 0);

    let key = host.command(&["ledger", "key", "--client", "acme"], "").unwrap().trim().to_owned();
    let bundle = host.dir().join("bundle");
    let [bundle, evidence] = [&bundle, &evidence].map(|path| path.to_str().unwrap());
    let verify = |what: &str, path: &str, ca: &Path| {
        let args = [what, "verify", path, "--key", &key, "--json", "--timestamp-ca", ca.to_str().unwrap()];
        let (status, printed) = host.outcome(&args).unwrap();
        (status == 0, serde_json::from_str::<Value>(&printed).unwrap())
    };
    let (good, report) = verify("ledger", bundle, &ca);
    assert!(good, "{report}");
    let stamps = report["timestamps"].as_array().unwrap();
    assert!(!stamps.is_empty() && stamps.iter().all(|s| s["trusted"] == true), "{report}");
    let (good, report) = verify("evidence", evidence, &ca);
    assert!(good && report["timestamp"]["trusted"] == true, "{report}");
    for (what, path) in [("ledger", bundle), ("evidence", evidence)] {
        let (good, report) = verify(what, path, &others);
        assert!(!good && report.to_string().contains("no authority that was given vouches"), "{report}");
    }
    // The page of Python sees that it is over this log; openssl, whose it is.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/evidence/verify.py");
    let python = Command::new("python3").args([script, evidence, &key]).output().unwrap();
    let said = String::from_utf8_lossy(&[python.stdout, python.stderr].concat()).into_owned();
    assert!(python.status.success() && said.contains("a timestamp is over the first"), "{said}");
    let out = Command::new("tar").args(["-xf", evidence, "-C"]).arg(dir.path()).output().unwrap();
    assert!(out.status.success());
    let openssl = Command::new("openssl")
        .args(["ts", "-verify", "-in", "timestamp.tsr", "-data", "timestamp.checkpoint", "-CAfile"])
        .arg(&ca)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));

    // Whatever of a stamp is another is told, with and without authorities.
    let stamps = host.dir().join("bundle/timestamps");
    // One that was being entered while the log was exported is no part of it yet.
    let (_, report) = verify("ledger", bundle, &ca);
    let strays = report["problems"].to_string();
    let all = fs::read_dir(&stamps).unwrap().map(|e| e.unwrap().path());
    let is_part = |file: &PathBuf| !strays.contains(file.file_name().unwrap().to_str().unwrap());
    let mut files: Vec<PathBuf> = all.filter(is_part).collect();
    // Two stamps, each with its checkpoint, stand for all.
    files.sort();
    files.truncate(4);
    assert!(files.len() >= 2);
    for file in &files {
        let was = fs::read(file).unwrap();
        for change in ["cut", "flipped", "gone", "another"] {
            match change {
                "cut" => fs::write(file, &was[..was.len() - 1]).unwrap(),
                "flipped" => {
                    let mut flipped = was.clone();
                    let middle = was.len() / 2;
                    flipped[middle] ^= 1;
                    fs::write(file, flipped).unwrap();
                }
                "gone" => fs::remove_file(file).unwrap(),
                _ => {
                    let like = |f: &&PathBuf| f.extension() == file.extension() && *f != file;
                    let Some(another) = files.iter().find(like) else { continue };
                    fs::copy(another, file).unwrap();
                }
            }
            let (status, said) = host.outcome(&["ledger", "verify", bundle, "--key", &key]).unwrap();
            assert!(
                status == 1 && said.contains("timestamp of the first"),
                "{}, {change}: {said}",
                file.display()
            );
        }
        fs::write(file, was).unwrap();
    }
    assert!(verify("ledger", bundle, &ca).0);
}
