//! What phone systems send: SIP, session descriptions, metadata, RTP, and the messages of Twilio, Genesys and Asterisk.

mod seeds;

pub(crate) use seeds::seeds;

use caveat_capture::fuzz as capture;

/// A text message of Twilio's Media Streams.
pub fn twilio(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    said(capture::twilio(text));
}

/// A text message of Genesys AudioHook.
pub fn audiohook(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    said(capture::audiohook(text));
}

/// What comes on a connection of Asterisk's AudioSocket.
pub fn audiosocket(data: &[u8]) {
    capture::audiosocket(data);
}

/// A `Content-Type`, a zero byte, and a body.
pub fn sip_body(data: &[u8]) {
    let Some(at) = data.iter().position(|b| *b == 0) else { return };
    let Ok(content_type) = str::from_utf8(&data[..at]) else { return };
    said(capture::sip_body(content_type, &data[at + 1..]));
}

/// Messages of SIP on a connection.
pub fn sip_message(data: &[u8]) {
    capture::sip_message(data);
}

/// A packet on the port of SIP.
pub fn sip_unknown(data: &[u8]) {
    capture::sip_unknown(data);
}

/// A session description.
pub fn sdp(data: &[u8]) {
    said(capture::sdp(data));
}

/// Metadata of a call, a zero byte, and an update of it.
pub fn metadata(data: &[u8]) {
    let at = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    said(capture::metadata(&data[..at], data.get(at + 1..).unwrap_or_default()));
}

/// Datagrams on a media line.
pub fn rtp(data: &[u8]) {
    capture::rtp(data);
}

/// Whoever sends what cannot be read is told why.
fn said<T>(read: Result<T, String>) {
    if let Err(why) = read {
        assert!(!why.is_empty());
    }
}
