//! A media proxy that nobody here wrote, as it forks calls to a recorder: rtpengine, controlled by its `ng` protocol. It
//! brings encoders of G.722 and Opus and an SRTP of its own.

use std::{
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep, timeout},
};

use crate::host::free_port;

/// It answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// A question without an answer is asked again; it knows one that it has answered by its cookie.
const AGAIN: Duration = Duration::from_millis(200);

/// A running rtpengine, all of it in user space. It is ended when dropped.
pub struct Rtpengine {
    child: Child,
    control: UdpSocket,
    to: u16,
    asked: u32,
}

/// What a recorder is offered of a call, and by whom it is known later.
pub struct Fork {
    /// The offer.
    pub sdp: String,
    /// The label of the caller's line, and of the callee's.
    pub labels: [String; 2],
    call: String,
    tag: String,
}

impl Rtpengine {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// It is not installed, or ends at once.
    pub async fn start() -> anyhow::Result<Self> {
        let to = free_port()?;
        let (first, last) = media_ports();
        let child = Command::new("rtpengine")
            .args([
                "--config-file=none",
                "--foreground",
                "--log-stderr",
                "--log-level=4",
                "--table=-1",
                "--interface=127.0.0.1",
            ])
            .arg(format!("--listen-ng=127.0.0.1:{to}"))
            .args(["--num-threads=2", "--delete-delay=0"])
            .arg(format!("--port-min={first}"))
            .arg(format!("--port-max={last}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("rtpengine is needed: apt-get install rtpengine-daemon")?;
        let control = UdpSocket::bind("127.0.0.1:0").await?;
        let mut engine = Self { child, control, to, asked: 0 };
        engine.ask("ping", json!({})).await?;
        Ok(engine)
    }

    /// A call between two that send PCMU from these ports; where each is to send to.
    pub async fn connects(&mut self, call: &str, ports: [u16; 2]) -> anyhow::Result<[u16; 2]> {
        let offer = json!({"call-id": call, "from-tag": "caller", "sdp": phone(ports[0])});
        let to_callee = self.ask("offer", offer).await?;
        let answer =
            json!({"call-id": call, "from-tag": "caller", "to-tag": "callee", "sdp": phone(ports[1])});
        let to_caller = self.ask("answer", answer).await?;
        let port = |answer: &Value| -> anyhow::Result<u16> {
            let sdp = answer["sdp"].as_str().context("no session description")?;
            Ok(crate::sip::media_of(sdp).first().copied().flatten().context("no media")?.port())
        };
        Ok([port(&to_caller)?, port(&to_callee)?])
    }

    /// Both sides of a call for a recorder, as `also` asks for it (codecs, transport).
    pub async fn forks(&mut self, call: &str, also: &Value) -> anyhow::Result<Fork> {
        let mut request = json!({"call-id": call, "flags": ["all", "SIPREC"]});
        if let (Some(all), Some(also)) = (request.as_object_mut(), also.as_object()) {
            all.extend(also.clone());
        }
        let offered = self.ask("subscribe request", request).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
        let label = |tag: &str| {
            let medias = offered["tag-medias"].as_array().into_iter().flatten();
            let mut labels = medias.filter(|m| m["tag"] == tag).map(|m| text(&m["medias"][0]["label"]));
            labels.next().context("a side without a label")?
        };
        let (sdp, tag) = (text(&offered["sdp"])?, text(&offered["to-tag"])?);
        Ok(Fork { sdp, labels: [label("caller")?, label("callee")?], call: call.to_owned(), tag })
    }

    /// What the recorder answered: sound comes from now on. It takes what the call itself has not (`allow-transcoding`).
    pub async fn is_answered(&mut self, fork: &Fork, sdp: &str) -> anyhow::Result<()> {
        let answer =
            json!({"call-id": fork.call, "to-tag": fork.tag, "sdp": sdp, "flags": ["allow-transcoding"]});
        self.ask("subscribe answer", answer).await.map(drop)
    }

    async fn ask(&mut self, command: &str, mut question: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        question["command"] = command.into();
        let cookie = format!("{} ", self.asked);
        let (packet, mut bytes) = (format!("{cookie}{question}"), vec![0; 65_536]);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("rtpengine ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("rtpengine does not answer `{command}` after {} s", PATIENCE.as_secs());
            }
            self.control.send_to(packet.as_bytes(), ("127.0.0.1", self.to)).await?;
            let n = match timeout(AGAIN, self.control.recv(&mut bytes)).await {
                Ok(Ok(n)) => n,
                // It does not listen yet.
                Ok(Err(_)) => {
                    sleep(AGAIN).await;
                    continue;
                }
                Err(_) => continue,
            };
            let Some(answer) = bytes[..n].strip_prefix(cookie.as_bytes()) else { continue };
            let answer: Value = serde_json::from_slice(answer)?;
            if matches!(answer["result"].as_str(), Some("ok" | "pong")) {
                return Ok(answer);
            }
            bail!("rtpengine does not do `{command}`: {answer}");
        }
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A range of ports that no other one of this process has: it binds them so that a second one could too, and would hear
/// what is meant for the first. The kernel hands out ports there as well, but none that is taken.
fn media_ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const EACH: u16 = 80;
    let first = 34_000 + (std::process::id() % 50) as u16 * 400;
    let first = first + NEXT.fetch_add(1, Ordering::Relaxed) % 5 * EACH;
    (first, first + EACH - 1)
}

fn phone(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=sendrecv\r\n"
    )
}
