//! ITU-T G.711 mu-law: 16-bit samples to and from one byte each.

use audio_codec_algorithms::{decode_ulaw, encode_ulaw};

/// Mu-law bytes to samples (PCMU, RFC 3551 4.5.14).
pub fn from_mu_law(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|b| decode_ulaw(*b)).collect()
}

/// Samples to mu-law bytes.
pub fn to_mu_law(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|s| encode_ulaw(*s)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mu_law_byte_survives_but_negative_zero() {
        for byte in 0..=u8::MAX {
            let back = to_mu_law(&from_mu_law(&[byte]))[0];
            assert!(back == byte || byte == 0x7f && back == 0xff, "{byte:#x} became {back:#x}");
        }
    }
}
