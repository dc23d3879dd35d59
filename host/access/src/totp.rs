//! Time-based one-time codes (RFC 6238): SHA-1, six digits, 30 seconds, one step of skew either way, as every
//! authenticator app has them.

use caveat_model::{ClientId, Moment, PersonId};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::{AccessError, SecretBox};

const SECRET_BYTES: usize = 20; // RFC 4226, section 4: 160 bits are recommended

/// The secret that a person shares with their authenticator.
pub(crate) struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl TotpSecret {
    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    pub(crate) fn seal(
        &self,
        secrets: &dyn SecretBox,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Vec<u8>, AccessError> {
        secrets.seal(client, &context(person.as_str()), self.0.as_slice()).map_err(|why| {
            AccessError::Secrets { what: "seal", client: client.clone(), person: person.to_string(), why }
        })
    }

    pub(crate) fn open(
        secrets: &dyn SecretBox,
        client: &ClientId,
        person: &PersonId,
        sealed: &[u8],
    ) -> Result<Self, AccessError> {
        let failed = |why| AccessError::Secrets {
            what: "open",
            client: client.clone(),
            person: person.to_string(),
            why,
        };
        let plain = Zeroizing::new(secrets.open(client, &context(person.as_str()), sealed).map_err(failed)?);
        match plain.as_slice().try_into() {
            Ok(bytes) => Ok(Self(Zeroizing::new(bytes))),
            Err(_) => Err(failed(format!("it holds {} bytes instead of {SECRET_BYTES}", plain.len()))),
        }
    }

    /// The step that `code` belongs to, if it is the one of `now` or one beside it. That no step serves twice is the
    /// caller's to see to.
    pub(crate) fn step_of(&self, code: &str, now: Moment) -> Option<i64> {
        let step = self.totp().check(code, now.as_millis() / 1000)?;
        i64::try_from(step).ok()
    }

    pub(crate) fn base32(&self) -> String {
        Secret::from(*self.0).to_base32()
    }

    /// For a QR code: the key URI format that authenticator apps read. Ids need no escaping.
    pub(crate) fn url(&self, client: &ClientId, person: &PersonId) -> String {
        format!("otpauth://totp/Caveat:{person}@{client}?secret={}&issuer=Caveat", self.base32())
    }

    fn totp(&self) -> Totp {
        // The builder's defaults are the parameters named above; only its compliance check, which they pass, is left out.
        Builder::new().with_secret(Secret::from(*self.0)).build_noncompliant()
    }
}

fn context(person: &str) -> String {
    format!("totp/{person}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6238_appendix_b() {
        let secret = TotpSecret(Zeroizing::new(*b"12345678901234567890"));
        for (at_s, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let step = (at_s / 30) as i64;
            let at = |s: u64| Moment::from_millis(s * 1000);
            assert_eq!(secret.step_of(code, at(at_s)), Some(step));
            assert_eq!(secret.step_of(code, at(at_s - 30)), Some(step), "a fast authenticator");
            assert_eq!(secret.step_of(code, at(at_s + 30)), Some(step), "a slow authenticator");
            assert_eq!(secret.step_of(code, at(at_s + 61)), None);
        }
    }
}
