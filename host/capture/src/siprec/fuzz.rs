//! What is read of SIP messages before anybody is trusted. See [`crate::fuzz`].

use std::time::Instant;

use rsipstack::sip::{HeadersExt, Request, SipMessage};

use super::{
    SiprecLimits, body, carried,
    peer::Introduction,
    replies::{Refusal, check_required, check_whole},
    timer::Timer,
};

/// What comes on a connection; how many of its messages are requests that could begin a recording session.
pub(crate) fn messages(mut come: &[u8]) -> usize {
    let mut taken = 0;
    while let Ok(Some((head, whole))) = carried::first(come) {
        assert!(head <= whole && (1..=come.len()).contains(&whole), "{head} of {whole} of {}", come.len());
        if let Ok(SipMessage::Request(request)) = SipMessage::try_from(&come[..whole]) {
            match introduced(&request) {
                Ok(()) => taken += 1,
                Err(refusal) => assert!((400..700).contains(&refusal.status), "{refusal:?}"),
            }
        }
        come = &come[whole..];
    }
    taken
}

fn introduced(request: &Request) -> Result<(), Refusal> {
    let limits = SiprecLimits::default();
    check_required(request)?;
    check_whole(request)?;
    let now = Instant::now();
    let (timer, headers) = Timer::agreed(request, &limits, now)?;
    assert!(timer.over_at() > now && timer.refresh_at().is_none_or(|at| at > now && at < timer.over_at()));
    assert!(headers.iter().all(|header| !header.to_string().contains('\n')), "{headers:?}");
    let kind = request.header_value("Content-Type");
    body::parse(kind.as_deref(), &request.body, &limits).map_err(|error| Refusal::of(&error, &limits))?;
    Introduction::read(request).map(drop)
}
