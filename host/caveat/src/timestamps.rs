//! Timestamps of each client's log from a configured authority (RFC 3161), now and then while a host runs. Of several hosts,
//! one asks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use caveat_ledger::{
    Authorities, Ledger, Signed, Stamp, TOKEN_BYTES_MAX, check_timestamp, timestamp_request,
};
use caveat_model::{ClientId, Digest};
use caveat_recorder::Recorder;
use reqwest::{Client, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::hosts::Membership;

/// `[timestamps]`: whom to ask, and how often.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Timestamps {
    url: String,
    /// Certificates (PEM) that its answers are checked against; none: only that they answer the request.
    ca_file: Option<PathBuf>,
    #[serde(default = "every_ms")]
    every_ms: u64,
    #[serde(default = "answer_ms")]
    answer_ms: u64,
}

/// What the lease of the host is called that asks.
const TURN: &str = "timestamps";

fn every_ms() -> u64 {
    3_600_000
}

fn answer_ms() -> u64 {
    30_000
}

impl Timestamps {
    /// Checked, with paths that start at `base`.
    pub(crate) fn located(self, base: &Path) -> anyhow::Result<Self> {
        self.address()?;
        Ok(Self { ca_file: self.ca_file.map(|file| base.join(file)), ..self })
    }

    fn address(&self) -> anyhow::Result<Url> {
        Url::parse(&self.url).with_context(|| format!("[timestamps] url `{}` is no address", self.url))
    }

    /// Asks until the recorder is gone. A log that has only been stamped since is left alone. Where `member` is one host of
    /// several, it asks only in its turn, which it keeps as long as it asks with success.
    pub(crate) fn start(
        &self,
        recorder: &Recorder,
        ledger: &Ledger,
        member: Option<Arc<Membership>>,
    ) -> anyhow::Result<()> {
        let authority = Authority::open(self)?;
        let clients: Vec<ClientId> = recorder.clients().iter().map(|c| c.id.clone()).collect();
        let (recorder, ledger) = (recorder.clone(), ledger.clone());
        let pause = Duration::from_millis(self.every_ms.max(1));
        tokio::spawn(async move {
            let mut stamped = vec![0; clients.len()];
            let mut failed = false;
            loop {
                let turn = match &member {
                    Some(member) => match member.turn(TURN, pause * 3 / 2).await {
                        Some(turn) => Some(turn),
                        None => {
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                    },
                    None => None,
                };
                let mut failure = None;
                for (client, size) in clients.iter().zip(&mut stamped) {
                    match authority.stamp(&ledger, client, *size).await {
                        Ok(now) => *size = now,
                        Err(error) => failure = Some((client, error)),
                    }
                }
                if let Some((client, error)) = &failure {
                    let why = format!("{error:#}");
                    tracing::warn!(%client, error = why, "the log was not stamped");
                    if !failed {
                        let raised =
                            recorder.raise_alert(client, "timestamps", "host.timestamps", &why).await;
                        raised.unwrap_or_else(|error| tracing::error!(%error, "nobody could be told"));
                    }
                }
                failed = failure.is_some();
                if let (true, Some(turn)) = (failed, &turn) {
                    Membership::pass_on(turn).await;
                }
                tokio::time::sleep(pause).await;
            }
        });
        Ok(())
    }
}

struct Authority {
    http: Client,
    url: Url,
    authorities: Authorities,
}

impl Authority {
    fn open(from: &Timestamps) -> anyhow::Result<Self> {
        let authorities = match &from.ca_file {
            Some(file) => {
                let about = || format!("[timestamps] ca-file {}", file.display());
                Authorities::from_pem(&std::fs::read(file).with_context(about)?).with_context(about)?
            }
            None => Authorities::default(),
        };
        let http = Client::builder().timeout(Duration::from_millis(from.answer_ms.max(1))).build()?;
        Ok(Self { http, url: from.address()?, authorities })
    }

    /// Has the log as it is stamped, unless it is as long as it was after the last stamp; its length afterwards.
    async fn stamp(&self, ledger: &Ledger, client: &ClientId, before: u64) -> anyhow::Result<u64> {
        let checkpoint = ledger.checkpoint(client).await?;
        let size = Signed::open(checkpoint.as_bytes(), &ledger.vkey(client))?.size();
        if size == before || size == 0 {
            return Ok(size);
        }
        let digest = Digest(Sha256::digest(&checkpoint).into());
        let nonce = rand::random::<u64>();
        let token = self.ask(timestamp_request(digest, nonce)?).await?;
        let stamped = check_timestamp(&token, digest, Some(nonce), &self.authorities);
        let stamped = stamped.with_context(|| format!("the answer of {}", self.url))?;
        Ok(ledger.stamp(client, Stamp { checkpoint, token: token.into() }, stamped).await?.index + 1)
    }

    async fn ask(&self, request: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let asked = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/timestamp-query");
        let mut answer =
            asked.body(request).send().await.with_context(|| format!("{} does not answer", self.url))?;
        if !answer.status().is_success() {
            bail!("{} answers {}", self.url, answer.status());
        }
        let mut token = vec![];
        while let Some(part) = answer.chunk().await.context("its answer")? {
            token.extend_from_slice(&part);
            if token.len() > TOKEN_BYTES_MAX {
                bail!("the answer of {} is larger than {TOKEN_BYTES_MAX} bytes", self.url);
            }
        }
        Ok(token)
    }
}
