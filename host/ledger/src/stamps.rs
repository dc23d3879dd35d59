//! Timestamps beside the log: `timestamps/<sha256 of the token>.tsr` and the checkpoint that it is over.

use bytes::Bytes;
use caveat_model::{ClientId, Digest};
use sha2::{Digest as _, Sha256};

use crate::{EntryKind, Ledger, LedgerError, Position, Signed, Stamped, objects::path};

/// An authority's answer, and what it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The answer (RFC 3161, `TimeStampResp`).
    pub token: Bytes,
}

impl Stamp {
    /// What the log calls it.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(&self.token).into())
    }

    pub(crate) fn token_name(&self) -> String {
        token_name(self.digest())
    }

    pub(crate) fn checkpoint_name(&self) -> String {
        checkpoint_name(self.digest())
    }
}

pub(crate) fn token_name(token: Digest) -> String {
    format!("timestamps/{}.tsr", hex(token))
}

pub(crate) fn checkpoint_name(token: Digest) -> String {
    format!("timestamps/{}.checkpoint", hex(token))
}

fn hex(digest: Digest) -> String {
    let text = digest.to_string();
    text.strip_prefix("sha256:").unwrap_or(&text).to_owned()
}

impl Ledger {
    /// Keeps an authority's answer over a checkpoint of this log, and enters it. Check it first.
    ///
    /// # Errors
    /// As [`Ledger::append`]; [`LedgerError::Proof`] for a checkpoint that is not this log's.
    pub async fn stamp(
        &self,
        client: &ClientId,
        stamp: Stamp,
        stamped: Stamped,
    ) -> Result<Position, LedgerError> {
        let signed = Signed::open(stamp.checkpoint.as_bytes(), &self.vkey(client))?;
        let (size, root, token, at) = (signed.size(), signed.root(), stamp.digest(), stamped.at);
        let put = |name: String, bytes: Bytes| {
            let at = path(client, &name);
            async move { self.shared.objects.put_once(client, &at, bytes).await }
        };
        put(stamp.checkpoint_name(), stamp.checkpoint.clone().into()).await?;
        put(stamp.token_name(), stamp.token.clone()).await?;
        self.append(client, EntryKind::Timestamped { size, root, token, at }).await
    }

    /// The timestamp that an entry tells of.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when it is missing or another; [`LedgerError::Store`].
    pub async fn stamp_of(&self, client: &ClientId, token: Digest) -> Result<Stamp, LedgerError> {
        let damaged = |name: &str, why: &str| LedgerError::Damaged {
            client: client.clone(),
            path: path(client, name).to_string(),
            why: why.to_owned(),
        };
        let get = async |name: String| {
            let found = self.shared.objects.get(&path(client, &name)).await?;
            found.ok_or_else(|| damaged(&name, "it is missing"))
        };
        let name = checkpoint_name(token);
        let checkpoint = get(name.clone()).await?.to_vec();
        let checkpoint = String::from_utf8(checkpoint).map_err(|_| damaged(&name, "it is no text"))?;
        let stamp = Stamp { checkpoint, token: get(token_name(token)).await? };
        match stamp.digest() == token {
            true => Ok(stamp),
            false => Err(damaged(&token_name(token), "it has another digest than its name")),
        }
    }

    /// Every timestamp that is kept, in no order.
    ///
    /// # Errors
    /// As [`Ledger::stamp_of`].
    pub async fn stamps(&self, client: &ClientId) -> Result<Vec<Stamp>, LedgerError> {
        let mut stamps = vec![];
        for found in self.shared.objects.list(&path(client, "timestamps")).await? {
            let Some(hex) = found.filename().and_then(|name| name.strip_suffix(".tsr")) else { continue };
            if let Ok(token) = format!("sha256:{hex}").parse() {
                stamps.push(self.stamp_of(client, token).await?);
            }
        }
        Ok(stamps)
    }
}
