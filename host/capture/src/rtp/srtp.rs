//! SRTP (RFC 3711, RFC 7714): keys as SDP carries them (RFC 4568), and packets opened with them.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use webrtc_srtp::{
    context::Context,
    option::{srtcp_replay_protection, srtp_replay_protection},
    protection_profile::ProtectionProfile,
};
use zeroize::Zeroizing;

use crate::error::CaptureError;

/// Some pad, some do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Packets behind the newest within which a repetition is told from a late one.
const REPLAY_WINDOW: usize = 128;
/// Bytes of a master key identifier (RFC 4568 6.1).
const MKI_BYTES_MAX: usize = 128;
/// Bytes of the header of RTCP up to and with the SSRC, and of the index at its end (RFC 3711 3.4).
const RTCP_HEAD: usize = 8;
const RTCP_INDEX: usize = 4;

/// What is taken: RFC 4568 6.2, RFC 6188, RFC 7714 14.2.
const SUITES: [(&str, ProtectionProfile); 6] = [
    ("AES_CM_128_HMAC_SHA1_80", ProtectionProfile::Aes128CmHmacSha1_80),
    ("AES_CM_128_HMAC_SHA1_32", ProtectionProfile::Aes128CmHmacSha1_32),
    ("AES_256_CM_HMAC_SHA1_80", ProtectionProfile::Aes256CmHmacSha1_80),
    ("AES_256_CM_HMAC_SHA1_32", ProtectionProfile::Aes256CmHmacSha1_32),
    ("AEAD_AES_128_GCM", ProtectionProfile::AeadAes128Gcm),
    ("AEAD_AES_256_GCM", ProtectionProfile::AeadAes256Gcm),
];

/// The keys of one m-line: theirs, and ours for the receiver reports that we send.
#[derive(Clone)]
pub(crate) struct SrtpKeys {
    tag: u32,
    suite: &'static str,
    profile: ProtectionProfile,
    /// Stands in every packet of theirs; most use none.
    mki: Vec<u8>,
    /// Key and salt.
    theirs: Zeroizing<Vec<u8>>,
    ours: Zeroizing<Vec<u8>>,
}

impl SrtpKeys {
    /// Reads the value of an `a=crypto` attribute ("1 AES_CM_128_HMAC_SHA1_80 inline:..."), and makes keys of our own.
    ///
    /// # Errors
    /// A suite or a parameter that is not taken: then another `a=crypto` line may be.
    pub(crate) fn parse(crypto: &str) -> Result<Self, CaptureError> {
        Self::read(crypto).map_err(|why| CaptureError::Srtp { why: why.to_owned() })
    }

    fn read(crypto: &str) -> Result<Self, &'static str> {
        let mut words = crypto.split_ascii_whitespace();
        let tag = words.next().and_then(|tag| tag.parse().ok()).ok_or("it begins with a number, its tag")?;
        let name = words.next().unwrap_or_default();
        let suite = SUITES.iter().find(|(suite, _)| suite.eq_ignore_ascii_case(name));
        let &(suite, profile) =
            suite.ok_or("its suite is not taken: AES_CM_128_HMAC_SHA1_80 and AEAD_AES_256_GCM are")?;
        let inline = words.next().and_then(|params| params.strip_prefix("inline:"));
        let inline = inline.ok_or("after the suite comes `inline:` and a key")?;
        if inline.contains(';') {
            return Err("it has several keys: one is taken");
        }
        // RFC 4568 6.3: a parameter that is not obeyed must not be accepted. The hint at a window is one only.
        if words.any(|param| !param.starts_with("WSH=")) {
            return Err("it asks for session parameters: they are not taken");
        }
        let mut parts = inline.split('|');
        let theirs = BASE64.decode(parts.next().unwrap_or_default()).map(Zeroizing::new);
        let theirs = theirs.map_err(|_| "its key is no base64")?;
        if theirs.len() != master_bytes(profile) {
            return Err("its key is not as long as its suite wants");
        }
        // What is left is a lifetime, a key identifier, or both in this order.
        let mki = match parts.find(|part| part.contains(':')) {
            Some(mki) => read_mki(mki).ok_or("its key identifier is not `number:bytes`")?,
            None => vec![],
        };
        let ours = Zeroizing::new((0..master_bytes(profile)).map(|_| rand::random()).collect());
        Ok(Self { tag, suite, profile, mki, theirs, ours })
    }

    /// The value of `a=crypto` in the answer.
    pub(crate) fn answer(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite, BASE64.encode(&*self.ours))
    }

    fn context(&self, master: &[u8]) -> Option<Context> {
        let (key, salt) = master.split_at_checked(self.profile.key_len())?;
        let (rtp, rtcp) = (srtp_replay_protection(REPLAY_WINDOW), srtcp_replay_protection(REPLAY_WINDOW));
        Context::new(key, salt, self.profile, Some(rtp), Some(rtcp)).ok()
    }
}

impl PartialEq for SrtpKeys {
    fn eq(&self, other: &Self) -> bool {
        (self.suite, &self.mki, &self.theirs, &self.ours)
            == (other.suite, &other.mki, &other.theirs, &other.ours)
    }
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SrtpKeys").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

fn master_bytes(profile: ProtectionProfile) -> usize {
    profile.key_len() + profile.salt_len()
}

/// `number:bytes`, as the bytes that stand in a packet.
fn read_mki(text: &str) -> Option<Vec<u8>> {
    let (number, bytes) = text.split_once(':')?;
    let (number, bytes): (u64, usize) = (number.parse().ok()?, bytes.parse().ok()?);
    if !(1..=MKI_BYTES_MAX).contains(&bytes) {
        return None;
    }
    let number = number.to_be_bytes();
    let mut mki = vec![0; bytes.saturating_sub(number.len())];
    mki.extend_from_slice(&number[number.len().saturating_sub(bytes)..]);
    Some(mki)
}

/// What opens and closes the packets of one m-line.
pub(super) struct Crypto {
    keys: SrtpKeys,
    /// By source, so that whoever invents sources leaves nothing behind: one that cannot be opened is not kept.
    opened: Vec<(u32, Context)>,
    sources_max: usize,
    ours: Option<Context>,
}

impl Crypto {
    pub(super) fn new(keys: SrtpKeys, sources_max: usize) -> Self {
        let ours = keys.context(&keys.ours);
        Self { keys, opened: vec![], sources_max, ours }
    }

    pub(super) fn keys(&self) -> &SrtpKeys {
        &self.keys
    }

    /// An RTP packet in the clear; none if it is forged, repeated or no SRTP.
    pub(super) fn open_rtp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let head = Head::parse(packet)?;
        let (profile, mki) = (self.keys.profile, self.keys.mki.clone());
        // Where the tag is a part of the text (GCM), the identifier comes last.
        let packet = without_mki(packet, &mki, profile.rtp_auth_tag_len())?;
        if packet.len() < head.bytes + profile.rtp_auth_tag_len() + profile.aead_auth_tag_len() {
            return None;
        }
        self.with(head.ssrc, |context| {
            // The header is spelled out rather than read by the crate, which trusts the lengths of extensions.
            let header = webrtc_rtp::header::Header {
                ssrc: head.ssrc,
                sequence_number: head.number,
                csrc: vec![0; (head.bytes - Head::LEAST) / 4],
                ..Default::default()
            };
            context.decrypt_rtp_with_header(&packet, &header).ok()
        })
    }

    /// An RTCP packet in the clear; none if it is forged, repeated or no SRTCP.
    pub(super) fn open_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let profile = self.keys.profile;
        let tag = profile.rtcp_auth_tag_len();
        let packet = without_mki(packet, &self.keys.mki.clone(), tag)?;
        if packet.len() < RTCP_HEAD + profile.aead_auth_tag_len() + RTCP_INDEX + tag {
            return None;
        }
        // Packets that say of themselves that they are not encrypted would be taken unauthenticated.
        let index = packet.get(packet.len() - tag - RTCP_INDEX)?;
        let ssrc = u32::from_be_bytes(packet.get(4..RTCP_HEAD)?.try_into().ok()?);
        if index & 0x80 == 0 {
            return None;
        }
        self.with(ssrc, |context| context.decrypt_rtcp(&packet).ok())
    }

    /// Our own RTCP, as it may be sent.
    pub(super) fn close_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        self.ours.as_mut()?.encrypt_rtcp(packet).ok().map(Vec::from)
    }

    fn with<T>(&mut self, ssrc: u32, open: impl FnOnce(&mut Context) -> Option<T>) -> Option<Vec<u8>>
    where
        Vec<u8>: From<T>,
    {
        if let Some((_, context)) = self.opened.iter_mut().find(|(known, _)| *known == ssrc) {
            return open(context).map(Vec::from);
        }
        let mut context = self.keys.context(&self.keys.theirs)?;
        let clear = open(&mut context).map(Vec::from)?;
        if self.opened.len() >= self.sources_max {
            self.opened.remove(0);
        }
        self.opened.push((ssrc, context));
        Some(clear)
    }
}

/// A packet without the key identifier that stands before its tag; none if it is not the right one.
fn without_mki<'a>(packet: &'a [u8], mki: &[u8], tag: usize) -> Option<std::borrow::Cow<'a, [u8]>> {
    if mki.is_empty() {
        return Some(packet.into());
    }
    let (rest, tag) = packet.split_at_checked(packet.len().checked_sub(tag)?)?;
    let text = rest.strip_suffix(mki)?;
    Some([text, tag].concat().into())
}

/// What stands at the beginning of an RTP packet, encrypted or not (RFC 3550 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    ssrc: u32,
    number: u16,
    /// Contributing sources and extension included.
    bytes: usize,
}

impl Head {
    const LEAST: usize = 12;

    fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; Self::LEAST] = packet.first_chunk()?;
        let [first, _, high, low, ..] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let mut bytes = Self::LEAST + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = packet.get(bytes + 2..bytes + 4)?;
            bytes += 4 + 4 * usize::from(u16::from_be_bytes(words.try_into().ok()?));
        }
        let ssrc = u32::from_be_bytes(*fixed.last_chunk()?);
        (packet.len() >= bytes).then_some(Self { ssrc, number: u16::from_be_bytes([high, low]), bytes })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Keys, packets in the clear, and the same encrypted, as libsrtp's own tests (`test/srtp_driver.c`) have them.
    const CM: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:4fl6DT4Bi+DWT6MsBt5BOQ7Gda1Jiv7rtpYLOqvm";
    const GCM: &str = "2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0OD6ChoqOkpaanqKmqqw==";
    const RTP: &str = "800f1234decafbadcafebabeabababababababababababababababab";
    const RTP_CM: &str = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
    const RTP_GCM: &str =
        "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392";
    const RTCP: &str = "81c8000bcafebabeabababababababababababababababab";
    const RTCP_CM: &str = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        (0..hex.len() / 2).map(digit).collect()
    }

    fn crypto(line: &str) -> Crypto {
        Crypto::new(SrtpKeys::parse(line).unwrap(), 4)
    }

    #[test]
    fn packets_of_libsrtp_are_opened_once() {
        for (line, sealed) in [(CM, RTP_CM), (GCM, RTP_GCM)] {
            let mut crypto = crypto(line);
            assert_eq!(crypto.open_rtp(&bytes(sealed)), Some(bytes(RTP)), "{line}");
            assert_eq!(crypto.open_rtp(&bytes(sealed)), None, "repeated: {line}");
        }
        let mut crypto = crypto(CM);
        assert_eq!(crypto.open_rtcp(&bytes(RTCP_CM)), Some(bytes(RTCP)));
        assert_eq!(crypto.open_rtcp(&bytes(RTCP_CM)), None);
    }

    #[test]
    fn nothing_forged_is_opened() {
        for (line, sealed) in [(CM, RTP_CM), (GCM, RTP_GCM)] {
            for bit in 0..bytes(sealed).len() * 8 {
                let mut forged = bytes(sealed);
                forged[bit / 8] ^= 1 << (bit % 8);
                let mut crypto = crypto(line);
                assert_eq!(crypto.open_rtp(&forged), None, "{line}: bit {bit}");
                assert!(crypto.opened.is_empty());
            }
        }
        // The flag says that it is in the clear: nobody agreed to that.
        let mut clear = bytes(RTCP);
        clear.extend([0, 0, 0, 1]);
        clear.extend([0; 10]);
        assert_eq!(crypto(CM).open_rtcp(&clear), None);
        for cut in 0..bytes(RTCP_CM).len() {
            assert_eq!(crypto(CM).open_rtcp(&bytes(RTCP_CM)[..cut]), None);
            assert_eq!(crypto(GCM).open_rtcp(&bytes(RTCP_CM)[..cut]), None);
        }
    }

    #[test]
    fn what_we_send_is_opened_with_what_we_answered() {
        for suite in SUITES {
            let master = BASE64.encode(vec![7; master_bytes(suite.1)]);
            let offered = SrtpKeys::parse(&format!("9 {} inline:{master}|2^31", suite.0)).unwrap();
            let answer = offered.answer();
            assert!(answer.starts_with(&format!("9 {} inline:", suite.0)) && !answer.contains(&master));
            let sealed = Crypto::new(offered, 4).close_rtcp(&bytes(RTCP)).unwrap();
            assert_eq!(crypto(&answer).open_rtcp(&sealed), Some(bytes(RTCP)), "{answer}");
        }
    }

    #[test]
    fn a_key_identifier_stands_before_the_tag() {
        let (text, tag) = RTP_CM.split_at(RTP_CM.len() - 20);
        let mut crypto = crypto(&format!("{CM}|2^20|5:2"));
        assert_eq!(crypto.open_rtp(&bytes(&format!("{text}0006{tag}"))), None);
        assert_eq!(crypto.open_rtp(&bytes(&format!("{text}0005{tag}"))), Some(bytes(RTP)));
        let mut crypto = super::tests::crypto(&format!("{GCM}|300:4"));
        assert_eq!(crypto.open_rtp(&bytes(&format!("{RTP_GCM}0000012c"))), Some(bytes(RTP)));
    }

    #[test]
    fn lines_that_are_not_taken_say_why() {
        let check = |line: &str, why: &str| {
            let error = SrtpKeys::parse(line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
        };
        check("", "number");
        check("1 F8_128_HMAC_SHA1_80 inline:AAAA", "suite");
        check("1 AES_CM_128_HMAC_SHA1_80", "`inline:`");
        check("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA", "long");
        check("1 AES_CM_128_HMAC_SHA1_80 inline:!", "base64");
        check(&format!("{CM};inline:AAAA"), "several");
        check(&format!("{CM} UNENCRYPTED_SRTCP"), "session parameters");
        check(&format!("{CM}|1:0"), "identifier");
        assert!(SrtpKeys::parse(&format!("{CM}|2^20 WSH=64")).is_ok());
        assert!(!format!("{:?}", SrtpKeys::parse(CM).unwrap()).contains("4fl6"));
    }

    #[test]
    fn any_bytes_at_all_are_no_fault() {
        let mut state = 1u32;
        for n in 0..20_000usize {
            let random: Vec<u8> = (0..n % 80)
                .map(|i| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if i == 0 { 0x80 | (state >> 27) as u8 } else { (state >> 24) as u8 }
                })
                .collect();
            assert_eq!((crypto(CM).open_rtp(&random), crypto(GCM).open_rtp(&random)), (None, None));
            assert_eq!((crypto(CM).open_rtcp(&random), crypto(GCM).open_rtcp(&random)), (None, None));
        }
    }
}
