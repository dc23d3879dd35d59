//! Requests of a method that the SIP stack has no name for. It would drop them unanswered, and they would come again and
//! again by UDP, and close a connection over them: they are answered here with 501, without a transaction (RFC 3261
//! sections 8.2.7 and 21.5.2). For TCP and TLS see [`super::carried`].

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
};

use rsipstack::{platform::net::UdpSocket, sip::Method};

use super::{listen::Doorman, replies};

/// Headers that a response has of its request, and their compact forms (RFC 3261 sections 7.3.3 and 8.2.6.2).
const KEPT: [(&str, &str); 5] =
    [("via", "v"), ("from", "f"), ("to", "t"), ("call-id", "i"), ("cseq", "cseq")];

/// A socket that answers such requests itself, and passes everything else on.
pub(super) struct Answering {
    pub(super) socket: tokio::net::UdpSocket,
    pub(super) doorman: Doorman,
}

#[async_trait::async_trait]
impl UdpSocket for Answering {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (length, from) = self.socket.recv_from(buffer).await?;
            let Some(refusal) = refusal(buffer.get(..length).unwrap_or_default(), from) else {
                return Ok((length, from));
            };
            if self.doorman.lets_in(from.ip()) {
                replies::count("other", 501);
                // Whoever is gone needs no answer.
                let _ = self.socket.send_to(refusal.as_bytes(), from).await;
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(bytes, to).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

/// What such a request is answered; none for everything else: requests of known methods, responses, what is no SIP. It is
/// hardly longer than the request, and the same each time.
pub(crate) fn refusal(packet: &[u8], from: SocketAddr) -> Option<String> {
    let text = str::from_utf8(packet).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, _, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || version != "SIP/2.0" || !is_token(method) || method.parse::<Method>().is_ok()
    {
        return None;
    }
    let mut answer = String::from("SIP/2.0 501 Not Implemented\r\n");
    let (mut seen, mut is_kept) = ([false; KEPT.len()], false);
    for line in lines {
        // A folded line belongs to the one before (RFC 3261 section 7.3.1).
        if line.starts_with([' ', '\t']) {
            if is_kept {
                return None;
            }
            continue;
        }
        let (name, value) = line.split_once(':')?;
        let name = name.trim().to_ascii_lowercase();
        let found = KEPT.iter().zip(&mut seen).find(|((long, short), _)| name == *long || name == *short);
        // Only a `Via` may be there more than once (RFC 3261 section 7.3.1).
        let found = found.filter(|((long, _), seen)| !**seen || *long == "via");
        is_kept = found.is_some();
        let Some(((long, _), seen)) = found else { continue };
        answer.push_str(line);
        match *long {
            "via" if !*seen => answer.push_str(&came_from(value, from)),
            "to" if !value.contains(";tag=") => answer.push_str(&format!(";tag={:016x}", hash(head))),
            _ => {}
        }
        answer.push_str("\r\n");
        *seen = true;
    }
    answer.push_str(&format!("Allow: {}\r\nContent-Length: 0\r\n\r\n", replies::ALLOWED));
    seen.iter().all(|seen| *seen).then_some(answer)
}

/// Where a request came from, for its first `Via` (RFC 3261 section 18.2.1, RFC 3581). An empty `rport` stays as it is: the
/// answer goes there anyhow.
fn came_from(via: &str, from: SocketAddr) -> String {
    if via.contains(";received=") { String::new() } else { format!(";received={}", from.ip()) }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const REQUEST: &str = "FETCH sip:srs@x SIP/2.0\r\nv: SIP/2.0/UDP sbc.example;branch=z9hG4bK1;rport\r\n\
        Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK0\r\nFrom: <sip:a@x>;tag=f\r\nTo: <sip:srs@x>\r\nCall-ID: c\r\n\
        CSeq: 7 FETCH\r\nSubject: one\r\n two\r\nContent-Length: 0\r\n\r\n";

    fn answered(request: &str) -> Option<String> {
        refusal(request.as_bytes(), SocketAddr::from(([192, 0, 2, 1], 5_060)))
    }

    #[test]
    fn methods_without_a_name_are_answered() {
        let answer = answered(REQUEST).unwrap();
        assert!(answer.starts_with("SIP/2.0 501 Not Implemented\r\nv: SIP/2.0/UDP sbc.example;"), "{answer}");
        assert!(
            answer.contains("rport;received=192.0.2.1\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK0\r\n")
        );
        assert!(answer.contains("To: <sip:srs@x>;tag=") && answer.contains("CSeq: 7 FETCH\r\n"), "{answer}");
        assert!(!answer.contains("Subject") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(answered(REQUEST), Some(answer), "the same each time");
    }

    #[test]
    fn everything_else_is_left_to_the_stack() {
        let check = |from: &str, to: &str| assert_eq!(answered(&REQUEST.replace(from, to)), None, "{to}");
        check("FETCH sip", "INVITE sip");
        check("FETCH sip", "info sip");
        check("FETCH sip:srs@x SIP/2.0", "SIP/2.0 200 OK");
        check("x SIP/2.0", "x HTTP/1.1");
        check("FETCH", "FE(H");
        check("Call-ID: c\r\n", "");
        check("\r\n\r\n", "\r\n");
        check("To: <sip:srs@x>", "To:\r\n <sip:srs@x>");
        assert_eq!(answered("\r\n\r\n"), None);
        assert_eq!(answered("A B SIP/2.0\r\n\r\n"), None);
    }
}
