//! Doors for `tests/fuzz` to what is otherwise inside. No part of the API.
#![allow(missing_docs, reason = "not for use")]

use std::ops::Range;

use caveat_model::{ClientId, RecordingId};

use crate::{
    SealReason, Segment, Suite,
    container::{self, Trailer},
    header::{Header, MAGIC},
    layers::Layers,
    once::{Key, sha256},
    secrets::RecordingKeys,
    segment::{Binding, Frame, NAME, seal_frame},
    tree::Cover,
    wal,
};

const CLIENT: &str = "acme";
const RECORDING: [u8; 16] = [7; 16];
/// Of the log file that records are read from.
const FILE: u64 = 3;

/// A header whose name fits; the rest of it is given. Whether it can be read.
pub fn header(rest: &[u8]) -> bool {
    let Some((client, recording)) = name() else { return false };
    let bytes = [&[Suite::default() as u8, CLIENT.len() as u8], CLIENT.as_bytes(), &RECORDING, rest].concat();
    let read = Header::decode(&bytes, &client, recording);
    if let Ok(header) = &read {
        assert_eq!(header.encode(&client, recording), bytes, "a header has one form");
    }
    read.is_ok()
}

/// A frame of any bytes. Whether it can be read.
pub fn frame(bytes: &[u8]) -> bool {
    let read = Frame::parse(bytes);
    if let (Ok(frame), Some((client, recording))) = (&read, name()) {
        assert!(frame.len() <= bytes.len() && frame.plain_len() < frame.len());
        let opened = frame.open(&Key::default(), &Binding::new(&client, recording, b""));
        assert!(opened.is_err(), "a frame that nobody sealed does not open");
    }
    read.is_ok()
}

/// A key cover of any bytes, punctured somewhere. Whether it can be read.
pub fn cover(bytes: &[u8], gone: Range<u32>) -> bool {
    let read = Cover::decode(bytes);
    if let Ok(cover) = &read {
        let mut again = vec![];
        cover.encode(&mut again);
        assert_eq!(again, bytes, "a cover has one form");
        let punctured = cover.without(&gone);
        assert!(gone.is_empty() || punctured.leaf(gone.start).is_none(), "a punctured leaf is gone");
    }
    read.is_ok()
}

/// A record of the write-ahead log whose checksum fits. Whether it can be read.
pub fn log_record(body: &[u8]) -> bool {
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&wal::checksum(FILE, 0, &bytes));
    let read = wal::parse(&bytes, FILE, 0);
    if let Some((_, next)) = &read {
        assert_eq!(*next, bytes.len());
    }
    read.is_some()
}

/// What the trailer of an object says, however wrong.
pub struct Claims {
    pub frames: u64,
    pub duration_ms: u64,
    pub index_offset: u64,
    pub interrupted: bool,
}

/// An object of sealed frames (leg, index, kind and plaintext of each), then any bytes, an index, and a trailer that
/// authenticates whatever it says. Whether all of it is right, and whether its index can be read.
pub fn object(frames: &[([u8; NAME], &[u8])], rest: &[u8], index: &[u8], claims: &Claims) -> (bool, bool) {
    let Some((client, recording)) = name() else { return (false, false) };
    let header_bytes = [
        &[Suite::default() as u8, CLIENT.len() as u8],
        CLIENT.as_bytes(),
        &RECORDING,
        &[0; 8],
        &[1, 0, 0, 0, 0, 31, 64],
    ]
    .concat();
    let Ok(header) = Header::decode(&header_bytes, &client, recording) else { return (false, false) };
    let binding = Binding::new(&client, recording, &header_bytes);
    // One node that covers every second: depth 0, path 0, a key of zeros.
    let Ok(cover) = Cover::decode(&[0; 37]) else { return (false, false) };
    let layers = Layers { cover, patches: vec![] };
    let keys = RecordingKeys { seal: Key::default(), layers, suite: Suite::default() };
    let mut object = [MAGIC, &(header_bytes.len() as u32).to_be_bytes()[..], &header_bytes].concat();
    for (name, plain) in frames {
        let Ok(segment) = Segment::decode(*name) else { continue };
        let Some(leaf) = keys.layers.cover.leaf(segment.leaf()) else { continue };
        object.extend(seal_frame(&leaf, &binding, segment, plain));
    }
    object.extend_from_slice(rest);
    object.extend_from_slice(index);
    let trailer = Trailer {
        frames: claims.frames,
        duration_ms: claims.duration_ms,
        end: if claims.interrupted { SealReason::Interrupted } else { SealReason::Ended },
        root: [0; 32],
        index_offset: claims.index_offset,
        index_digest: sha256(&[index]),
    };
    object.extend(trailer.encode(&keys.seal, &header_bytes));
    let whole = container::check(&object, &header, &header_bytes, &binding, &keys).is_ok();
    (whole, container::decode_index(index, &trailer).is_ok())
}

fn name() -> Option<(ClientId, RecordingId)> {
    Some((CLIENT.parse().ok()?, RecordingId(uuid::Uuid::from_bytes(RECORDING))))
}
