//! `[siprec]` of `caveat.toml`: where this host listens, and whose recording sessions it takes.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use caveat_model::{ClientId, Direction, Region};
use ipnet::IpNet;
use serde::Deserialize;

/// Where session recording clients reach this host. Without a listener nothing is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Siprec {
    /// UDP.
    pub listen_udp: Option<SocketAddr>,
    /// TCP.
    pub listen_tcp: Option<SocketAddr>,
    /// TLS over TCP.
    pub listen_tls: Option<SocketAddr>,
    /// The certificate chain for TLS, as PEM.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key, as PEM.
    pub tls_key: Option<PathBuf>,
    /// Authorities, as PEM: whoever comes by TLS has to show a certificate from one of them.
    pub tls_client_ca: Option<PathBuf>,
    /// What clients are told to reach this host at, where it is not the address it listens on.
    pub advertise_host: Option<String>,
    /// What they are told to send media to, where it is not `address` of `[media]`.
    pub advertise_media: Option<IpAddr>,
    /// Whose recording sessions are taken; the first that fits.
    pub trunk: Vec<Trunk>,
}

/// A session recording client, or several alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trunk {
    /// What logs call it.
    pub name: String,
    /// Whose calls come by it.
    pub client: ClientId,
    /// Addresses and networks that it comes from (`192.0.2.7`, `2001:db8::/64`); none: from anywhere.
    #[serde(default)]
    pub from: Vec<Source>,
    /// A name in the certificate that it shows (subject alternative name); it then has to come by TLS.
    pub certificate: Option<String>,
    /// The user part of the address it asks for.
    pub user: Option<String>,
    /// The host part of the address it asks for.
    pub host: Option<String>,
    /// Who calls whom; the protocol does not say.
    #[serde(default)]
    pub direction: Direction,
    /// Addresses of agents: `*@acme.example` is compared with user and host, `+1404*` with the user part. `*` stands for
    /// anything, `?` for one character. Whoever fits none is a customer.
    #[serde(default)]
    pub agents: Vec<Pattern>,
    /// Where they are, as the client's records have it.
    pub agents_region: Option<Region>,
    /// Who is heard on the first stream, where `agents` is empty; the others are whoever is not.
    #[serde(default)]
    pub first_stream: FirstStream,
    /// What a recording session is answered with that may not be recorded when it begins.
    #[serde(default)]
    pub refused: Refused,
    /// Ask the client to send nothing while a call is paused, by a re-INVITE. Left out: where the client (the tenant) has
    /// `can-pause`. What is sent all the same is dropped either way; without it, keys still arrive during a pause.
    pub pause_at_client: Option<bool>,
}

/// An address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Source(IpNet);

impl TryFrom<String> for Source {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let one = text.parse::<IpAddr>().map(IpNet::from);
        one.or_else(|_| text.parse())
            .map(Self)
            .map_err(|_| format!("`{text}` is no address and no network (192.0.2.0/24)"))
    }
}

/// A pattern for addresses, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Pattern(String);

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self(text.to_lowercase())
    }
}

impl Pattern {
    /// Whether it fits an address without its scheme (`user@host`, or a user or number alone).
    pub(crate) fn fits(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let user = address.split('@').next().unwrap_or_default();
        glob(self.0.as_bytes(), if self.0.contains('@') { address.as_bytes() } else { user.as_bytes() })
    }
}

/// `*` and `?`, in time that is at most the product of both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

/// Who is heard on the first media line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstStream {
    /// An agent; on the others, customers.
    Agent,
    /// A customer; on the others, agents.
    Customer,
    /// Nobody said.
    #[default]
    Unknown,
}

/// How a recording session is answered that may not be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// Taken, with every stream inactive, so that a consent that is given later can still start it.
    #[default]
    Inactive,
    /// Taken and listened to, and nothing of it kept: a recording can then still begin with its notice, as long as that
    /// is in memory.
    Listen,
    /// 480 Temporarily Unavailable.
    Unavailable,
    /// 603 Decline.
    Decline,
}

/// Where a request comes from, and what it asks for.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub(crate) source: IpAddr,
    /// Names in the certificate that was shown.
    pub(crate) certificates: &'a [String],
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
}

impl Siprec {
    /// With its files relative to `base`.
    pub fn located(mut self, base: &Path) -> Self {
        for file in
            [&mut self.tls_certificate, &mut self.tls_key, &mut self.tls_client_ca].into_iter().flatten()
        {
            *file = base.join(&*file);
        }
        self
    }

    /// Whether anybody can reach it.
    pub fn is_on(&self) -> bool {
        [self.listen_udp, self.listen_tcp, self.listen_tls].iter().any(Option::is_some)
    }

    /// What is wrong with it, in words for whoever wrote it.
    ///
    /// # Errors
    /// What serde cannot see: a trunk of no client, a listener without its certificate, and the like.
    pub fn check(&self, clients: &HashSet<&ClientId>) -> Result<(), String> {
        let tls = (&self.tls_certificate, &self.tls_key);
        if self.listen_tls.is_some() && !matches!(tls, (Some(_), Some(_))) {
            return Err("`listen-tls` needs `tls-certificate` and `tls-key`".into());
        }
        if self.is_on() && self.trunk.is_empty() {
            return Err("no [[siprec.trunk]] says whose calls are taken".into());
        }
        let mut names = HashSet::new();
        for trunk in &self.trunk {
            let name = &trunk.name;
            let wrong = |why: &str| Err(format!("siprec trunk `{name}`: {why}"));
            if !names.insert(name) {
                return wrong("its name is there twice");
            }
            if !clients.contains(&trunk.client) {
                return wrong(&format!("there is no client `{}`", trunk.client));
            }
            if trunk.from.is_empty() && trunk.certificate.is_none() {
                return wrong(
                    "anybody could send calls by it: say `from` (or `certificate`); `from = [\"0.0.0.0/0\"]` is everywhere",
                );
            }
            if trunk.certificate.is_some() && self.tls_client_ca.is_none() {
                return wrong("`certificate` needs `tls-client-ca`, or nobody vouches for it");
            }
            if !trunk.agents.is_empty() && trunk.first_stream != FirstStream::Unknown {
                return wrong("`agents` and `first-stream` both say who is an agent: leave one out");
            }
        }
        Ok(())
    }

    /// The trunk that a request comes by.
    pub(crate) fn trunk_of(&self, origin: &Origin) -> Option<&Trunk> {
        self.trunk.iter().find(|trunk| trunk.fits(origin))
    }

    /// Whether some trunk may come from there.
    pub(crate) fn knows(&self, source: IpAddr) -> bool {
        self.trunk.iter().any(|trunk| trunk.comes_from(source))
    }
}

impl Trunk {
    fn fits(&self, origin: &Origin) -> bool {
        let certificate = |name: &String| origin.certificates.iter().any(|c| c.eq_ignore_ascii_case(name));
        self.comes_from(origin.source)
            && self.certificate.as_ref().is_none_or(certificate)
            && self.user.as_ref().is_none_or(|user| user == origin.user)
            && self.host.as_ref().is_none_or(|host| host.eq_ignore_ascii_case(origin.host))
    }

    fn comes_from(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.from.is_empty() || self.from.iter().any(|net| net.0.contains(&source))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        let check = |pattern: &str, address: &str, want: bool| {
            assert_eq!(Pattern::from(pattern.to_owned()).fits(address), want, "{pattern} {address}");
        };
        check("*@Acme.example", "agent7301@acme.example", true);
        check("*@acme.example", "agent@acme.example.org", false);
        check("+1404*", "+14045550123@carrier.example", true);
        check("+1404*", "+14045550123", true);
        check("+1404*", "+13055550123", false);
        check("7???", "7301@192.0.2.60", true);
        check("7???", "73011@192.0.2.60", false);
        check("*a*b", "xxaxxb", true);
        check("*a*b", "xxaxxc", false);
        check("", "a", false);
    }

    fn settings(toml: &str) -> Siprec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn the_first_trunk_that_fits_is_taken() {
        let siprec = settings(
            r#"
            [[trunk]]
            name = "east"
            client = "acme"
            from = ["192.0.2.0/24"]
            user = "gold"
            [[trunk]]
            name = "cert"
            client = "acme"
            certificate = "sbc.acme.example"
            [[trunk]]
            name = "west"
            client = "rival"
            from = ["192.0.2.7", "2001:db8::/32"]
            host = "Rec.example"
            "#,
        );
        let check = |source: &str, certificates: &[&str], asked: (&str, &str), want: Option<&str>| {
            let certificates: Vec<String> = certificates.iter().map(|c| (*c).to_owned()).collect();
            let origin = Origin {
                source: source.parse().unwrap(),
                certificates: &certificates,
                user: asked.0,
                host: asked.1,
            };
            assert_eq!(siprec.trunk_of(&origin).map(|t| t.name.as_str()), want, "{origin:?}");
        };
        check("192.0.2.7", &[], ("gold", "rec.example"), Some("east"));
        check("192.0.2.7", &[], ("srs", "rec.example"), Some("west"));
        check("::ffff:192.0.2.7", &[], ("srs", "rec.example"), Some("west"));
        check("2001:db8::5", &[], ("srs", "rec.example"), Some("west"));
        check("192.0.2.8", &[], ("srs", "rec.example"), None);
        check("198.51.100.1", &["SBC.acme.example"], ("srs", "x"), Some("cert"));
        check("198.51.100.1", &["other.example"], ("srs", "x"), None);
    }

    #[test]
    fn mistakes_are_named() {
        let clients = ["acme".parse().unwrap()];
        let check = |toml: &str, want: &str| {
            let error = settings(toml).check(&clients.iter().collect()).unwrap_err();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        check("listen-udp = \"127.0.0.1:5060\"", "no [[siprec.trunk]]");
        check("listen-tls = \"127.0.0.1:5061\"", "needs `tls-certificate`");
        let trunk = "[[trunk]]\nname = \"a\"\n";
        check(&format!("{trunk}client = \"acme\""), "anybody could send");
        check(&format!("{trunk}client = \"none\"\nfrom = [\"::/0\"]"), "no client `none`");
        check(&format!("{trunk}client = \"acme\"\ncertificate = \"x\""), "needs `tls-client-ca`");
        let both = "from = [\"::/0\"]\nagents = [\"*\"]\nfirst-stream = \"agent\"";
        check(&format!("{trunk}client = \"acme\"\n{both}"), "leave one out");
        assert!(toml::from_str::<Siprec>(&format!("{trunk}client = \"acme\"\nfrom = [\"here\"]")).is_err());
    }
}
