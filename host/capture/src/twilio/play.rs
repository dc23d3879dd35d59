//! What is played on a bidirectional stream, as Twilio takes it: sound, and behind it a mark, which comes back when the sound
//! has been heard.

use base64::{Engine, prelude::BASE64_STANDARD};
use caveat_audio::g711;
use caveat_model::PartyId;
use serde_json::json;

use crate::player::Playing;

/// The customer's number within a call of this protocol.
pub(super) const CUSTOMER: PartyId = 1;
/// Samples of one message: a second.
const PIECE: usize = 8_000;
/// Before the number in the name of a mark.
const PLAYED: &str = "caveat:played:";

/// The messages that play it.
pub(super) fn messages(stream: &str, playing: &Playing) -> Vec<String> {
    let media = |piece: &[i16]| {
        let payload = BASE64_STANDARD.encode(g711::to_mu_law(piece));
        json!({ "event": "media", "streamSid": stream, "media": { "payload": payload } }).to_string()
    };
    let name = format!("{PLAYED}{}", playing.number);
    let mark = json!({ "event": "mark", "streamSid": stream, "mark": { "name": name } }).to_string();
    playing.sound.chunks(PIECE).map(media).chain([mark]).collect()
}

/// The number of what was heard, if this is the name of the mark behind it.
pub(super) fn number(mark: &str) -> Option<u64> {
    mark.strip_prefix(PLAYED)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_goes_in_pieces_and_its_mark_is_known_again() {
        let playing = Playing { sound: std::sync::Arc::new(vec![100; 12_000]), number: 7 };
        let messages = messages("MZ1", &playing);
        assert_eq!(messages.len(), 3, "two pieces and a mark");
        assert!(messages.iter().all(|message| message.contains("\"MZ1\"")));
        assert!(messages[2].contains("caveat:played:7"), "{}", messages[2]);
        assert_eq!(
            (number("caveat:played:7"), number("caveat:recording"), number("x")),
            (Some(7), None, None)
        );
    }
}
