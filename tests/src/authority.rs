//! A time-stamping authority (RFC 3161): openssl's behind a small web server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Keys, certificates and settings of an authority of this name, in a folder.
pub struct Authority {
    dir: PathBuf,
}

impl Authority {
    /// Makes one in a new folder below `dir`, with keys on P-256 or of RSA.
    pub fn make(dir: &Path, name: &str, ec: bool) -> anyhow::Result<Self> {
        let dir = dir.join(name);
        fs::create_dir(&dir)?;
        let this = Self { dir };
        let key: &[&str] = if ec {
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        } else {
            &["-newkey", "rsa:2048"]
        };
        let ca = ["req", "-x509", "-nodes", "-days", "30", "-keyout", "ca.key", "-out", "ca.pem"];
        let subject = format!("/CN={name} authority");
        let usage = ["-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign"];
        this.openssl(&[&ca[..], key, &["-subj", &subject], &usage].concat())?;
        let request = ["req", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=stamps"];
        this.openssl(&[&request[..], key].concat())?;
        fs::write(this.dir.join("tsa.ext"), "extendedKeyUsage=critical,timeStamping\n")?;
        let signed =
            ["x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        this.openssl(&[&signed[..], &["-days", "30", "-extfile", "tsa.ext", "-out", "tsa.pem"]].concat())?;
        fs::write(this.dir.join("serial"), "01\n")?;
        let settings = "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\n\
                        signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\ness_cert_id_alg = sha256\n";
        fs::write(this.dir.join("tsa.cnf"), settings)?;
        Ok(this)
    }

    /// The certificate that its answers are checked against (PEM).
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    fn openssl(&self, args: &[&str]) -> anyhow::Result<()> {
        let done = Command::new("openssl").args(args).current_dir(&self.dir).output()?;
        ensure!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn answer(&self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        fs::write(self.dir.join("query.tsq"), request)?;
        self.openssl(&[
            "ts",
            "-reply",
            "-queryfile",
            "query.tsq",
            "-config",
            "tsa.cnf",
            "-out",
            "answer.tsr",
        ])?;
        Ok(fs::read(self.dir.join("answer.tsr"))?)
    }

    /// Answers one request at a time, as long as the test runs.
    pub async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let mut asked = vec![];
            let body = loop {
                let mut part = [0; 4096];
                let n = stream.read(&mut part).await?;
                asked.extend_from_slice(&part[..n]);
                if let Some(body) = body_of(&asked) {
                    break body;
                }
                ensure!(n > 0, "a request broke off");
            };
            let answer = self.answer(&body).context("an answer")?;
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
