//! Doors for `tests/fuzz` to what is otherwise inside. No part of the API. A function a parser: bytes
//! in, what was wrong with them out; it panics where what was read is out of bounds.
#![allow(missing_docs, reason = "not for use")]

use crate::{
    twilio::message::{self, Message},
    upload::wav::Wav,
};

/// One text message of a Media Stream; the name of its event.
pub fn twilio(text: &str) -> Result<&'static str, String> {
    let received = message::parse(text).map_err(|e| e.to_string())?;
    if let Message::Media(media) = &received.message {
        assert!(media.samples.len() < text.len(), "no more samples than bytes");
    }
    Ok(received.message.event())
}

/// An uploaded file; how long it lasts, in milliseconds.
pub fn wav(file: Vec<u8>) -> Result<u32, String> {
    let bytes = file.len();
    let wav = Wav::read(file).map_err(|e| e.to_string())?;
    let samples: usize = (0..wav.legs()).map(|leg| wav.samples(leg, 0, wav.duration_ms()).len()).sum();
    assert!(samples <= bytes, "no more samples than bytes");
    assert!(wav.samples(wav.legs(), 0, 20).is_empty() && wav.samples(0, u32::MAX, u32::MAX).is_empty());
    Ok(wav.duration_ms())
}
