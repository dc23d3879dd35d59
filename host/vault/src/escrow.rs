//! Keys that masks have taken out of a recording: they open nothing until two people have them put back.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::{
    Suite,
    error::Flaw,
    layers::Layers,
    once::{Key, context, open_blob, seal_blob},
    wal::Name,
};

const BROKEN: Flaw = Flaw::Damaged("what is in escrow does not open");

/// What one mask took out.
#[derive(Clone)]
pub(crate) struct Escrowed {
    /// The mask's number, and that of its patch if it has one.
    pub(crate) number: u32,
    /// The leaves it hides, whatever there was of them.
    pub(crate) hidden: Vec<Range<u32>>,
    pub(crate) layers: Layers,
}

/// As stored in the database. Per mask: number (u32), count of ranges (u32), each with start and end (u32), length of the
/// layers (u32), layers.
pub(crate) fn wrap(suite: Suite, escrow: &[Escrowed], page: &Key, name: &Name) -> Vec<u8> {
    let len = |e: &Escrowed| 12 + 8 * e.hidden.len() + e.layers.encoded_len();
    let mut plain = Zeroizing::new(Vec::with_capacity(escrow.iter().map(len).sum()));
    for mask in escrow {
        plain.extend_from_slice(&mask.number.to_be_bytes());
        plain.extend_from_slice(&(mask.hidden.len() as u32).to_be_bytes());
        for range in &mask.hidden {
            plain.extend_from_slice(&range.start.to_be_bytes());
            plain.extend_from_slice(&range.end.to_be_bytes());
        }
        plain.extend_from_slice(&(mask.layers.encoded_len() as u32).to_be_bytes());
        mask.layers.encode(&mut plain);
    }
    seal_blob(suite, page, &bound_to(name), &plain)
}

pub(crate) fn unwrap(sealed: &[u8], page: &Key, name: &Name) -> Result<Vec<Escrowed>, Flaw> {
    let plain = open_blob(page, &bound_to(name), sealed).ok_or(BROKEN)?;
    let (mut rest, mut escrow) = (plain.as_slice(), vec![]);
    while !rest.is_empty() {
        let number = take_number(&mut rest)?;
        let mut hidden = vec![];
        for _ in 0..take_number(&mut rest)? {
            hidden.push(take_number(&mut rest)?..take_number(&mut rest)?);
        }
        let len = take_number(&mut rest)? as usize;
        let (layers, more) = rest.split_at_checked(len).ok_or(BROKEN)?;
        escrow.push(Escrowed { number, hidden, layers: Layers::decode(layers)? });
        rest = more;
    }
    Ok(escrow)
}

fn take_number(rest: &mut &[u8]) -> Result<u32, Flaw> {
    let (bytes, more) = rest.split_first_chunk::<4>().ok_or(BROKEN)?;
    *rest = more;
    Ok(u32::from_be_bytes(*bytes))
}

fn bound_to((client, recording): &Name) -> Vec<u8> {
    context(&[b"escrow", client.as_str().as_bytes(), recording.0.as_bytes()])
}
