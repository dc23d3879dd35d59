//! Offers and their answers, side by side: `testdata/siprec/sdp/NAME.offer`, answered at ports 40000, 40002, ...

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use super::*;

fn answered(offer: &Offer) -> String {
    let mut ports = (40_000..).step_by(2);
    let lines = offer.lines.iter().map(|line| OurLine {
        offered: line,
        port: if line.is_usable() { ports.next() } else { None },
        direction: if line.sends() { Direction::RecvOnly } else { Direction::Inactive },
        key: line.keys.first().map(|_| "1 AES_CM_128_HMAC_SHA1_80 inline:KEY".to_owned()),
    });
    let address = IpAddr::from([192, 0, 2, 9]);
    Ours { address, session: 7, version: 1, lines: lines.collect() }.to_sdp()
}

#[test]
fn every_offer_has_its_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/siprec/sdp");
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "offer"));
    assert!(names.len() >= 8, "{} holds too few offers", folder.display());
    for path in names {
        let offer = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
        let offer = parse(offer.as_bytes(), &SiprecLimits::default()).unwrap();
        let want = fs::read_to_string(path.with_extension("answer")).unwrap();
        assert_eq!(answered(&offer).replace('\r', ""), want, "{}", path.display());
    }
}

fn one(lines: &str) -> Line {
    let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n{lines}");
    parse(text.as_bytes(), &SiprecLimits::default()).unwrap().lines.remove(0)
}

#[test]
fn sendonly_is_no_hold_and_an_address_of_zeroes_is() {
    let check = |lines: &str, sends: bool| assert_eq!(one(lines).sends(), sends, "{lines}");
    check("m=audio 9 RTP/AVP 0\r\na=sendonly\r\n", true);
    check("m=audio 9 RTP/AVP 0\r\n", true);
    check("a=sendonly\r\nm=audio 9 RTP/AVP 0\r\n", true);
    check("a=sendonly\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n", false);
    check("m=audio 9 RTP/AVP 0\r\na=recvonly\r\n", false);
    check("m=audio 0 RTP/AVP 0\r\na=sendonly\r\n", false);
    check("c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n", false);
    check("c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 192.0.2.7\r\na=sendonly\r\n", true);
}

#[test]
fn rtcp_goes_where_it_is_said() {
    let check = |lines: &str, want: Option<&str>| {
        let line = one(&format!("c=IN IP4 192.0.2.1\r\nm=audio 5000 RTP/AVP 0\r\n{lines}"));
        assert_eq!(line.rtcp_to.map(|to| to.to_string()).as_deref(), want, "{lines}");
    };
    check("", Some("192.0.2.1:5001"));
    check("a=rtcp:6000\r\n", Some("192.0.2.1:6000"));
    check("a=rtcp:6000 IN IP4 192.0.2.2\r\n", Some("192.0.2.2:6000"));
    check("a=rtcp:nowhere\r\n", Some("192.0.2.1:5001"));
    check("a=rtcp-mux\r\n", Some("192.0.2.1:5000"));
    check("c=IN IP4 0.0.0.0\r\n", None);
    check("c=IN IP4 host.example\r\n", None);
}

#[test]
fn what_cannot_be_read_is_an_error_and_nothing_else() {
    let limits = SiprecLimits { lines_max: 2, ..SiprecLimits::default() };
    for bad in ["", "hello", "m=audio", "v=0\r\nm=audio x RTP/AVP 0\r\n"] {
        assert!(parse(bad.as_bytes(), &limits).is_err(), "{bad}");
    }
    let many = format!("v=0\r\n{}", "m=audio 9 RTP/AVP 0\r\n".repeat(3));
    assert!(parse(many.as_bytes(), &limits).unwrap_err().to_string().contains("too many media lines"));
    let whole =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/siprec/sdp/two-legs.offer")).unwrap();
    for at in 0..whole.len() {
        for byte in [0, b'\n', b' ', b':', b'9', 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            if let Ok(offer) = parse(&changed, &SiprecLimits::default()) {
                assert!(answered(&offer).starts_with("v=0"));
            }
        }
    }
}
