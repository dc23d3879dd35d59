//! An authenticator as a person's device has one: it makes passkeys (ES256, attestation `none`) and answers challenges
//! (WebAuthn Level 3, sections 6.1 and 6.5), and can be told to do it wrong.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// A device with one passkey, in a browser at an origin.
pub struct Authenticator {
    key: SigningKey,
    id: Vec<u8>,
    user: String,
    counter: u32,
    /// Where the browser believes to be.
    pub origin: String,
    /// Whether it asks for a finger or a PIN.
    pub verifies_user: bool,
}

impl Authenticator {
    /// A device without a passkey.
    pub fn new(origin: &str) -> anyhow::Result<Self> {
        let secret = Sha256::digest([*Uuid::now_v7().as_bytes(), *Uuid::now_v7().as_bytes()].concat());
        let key = SigningKey::from_slice(&secret)?;
        let id = Sha256::digest(secret).to_vec();
        let origin = origin.to_owned();
        Ok(Self { key, id, user: String::new(), counter: 0, origin, verifies_user: true })
    }

    /// Makes a passkey as `options` ask for it; what the browser sends back.
    pub fn register(&mut self, options: &Value) -> anyhow::Result<Value> {
        let options = &options["publicKey"];
        self.user = text(&options["user"]["id"])?.to_owned();
        let client_data = self.client_data("webauthn.create", text(&options["challenge"])?);
        let mut data = self.data(text(&options["rp"]["id"])?, HAS_CREDENTIAL);
        data.extend([0; 16]); // no model of anybody
        data.extend(u16::try_from(self.id.len())?.to_be_bytes());
        data.extend(&self.id);
        data.extend(self.public_key());
        let mut attestation = vec![0xa3];
        attestation.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x59");
        attestation.extend(u16::try_from(data.len())?.to_be_bytes());
        attestation.extend(data);
        Ok(json!({
            "id": encoded(&self.id),
            "rawId": encoded(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encoded(client_data.as_bytes()),
                "attestationObject": encoded(&attestation),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        }))
    }

    /// Answers a challenge; what the browser sends back.
    pub fn answer(&mut self, options: &Value) -> anyhow::Result<Value> {
        let options = &options["publicKey"];
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", text(&options["challenge"])?);
        let data = self.data(text(&options["rpId"])?, 0);
        let signed = [&data[..], &Sha256::digest(client_data.as_bytes())].concat();
        let signature: Signature = self.key.sign(&signed);
        Ok(json!({
            "id": encoded(&self.id),
            "rawId": encoded(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encoded(client_data.as_bytes()),
                "authenticatorData": encoded(&data),
                "signature": encoded(signature.to_der().as_bytes()),
                "userHandle": self.user,
            },
            "clientExtensionResults": {},
        }))
    }

    /// As a copy of the key that was made earlier: its counter stands where it stood then.
    pub fn turn_back(&mut self) {
        self.counter = 0;
    }

    /// Whether a challenge may be answered by this passkey.
    pub fn is_asked_by(&self, options: &Value) -> bool {
        let allowed = options["publicKey"]["allowCredentials"].as_array();
        allowed.is_some_and(|allowed| allowed.iter().any(|one| one["id"] == encoded(&self.id)))
    }

    fn client_data(&self, kind: &str, challenge: &str) -> String {
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
    }

    fn data(&self, relying_party: &str, more: u8) -> Vec<u8> {
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(relying_party).to_vec();
        data.push(USER_PRESENT | verified | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// COSE (RFC 9053, section 7.1): EC2, ES256, P-256.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_bytes();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 0x20]);
        key.extend(&point[33..65]);
        key
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("the options lack a text")
}
