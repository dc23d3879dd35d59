//! Keys at rest: those of a recording under its page's key, those of a client under the key source.

use caveat_model::{ClientId, RecordingId};
use zeroize::Zeroizing;

use crate::{
    Suite,
    error::Flaw,
    layers::Layers,
    once::{Key, context, hmac, key_of_blob, open_blob, random_key, seal_blob, subkey, suite_of_blob},
    tree::Cover,
};

/// All that opens one recording.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RecordingKeys {
    /// Authenticates the trailer; outlives every puncture of the cover.
    pub(crate) seal: Key,
    pub(crate) layers: Layers,
    /// What they are sealed with at rest: that of the recording.
    pub(crate) suite: Suite,
}

impl RecordingKeys {
    pub(crate) fn random(suite: Suite) -> Self {
        Self { seal: random_key(), layers: Layers { cover: Cover::random(), patches: vec![] }, suite }
    }

    /// As stored in the database.
    pub(crate) fn wrap(&self, page: &Key, client: &ClientId, recording: RecordingId) -> Vec<u8> {
        let mut plain = Zeroizing::new(Vec::with_capacity(32 + self.layers.encoded_len()));
        plain.extend_from_slice(&self.seal[..]);
        self.layers.encode(&mut plain);
        seal_blob(self.suite, page, &bound_to(client, recording), &plain)
    }

    pub(crate) fn unwrap(
        wrapped: &[u8],
        page: &Key,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Self, Flaw> {
        const BROKEN: Flaw = Flaw::Damaged("its keys do not open");
        let plain = open_blob(page, &bound_to(client, recording), wrapped).ok_or(BROKEN)?;
        let (seal, layers) = plain.split_first_chunk::<32>().ok_or(BROKEN)?;
        let suite = suite_of_blob(page, wrapped).ok_or(BROKEN)?;
        Ok(Self { seal: Zeroizing::new(*seal), layers: Layers::decode(layers)?, suite })
    }
}

fn bound_to(client: &ClientId, recording: RecordingId) -> Vec<u8> {
    context(&[b"cover", client.as_str().as_bytes(), recording.0.as_bytes()])
}

/// What seals and commits to details beside the ledger, one per client.
pub(crate) struct ClientSecret {
    detail: Key,
    commitment: Key,
}

impl ClientSecret {
    pub(crate) fn derive(secret: &Key) -> Self {
        Self {
            detail: subkey(secret, "caveat-vault/1 detail"),
            commitment: subkey(secret, "caveat-vault/1 commitment"),
        }
    }

    pub(crate) fn seal(&self, suite: Suite, client: &ClientId, about: &str, plain: &[u8]) -> Vec<u8> {
        seal_blob(suite, &self.detail, &detail_of(client, about), plain)
    }

    pub(crate) fn open(&self, client: &ClientId, about: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open_blob(&self.detail, &detail_of(client, about), sealed)
    }

    /// The key of one detail and of no other, if it is one of this client's.
    pub(crate) fn disclose(&self, client: &ClientId, about: &str, sealed: &[u8]) -> Option<Key> {
        self.open(client, about, sealed)?;
        key_of_blob(&self.detail, sealed)
    }

    pub(crate) fn commit(&self, client: &ClientId, about: &str, data: &[u8]) -> [u8; 32] {
        let bound = context(&[b"commitment", client.as_str().as_bytes(), about.as_bytes(), data]);
        hmac(&self.commitment[..], &[&bound])
    }
}

pub(crate) fn detail_of(client: &ClientId, about: &str) -> Vec<u8> {
    context(&[b"detail", client.as_str().as_bytes(), about.as_bytes()])
}
