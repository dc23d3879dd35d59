//! What a client can set. `settings.schema.json` says the same, with limits.

use serde::Deserialize;

/// As written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Statements that the client's assessor has on file: `issuer`, `no-pan-business-need`,
    /// `verified-passkey-is-mfa`.
    pub options: Vec<String>,
    /// The client issues cards and documents a legitimate need for authentication data (3.3.3).
    pub issuer: bool,
    /// Somebody needs recorded card numbers (3.2.1).
    pub pan_business_need: bool,
    /// A passkey whose device verifies its owner counts as two factors for administrators and from outside too (8.4.1, 8.4.3).
    pub verified_passkey_is_mfa: bool,
    /// Removed or masked on each side of what was found, in milliseconds.
    pub margin_ms: u32,
    /// Without card talk for so many seconds, recording goes on.
    pub resume_after_s: u32,
    /// The client's limit for recordings with card numbers (3.2.1), in days.
    pub max_age_days: Option<u32>,
    /// How long a key may encrypt (3.7.4), in days.
    pub cryptoperiod_days: Option<u32>,
    /// Ids of unsure rules that counsel has confirmed.
    pub counsel_confirmed: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            options: vec![],
            issuer: false,
            pan_business_need: true,
            verified_passkey_is_mfa: false,
            margin_ms: 300,
            resume_after_s: 20,
            max_age_days: None,
            cryptoperiod_days: None,
            counsel_confirmed: vec![],
        }
    }
}

impl Settings {
    /// With the options taken into account.
    pub(crate) fn with_options(mut self) -> Self {
        let opted = |name: &str| self.options.iter().any(|o| o == name);
        let (issuer, no_need) = (opted("issuer"), opted("no-pan-business-need"));
        let verified = opted("verified-passkey-is-mfa");
        self.issuer |= issuer;
        self.pan_business_need &= !no_need;
        self.verified_passkey_is_mfa |= verified;
        self
    }
}
