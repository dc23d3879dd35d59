//! Doors for `tests/fuzz` to what is otherwise inside. No part of the API. A function a parser: bytes
//! in, what was wrong with them out; it panics where what was read is out of bounds.
#![allow(missing_docs, reason = "not for use")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{
    audiohook, audiosocket, rtp,
    siprec::{
        self, SiprecLimits, body, metadata,
        parties::{Leg, Parties},
        sdp::{self, Direction, Line, OurLine, Ours},
        settings::Trunk,
        unknown,
    },
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

/// A `Content-Type` and a body of a SIP request; how many parts it has that mean something.
pub fn sip_body(content_type: &str, bytes: &[u8]) -> Result<usize, String> {
    let limits = SiprecLimits::default();
    let body = body::parse(Some(content_type), bytes, &limits).map_err(|e| e.to_string())?;
    for part in [body.sdp, body.metadata].into_iter().flatten() {
        assert!(bytes.as_ptr_range().contains(&part.as_ptr()) || part.is_empty(), "a part is of the body");
        assert!(part.len() <= bytes.len());
    }
    assert!(body.others <= limits.parts_max + 1);
    Ok(usize::from(body.sdp.is_some()) + usize::from(body.metadata.is_some()))
}

/// A SIP request as a packet; whether it is one of a method without a name, which is answered at once.
pub fn sip_unknown(packet: &[u8]) -> bool {
    let from = SocketAddr::from(([192, 0, 2, 1], 5_060));
    let Some(answer) = unknown::refusal(packet, from) else { return false };
    assert!(answer.len() <= packet.len() + 200, "hardly longer than the request");
    assert!(answer.ends_with("\r\n\r\n") && answer.matches("\r\n\r\n").count() == 1, "one message: {answer}");
    true
}

/// What comes on a connection of SIP, as [`siprec::fuzz`] has it; how many requests could begin a recording session.
pub fn sip_message(come: &[u8]) -> usize {
    siprec::fuzz::messages(come)
}

/// A session description, answered as a session recording server answers it; how many lines it has. The answer is read
/// again: it has the lines of the offer, and says of each nothing but what was offered.
pub fn sdp(bytes: &[u8]) -> Result<usize, String> {
    let limits = SiprecLimits::default();
    let offer = sdp::parse(bytes, &limits).map_err(|e| e.to_string())?;
    assert!(offer.lines.len() <= limits.lines_max);
    let ours = |offered| OurLine {
        offered,
        port: Line::is_usable(offered).then_some(20_000),
        direction: if offered.sends() { Direction::RecvOnly } else { Direction::Inactive },
        key: None,
    };
    let lines = offer.lines.iter().map(ours).collect();
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let text = Ours { address, session: 1, version: 1, lines }.to_sdp();
    let answer = sdp::parse(text.as_bytes(), &limits).expect("an answer of ours can be read");
    assert_eq!(answer.lines.len(), offer.lines.len(), "{text}");
    for (offered, answered) in offer.lines.iter().zip(&answer.lines) {
        assert!(offered.formats.len() <= limits.formats_max && offered.keys.len() <= limits.formats_max);
        assert!(offered.label.as_ref().is_none_or(|label| label.len() <= limits.text_bytes_max));
        assert_eq!((&offered.label, &offered.kind), (&answered.label, &answered.kind), "{text}");
        assert_eq!(answered.port != 0, offered.is_usable(), "{text}");
        if offered.is_usable() {
            assert_eq!(offered.formats, answered.formats, "{text}");
            assert_eq!(answered.direction == Direction::RecvOnly, offered.sends(), "{text}");
        }
    }
    Ok(offer.lines.len())
}

/// Metadata of a call, and an update of it; how many parties the call has then. Nobody is counted twice, and nobody more
/// than there is room for.
pub fn metadata(first: &[u8], update: &[u8]) -> Result<usize, String> {
    let limits = SiprecLimits::default();
    let read = |bytes| metadata::read(bytes, &limits).map_err(|e| e.to_string());
    let trunk: Trunk = serde_json::from_value(serde_json::json!({
        "name": "t", "client": "c", "agents": ["*@acme.example", "7?"], "agents-region": "GA" }))
    .map_err(|e| e.to_string())?;
    let leg = |number: u8| Leg { number, label: Some((number + 1).to_string()), sends: true };
    let legs = [leg(0), leg(1)];
    let known = read(first)?;
    for participant in &known.participants {
        let texts = participant.aors.iter().chain([&participant.id]);
        texts.for_each(|text| assert!(text.len() <= limits.text_bytes_max, "{} bytes", text.len()));
    }
    let (mut parties, new) = Parties::at_the_beginning(&known, &legs, &trunk, limits.parties_max);
    assert!((legs.len()..=limits.parties_max).contains(&new.len()), "{} parties", new.len());
    let Ok(update) = read(update) else { return Ok(new.len()) };
    let all = known.merged(update);
    parties.update(&all, &legs, &trunk, false);
    let again = all.clone().merged(all.clone());
    assert!(again.participants.len() <= all.participants.len() * 2);
    Ok(new.len())
}

/// Datagrams on the ports of one media line, as [`rtp::fuzz_datagrams`] has them; how many samples were heard.
pub fn rtp(data: &[u8]) -> usize {
    rtp::fuzz_datagrams(data)
}

/// A text message of AudioHook; what kind it is.
pub fn audiohook(text: &str) -> Result<&'static str, String> {
    audiohook::fuzz_message(text).map_err(|e| e.to_string())
}

/// What comes on a connection of AudioSocket; how many messages there are before the first that is none.
pub fn audiosocket(stream: &[u8]) -> usize {
    audiosocket::fuzz_stream(stream)
}
