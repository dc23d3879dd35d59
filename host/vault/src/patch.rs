//! What a redaction leaves of the seconds at its edges: a small object of its own, sealed under fresh keys. The object that
//! was sealed is never touched. Magic, then frames as in a recording; its digest lies with its keys.

use caveat_model::RecordingId;
use object_store::path::Path;
use zeroize::Zeroizing;

use crate::{
    Kind, Segment,
    error::Flaw,
    layers::PatchKeys,
    once::sha256,
    segment::{Binding, Frame, seal_frame},
    tree::Cover,
    wal::Name,
};

const MAGIC: &[u8; 8] = b"caveat\x01\x01";

/// A part of a second that survives a redaction.
pub struct Edge {
    /// Which second; one of those that are redacted.
    pub second: u32,
    /// What it holds.
    pub kind: Kind,
    /// What is left of it, as it would have been sealed.
    pub plain: Zeroizing<Vec<u8>>,
}

/// A patch that is yet to be stored.
pub(crate) struct NewPatch {
    pub(crate) object: Vec<u8>,
    cover: Cover,
}

impl NewPatch {
    /// Seals what is left of the seconds of some legs.
    pub(crate) fn seal(binding: &Binding, edges: &[(u8, &Edge)]) -> Result<Self, Flaw> {
        let (whole, mut cover, mut object) = (Cover::random(), Cover::default(), MAGIC.to_vec());
        for (leg, Edge { second, kind, plain }) in edges {
            let segment = Segment { leg: *leg, index: *second, kind: *kind };
            let leaf = segment.leaf();
            let key = whole.leaf(leaf).ok_or(Flaw::Damaged("a fresh tree lacks a leaf"))?;
            object.extend_from_slice(&seal_frame(&key, binding, segment, plain));
            if cover.leaf(leaf).is_none() {
                cover = cover.with(&whole.within(&(leaf..leaf + 1)));
            }
        }
        Ok(Self { object, cover })
    }

    pub(crate) fn keys(self, number: u32) -> PatchKeys {
        PatchKeys { number, digest: sha256(&[&self.object]), cover: self.cover }
    }
}

/// Every frame of a patch, once its object is the one that was stored.
pub(crate) fn frames<'a>(object: &'a [u8], keys: &PatchKeys) -> Result<Vec<Frame<'a>>, Flaw> {
    if sha256(&[object]) != keys.digest {
        return Err(Flaw::Damaged("it is not the patch that was stored"));
    }
    let mut rest = object.strip_prefix(MAGIC).ok_or(Flaw::Damaged("it is no patch of this version"))?;
    let mut frames = vec![];
    while !rest.is_empty() {
        let frame = Frame::parse(rest)?;
        rest = &rest[frame.len()..];
        frames.push(frame);
    }
    Ok(frames)
}

/// Where the patches of a recording lie.
pub(crate) fn folder((client, recording): &Name) -> Path {
    Path::from(format!("patches/{client}/{recording}"))
}

/// Where one of them lies.
pub(crate) fn path((client, recording): (&str, RecordingId), number: u32) -> Path {
    Path::from(format!("patches/{client}/{recording}/{number}.patch"))
}
