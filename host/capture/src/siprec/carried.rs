//! A TCP or TLS connection on its way to the SIP stack. The stack would close it over a request of a method that it has no
//! name for: here such a request is answered, and the stack never sees it.

use std::{io, net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Duration};

use rsipstack::{
    platform::CancellationToken,
    transport::{SipAddr, stream::StreamConnectionInner, tcp::TcpConnection},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpStream, UnixStream},
};

use super::{replies, unknown};

/// Bytes of one message that the stack takes.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// What is on its way when a connection is over is still sent for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection as the stack has it, and the end of it that is carried to and from a client.
pub(super) struct Carried {
    pub(super) connection: TcpConnection,
    ours: UnixStream,
    client: SocketAddr,
    over: CancellationToken,
}

impl Carried {
    /// The addresses say what it is by, TCP or TLS.
    pub(super) fn new(
        local: SipAddr,
        remote: SipAddr,
        client: SocketAddr,
        over: CancellationToken,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        // A stream like any other, to whoever only reads and writes.
        let theirs = std::net::TcpStream::from(OwnedFd::from(theirs.into_std()?));
        let (read, write) = split(TcpStream::from_std(theirs)?);
        let inner = Arc::new(StreamConnectionInner::new(local, remote, read, write));
        let connection = TcpConnection { inner, cancel_token: Some(over.clone()) };
        Ok(Self { connection, ours, client, over })
    }

    /// Carries both ways until either side ends it.
    pub(super) async fn carry(self, stream: impl AsyncRead + AsyncWrite) {
        let (mut from_client, mut to_client) = split(stream);
        let (mut from_stack, mut to_stack) = self.ours.into_split();
        let inbound = async {
            // Whatever ends it, the stack sees an end of what is read.
            let _ = passed_on(&mut from_client, &mut to_stack, self.client, &self.connection).await;
            drop(to_stack);
            std::future::pending::<()>().await;
        };
        let outbound = async {
            let _ = tokio::io::copy(&mut from_stack, &mut to_client).await;
            let _ = to_client.shutdown().await;
        };
        let over = async {
            self.over.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = inbound => {}
            () = outbound => {}
            () = over => {}
        }
        self.over.cancel();
    }
}

/// Message by message, but for those that are answered here. The answer goes by way of the stack's own end, where it does
/// not fall into another message.
async fn passed_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    client: SocketAddr,
    connection: &TcpConnection,
) -> io::Result<()> {
    let mut come = Vec::new();
    while from.read_buf(&mut come).await? > 0 {
        let mut passed = 0;
        while let Some((head, whole)) = first(&come[passed..])? {
            let message = &come[passed..passed + whole];
            match unknown::refusal(&message[..head], client) {
                None => to.write_all(message).await?,
                Some(refusal) => {
                    replies::count("other", 501);
                    connection.inner.send_raw(refusal.as_bytes()).await.map_err(io::Error::other)?;
                }
            }
            passed += whole;
        }
        come.drain(..passed);
    }
    Ok(())
}

/// What stands first, if all of it has come: bytes of its head, and of the whole. Empty lines keep a connection alive (RFC
/// 5626 section 4.4.1), and are passed on as they come.
pub(super) fn first(come: &[u8]) -> io::Result<Option<(usize, usize)>> {
    for alive in ["\r\n\r\n", "\r\n"] {
        if come.starts_with(alive.as_bytes()) {
            return Ok(Some((0, alive.len())));
        }
    }
    let bad = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let Some(end) = come.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if come.len() > MESSAGE_BYTES_MAX { Err(bad("a head that is too long")) } else { Ok(None) };
    };
    let length = content_length(&come[..end]).ok_or_else(|| bad("a broken Content-Length"))?;
    let whole = (end + 4).saturating_add(length);
    if whole > MESSAGE_BYTES_MAX {
        return Err(bad("a message that is too long"));
    }
    Ok((come.len() >= whole).then_some((end + 4, whole)))
}

/// Of its body; 0 if the head does not say (RFC 3261 section 20.14), none if it says no number.
fn content_length(head: &[u8]) -> Option<usize> {
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = line[..colon].trim_ascii();
        let is_it = name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l");
        is_it.then(|| line[colon + 1..].trim_ascii())
    });
    match value.take(1).next() {
        None => Some(0),
        Some(value) => str::from_utf8(value).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let check = |come: &str, want: Option<(usize, usize)>| {
            assert_eq!(first(come.as_bytes()).unwrap(), want, "{come:?}");
        };
        check("", None);
        check("\r", None);
        check("\r\nBYE", Some((0, 2)));
        check("\r\n\r\nBYE", Some((0, 4)));
        check("BYE x\r\n\r", None);
        check("BYE x\r\n\r\nBYE", Some((9, 9)));
        check("BYE x\r\nL : 3\r\n\r\nab", None);
        check("BYE x\r\nL : 3\r\n\r\nabcd", Some((16, 19)));
        check("BYE x\r\nContent-length:3\r\n\r\nabcd", Some((27, 30)));
        for bad in ["BYE x\r\nl: many\r\n\r\n", "BYE x\r\nl: 99999999\r\n\r\n", &"A".repeat(70_000)] {
            first(bad.as_bytes()).unwrap_err();
        }
    }
}
