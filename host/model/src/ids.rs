//! Names of things. Each is checked where it enters, and is a plain value from then on.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that cannot be used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}: {why}")]
pub struct IdError {
    /// What was given, shortened.
    pub given: String,
    /// What it should have been.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"))]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                check_name(s, $what).map(|()| Self(s.to_owned()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(s: String) -> Result<Self, IdError> {
                check_name(&s, $what).map(|()| Self(s))
            }
        }
        impl From<$name> for String {
            fn from(n: $name) -> String {
                n.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Whose calls they are. Used in paths and keys: lower-case letters, digits, hyphens; at most 40 characters.
    ClientId,
    "client id"
);
name!(
    /// A person with an account, unique within a client. Same form as [`ClientId`].
    PersonId,
    "person id"
);

fn check_name(s: &str, what: &'static str) -> Result<(), IdError> {
    let why = if s.is_empty() {
        "it is empty"
    } else if s.len() > 40 {
        "it is longer than 40 characters"
    } else if !s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        "only lower-case letters, digits and hyphens may stand in it"
    } else if s.starts_with('-') || s.ends_with('-') {
        "it begins or ends with a hyphen"
    } else {
        return Ok(());
    };
    Err(IdError { given: s.chars().take(60).collect(), what, why })
}

/// One recording: a time-ordered UUID (version 7, RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "String", extend("format" = "uuid"))]
pub struct RecordingId(pub uuid::Uuid);

impl RecordingId {
    /// A new id, ordered by `now`.
    pub fn new(now: crate::Moment) -> Self {
        let (s, ms) = (now.as_millis() / 1000, now.as_millis() % 1000);
        let ts = uuid::Timestamp::from_unix(uuid::NoContext, s, ms as u32 * 1_000_000);
        Self(uuid::Uuid::new_v7(ts))
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RecordingId {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        uuid::Uuid::parse_str(s).map(Self).map_err(|_| IdError {
            given: s.chars().take(60).collect(),
            what: "recording id",
            why: "it is not a UUID",
        })
    }
}

/// A SHA-256 digest; as text, `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^sha256:[0-9a-f]{64}$"))]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every entry of a log has several, so that it is not left to the formatting of numbers.
        let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
        let digits: String = self.0.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
        write!(f, "sha256:{digits}")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        let err = |why| IdError { given: s.chars().take(80).collect(), what: "digest", why };
        let hex = s.strip_prefix("sha256:").ok_or_else(|| err("it does not begin with `sha256:`"))?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(err("64 lower-case hexadecimal digits are wanted"));
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let nibble = |c: u8| {
                if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 }
            };
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Self(out))
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(s: String) -> Result<Self, IdError> {
        s.parse()
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.to_string()
    }
}

/// Which pack, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct PackRef {
    /// Its name in the manifest.
    pub name: String,
    /// Its version in the manifest.
    pub version: String,
    /// Of the component's bytes.
    pub digest: Digest,
    /// Of the settings it was configured with, as canonical JSON.
    pub settings: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_with_the_reason() {
        let check = |s: &str, why: Option<&str>| {
            assert_eq!(s.parse::<ClientId>().err().map(|e| e.why), why, "{s}");
        };
        check("acme-bank-2", None);
        check("", Some("it is empty"));
        check("../etc", Some("only lower-case letters, digits and hyphens may stand in it"));
        check("-a", Some("it begins or ends with a hyphen"));
        check(&"a".repeat(41), Some("it is longer than 40 characters"));
    }

    #[test]
    fn a_digest_survives_its_text() {
        let d = Digest(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(d.to_string().parse(), Ok(d));
        assert!("sha256:00".parse::<Digest>().is_err());
    }
}
