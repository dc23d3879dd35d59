//! Where a request carries who asks.
//!
//! Commands and machines send `Authorization: Bearer ...`, with a session or a machine token; machines may show a client
//! certificate instead. A browser has its session in a cookie that no script reads, and sends it whoever made it ask: so a
//! request with the cookie has to show that a page of ours made it.

use axum::http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN},
};

use crate::{Problem, Rooms};

/// Every machine token begins with it.
const MACHINE_PREFIX: &str = "cvt_";
/// What pages of ours send with every request, and others cannot without being asked about first (CORS).
static OUR_PAGE: HeaderName = HeaderName::from_static("x-caveat");
/// What a page of ours says of what it asks by itself, while nobody may sit before it.
static UNATTENDED: HeaderName = HeaderName::from_static("x-caveat-unattended");
static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How browsers reach the host.
#[derive(Debug, Clone, Default)]
pub struct Web {
    /// `https://HOST[:PORT]`, without a slash at the end; none: nobody said.
    pub origin: Option<String>,
}

impl Web {
    /// Of a host that browsers reach at `public_url`.
    pub fn at(public_url: Option<&str>) -> Self {
        let origin = |url: &str| {
            let (scheme, rest) = url.split_once("://")?;
            Some(format!("{scheme}://{}", rest.split('/').next()?).to_lowercase())
        };
        Self { origin: public_url.and_then(origin) }
    }

    /// Plain HTTP is for loopback, where browsers take no `Secure` cookie.
    fn is_plain(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.starts_with("http://"))
    }

    /// A cookie of ours: `__Host-` binds it to this host, all of it, and to TLS (RFC 6265bis, section 4.1.3.2).
    pub(crate) fn cookie_name(&self, name: &str) -> String {
        if self.is_plain() { name.to_owned() } else { format!("__Host-{name}") }
    }

    /// `Set-Cookie` with a secret. `same_site` is `Strict`, or `Lax` for what has to come back from elsewhere.
    pub(crate) fn set_cookie(
        &self,
        name: &str,
        secret: &str,
        same_site: &str,
        max_age_s: Option<u64>,
    ) -> HeaderValue {
        let secure = if self.is_plain() { "" } else { "; Secure" };
        let age = max_age_s.map_or(String::new(), |s| format!("; Max-Age={s}"));
        let name = self.cookie_name(name);
        let line = format!("{name}={secret}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}");
        let mut value = HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// `Set-Cookie` that takes one away.
    pub(crate) fn clear_cookie(&self, name: &str) -> HeaderValue {
        self.set_cookie(name, "", "Strict", Some(0))
    }

    /// The secret in a cookie of ours.
    pub(crate) fn cookie<'h>(&self, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
        let name = self.cookie_name(name);
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value).next()
    }

    /// Refuses what a page of somebody else made a browser send.
    ///
    /// A page of ours sends `x-caveat: console`, which no other page can. `<audio>` and event streams send no headers of
    /// ours; what reads only is taken from them when the browser itself says that our page asks.
    pub(crate) fn sent_by_our_page(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let site = text(&FETCH_SITE);
        let elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none")
            || text(&ORIGIN).is_some_and(|origin| !self.is_ours(origin, text(&HOST)));
        let says_so = text(&OUR_PAGE) == Some("console");
        let reads = *method == Method::GET && site == Some("same-origin");
        if elsewhere || !(says_so || reads) {
            return Err(Problem::forbidden(
                "a session in a cookie is for the host's own pages: send `x-caveat: console` from one, or a bearer token",
            ));
        }
        Ok(())
    }

    fn is_ours(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.to_lowercase();
        let asked = origin.split_once("://").map(|(_, authority)| authority);
        self.origin.as_deref() == Some(&origin) || (asked.is_some() && asked == host)
    }
}

/// Whether a page of ours signs in, which wants a cookie and no token that its scripts could lose.
pub(crate) fn wants_cookie(headers: &HeaderMap) -> bool {
    headers.get(&OUR_PAGE).is_some_and(|value| value == "console")
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer` with a session or machine token"))
}

/// Whether it is a machine's token, not a person's session.
pub(crate) fn is_machine(headers: &HeaderMap) -> bool {
    bearer(headers).is_ok_and(|token| token.starts_with(MACHINE_PREFIX))
}

/// Whether a request says itself who asks; a certificate counts where it does not.
pub(crate) fn says_who(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// Whether a request is no use of a session: a page asks by itself.
pub(crate) fn is_unattended(headers: &HeaderMap) -> bool {
    headers.contains_key(&UNATTENDED)
}

/// Cookie of a session.
pub(crate) const SESSION: &str = "caveat";

impl Rooms {
    /// The secret of the session that a request comes with.
    pub(crate) fn session_of(&self, method: &Method, headers: &HeaderMap) -> Result<String, Problem> {
        if says_who(headers) {
            return Ok(bearer(headers)?.to_owned());
        }
        let cookie = self.web.cookie(headers, SESSION).ok_or_else(|| {
            Problem::unauthorized("sign in, or send `Authorization: Bearer` with a session or machine token")
        })?;
        self.web.sent_by_our_page(method, headers)?;
        Ok(cookie.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_pages_of_ours_use_the_cookie() {
        let web = Web::at(Some("https://rec.example.com/"));
        let check = |method: Method, pairs: &[(&'static str, &str)], taken: bool| {
            assert_eq!(web.sent_by_our_page(&method, &headers(pairs)).is_ok(), taken, "{method} {pairs:?}");
        };
        let ours = ("x-caveat", "console");
        check(Method::POST, &[ours], true);
        check(
            Method::POST,
            &[ours, ("sec-fetch-site", "same-origin"), ("origin", "https://rec.example.com")],
            true,
        );
        check(Method::POST, &[ours, ("origin", "https://10.0.0.1:8480"), ("host", "10.0.0.1:8480")], true);
        check(Method::POST, &[], false);
        check(Method::POST, &[("sec-fetch-site", "same-origin")], false);
        check(Method::POST, &[("x-caveat", "other")], false);
        check(Method::POST, &[ours, ("sec-fetch-site", "cross-site")], false);
        check(Method::POST, &[ours, ("sec-fetch-site", "same-site")], false);
        check(Method::POST, &[ours, ("origin", "https://evil.example")], false);
        check(Method::POST, &[ours, ("origin", "null")], false);
        check(Method::POST, &[ours, ("origin", "https://rec.example.com.evil.example")], false);
        check(Method::GET, &[("sec-fetch-site", "same-origin")], true);
        check(Method::GET, &[("sec-fetch-site", "none")], false);
        check(Method::GET, &[("sec-fetch-site", "cross-site")], false);
        check(Method::GET, &[], false);
    }

    #[test]
    fn cookies_are_bound_to_the_host() {
        let web = Web::at(Some("https://rec.example.com"));
        let line = web.set_cookie(SESSION, "s", "Strict", None);
        assert_eq!(line, "__Host-caveat=s; Path=/; HttpOnly; SameSite=Strict; Secure");
        let sent = headers(&[("cookie", "caveat=forged; a=b; __Host-caveat=s")]);
        assert_eq!(web.cookie(&sent, SESSION), Some("s"));
        let plain = Web::at(Some("http://localhost:8480"));
        assert_eq!(
            plain.set_cookie(SESSION, "s", "Strict", None),
            "caveat=s; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(plain.cookie(&headers(&[("cookie", "x=y")]), SESSION), None);
        assert!(
            Web::default().set_cookie(SESSION, "s", "Strict", None).to_str().unwrap().starts_with("__Host-")
        );
    }
}
