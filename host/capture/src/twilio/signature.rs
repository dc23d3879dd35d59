//! `X-Twilio-Signature` of a stream's upgrade request: base64 of HMAC-SHA1 over the full URL under the account's auth token
//! (<https://www.twilio.com/docs/usage/webhooks/webhooks-security>; a WebSocket has no parameters to add). Pure.
//!
//! It says that the URL came from Twilio or from whoever saw it signed before: there is no time and no nonce in it, so it
//! can be replayed. Keep the URL behind TLS, or ask for a machine token as well (`require-token`).

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Whether `signature` is that of one of the URL's spellings: Twilio signs some with a slash at the end and some without.
pub(super) fn is_right(auth_token: &[u8], url: &str, signature: &str) -> bool {
    let Ok(given) = STANDARD.decode(signature.trim()) else { return false };
    let bare = url.trim_end_matches('/');
    [url.to_owned(), bare.to_owned(), format!("{bare}/")].iter().any(|url| {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(auth_token) else { return false };
        mac.update(url.as_bytes());
        mac.verify_slice(&given).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &[u8] = b"12345";
    const URL: &str = "wss://rec.example.com/v1/twilio/media/acme";
    /// `printf %s URL | openssl dgst -sha1 -hmac 12345 -binary | base64`
    const SIGNATURE: &str = "6u0en/TKjER/sXhSSYjFkdcqBgY=";

    #[test]
    fn only_the_right_key_and_url_fit() {
        assert!(is_right(TOKEN, URL, SIGNATURE));
        assert!(is_right(TOKEN, &format!("{URL}/"), SIGNATURE));
        assert!(!is_right(b"12346", URL, SIGNATURE));
        assert!(!is_right(TOKEN, "wss://rec.example.com/v1/twilio/media/rival", SIGNATURE));
        for nonsense in ["", "*", "AAAA", &"A".repeat(10_000), "\u{e9}"] {
            assert!(!is_right(TOKEN, URL, nonsense));
        }
    }
}
