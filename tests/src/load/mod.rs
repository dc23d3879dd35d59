//! Load: as many recording sessions as are wanted, by SIP and RTP from here, and what they cost the host.

pub mod media;
pub mod meter;
pub mod sip;
