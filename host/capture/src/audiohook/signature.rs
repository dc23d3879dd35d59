//! The signature of an upgrade request: HTTP Message Signatures (draft-ietf-httpbis-message-signatures-11 as AudioHook
//! uses it; RFC 9421), HMAC-SHA256, in structured fields (RFC 8941). Pure.

use std::collections::{BTreeMap, HashSet};

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};
use sha2::Sha256;

/// What has to be covered.
const COVERED: [&str; 6] = [
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
];
/// How far the clocks may be apart.
const SKEW_S: u64 = 3;
/// A nonce of 16 bytes in base64 has this many characters without padding.
const NONCE_CHARS_MIN: usize = 22;

/// A request that says it is signed.
pub(super) struct Signed<'a> {
    /// Path and query.
    pub(super) target: &'a str,
    /// Host, with its port unless that is the default.
    pub(super) authority: &'a str,
    pub(super) headers: &'a HeaderMap,
}

/// A signature that is right, and must not be used again before it is worthless.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    nonce: String,
    until_s: u64,
}

const WRONG: &str = "it does not fit the request and the API key";

impl Signed<'_> {
    /// Checks the first signature: what it covers, its time, and that it was made with `secret`.
    pub(super) fn check(
        &self,
        secret: &[u8],
        api_key: &str,
        now_s: u64,
        age_max_s: u64,
    ) -> Result<Proof, &'static str> {
        let (label, input) = self.input()?;
        let text = |name: &str| input.params.get(name).and_then(|v| v.as_string()).map(|s| s.as_str());
        let number = |name: &str| input.params.get(name).and_then(|v| v.as_integer()).map(i64::from);
        if text("alg").is_some_and(|alg| alg != "hmac-sha256") {
            return Err("its algorithm is not hmac-sha256");
        }
        if text("keyid") != Some(api_key) {
            return Err("its keyid is not the X-API-KEY");
        }
        let nonce = text("nonce").filter(|n| n.len() >= NONCE_CHARS_MIN);
        let nonce = nonce.ok_or("its nonce is missing or too short")?.to_owned();
        let second = |name| number(name).map(|n| u64::try_from(n).map_err(|_| "a time in it is negative"));
        let created = second("created").ok_or("it does not say when it was created")??;
        if created > now_s + SKEW_S {
            return Err("it was created in the future: set the clock");
        }
        let mut until_s = created.saturating_add(age_max_s);
        if let Some(expires) = second("expires").transpose()? {
            until_s = until_s.min(expires);
        }
        let until_s = until_s.saturating_add(SKEW_S);
        if until_s < now_s {
            return Err("it has expired");
        }
        let base = self.base(&input)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| WRONG)?;
        mac.update(base.as_bytes());
        mac.verify_slice(&self.signature(&label)?).map_err(|_| WRONG)?;
        Ok(Proof { nonce, until_s })
    }

    /// The first member of `Signature-Input`.
    fn input(&self) -> Result<(String, InnerList), &'static str> {
        let fields = self.dictionary("signature-input")?;
        match fields.into_iter().next() {
            Some((label, ListEntry::InnerList(input))) => Ok((label.as_str().to_owned(), input)),
            _ => Err("Signature-Input is missing, or no list of components"),
        }
    }

    fn signature(&self, label: &str) -> Result<Vec<u8>, &'static str> {
        let fields = self.dictionary("signature")?;
        let found = fields.iter().find(|(name, _)| name.as_str() == label);
        match found {
            Some((_, ListEntry::Item(item))) => {
                item.bare_item.as_byte_sequence().map(<[u8]>::to_vec).ok_or("Signature is no byte sequence")
            }
            _ => Err("Signature is missing, or has another label than Signature-Input"),
        }
    }

    fn dictionary(&self, name: &str) -> Result<Dictionary, &'static str> {
        let value = self.header(name).ok_or("the request is not signed")?;
        Parser::new(value.as_str()).parse().map_err(|_| "it is no structured field (RFC 8941)")
    }

    /// What was signed: a line per component, then the parameters as they are written canonically.
    fn base(&self, input: &InnerList) -> Result<String, &'static str> {
        let mut lines: BTreeMap<&str, ()> = BTreeMap::new();
        let mut base = String::new();
        for item in &input.items {
            let BareItem::String(name) = &item.bare_item else { return Err("a component is no string") };
            let name = name.as_str();
            if !item.params.is_empty() {
                return Err("a component has parameters, which AudioHook does not use");
            }
            if lines.insert(name, ()).is_some() {
                return Err("a component is there twice");
            }
            let value = match name {
                "@request-target" => self.target.to_owned(),
                "@authority" => self.authority.to_ascii_lowercase(),
                derived if derived.starts_with('@') => return Err("a derived component is unknown"),
                header => self.header(header).ok_or("a header that is signed is missing")?,
            };
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        if !COVERED.iter().all(|name| lines.contains_key(name)) {
            return Err("it does not cover all that it has to");
        }
        let mut dictionary = Dictionary::new();
        let key = sfv::Key::from_string("s".to_owned()).map_err(|_| WRONG)?;
        dictionary.insert(key, ListEntry::InnerList(input.clone()));
        let written = sfv::FieldType::serialize(&dictionary).ok_or(WRONG)?;
        let parameters = written.strip_prefix("s=").ok_or(WRONG)?;
        base.push_str(&format!("\"@signature-params\": {parameters}"));
        Ok(base)
    }

    /// A header's value; several of a name are one, with commas.
    fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.iter().map(|v| v.trim()).collect::<Vec<_>>().join(", "))
    }
}

/// Signatures that were used, until they are worthless. When it is full, nobody gets in: that is a flood, or a limit that is
/// too low.
#[derive(Debug)]
pub(super) struct Seen {
    nonces: HashSet<(String, String)>,
    by_time: BTreeMap<u64, Vec<(String, String)>>,
    max: usize,
}

impl Seen {
    pub(super) fn new(max: usize) -> Self {
        Self { nonces: HashSet::new(), by_time: BTreeMap::new(), max }
    }

    /// Notes a proof; refuses one that was there before.
    pub(super) fn first_time(&mut self, api_key: &str, proof: Proof, now_s: u64) -> Result<(), &'static str> {
        let live = self.by_time.split_off(&now_s);
        for nonce in std::mem::replace(&mut self.by_time, live).into_values().flatten() {
            self.nonces.remove(&nonce);
        }
        let nonce = (api_key.to_owned(), proof.nonce);
        if self.nonces.contains(&nonce) {
            return Err("its nonce was used before");
        }
        if self.nonces.len() >= self.max {
            return Err("too many signed requests at once: try again in a few seconds");
        }
        self.nonces.insert(nonce.clone());
        self.by_time.entry(proof.until_s).or_default().push(nonce);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};

    // The example of the protocol's documentation.
    const KEY: &str = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";
    const SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";
    const NOW: u64 = 1_641_013_201;
    const INPUT: &str = r#"sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" "audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430"#;

    fn headers(change: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let documented = [
            ("audiohook-organization-id", "d7934305-0972-4844-938e-9060eef73d05"),
            ("audiohook-session-id", "30b0e395-84d3-4570-ac13-9a62d8f514c0"),
            ("audiohook-correlation-id", "e160e428-53e2-487c-977d-96989bf5c99d"),
            ("x-api-key", KEY),
            ("signature", "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"),
            ("signature-input", INPUT),
        ];
        for (name, value) in documented.iter().chain(change) {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn check(change: &[(&'static str, &str)], target: &str, now: u64) -> Result<Proof, &'static str> {
        let headers = headers(change);
        let signed = Signed { target, authority: "audiohook.example.com", headers: &headers };
        signed.check(&STANDARD.decode(SECRET).unwrap(), KEY, now, 10)
    }

    const TARGET: &str = "/api/v1/voicebiometrics/ws";

    #[test]
    fn the_documented_example_is_right() {
        let proof = check(&[], TARGET, NOW).unwrap();
        assert_eq!((proof.nonce.as_str(), proof.until_s), ("VGhpc0lzQVVuaXF1ZU5vbmNl", 1_641_013_213));
    }

    #[test]
    fn whatever_is_changed_is_found_out() {
        assert_eq!(check(&[], "/v1/audiohook", NOW), Err(WRONG));
        for name in
            ["audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id", "x-api-key"]
        {
            assert_eq!(check(&[(name, "another")], TARGET, NOW), Err(WRONG), "{name}");
        }
        let other = "sig1=:AAAAyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:";
        assert_eq!(check(&[("signature", other)], TARGET, NOW), Err(WRONG));
        assert_eq!(check(&[], TARGET, NOW + 13), Err("it has expired"));
        assert!(check(&[], TARGET, NOW - 5).unwrap_err().contains("in the future"));
        let changed = |from: &str, to: &str| {
            assert!(INPUT.contains(from));
            check(&[("signature-input", &INPUT.replace(from, to))], TARGET, NOW).unwrap_err()
        };
        assert!(changed(" \"x-api-key\"", "").contains("cover"));
        assert!(changed("\"x-api-key\"", "\"host\"").contains("missing"));
        assert!(changed("\"@authority\"", "\"@authority\" \"@authority\"").contains("twice"));
        assert!(changed("VGhpc0lzQVVuaXF1ZU5vbmNl", "short").contains("nonce"));
        assert!(changed("hmac-sha256", "none").contains("algorithm"));
        assert!(changed(";created=1641013200", "").contains("when it was created"));
        assert!(changed("=1641013200", "=-1").contains("negative"));
        assert!(changed("expires=3282026430", "expires=1").contains("expired"));
        assert!(changed("keyid=\"SGV", "keyid=\"XXX").contains("keyid"));
        assert!(changed("sig1=(", "sig2=(").contains("label"));
    }

    #[test]
    fn nonsense_does_no_harm() {
        for text in ["", "sig1", "sig1=()", "(((", "sig1=:", "a=1;b", "sig1=(\"a\" ", "=\u{7f}"] {
            for name in ["signature", "signature-input"] {
                if let Ok(value) = axum::http::HeaderValue::from_str(text) {
                    let mut headers = headers(&[]);
                    headers.insert(name, value);
                    let signed = Signed { target: "/", authority: "a", headers: &headers };
                    assert!(signed.check(b"x", KEY, NOW, 10).is_err());
                }
            }
        }
    }

    #[test]
    fn a_nonce_is_good_once_and_what_is_remembered_is_bounded() {
        let mut seen = Seen::new(2);
        let mut show = |nonce: &str, now_s| {
            let proof = Proof { nonce: nonce.into(), until_s: now_s + 10 };
            seen.first_time("key", proof, now_s)
        };
        show("a", 100).unwrap();
        assert!(show("a", 101).unwrap_err().contains("before"));
        show("b", 101).unwrap();
        assert!(show("c", 102).unwrap_err().contains("too many"));
        show("c", 111).unwrap();
        show("a", 112).unwrap();
    }
}
