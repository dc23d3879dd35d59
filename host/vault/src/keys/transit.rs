//! HashiCorp Vault or OpenBao: the transit secrets engine keeps the keys and wraps with them.

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_model::ClientId;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    KeySource, bound_to,
    service::{Service, address},
};
use crate::{Suite, VaultError};

/// Where it is, and what keys are called there.
#[derive(Debug, Clone)]
pub struct TransitConfig {
    /// Its address, without a path.
    pub url: String,
    /// Where the engine is mounted.
    pub mount: String,
    /// A client's key has its id after this.
    pub prefix: String,
    /// How long an answer is waited for.
    pub answer_ms: u64,
}

impl TransitConfig {
    /// The engine at `transit` of this address, keys called `caveat-CLIENT`, answers within ten seconds.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), mount: "transit".into(), prefix: "caveat-".into(), answer_ms: 10_000 }
    }
}

/// Keys in a transit secrets engine. The token needs `encrypt`, `decrypt` and `keys` of the mount; to destroy versions,
/// `config` and `trim` too.
pub struct Transit {
    service: Service,
    base: Url,
    prefix: String,
    token: Zeroizing<String>,
}

impl Transit {
    /// Within a runtime; asks nothing yet.
    ///
    /// # Errors
    /// [`VaultError::KeyService`] for an address that is none.
    pub fn new(config: TransitConfig, token: Zeroizing<String>) -> Result<Self, VaultError> {
        let TransitConfig { url, mount, prefix, answer_ms } = config;
        let description = format!("the transit engine `{mount}` at {url}");
        let base = address(&description, &format!("{}/v1/{mount}/", url.trim_end_matches('/')))?;
        Ok(Self { service: Service::new(description, answer_ms)?, base, prefix, token })
    }

    fn key(&self, client: &ClientId) -> String {
        format!("{}{client}", self.prefix)
    }

    /// The `data` of the answer; none where there is nothing of that name.
    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Value>, VaultError> {
        let url = self.base.join(path).map_err(|e| self.service.failed(e))?;
        let request = self.service.http().request(method, url).header("X-Vault-Token", self.token.as_str());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let request = request.build().map_err(|e| self.service.failed(e.without_url()))?;
        let (status, mut answer) = self.service.ask(request)?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer["data"].take())),
            status => Err(self.service.failed(format!("{status} {}", answer["errors"]))),
        }
    }

    fn has_key(&self, client: &ClientId) -> Result<bool, VaultError> {
        Ok(self.ask(Method::GET, &format!("keys/{}", self.key(client)), None)?.is_some())
    }
}

impl KeySource for Transit {
    fn wrap(&self, client: &ClientId, _: Suite, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.key(client);
        if !self.has_key(client)? {
            // Of two hosts that make it at once, both succeed, and there is one key.
            let kind = json!({"type": "aes256-gcm96", "exportable": false});
            self.ask(Method::POST, &format!("keys/{key}"), Some(kind))?;
        }
        let body = json!({
            "plaintext": &*Zeroizing::new(BASE64_STANDARD.encode(plain)),
            "associated_data": BASE64_STANDARD.encode(bound_to(client)),
        });
        let answer = self.ask(Method::POST, &format!("encrypt/{key}"), Some(body))?;
        let text = answer.as_ref().and_then(|a| a["ciphertext"].as_str());
        text.map(|text| text.as_bytes().to_vec()).ok_or_else(|| self.service.no_key(client))
    }

    fn unwrap_key(&self, client: &ClientId, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let text = std::str::from_utf8(wrapped).map_err(|_| self.service.not_unwrapped(client))?;
        let body = json!({"ciphertext": text, "associated_data": BASE64_STANDARD.encode(bound_to(client))});
        let answer = self.ask(Method::POST, &format!("decrypt/{}", self.key(client)), Some(body));
        let answer = match answer {
            // A version that is gone, and a text that was changed, are both refused as a bad request.
            Err(VaultError::KeyService { what, .. }) if what.starts_with("400") => {
                return Err(self.service.not_unwrapped(client));
            }
            answer => answer?.ok_or_else(|| self.service.no_key(client))?,
        };
        let plain = answer["plaintext"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        plain.map(Zeroizing::new).ok_or_else(|| self.service.not_unwrapped(client))
    }

    fn describe(&self) -> &str {
        self.service.describe()
    }

    fn versions(&self, client: &ClientId) -> Result<Vec<u32>, VaultError> {
        let answer = self.ask(Method::GET, &format!("keys/{}", self.key(client)), None)?;
        let Some(answer) = answer else { return Ok(vec![]) };
        let first = answer["min_decryption_version"].as_u64().unwrap_or(1);
        let numbers = answer["keys"].as_object().into_iter().flat_map(|keys| keys.keys());
        let mut versions: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
        versions.retain(|n| u64::from(*n) >= first);
        versions.sort_unstable();
        Ok(versions)
    }

    fn version_of(&self, client: &ClientId, wrapped: &[u8]) -> Result<u32, VaultError> {
        let text = std::str::from_utf8(wrapped).ok();
        let number = text.and_then(|text| text.split(':').nth(1)?.strip_prefix('v')?.parse().ok());
        number.ok_or_else(|| self.service.not_unwrapped(client))
    }

    fn rotate(&self, client: &ClientId) -> Result<u32, VaultError> {
        let key = self.key(client);
        if self.has_key(client)? {
            self.ask(Method::POST, &format!("keys/{key}/rotate"), None)?;
        } else {
            self.ask(Method::POST, &format!("keys/{key}"), Some(json!({"type": "aes256-gcm96"})))?;
        }
        self.versions(client)?.last().copied().ok_or_else(|| self.service.no_key(client))
    }

    fn destroy_before(&self, client: &ClientId, version: u32) -> Result<(), VaultError> {
        let key = self.key(client);
        let floor = json!({"min_decryption_version": version, "min_encryption_version": version});
        self.ask(Method::POST, &format!("keys/{key}/config"), Some(floor))?;
        let trimmed = json!({"min_available_version": version});
        self.ask(Method::POST, &format!("keys/{key}/trim"), Some(trimmed))?;
        Ok(())
    }
}
