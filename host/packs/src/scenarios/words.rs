//! Plain words of scenarios and what they mean in the model.

use caveat_model::{Cipher, LabelKind, PartyRole, Purpose, Role};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A table of a scenario; asked by any of several names for one thing.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub(crate) Option<&'a Map<String, Value>>);

impl<'a> Table<'a> {
    pub(crate) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        let table = self.0?;
        names.iter().find_map(|name| table.get(*name))
    }
    pub(crate) fn flag(&self, names: &[&str]) -> Option<bool> {
        self.get(names)?.as_bool()
    }
    pub(crate) fn text(&self, names: &[&str]) -> Option<&'a str> {
        self.get(names)?.as_str()
    }
    pub(crate) fn whole(&self, names: &[&str]) -> Option<u64> {
        self.get(names)?.as_u64()
    }
    /// One word or a list of them.
    pub(crate) fn words(&self, names: &[&str]) -> Vec<&'a str> {
        match self.get(names) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => vec![],
        }
    }
    /// A word of the model.
    pub(crate) fn known<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        known(self.text(&[name])?)
    }
}

/// A word that the model itself uses.
pub(crate) fn known<T: DeserializeOwned>(word: &str) -> Option<T> {
    let word = word.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    serde_json::from_value(json!(word)).ok()
}

pub(crate) fn party_role(word: &str) -> PartyRole {
    known(word).unwrap_or_else(|| match word.to_ascii_lowercase().as_str() {
        "rep" | "representative" | "employee" | "clinician" | "nurse" | "advisor" | "broker"
        | "collector" => PartyRole::Agent,
        "caller" | "callee" | "patient" | "member" | "client" | "consumer" | "debtor" | "beneficiary"
        | "subscriber" => PartyRole::Customer,
        "monitor" | "manager" | "coach" | "listener" => PartyRole::Supervisor,
        "translator" | "relay" | "relay-operator" => PartyRole::Interpreter,
        "bot" | "ivr" | "ai-agent" | "voice-assistant" | "ai" => PartyRole::Automaton,
        "ai-vendor" | "ai_vendor" | "transcription-vendor" => PartyRole::Vendor,
        _ => PartyRole::OtherParty,
    })
}

/// Roles at the host; whoever has none there is an outsider with that function.
pub(crate) fn host_role(word: &str) -> Role {
    known(word).unwrap_or_else(|| match word.to_ascii_lowercase().as_str() {
        "manager" | "team-lead" => Role::Supervisor,
        "qa" | "quality" | "coach" | "quality-analyst" | "qa-analyst" => Role::Trainer,
        "compliance-officer" | "privacy-officer" | "privacy" => Role::Compliance,
        "administrator" | "sysadmin" | "system-admin" => Role::Admin,
        "internal-auditor" => Role::Auditor,
        "rep" | "representative" => Role::Agent,
        _ => Role::Outsider,
    })
}

pub(crate) fn purpose(word: &str) -> Option<Purpose> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    known(&word).or(match word.as_str() {
        "qa" | "quality-control" | "quality-assurance" | "qc" => Some(Purpose::Quality),
        "coaching" | "agent-training" | "staff-training" | "workforce-training" => Some(Purpose::Training),
        "supervision" | "audit" | "monitoring" => Some(Purpose::Oversight),
        "complaint" => Some(Purpose::Dispute),
        "billing" | "claims" => Some(Purpose::Payment),
        "care" => Some(Purpose::Treatment),
        "health-care-operations" | "healthcare-operations" => Some(Purpose::Operations),
        "own" | "self" | "patient-request" | "individual-request" | "right-of-access" | "own-copy" => {
            Some(Purpose::OwnRequest)
        }
        "subpoena" | "court-order" | "litigation" | "legal-process" => Some(Purpose::Legal),
        "police" => Some(Purpose::LawEnforcement),
        "vendor-training" | "product-improvement" | "ai-training" => Some(Purpose::VendorUse),
        _ if word.ends_with("model-training") => Some(Purpose::VendorUse),
        "sales" | "advertising" => Some(Purpose::Marketing),
        _ => None,
    })
}

pub(crate) fn label(what: &str) -> Option<LabelKind> {
    known(what).or(match what.to_ascii_lowercase().replace('_', "-").as_str() {
        "pan" | "card" | "card-pan" => Some(LabelKind::CardNumber),
        "cvv" | "cvv2" | "cvc" | "cvc2" | "cid" | "security-code" | "sad" => Some(LabelKind::CardCode),
        "pin" | "pin-block" => Some(LabelKind::CardPin),
        "expiry" | "expiration" => Some(LabelKind::CardExpiry),
        "account" | "account-number" | "routing-number" | "iban" => Some(LabelKind::BankAccount),
        "dob" | "date-of-birth" => Some(LabelKind::BirthDate),
        "address" => Some(LabelKind::StreetAddress),
        "name" => Some(LabelKind::PersonName),
        "phone" => Some(LabelKind::PhoneNumber),
        "email" => Some(LabelKind::EmailAddress),
        "phi" | "diagnosis" | "medical" | "mrn" | "health-information" => Some(LabelKind::Health),
        _ => None,
    })
}

/// What people say right before such a value.
pub(crate) fn lead_in(kind: Option<LabelKind>) -> &'static str {
    match kind {
        Some(LabelKind::CardNumber) => "my card number is",
        Some(LabelKind::CardCode) => "the security code on the back is",
        Some(LabelKind::CardPin) => "my pin is",
        Some(LabelKind::CardExpiry) => "it expires",
        Some(LabelKind::BankAccount) => "my account number is",
        Some(LabelKind::Ssn) => "my social security number is",
        Some(LabelKind::BirthDate) => "my date of birth is",
        Some(LabelKind::StreetAddress) => "my address is",
        _ => "",
    }
}

pub(crate) fn cipher(word: &str) -> Cipher {
    let word = word.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|p| word.contains(p));
    match known(&word) {
        Some(cipher) => cipher,
        None if has(&["disk", "volume", "partition", "tde"]) => Cipher::DiskOnly,
        None if has(&["3des", "des", "rc4", "md5", "weak", "ecb"]) => Cipher::Weak,
        None if has(&["chacha"]) => Cipher::Chacha20Poly1305,
        None if has(&["aes"]) => Cipher::Aes256Gcm,
        None => Cipher::OtherStrong,
    }
}
