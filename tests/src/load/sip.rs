//! A session recording client (RFC 7866) that does nothing but begin and end sessions, very many of them.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// RFC 3261 17.1.1.1: a request without an answer is sent again after this long, and twice as long the next time.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a session may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session that has been answered.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where each of its legs is to be sent.
    pub legs: Vec<SocketAddr>,
    /// From INVITE to its final answer.
    pub answered_after: Duration,
    /// Where requests within it go, and what its other side is called.
    target: String,
    to: String,
    id: String,
}

struct Pending {
    request: String,
    sent: Instant,
    again: Instant,
    wait: Duration,
}

/// The client.
pub struct Client {
    socket: UdpSocket,
    here: SocketAddr,
    host: SocketAddr,
    run: u32,
}

impl Client {
    /// A client of the host that listens at `host`.
    pub fn new(host: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((host.ip(), 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(1)))?;
        let here = socket.local_addr()?;
        Ok(Self { socket, here, host, run: std::process::id() })
    }

    /// Begins `count` sessions, so many a second, and waits until all have their final answer.
    pub fn begin(&self, count: usize, per_second: f64) -> anyhow::Result<Vec<Session>> {
        let began = Instant::now();
        let mut pending: HashMap<String, Pending> = HashMap::new();
        let mut sessions = Vec::with_capacity(count);
        let mut sent = 0;
        let mut last = began;
        while sessions.len() < count {
            while sent < count && (sent as f64) < began.elapsed().as_secs_f64() * per_second {
                let id = format!("{}-{sent}@load", self.run);
                let request = self.invite(&id, sent);
                self.socket.send_to(request.as_bytes(), self.host)?;
                let now = Instant::now();
                pending.insert(id, Pending { request, sent: now, again: now + AGAIN, wait: AGAIN });
                (sent, last) = (sent + 1, now);
            }
            while let Some((status, text)) = self.receive() {
                let id = header(&text, "Call-ID").context("an answer without a Call-ID")?.to_owned();
                if status < 200 {
                    continue;
                }
                if status >= 300 {
                    bail!("a session was answered with {}", text.lines().next().unwrap_or_default());
                }
                let session = match pending.remove(&id) {
                    Some(pending) => {
                        let session = answered(&id, &text, pending.sent.elapsed())?;
                        sessions.push(session);
                        sessions.last().cloned()
                    }
                    None => sessions.iter().find(|s| s.id == id).cloned(),
                };
                if let Some(session) = session {
                    self.socket.send_to(self.within(&session, "ACK", 1).as_bytes(), self.host)?;
                }
            }
            self.send_again(&mut pending)?;
            if sent == count && last.elapsed() > PATIENCE {
                bail!("{} of {count} sessions have no answer after {PATIENCE:?}", pending.len());
            }
        }
        Ok(sessions)
    }

    /// Ends sessions, so many a second, and waits until all are over; how many did not say so in time.
    pub fn end(&self, sessions: &[Session], per_second: f64) -> anyhow::Result<usize> {
        let began = Instant::now();
        let mut pending: HashMap<String, Pending> = HashMap::new();
        let mut sent = 0;
        while (sent < sessions.len() || !pending.is_empty())
            && began.elapsed().as_secs_f64() < sessions.len() as f64 / per_second + PATIENCE.as_secs_f64()
        {
            while sent < sessions.len() && (sent as f64) < began.elapsed().as_secs_f64() * per_second {
                let request = self.within(&sessions[sent], "BYE", 2);
                self.socket.send_to(request.as_bytes(), self.host)?;
                let now = Instant::now();
                pending.insert(
                    sessions[sent].id.clone(),
                    Pending { request, sent: now, again: now + AGAIN, wait: AGAIN },
                );
                sent += 1;
            }
            while let Some((status, text)) = self.receive() {
                if status >= 200
                    && let Some(id) = header(&text, "Call-ID")
                {
                    pending.remove(id);
                }
            }
            self.send_again(&mut pending)?;
        }
        Ok(pending.len())
    }

    fn send_again(&self, pending: &mut HashMap<String, Pending>) -> anyhow::Result<()> {
        let now = Instant::now();
        for request in pending.values_mut().filter(|p| p.again <= now) {
            self.socket.send_to(request.request.as_bytes(), self.host)?;
            request.wait *= 2;
            request.again = now + request.wait;
        }
        Ok(())
    }

    /// The next answer, if one is there within a millisecond. Requests of the host are for other tests.
    fn receive(&self) -> Option<(u16, String)> {
        let mut bytes = [0; 8_192];
        let (length, _) = self.socket.recv_from(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(bytes.get(..length)?).into_owned();
        let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        Some((status, text))
    }

    fn invite(&self, id: &str, n: usize) -> String {
        let (here, host) = (self.here, self.host);
        let sdp = sdp(here);
        let metadata = metadata(n);
        let body = format!(
            "--load\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--load\r\nContent-Type: \
             application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{metadata}\r\n--load--\r\n"
        );
        format!(
            "INVITE sip:srs@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{id}-1;rport\r\nFrom: \
             <sip:src@{here}>;tag=load\r\nTo: <sip:srs@{host}>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: \
             <sip:src@{here};transport=udp>;+sip.src\r\nMax-Forwards: 70\r\nRequire: siprec\r\nSupported: \
             siprec\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=load\r\nContent-Length: \
             {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn within(&self, session: &Session, method: &str, number: u32) -> String {
        let here = self.here;
        let Session { target, to, id, .. } = session;
        let branch = if method == "ACK" { "a".to_owned() } else { number.to_string() };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{id}-{branch};rport\r\nFrom: \
             <sip:src@{here}>;tag=load\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {number} {method}\r\nMax-Forwards: \
             70\r\nContent-Length: 0\r\n\r\n"
        )
    }
}

fn answered(id: &str, text: &str, answered_after: Duration) -> anyhow::Result<Session> {
    let contact = header(text, "Contact").context("an answer without a Contact")?;
    let target = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
    let to = header(text, "To").context("an answer without a To")?.to_owned();
    let mut address = None;
    let mut legs = vec![];
    for line in text.lines() {
        if let Some(ip) = line.strip_prefix("c=IN IP4 ") {
            address = Some(ip.trim().parse()?);
        } else if let Some(media) = line.strip_prefix("m=audio ") {
            let port: u16 = media.split(' ').next().unwrap_or_default().parse()?;
            legs.push(port);
        }
    }
    let address: std::net::IpAddr = address.context("an answer without an address for media")?;
    let legs = legs.into_iter().map(|port| (address, port).into()).collect();
    Ok(Session { legs, answered_after, target, to, id: id.to_owned() })
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn sdp(here: SocketAddr) -> String {
    let leg = |port: u16, label: u8| {
        format!(
            "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=label:{label}\r\na=sendonly\r\n"
        )
    };
    let ip = here.ip();
    format!(
        "v=0\r\no=load 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{}{}",
        leg(40_000, 1),
        leg(40_002, 2)
    )
}

/// RFC 7865, with an agent and a customer.
fn metadata(n: usize) -> String {
    let id = |kind: u8| base64(kind, n);
    let [group, session, agent, customer, first, second] = [1, 2, 3, 4, 5, 6].map(id);
    let when = "2026-01-15T10:00:00Z";
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <group group_id="{group}"><associate-time>{when}</associate-time></group>
  <session session_id="{session}"><group-ref>{group}</group-ref><start-time>{when}</start-time></session>
  <participant participant_id="{agent}"><nameID aor="sip:agent{n}@acme.example"><name xml:lang="en">Agent {n}</name></nameID></participant>
  <participant participant_id="{customer}"><nameID aor="tel:+1404555{:04}"><name xml:lang="en">Caller</name></nameID></participant>
  <stream stream_id="{first}" session_id="{session}"><label>1</label></stream>
  <stream stream_id="{second}" session_id="{session}"><label>2</label></stream>
  <participantsessionassoc participant_id="{agent}" session_id="{session}"><associate-time>{when}</associate-time></participantsessionassoc>
  <participantsessionassoc participant_id="{customer}" session_id="{session}"><associate-time>{when}</associate-time></participantsessionassoc>
  <participantstreamassoc participant_id="{agent}"><send>{first}</send><recv>{second}</recv></participantstreamassoc>
  <participantstreamassoc participant_id="{customer}"><send>{second}</send><recv>{first}</recv></participantstreamassoc>
</recording>"#,
        n % 10_000
    )
}

fn base64(kind: u8, n: usize) -> String {
    use base64::Engine as _;
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
