//! AWS Key Management Service: a KMS key per client and version, named by an alias.
//!
//! KMS rotates a key's material by itself and keeps all of it; to be able to destroy what is old, a version here is a KMS
//! key of its own. Destroying one schedules its deletion, which KMS carries out after a waiting time; it opens nothing
//! meanwhile.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_model::ClientId;
use reqwest::{Request, Url, header::HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    KeySource,
    service::{Service, address},
};
use crate::{Suite, VaultError, once::sha256};

/// Which region, and what keys are called there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AwsKmsConfig {
    /// For example `us-east-1`.
    pub region: String,
    /// Another address than the region's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Aliases are `alias/<prefix><client>/<version>`.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// How long KMS waits before it destroys a key: 7 to 30 days.
    #[serde(default = "pending_days")]
    pub pending_days: u32,
    /// How long an answer is waited for.
    #[serde(default = "answer_ms")]
    pub answer_ms: u64,
}

fn prefix() -> String {
    "caveat/".into()
}

fn pending_days() -> u32 {
    7
}

fn answer_ms() -> u64 {
    10_000
}

/// Bytes of the version before KMS's own ciphertext.
const VERSION: usize = 4;

/// Keys in AWS KMS.
pub struct AwsKms {
    service: Service,
    config: AwsKmsConfig,
    endpoint: Url,
    credentials: Credentials,
}

impl AwsKms {
    /// Within a runtime; asks nothing yet. The credentials are an access key, its secret, and the token of a session if they
    /// are for a while only.
    ///
    /// # Errors
    /// [`VaultError::KeyService`] for an address that is none.
    pub fn new(
        config: AwsKmsConfig,
        access_key: &str,
        secret: &str,
        session: Option<String>,
    ) -> Result<Self, VaultError> {
        let description = format!("AWS KMS in {}", config.region);
        let at = config.endpoint.clone();
        let at = at.unwrap_or_else(|| format!("https://kms.{}.amazonaws.com/", config.region));
        let endpoint = address(&description, &at)?;
        let service = Service::new(description, config.answer_ms)?;
        let credentials = Credentials::new(access_key, secret, session, None, "caveat");
        Ok(Self { service, config, endpoint, credentials })
    }

    fn alias(&self, client: &ClientId, version: u32) -> String {
        format!("alias/{}{client}/{version}", self.config.prefix)
    }

    /// The answer; none where KMS knows no such key.
    fn ask(&self, action: &str, body: &Value) -> Result<Option<Value>, VaultError> {
        let request = self.signed(action, body)?;
        let (status, answer) = self.service.ask(request)?;
        if status.is_success() {
            return Ok(Some(answer));
        }
        let kind = answer["__type"].as_str().unwrap_or_default();
        match kind.rsplit('#').next() {
            Some("NotFoundException") => Ok(None),
            _ => Err(self.service.failed(format!("{status} {kind} to {action}"))),
        }
    }

    /// Signature Version 4, over the request as it is sent. What signs sees a digest of the body, which holds a key.
    fn signed(&self, action: &str, body: &Value) -> Result<Request, VaultError> {
        const JSON: &str = "application/x-amz-json-1.1";
        let body = Zeroizing::new(body.to_string());
        let target = format!("TrentService.{action}");
        let digest: String = sha256(&[body.as_bytes()]).iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = [("content-type", JSON), ("x-amz-target", target.as_str())];
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.config.region)
            .name("kms")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| self.service.failed(e))?
            .into();
        let (url, body_digest) = (self.endpoint.as_str(), SignableBody::Precomputed(digest));
        let request = SignableRequest::new("POST", url, headers.into_iter(), body_digest);
        let signed = sign(request.map_err(|e| self.service.failed(e))?, &parameters);
        let (signature, _) = signed.map_err(|e| self.service.failed(e))?.into_parts();
        let mut request = self.service.http().post(self.endpoint.clone()).body(body.as_bytes().to_vec());
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            let mut value = HeaderValue::from_str(value).map_err(|e| self.service.failed(e))?;
            value.set_sensitive(name == "authorization");
            request = request.header(name, value);
        }
        request.build().map_err(|e| self.service.failed(e.without_url()))
    }

    fn bound(client: &ClientId) -> Value {
        json!({"caveat-client": client})
    }

    /// A new KMS key under the alias of this version.
    fn make(&self, client: &ClientId, version: u32) -> Result<(), VaultError> {
        let named = json!({"Description": format!("Caveat: keys of {client}, version {version}")});
        let made = self.ask("CreateKey", &named)?.unwrap_or_default();
        let id = made["KeyMetadata"]["KeyId"].as_str().ok_or_else(|| self.service.no_key(client))?;
        self.ask("CreateAlias", &json!({"AliasName": self.alias(client, version), "TargetKeyId": id}))?;
        Ok(())
    }
}

impl KeySource for AwsKms {
    fn wrap(&self, client: &ClientId, _: Suite, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let version = match self.versions(client)?.last() {
            Some(version) => *version,
            None => self.rotate(client)?,
        };
        let body = json!({
            "KeyId": self.alias(client, version),
            "Plaintext": &*Zeroizing::new(BASE64_STANDARD.encode(plain)),
            "EncryptionContext": Self::bound(client),
        });
        let answer = self.ask("Encrypt", &body)?.ok_or_else(|| self.service.no_key(client))?;
        let sealed = answer["CiphertextBlob"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let sealed = sealed.ok_or_else(|| self.service.failed("it gave no ciphertext"))?;
        Ok([version.to_be_bytes().as_slice(), &sealed].concat())
    }

    fn unwrap_key(&self, client: &ClientId, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let version = self.version_of(client, wrapped)?;
        let body = json!({
            "KeyId": self.alias(client, version),
            "CiphertextBlob": BASE64_STANDARD.encode(wrapped.get(VERSION..).unwrap_or_default()),
            "EncryptionContext": Self::bound(client),
        });
        let answer = match self.ask("Decrypt", &body) {
            Err(VaultError::KeyService { what, .. }) if what.starts_with("400") => {
                return Err(self.service.not_unwrapped(client));
            }
            // A version whose deletion is scheduled has no name any more.
            answer => answer?.ok_or_else(|| self.service.not_unwrapped(client))?,
        };
        let plain = answer["Plaintext"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        plain.map(Zeroizing::new).ok_or_else(|| self.service.not_unwrapped(client))
    }

    fn describe(&self) -> &str {
        self.service.describe()
    }

    fn versions(&self, client: &ClientId) -> Result<Vec<u32>, VaultError> {
        let start = format!("alias/{}{client}/", self.config.prefix);
        let (mut versions, mut marker) = (vec![], Value::Null);
        loop {
            let body = if marker.is_null() { json!({}) } else { json!({"Marker": marker}) };
            let mut page = self.ask("ListAliases", &body)?.unwrap_or_default();
            let names =
                page["Aliases"].as_array().into_iter().flatten().filter_map(|a| a["AliasName"].as_str());
            versions.extend(names.filter_map(|name| name.strip_prefix(&start)?.parse::<u32>().ok()));
            if page["Truncated"] != json!(true) {
                break;
            }
            marker = page["NextMarker"].take();
        }
        versions.sort_unstable();
        Ok(versions)
    }

    fn version_of(&self, client: &ClientId, wrapped: &[u8]) -> Result<u32, VaultError> {
        let version = wrapped.first_chunk::<VERSION>();
        version.map(|v| u32::from_be_bytes(*v)).ok_or_else(|| self.service.not_unwrapped(client))
    }

    fn rotate(&self, client: &ClientId) -> Result<u32, VaultError> {
        let next = self.versions(client)?.last().map_or(1, |n| n.saturating_add(1));
        self.make(client, next)?;
        Ok(next)
    }

    fn destroy_before(&self, client: &ClientId, version: u32) -> Result<(), VaultError> {
        for old in self.versions(client)?.into_iter().filter(|n| *n < version) {
            let alias = self.alias(client, old);
            let known = self.ask("DescribeKey", &json!({"KeyId": alias}))?.unwrap_or_default();
            let Some(id) = known["KeyMetadata"]["KeyId"].as_str() else { continue };
            let days = self.config.pending_days;
            self.ask("ScheduleKeyDeletion", &json!({"KeyId": id, "PendingWindowInDays": days}))?;
            self.ask("DeleteAlias", &json!({"AliasName": alias}))?;
        }
        Ok(())
    }
}
