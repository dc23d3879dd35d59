//! A session recording client that speaks bytes, by UDP: its requests are as they are written here, good and bad.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a response has of its request (RFC 3261 section 8.2.6.2).
const KEPT: [&str; 5] = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];

/// An offer of one line, label 1.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 9000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";
/// The type of a body that is an offer, as a header.
pub const PLAIN: &str = "Content-Type: application/sdp\r\n";
/// The type of a body of [`with_metadata`], as a header.
pub const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

/// A body of an offer and metadata.
pub fn with_metadata(sdp: &str, xml: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{xml}\r\n--b--"
    )
}

/// The tag that a response gives its `To`, as it follows that header in later requests.
pub fn tag_of(response: &str) -> anyhow::Result<String> {
    let to = response.lines().find(|line| line.starts_with("To:")).context("an answer without a To")?;
    let tag = to.split("tag=").nth(1).context("an answer without a tag")?;
    Ok(format!(";tag={}", tag.trim()))
}

/// What stands behind the headers.
pub fn body_of(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Where the lines of a session description are sent to; nobody: a line that was refused.
pub fn media_of(sdp: &str) -> Vec<Option<SocketAddr>> {
    let port = |line: &str| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok();
    let ports = sdp.lines().filter_map(port);
    ports.map(|port: u16| (port != 0).then(|| SocketAddr::from(([127, 0, 0, 1], port)))).collect()
}

/// A socket, and the requests that are sent from it.
pub struct Raw {
    socket: UdpSocket,
    to: u16,
    calls: u32,
}

impl Raw {
    /// A client of the host at this port of this machine.
    pub async fn new(to: u16) -> anyhow::Result<Self> {
        Ok(Self { socket: UdpSocket::bind("127.0.0.1:0").await?, to, calls: 0 })
    }

    /// Sends anything.
    pub async fn send(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.socket.send_to(bytes, ("127.0.0.1", self.to)).await?;
        Ok(())
    }

    /// The next message.
    async fn hear(&self) -> anyhow::Result<String> {
        let mut bytes = vec![0; 65_536];
        let n = timeout_at(Instant::now() + PATIENCE, self.socket.recv(&mut bytes)).await;
        let n = n.context("the host says nothing")??;
        Ok(String::from_utf8_lossy(&bytes[..n]).into_owned())
    }

    /// The next message that is not 100: its status, 0 if it is a request, and the whole of it.
    pub async fn next(&self) -> anyhow::Result<(u16, String)> {
        loop {
            let text = self.hear().await?;
            let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
            let status = status.unwrap_or(0);
            if status != 100 {
                return Ok((status, text));
            }
        }
    }

    /// The next message of a call: those of earlier ones may come once more.
    pub async fn next_of(&self, call: &str) -> anyhow::Result<(u16, String)> {
        loop {
            let (status, text) = self.next().await?;
            if text.contains(&format!("Call-ID: {call}\r\n")) {
                return Ok((status, text));
            }
        }
    }

    /// Sends a request; its final response. Whatever else comes meanwhile is passed over.
    pub async fn answered(&self, request: &str) -> anyhow::Result<(u16, String)> {
        self.send(request.as_bytes()).await?;
        let branch = request.split("branch=").nth(1).and_then(|rest| rest.lines().next());
        let branch = branch.context("a request without a branch")?;
        loop {
            let (status, text) = self.next().await?;
            if status != 0 && text.contains(branch) {
                return Ok((status, text));
            }
        }
    }

    /// An id for a new call.
    pub fn call(&mut self) -> String {
        self.calls += 1;
        format!("call-{}-{}", self.calls, self.port())
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// The first request of a call, or its BYE, CANCEL or ACK.
    pub fn request(
        &self,
        method: &str,
        user: &str,
        call: &str,
        tag: &str,
        headers: &str,
        body: &str,
    ) -> String {
        let number = if method == "BYE" { 2 } else { 1 };
        self.numbered(number, method, user, call, tag, headers, body)
    }

    #[expect(clippy::too_many_arguments, reason = "a request has all of these")]
    fn numbered(
        &self,
        number: u32,
        method: &str,
        user: &str,
        call: &str,
        tag: &str,
        headers: &str,
        body: &str,
    ) -> String {
        let port = self.port();
        format!(
            "{method} sip:{user}@127.0.0.1:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}{number}\r\n\
             From: <sip:src@127.0.0.1>;tag=f\r\nTo: <sip:srs@127.0.0.1>{tag}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:src@127.0.0.1:{port}>\r\n{headers}Content-Length: {length}\r\n\r\n{body}",
            to = self.to,
            length = body.len(),
        )
    }
}

/// A recording session of a client that keeps to the rules, on a socket of its own.
pub struct Session {
    raw: Raw,
    /// The `Call-ID`.
    pub call: String,
    tag: String,
    number: u32,
    /// The session description that the host answered the first offer with.
    pub answer: String,
}

impl Session {
    /// Begins one at the host's port `to`: INVITE, 200, ACK.
    ///
    /// # Errors
    /// It is refused.
    pub async fn begin(to: u16, headers: &str, body: &str) -> anyhow::Result<Self> {
        let mut raw = Raw::new(to).await?;
        let call = raw.call();
        let mut session = Self { raw, call, tag: String::new(), number: 0, answer: String::new() };
        let (status, text) = session.asks("INVITE", headers, body).await?;
        if status != 200 {
            bail!("the session is refused: {text}");
        }
        session.answer = body_of(&text).to_owned();
        Ok(session)
    }

    /// A request within the session; its final response, acknowledged if need be.
    pub async fn asks(&mut self, method: &str, headers: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = self.prepare(method, headers, body);
        let (status, text) = self.raw.answered(&request).await?;
        if method == "INVITE" {
            if self.tag.is_empty() {
                self.tag = tag_of(&text)?;
            }
            self.acknowledge(status, "", "").await?;
        }
        Ok((status, text))
    }

    /// A request within the session, as it is sent.
    pub fn prepare(&mut self, method: &str, headers: &str, body: &str) -> String {
        self.number += 1;
        let Self { raw, call, tag, number, .. } = self;
        raw.numbered(*number, method, "srs", call, tag, headers, body)
    }

    /// Sends a request that [`Session::prepare`] made, once more or for the first time.
    pub async fn sends(&self, request: &str) -> anyhow::Result<()> {
        self.raw.send(request.as_bytes()).await
    }

    /// The ACK of the last INVITE. That of a success is a request of its own (RFC 3261 section 13.2.2.4).
    pub async fn acknowledge(&self, status: u16, headers: &str, body: &str) -> anyhow::Result<()> {
        let Self { raw, call, tag, number, .. } = self;
        let ack = raw.numbered(*number, "ACK", "srs", call, tag, headers, body);
        let ack = if status < 300 { ack.replacen("branch=z9hG4bK", "branch=z9hG4bKack", 1) } else { ack };
        raw.send(ack.as_bytes()).await
    }

    /// Waits for the final response to a request that was sent.
    pub async fn response_to(&self, method: &str) -> anyhow::Result<(u16, String)> {
        self.response_with(&format!("CSeq: {} {method}\r\n", self.number)).await
    }

    /// Waits for a final response that holds this text.
    pub async fn response_with(&self, wanted: &str) -> anyhow::Result<(u16, String)> {
        loop {
            let (status, text) = self.raw.next_of(&self.call).await?;
            if status != 0 && text.contains(wanted) {
                return Ok((status, text));
            }
        }
    }

    /// Waits until the host asks for something.
    pub async fn is_asked(&self, method: &str) -> anyhow::Result<String> {
        loop {
            let (status, text) = self.raw.next_of(&self.call).await?;
            if status == 0 && text.starts_with(&format!("{method} ")) {
                return Ok(text);
            }
        }
    }

    /// Answers a request of the host.
    pub async fn says(&self, to: &str, status: u16, headers: &str, body: &str) -> anyhow::Result<()> {
        let is_kept = |line: &str| KEPT.iter().any(|name| line.starts_with(name));
        let kept = to.lines().take_while(|line| !line.is_empty()).filter(|line| is_kept(line));
        let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
        let (port, length) = (self.raw.port(), body.len());
        let text = format!(
            "SIP/2.0 {status} Said\r\n{kept}Contact: <sip:src@127.0.0.1:{port}>\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.raw.send(text.as_bytes()).await
    }

    /// Where each line of the host's answer is sent to.
    pub fn media(&self) -> Vec<Option<SocketAddr>> {
        media_of(&self.answer)
    }

    /// BYE, answered with 200.
    pub async fn ends(mut self) -> anyhow::Result<()> {
        match self.asks("BYE", "", "").await? {
            (200, _) => Ok(()),
            (_, text) => bail!("a BYE is answered with {text}"),
        }
    }
}
