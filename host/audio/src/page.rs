//! Pages of Ogg (RFC 3533), each made alone: a range in the middle of a sound begins with the page that is there.
//!
//! Written here because no crate makes such a page. The writer of `ogg` (0.9) numbers pages from 0 and marks the first as
//! the stream's, so that a range would cost writing all before it; `ogg_pager` (0.8) numbers as it is told, but puts one
//! packet on a page, which takes a third more bytes for two legs. What is made here, the tests read with the reader of `ogg`.

use std::iter::{once, repeat_n};

use crc::{Algorithm, Crc};

/// RFC 3533, section 6, of a page whose checksum is zero.
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x89a1_897f,
    residue: 0,
});
/// A sound by itself needs no number that nothing else has.
const SERIAL: u32 = 1;
/// Lengths of packets that fit into one page, in pieces of 255 bytes.
pub(crate) const PIECES_MAX: usize = 255;

/// The first page of a stream.
pub(crate) const FIRST: u8 = 2;
/// The last page of it.
pub(crate) const LAST: u8 = 4;

/// A page with whole packets.
pub(crate) fn page(flags: u8, granules: u64, number: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let lengths: Vec<u8> = packets.iter().flat_map(|packet| pieces(packet.len())).collect();
    let count = u8::try_from(lengths.len()).unwrap_or(u8::MAX);
    let sum_at = 22;
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granules.to_le_bytes());
    for word in [SERIAL, number, 0] {
        page.extend(word.to_le_bytes());
    }
    page.push(count);
    page.extend(lengths);
    page.extend(packets.iter().flatten());
    let sum = CHECKSUM.checksum(&page).to_le_bytes();
    if let Some(place) = page.get_mut(sum_at..sum_at + sum.len()) {
        place.copy_from_slice(&sum);
    }
    page
}

/// How a page tells the length of a packet: what is less than 255 is the last piece of it.
pub(crate) fn pieces(bytes: usize) -> impl Iterator<Item = u8> {
    repeat_n(255, bytes / 255).chain(once((bytes % 255) as u8))
}
