//! Object lock of S3 (WORM): nobody, the account's owner included, changes or deletes an object until a date. The client
//! library has no call for it, so the two requests are made here, signed by it.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use caveat_model::Moment;
use object_store::{
    aws::AmazonS3,
    path::Path,
    signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer},
};
use sha2::{Digest as _, Sha256};

use crate::{Limits, StoreError};

/// How long a signature is good for.
const SIGNED_FOR: Duration = Duration::from_secs(300);
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// Locks objects of one bucket in compliance mode.
#[derive(Debug)]
pub struct ObjectLock {
    bucket: Arc<AmazonS3>,
    prefix: Path,
    http: reqwest::Client,
}

impl ObjectLock {
    pub(crate) fn new(bucket: Arc<AmazonS3>, prefix: Path, limits: &Limits) -> Result<Self, StoreError> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(limits.connect_timeout_ms))
            .timeout(Duration::from_millis(limits.request_timeout_ms))
            .build()
            .map_err(|e| StoreError::Settings { why: e.to_string() })?;
        Ok(Self { bucket, prefix, http })
    }

    /// Whether the bucket was made with object lock: nothing can be locked in another.
    pub async fn is_possible(&self) -> Result<bool, StoreError> {
        let (status, text) = self.ask(Method::GET, &Path::default(), "object-lock", None).await?;
        match status {
            200 => Ok(text.contains("<ObjectLockEnabled>Enabled</ObjectLockEnabled>")),
            404 => Ok(false),
            _ => Err(refused(&Path::default(), status, &text)),
        }
    }

    /// Locks an object until `until`, and asks the store whether it is. A lock is never made shorter.
    pub async fn lock(&self, object: &Path, until: Moment) -> Result<(), StoreError> {
        let object: Path = self.prefix.parts().chain(object.parts()).collect();
        if self.locked_until(&object).await?.is_some_and(|there| there >= until) {
            return Ok(());
        }
        // The store's dates have whole seconds: up, never down.
        let until = Moment::from_millis(until.as_millis().div_ceil(1_000) * 1_000);
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        let (status, text) = self.ask(Method::PUT, &object, "retention", Some(body)).await?;
        if status != 200 {
            return Err(refused(&object, status, &text));
        }
        match self.locked_until(&object).await? {
            Some(there) if there >= until => Ok(()),
            there => Err(StoreError::NotLocked {
                object: object.to_string(),
                why: format!("it took the date {until} and shows {there:?}"),
            }),
        }
    }

    /// Until when an object, named in full, is locked in compliance mode.
    async fn locked_until(&self, object: &Path) -> Result<Option<Moment>, StoreError> {
        let (status, text) = self.ask(Method::GET, object, "retention", None).await?;
        match status {
            200 if text.contains("<Mode>COMPLIANCE</Mode>") => Ok(between(&text, "RetainUntilDate")),
            // Without a lock: 404 on S3, an empty answer elsewhere.
            200 | 404 => Ok(None),
            _ => Err(refused(object, status, &text)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        object: &Path,
        what: &str,
        body: Option<String>,
    ) -> Result<(u16, String), StoreError> {
        let failed = |e: reqwest::Error| StoreError::NotLocked {
            object: object.to_string(),
            why: e.without_url().to_string(),
        };
        let mut options = SignedUrlOptions::new().with_query([(what, "")]);
        let mut request_headers = vec![];
        if let Some(body) = &body {
            let sum = BASE64_STANDARD.encode(Sha256::digest(body.as_bytes()));
            let sum = HeaderValue::from_str(&sum).map_err(|e| StoreError::Settings { why: e.to_string() })?;
            options = options.with_signed_header(CHECKSUM, sum.clone());
            request_headers.push((CHECKSUM, sum));
        }
        let url = self.bucket.signed_url_opts(method.clone(), object, SIGNED_FOR, &options).await;
        let url = url.map_err(|source| StoreError::Store { what: "sign a request", source })?;
        let mut request = self.http.request(method, url);
        for (name, value) in request_headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(failed)?))
    }
}

/// The moment inside an element.
fn between(text: &str, element: &str) -> Option<Moment> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    let (inside, _) = rest.split_once(&format!("</{element}>"))?;
    inside.trim().parse().ok()
}

fn refused(object: &Path, status: u16, text: &str) -> StoreError {
    let shown: String = text.chars().take(500).collect();
    StoreError::NotLocked { object: object.to_string(), why: format!("status {status}: {shown}") }
}
