//! How long a session lasts without a sign of life (RFC 4028). Pure.

use std::time::{Duration, Instant};

use rsipstack::sip::{Header, HeadersExt, Request};

use super::{
    SiprecLimits,
    replies::{Refusal, tokens},
};

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    expires: Duration,
    /// Whether this host sends the signs of life.
    pub(super) is_ours: bool,
    began: Instant,
}

impl Timer {
    /// What a request for a session, or for a change of it, agrees on; and what its answer says of that.
    ///
    /// # Errors
    /// A time shorter than this host takes: 422, from a client that can ask again.
    pub(super) fn agreed(
        request: &Request,
        limits: &SiprecLimits,
        now: Instant,
    ) -> Result<(Self, Vec<Header>), Refusal> {
        let is_known = tokens(request, "Supported").chain(tokens(request, "Require")).any(|t| t == "timer");
        let asked = request.header_value("Session-Expires");
        let mut words = asked.as_deref().unwrap_or_default().split(';').map(str::trim);
        let seconds = words.next().and_then(|seconds| seconds.parse::<u32>().ok());
        let refresher = words.find_map(|p| p.strip_prefix("refresher=").map(str::to_ascii_lowercase));
        let min = limits.session_expires_min_s;
        if seconds.is_some_and(|seconds| seconds < min) && is_known {
            let why = format!("a session expires in {min} s at the earliest");
            return Err(Refusal::new(422, why).with(Header::MinSE(min.to_string().into())));
        }
        let least = request.header_value("Min-SE").and_then(|s| s.split(';').next()?.trim().parse().ok());
        let expires = seconds.unwrap_or(limits.session_expires_s).max(least.unwrap_or(0)).max(min);
        // A client that knows no timers cannot refresh; the refreshes of this host then show that it is still there.
        let is_ours = !is_known || refresher.as_deref() == Some("uas");
        let who = if is_ours { "uas" } else { "uac" };
        let mut headers = vec![Header::SessionExpires(format!("{expires};refresher={who}").into())];
        if is_known && !is_ours {
            headers.push(Header::Require("timer".into()));
        }
        Ok((Self { expires: Duration::from_secs(expires.into()), is_ours, began: now }, headers))
    }

    /// When the next refresh has to be sent, if it is this host's to send.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.is_ours.then(|| self.began + self.expires / 2)
    }

    /// When the session is over (RFC 4028 section 10): a little early, so that the other side still knows of it.
    pub(super) fn over_at(&self) -> Instant {
        self.began + self.expires - (self.expires / 3).min(Duration::from_secs(32))
    }

    /// A sign of life was given or taken.
    pub(super) fn refreshed(&mut self, now: Instant) {
        self.began = now;
    }

    /// What a refresh says.
    pub(super) fn header(&self) -> Header {
        let who = if self.is_ours { "uac" } else { "uas" };
        Header::SessionExpires(format!("{};refresher={who}", self.expires.as_secs()).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn agreed(headers: &str) -> Result<(u64, bool, String), u16> {
        let text = format!(
            "INVITE sip:srs@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        let request: Request = text.as_str().try_into().unwrap();
        let (timer, said) =
            Timer::agreed(&request, &SiprecLimits::default(), Instant::now()).map_err(|r| r.status)?;
        let said: Vec<_> = said.iter().map(ToString::to_string).collect();
        Ok((timer.expires.as_secs(), timer.is_ours, said.join(" ")))
    }

    #[test]
    fn times_are_agreed_on() {
        let theirs = |s: u64| Ok((s, false, format!("Session-Expires: {s};refresher=uac Require: timer")));
        let ours = |s: u64| Ok((s, true, format!("Session-Expires: {s};refresher=uas")));
        assert_eq!(agreed("Supported: timer\r\nSession-Expires: 600\r\n"), theirs(600));
        assert_eq!(agreed("k: siprec, timer\r\nx: 600;refresher=uas\r\n"), ours(600));
        assert_eq!(agreed("Require: timer\r\nSession-Expires: 90;refresher=uac\r\n"), theirs(90));
        assert_eq!(agreed("Supported: timer\r\n"), theirs(1_800));
        assert_eq!(agreed(""), ours(1_800));
        assert_eq!(agreed("Session-Expires: 30\r\n"), ours(90));
        assert_eq!(agreed("Supported: timer\r\nSession-Expires: 30\r\n"), Err(422));
        assert_eq!(agreed("Supported: timer\r\nSession-Expires: 100\r\nMin-SE: 300\r\n"), theirs(300));
        assert_eq!(agreed("Supported: timer\r\nSession-Expires: soon\r\n"), theirs(1_800));
    }

    #[test]
    fn a_session_is_over_before_the_other_side_forgets_it() {
        let began = Instant::now();
        let timer = |s, is_ours| Timer { expires: Duration::from_secs(s), is_ours, began };
        assert_eq!(timer(1_800, false).over_at(), began + Duration::from_secs(1_768));
        assert_eq!(timer(90, false).over_at(), began + Duration::from_secs(60));
        assert_eq!(timer(90, false).refresh_at(), None);
        assert_eq!(timer(90, true).refresh_at(), Some(began + Duration::from_secs(45)));
    }
}
