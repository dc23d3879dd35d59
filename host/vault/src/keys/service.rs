//! What the key services have in common: a client that waits so long and no longer, and errors that quote no key.

use std::time::Duration;

use caveat_model::ClientId;
use reqwest::{Client, Request, StatusCode, Url};
use serde_json::Value;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::VaultError;

/// No answer of a key service is larger, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A key service by HTTP.
pub(super) struct Service {
    http: Client,
    runtime: Handle,
    description: String,
}

impl Service {
    /// Has to be made within a runtime, and asked outside of its threads that must not block.
    pub(super) fn new(description: String, answer_ms: u64) -> Result<Self, VaultError> {
        let timeout = Duration::from_millis(answer_ms.max(1));
        let failed = |what: String| VaultError::KeyService { keys: description.clone(), what };
        let http = Client::builder().timeout(timeout).build().map_err(|e| failed(e.to_string()))?;
        let runtime = Handle::try_current().map_err(|e| failed(e.to_string()))?;
        Ok(Self { http, runtime, description })
    }

    pub(super) fn describe(&self) -> &str {
        &self.description
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// Status and body of the answer.
    pub(super) fn ask(&self, request: Request) -> Result<(StatusCode, Value), VaultError> {
        self.wait(async {
            let answer = self.http.execute(request).await.map_err(|e| self.failed(e.without_url()))?;
            let status = answer.status();
            let body = answer.bytes().await.map_err(|e| self.failed(e.without_url()))?;
            if body.len() > ANSWER_BYTES_MAX {
                return Err(self.failed("its answer is too large"));
            }
            let body = Zeroizing::new(body.to_vec());
            Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        })
    }

    /// On a blocking thread, or one of a runtime that has others.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::task::block_in_place(|| self.runtime.block_on(work))
    }

    pub(super) fn failed(&self, what: impl ToString) -> VaultError {
        VaultError::KeyService { keys: self.description.clone(), what: what.to_string() }
    }

    pub(super) fn no_key(&self, client: &ClientId) -> VaultError {
        VaultError::NoKey { client: client.clone(), keys: self.description.clone() }
    }

    pub(super) fn not_unwrapped(&self, client: &ClientId) -> VaultError {
        VaultError::Unwrap { client: client.clone(), keys: self.description.clone() }
    }
}

/// A configured address.
pub(super) fn address(keys: &str, text: &str) -> Result<Url, VaultError> {
    Url::parse(text)
        .map_err(|e| VaultError::KeyService { keys: keys.to_owned(), what: format!("`{text}`: {e}") })
}
