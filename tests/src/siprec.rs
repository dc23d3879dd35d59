//! A session recording client that nobody here wrote: sipp plays scenarios and captures that are made here.
//!
//! sipp sends a capture of several streams to the first media port of an answer and those after it, so one capture carries
//! both legs. It needs root for that, and it goes on playing whatever a session has become: a client that does not keep to
//! `inactive`.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::host::free_port;

/// Samples of a frame: 20 ms at 8,000 Hz.
const FRAME: usize = 160;
/// Longer than any scenario takes on a busy machine. sipp does not always keep to its own `-timeout`.
const PATIENCE: Duration = Duration::from_secs(70);
/// The payload type of keyed digits.
const DIGITS: u8 = 101;
const MU_LAW: u8 = 0;

/// One leg of a capture.
pub struct Leg {
    /// G.711 mu-law.
    pub sound: Vec<u8>,
    /// Digits, and when the first is keyed, in milliseconds; each takes 160 ms, with 100 ms between two (RFC 4733).
    pub keyed: Option<(u32, &'static str)>,
}

/// Writes a capture: leg 0 to port 6000, leg 1 to port 6002.
pub fn capture(file: &Path, legs: &[Leg]) -> anyhow::Result<()> {
    let mut packets: Vec<(u32, Vec<u8>)> = Vec::new();
    for (number, leg) in (0u16..).zip(legs) {
        let port = 6_000 + 2 * number;
        packets.extend(stream(leg, number).into_iter().map(|(at, rtp)| (at, ethernet(port, &rtp))));
    }
    packets.sort_by_key(|(at, _)| *at);
    // The classic format, microseconds, Ethernet.
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, 1u32] {
        bytes.extend(word.to_le_bytes());
    }
    for (at, packet) in packets {
        let length = packet.len() as u32;
        for word in [1_700_000_000 + at / 1_000, at % 1_000 * 1_000, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(packet);
    }
    Ok(fs::write(file, bytes)?)
}

/// The packets of a leg with their times in milliseconds: sound, and digits in its place.
fn stream(leg: &Leg, number: u16) -> Vec<(u32, Vec<u8>)> {
    let ssrc = 0x1111 * (u32::from(number) + 1);
    let digit_at = |frame: usize| -> Option<(u8, usize, usize)> {
        let (at, digits) = leg.keyed?;
        let since = frame.checked_sub(at as usize / 20)?;
        let (digit, within) = (digits.as_bytes().get(since / 13)?, since % 13);
        let code = b"0123456789*#".iter().position(|b| b == digit)? as u8;
        (within < 8).then_some((code, within, frame - within))
    };
    let frames = leg.sound.chunks_exact(FRAME).enumerate();
    frames
        .map(|(frame, sound)| {
            let (kind, marked, stamp, payload) = match digit_at(frame) {
                None => (MU_LAW, frame == 0, frame, sound.to_vec()),
                Some((code, within, first)) => {
                    let lasted = (within.min(5) + 1) as u16 * FRAME as u16;
                    let end = if within >= 5 { 0x80 } else { 0 };
                    let [high, low] = lasted.to_be_bytes();
                    (DIGITS, within == 0, first, vec![code, end | 10, high, low])
                }
            };
            let mut rtp = vec![0x80, u8::from(marked) << 7 | kind];
            rtp.extend((1_000 + frame as u16).to_be_bytes());
            rtp.extend(((stamp * FRAME) as u32).to_be_bytes());
            rtp.extend(ssrc.to_be_bytes());
            rtp.extend(payload);
            (frame as u32 * 20, rtp)
        })
        .collect()
}

fn ethernet(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 12];
    packet.extend([0x08, 0x00]);
    let mut ip = vec![0x45, 0];
    ip.extend((28 + payload.len() as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    let sum: u32 = ip.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let check = !(((sum & 0xffff) + (sum >> 16)) as u16);
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    packet.extend(ip);
    for word in [port, port, 8 + payload.len() as u16, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

/// What a client says of a call, and does, step by step.
pub struct Scenario {
    steps: String,
    sequence: u32,
    version: u32,
    /// The metadata of the first INVITE; empty: none.
    pub metadata: String,
}

/// Metadata as RFC 7865 has it: an agent without a number on label 1, a customer with one on label 2.
pub fn metadata(customer: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session session_id="hVpd7YQgRW2nD22h7q60JQ=="><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID></session>
  <participant participant_id="agent"><nameID aor="sip:agent7301@example.bank"/></participant>
  <participant participant_id="customer"><nameID aor="tel:{customer}"/></participant>
  <stream stream_id="first" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>1</label></stream>
  <stream stream_id="second" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>2</label></stream>
  <participantstreamassoc participant_id="agent"><send>first</send><recv>second</recv></participantstreamassoc>
  <participantstreamassoc participant_id="customer"><send>second</send><recv>first</recv></participantstreamassoc>
</recording>"#
    )
}

/// A change of metadata: whether each of the two is still heard.
pub fn heard(agent: bool, customer: bool) -> String {
    let send = |is_heard: bool, stream: &str| {
        if is_heard { format!("<send>{stream}</send>") } else { String::new() }
    };
    format!(
        r#"<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>partial</datamode>
  <participantstreamassoc participant_id="agent">{}</participantstreamassoc>
  <participantstreamassoc participant_id="customer">{}</participantstreamassoc>
</recording>"#,
        send(agent, "first"),
        send(customer, "second"),
    )
}

/// A session description with two lines, labels 1 and 2, as an offer of whoever sends from `address`.
fn offer(address: &str, ports: [&str; 2], version: u32, direction: [&str; 2]) -> String {
    let mut sdp = format!("v=0\no=SRC 1 {version} IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\n");
    for ((port, direction), label) in ports.iter().zip(direction).zip(1..) {
        let _ = write!(
            sdp,
            "m=audio {port} RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n\
             a=label:{label}\na={direction}\n"
        );
    }
    sdp
}

impl Scenario {
    /// Nothing yet.
    pub fn new(metadata: String) -> Self {
        Self { steps: String::new(), sequence: 0, version: 0, metadata }
    }

    /// The first INVITE, answered with 200.
    pub fn begins(&mut self, direction: &str) -> &mut Self {
        let metadata = self.metadata.clone();
        self.invite(direction, &metadata, "")
    }

    /// A re-INVITE, answered with 200.
    pub fn changes(&mut self, direction: &str, metadata: &str) -> &mut Self {
        self.invite(direction, metadata, "[peer_tag_param]")
    }

    fn invite(&mut self, direction: &str, metadata: &str, tag: &str) -> &mut Self {
        self.version += 1;
        let ports = ["[auto_media_port]", "[auto_media_port+2]"];
        let sdp = offer("[media_ip]", ports, self.version, [direction; 2]);
        let kind = "Content-Type: multipart/mixed;boundary=unique-boundary-42";
        let body = format!(
            "--unique-boundary-42\nContent-Type: application/sdp\n\n{sdp}\n--unique-boundary-42\n\
             Content-Type: application/rs-metadata+xml\nContent-Disposition: recording-session\n\n{metadata}\n\
             --unique-boundary-42--\n"
        );
        self.send("INVITE", tag, kind, &body);
        let first = if tag.is_empty() { " rrs=\"true\"" } else { "" };
        let _ = write!(
            self.steps,
            "  <recv response=\"100\" optional=\"true\"/>\n  <recv response=\"200\"{first}/>\n"
        );
        self.send("ACK", "[peer_tag_param]", "", "");
        self
    }

    /// An UPDATE that holds metadata only, answered with 200.
    pub fn updates(&mut self, metadata: &str) -> &mut Self {
        self.send("UPDATE", "[peer_tag_param]", "Content-Type: application/rs-metadata+xml", metadata);
        self.steps.push_str("  <recv response=\"200\"/>\n");
        self
    }

    /// Plays a capture; the scenario goes on meanwhile.
    pub fn plays(&mut self, capture: &Path) -> &mut Self {
        let file = capture.display();
        let _ = writeln!(self.steps, "  <nop><action><exec play_pcap_audio=\"{file}\"/></action></nop>");
        self
    }

    /// Time passes.
    pub fn waits(&mut self, ms: u32) -> &mut Self {
        let _ = writeln!(self.steps, "  <pause milliseconds=\"{ms}\"/>");
        self
    }

    /// The host asks for a change by a re-INVITE, whose media lines have to be of this direction; it is answered.
    pub fn is_asked(&mut self, wanted: &str, answered: &str) -> &mut Self {
        let sdp = offer("[media_ip]", ["[auto_media_port]", "[auto_media_port+2]"], 100, [answered; 2]);
        let _ = write!(
            self.steps,
            "  <recv request=\"INVITE\"><action><ereg regexp=\"a={wanted}.*a={wanted}\" search_in=\"body\" check_it=\"true\" \
             assign_to=\"1\"/></action></recv>\n  <Reference variables=\"1\"/>\n  <send><![CDATA[\n\n\
             SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n\
             Contact: <sip:src@[local_ip]:[local_port];transport=[transport]>;+sip.src\nContent-Type: application/sdp\n\
             Content-Length: [len]\n\n{sdp}\n]]></send>\n  <recv request=\"ACK\"/>\n"
        );
        self
    }

    /// BYE, answered with 200.
    pub fn ends(&mut self) -> &mut Self {
        self.send("BYE", "[peer_tag_param]", "", "");
        self.steps.push_str("  <recv response=\"200\"/>\n");
        self
    }

    /// The host says BYE, and is answered.
    pub fn is_ended(&mut self) -> &mut Self {
        self.steps.push_str(
            "  <recv request=\"BYE\"/>\n  <send><![CDATA[\n\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n\
             [last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>\n",
        );
        self
    }

    fn send(&mut self, method: &str, tag: &str, kind: &str, body: &str) {
        if method != "ACK" {
            self.sequence += 1;
        }
        let sequence = self.sequence;
        let retransmits = if method == "ACK" { "" } else { " retrans=\"500\"" };
        let more = if method == "INVITE" {
            "Require: siprec\nSupported: siprec\nAllow: INVITE, ACK, CANCEL, BYE\nAccept: application/sdp, application/rs-metadata-request\n\
             MIME-Version: 1.0\n"
        } else {
            ""
        };
        let kind = if kind.is_empty() { String::new() } else { format!("{kind}\n") };
        let _ = write!(
            self.steps,
            "  <send{retransmits}><![CDATA[\n\n{method} sip:srs@[remote_ip]:[remote_port] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\n\
             From: <sip:src@[local_ip]:[local_port]>;tag=[pid]src[call_number]\n\
             To: <sip:srs@[remote_ip]:[remote_port]>{tag}\nCall-ID: [call_id]\nCSeq: {sequence} {method}\n\
             Contact: <sip:src@[local_ip]:[local_port];transport=[transport]>;+sip.src\nMax-Forwards: 70\n{more}{kind}\
             Content-Length: [len]\n\n{body}\n]]></send>\n"
        );
    }

    fn text(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"siprec\">\n{}</scenario>\n",
            self.steps
        )
    }

    /// sipp plays it once, towards a host at `port` of this machine.
    pub fn start(&self, dir: &Path, port: u16, transport: Transport) -> anyhow::Result<Sipp> {
        let file = dir.join(format!("scenario-{port}.xml"));
        fs::write(&file, self.text())?;
        let errors = file.with_extension("errors");
        let mut command = Command::new("sipp");
        command
            .arg(format!("127.0.0.1:{port}"))
            .args("-i 127.0.0.1 -mi 127.0.0.1 -m 1 -nostdin -timeout 60 -timeout_error".split(' '))
            // It takes the media port that it is given, and the second one after it.
            .args(["-p", &free_port()?.to_string(), "-mp", &media_ports().0.to_string()])
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .arg("-sf")
            .arg(&file);
        command.args(["-t", if transport == Transport::Udp { "u1" } else { "t1" }]);
        let child = command
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("sipp is needed: apt-get install sip-tester")?;
        Ok(Sipp { child, errors })
    }
}

/// By which way sipp comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Packets.
    Udp,
    /// A connection.
    Tcp,
}

/// Debian's sipp has no TLS: whoever connects to the port that this gives back is led to `port` under TLS. `certificate`
/// and `key` (PEM) are shown to the host, which has to be `name` by the certificate in `host`.
pub async fn tunnel(
    port: u16,
    name: &str,
    host: &Path,
    certificate: &Path,
    key: &Path,
) -> anyhow::Result<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(host)?)?;
    let chain = vec![CertificateDer::from_pem_file(certificate)?];
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    let (connector, name) = (TlsConnector::from(Arc::new(config)), ServerName::try_from(name.to_owned())?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let here = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await?;
        let mut far = connector.connect(name, TcpStream::connect(("127.0.0.1", port)).await?).await?;
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    Ok(here)
}

/// A running sipp. It is ended when dropped.
pub struct Sipp {
    child: Child,
    errors: PathBuf,
}

impl Sipp {
    /// Waits until the scenario is over.
    ///
    /// # Errors
    /// Something did not come as the scenario has it; with what sipp says of it.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        let said =
            |how: String| format!("sipp {how}\n{}", fs::read_to_string(&self.errors).unwrap_or_default());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!(said(format!("ended: {status}"))),
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        bail!(said(format!("is not done after {} s", PATIENCE.as_secs())))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A range of media ports that no other test has: the first and the last.
pub fn media_ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const EACH: u16 = 20;
    let first = 28_200 + (std::process::id() % 11) as u16 * 400;
    let first = first + NEXT.fetch_add(1, Ordering::Relaxed) % 20 * EACH;
    (first, first + EACH - 1)
}
