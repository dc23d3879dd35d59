//! Doors for `benches/` to what is otherwise inside. No part of the API.
#![allow(missing_docs, reason = "not for use")]

use caveat_model::{Moment, RecordingId};

use crate::{
    Kind, SECONDS_PER_LEG, Segment, Suite, merkle,
    secrets::RecordingKeys,
    segment::{Binding, seal_frame},
    tree::{Cover, Walk},
};

/// One leg of a recording that is being sealed, without a log.
pub struct Sealing {
    cover: Cover,
    walk: Walk,
    binding: Binding,
    index: u32,
}

impl Sealing {
    pub fn new(client: &caveat_model::ClientId) -> Self {
        let binding = Binding::new(client, RecordingId::new(Moment::from_millis(1)), b"header");
        Self {
            cover: RecordingKeys::random(Suite::default()).layers.cover,
            walk: Walk::default(),
            binding,
            index: 0,
        }
    }

    /// The next second: its key, its frame, its Merkle leaf.
    pub fn seal(&mut self, plain: &[u8]) -> Option<(Vec<u8>, [u8; 32])> {
        let segment = Segment { leg: 0, index: self.index % SECONDS_PER_LEG, kind: Kind::Audio };
        self.index += 1;
        let leaf = self.walk.leaf(&self.cover, segment.leaf())?;
        let frame = seal_frame(&leaf, &self.binding, segment, plain);
        let digest = merkle::leaf_hash(&frame);
        Some((frame, digest))
    }
}
