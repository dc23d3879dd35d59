//! Datagrams from a socket, many at a time, each with the time at which the kernel got it.

use std::{
    io::IoSliceMut,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg},
    sys::time::TimeSpec,
};

/// Datagrams of one system call.
const BATCH: usize = 16;
/// System calls of one fetch from one socket. What is left then waits for the next fetch, as does the flood that it is.
const BATCHES_MAX: usize = 8;

/// A datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddr,
    /// When it came; none if the kernel does not say.
    pub(super) came: Option<SystemTime>,
    /// It is longer than what is here.
    pub(super) cut: bool,
}

/// Room for datagrams.
pub(super) struct Fetcher {
    room: Vec<u8>,
    bytes_max: usize,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Fetcher {
    pub(super) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(1);
        let headers = MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec)));
        Self { room: vec![0; BATCH * bytes_max], bytes_max, headers }
    }

    /// Takes all that has come.
    pub(super) fn fetch(&mut self, socket: &UdpSocket, mut take: impl FnMut(Datagram<'_>)) {
        for _ in 0..BATCHES_MAX {
            let mut rooms = self.room.chunks_exact_mut(self.bytes_max);
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
                std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let received =
                match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
                    Ok(received) => received,
                    // Somebody is not there any more: it is told with the next call (RFC 1122 4.1.3.3), and means nothing here.
                    Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => continue,
                    Err(_) => return,
                };
            let mut count = 0;
            for message in received {
                count += 1;
                let Some(from) = message.address.as_ref().and_then(address) else { continue };
                let stamp = message.cmsgs().ok().and_then(|mut all| {
                    all.find_map(|c| {
                        if let ControlMessageOwned::ScmTimestampns(at) = c { Some(at) } else { None }
                    })
                });
                let came = stamp.and_then(|at| UNIX_EPOCH.checked_add(Duration::from(at)));
                let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
                let bytes = message.iovs().next().unwrap_or_default();
                take(Datagram { bytes, from, came, cut });
            }
            if count < BATCH {
                return;
            }
        }
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::new(IpAddr::V6(v6.ip()), v6.port()))
}

/// The same moment on the clock that may be set and on the one that may not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) instant: Instant,
    system: SystemTime,
}

impl Now {
    /// Reads both clocks, again if something came between.
    pub(super) fn read() -> Self {
        let mut closest: Option<(Duration, Self)> = None;
        for _ in 0..3 {
            let before = Instant::now();
            let system = SystemTime::now();
            let between = before.elapsed();
            if closest.as_ref().is_none_or(|(least, _)| between < *least) {
                closest = Some((between, Self { instant: before, system }));
            }
            if between < Duration::from_micros(5) {
                break;
            }
        }
        closest.map_or_else(|| Self { instant: Instant::now(), system: SystemTime::now() }, |(_, now)| now)
    }

    /// How long ago a moment was on the clock that may be set, in seconds.
    pub(super) fn since(&self, moment: SystemTime) -> f64 {
        match self.system.duration_since(moment) {
            Ok(ago) => ago.as_secs_f64(),
            Err(ahead) => -ahead.duration().as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};

    #[test]
    fn every_datagram_comes_once_with_its_time_and_sender() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&to, ReceiveTimestampns, &true).unwrap();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = SystemTime::now();
        for n in 0..50u8 {
            let sent = from.send_to(&vec![n; 1 + usize::from(n)], to.local_addr().unwrap());
            assert_eq!(sent.unwrap(), 1 + usize::from(n));
        }
        let mut fetcher = Fetcher::new(40);
        // Twice: what the kernel wrote into the headers must not matter.
        let mut count = 0u8;
        for _ in 0..2 {
            fetcher.fetch(&to, |datagram| {
                assert_eq!(datagram.from, from.local_addr().unwrap());
                assert_eq!(
                    (datagram.bytes[0], datagram.bytes.len()),
                    (count, 40.min(1 + usize::from(count)))
                );
                assert_eq!(datagram.cut, count >= 40);
                assert!((before..=SystemTime::now()).contains(&datagram.came.unwrap()));
                count += 1;
            });
        }
        assert_eq!(count, 50);
    }
}
