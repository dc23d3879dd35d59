use serde_json::{Value, json};

use crate::seeds::files;

/// The seeds of a target of telephony; none: it is no such target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "audiohook" => audiohook(),
        "audiosocket" => vec![audiosocket()],
        "metadata" => metadata(),
        "rtp" => rtp(),
        "sdp" => files("host/capture/testdata/siprec/sdp", "offer"),
        "sip-body" => bodies(),
        "sip-message" => messages(),
        "sip-unknown" => requests(),
        "twilio" => twilio(),
        _ => vec![],
    }
}

fn messages() -> Vec<Vec<u8>> {
    let message = |method: &str, more: &str, body: &str| {
        format!(
            "{method} sip:srs@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
             Record-Route: <sip:192.0.2.3;lr>\r\nf: \"SRC\" <sip:src@192.0.2.1>;tag=a\r\nt: <sip:srs@192.0.2.9>\r\n\
             i: 1@192.0.2.1\r\nCSeq: 1 {method}\r\nm: <sip:src@192.0.2.1:5061;transport=tcp>;+sip.src\r\n{more}\
             l: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let timer = "Require: siprec, timer\r\nk: 100rel\r\nAllow: INVITE, UPDATE\r\nAccept: application/rs-metadata-request\r\n\
        Session-Expires: 600;refresher=uac\r\nMin-SE: 120\r\n";
    let mixed = "c: multipart/mixed;boundary=b\r\n";
    let parts = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--";
    let invite = message("INVITE", &format!("{timer}{mixed}"), parts);
    let update = message("UPDATE", "x: 90\r\nc: application/sdp\r\n", "v=0\r\n");
    let pair = format!("{invite}\r\n\r\n{}{update}", message("OPTIONS", "", ""));
    [invite, update, message("BYE", "", ""), pair].map(String::into_bytes).to_vec()
}

fn twilio() -> Vec<Vec<u8>> {
    let stream = "MZ1";
    written(&[
        json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }),
        json!({ "event": "start", "sequenceNumber": "1", "streamSid": stream, "start": { "streamSid": stream,
            "callSid": "CA1", "tracks": ["inbound", "outbound"], "mediaFormat": { "encoding": "audio/x-mulaw",
            "sampleRate": 8000, "channels": 1 }, "customParameters": { "token": "t" } } }),
        json!({ "event": "media", "sequenceNumber": "3", "streamSid": stream,
            "media": { "track": "inbound", "chunk": "1", "timestamp": "5", "payload": "/3+A" } }),
        json!({ "event": "dtmf", "sequenceNumber": "5", "streamSid": stream,
            "dtmf": { "track": "inbound_track", "digit": "#" } }),
        json!({ "event": "stop", "sequenceNumber": 9, "streamSid": stream }),
    ])
}

fn audiohook() -> Vec<Vec<u8>> {
    let message = |kind: &str, parameters: Value| {
        json!({ "version": "2", "id": "e160e428", "type": kind, "seq": 3, "serverseq": 2, "position": "PT1.25S",
            "parameters": parameters })
    };
    let media =
        |channels: Value| json!({ "type": "audio", "format": "PCMU", "channels": channels, "rate": 8000 });
    written(&[
        message(
            "open",
            json!({ "organizationId": "d7934305", "conversationId": "090eaa2f", "language": "en-US",
                "participant": { "id": "883efee8", "ani": "+14045550102", "dnis": "+14045550100" },
                "media": [media(json!(["external", "internal"])), media(json!(["internal"]))],
                "customConfig": { "caveat": { "external-id": "c", "direction": "inbound", "parties": [] } } }),
        ),
        message("close", json!({ "reason": "end" })),
        message("ping", json!({ "rtt": "PT0.1S" })),
        message("paused", json!({})),
        message("resumed", json!({ "start": "PT1S", "discarded": "PT2.5S" })),
        message("discarded", json!({ "start": "PT0S", "discarded": "PT4294967.999S" })),
        message("dtmf", json!({ "digit": "*" })),
        message("update", json!({ "language": "de" })),
        message("error", json!({ "code": 408, "message": "late" })),
    ])
}

fn written(messages: &[Value]) -> Vec<Vec<u8>> {
    messages.iter().map(|message| message.to_string().into_bytes()).collect()
}

fn audiosocket() -> Vec<u8> {
    let message =
        |kind: u8, content: &[u8]| [&[kind][..], &(content.len() as u16).to_be_bytes(), content].concat();
    [
        message(0x01, &[0x40; 16]),
        message(0x10, &[1, 0, 0xfe, 0xff]),
        message(0x12, &[]),
        message(0x03, b"5"),
        message(0xff, &[4]),
        message(0x00, &[]),
    ]
    .concat()
}

/// Each dialect, updated by itself and by another one.
fn metadata() -> Vec<Vec<u8>> {
    let dialects = files("host/capture/testdata/siprec/metadata", "xml");
    let others = dialects.iter().cycle().skip(1);
    let updated = |(first, update): (&Vec<u8>, &Vec<u8>)| [first, &b"\0"[..], update].concat();
    dialects.iter().zip(others).map(updated).chain(dialects.iter().cloned()).collect()
}

fn bodies() -> Vec<Vec<u8>> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n";
    let part = |kind: &str, text: &str| format!("Content-Type: {kind}\r\n\r\n{text}\r\n");
    let (offer, told) = (part("application/sdp", sdp), part("application/rs-metadata+xml", "<recording/>"));
    let inner = format!("--c\r\n{offer}--c\r\n{told}--c--");
    let with = |kind: &str, text: String| [kind.as_bytes(), b"\0", text.as_bytes()].concat();
    vec![
        with("application/sdp", sdp.to_owned()),
        with("multipart/mixed;boundary=b", format!("--b\r\n{offer}--b\r\n{told}--b--\r\n")),
        with(
            "Multipart/Mixed; boundary=\"b\"",
            format!("before\r\n--b\n{told}\r\n--b\r\n{offer}\r\n--b--after"),
        ),
        with(
            "multipart/mixed;boundary=b",
            format!("--b\r\n{}--b--", part("multipart/alternative;boundary=c", &inner)),
        ),
        with(
            "multipart/mixed;boundary=b",
            format!("--b\r\nContent-Transfer-Encoding: base64\r\n{told}--b--"),
        ),
    ]
}

fn requests() -> Vec<Vec<u8>> {
    let request = |method: &str| {
        format!(
            "{method} sip:srs@x SIP/2.0\r\nv: SIP/2.0/UDP sbc.example;branch=z9hG4bK1;rport\r\nVia: SIP/2.0/UDP \
             192.0.2.9;branch=z9hG4bK0\r\nFrom: <sip:a@x>;tag=f\r\nTo: <sip:srs@x>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n\
             Subject: one\r\n two\r\nContent-Length: 0\r\n\r\n"
        )
    };
    ["FETCH", "INVITE", "x-y.z"].map(|method| request(method).into_bytes()).to_vec()
}

/// Media lines as the target has them: sound with its keys and a report, a wrap and a loss; SRTP of libsrtp's own tests.
fn rtp() -> Vec<Vec<u8>> {
    let packet = |kind: u8, number: u16, stamp: u32, payload: &[u8]| {
        [&[0x80, kind][..], &number.to_be_bytes(), &stamp.to_be_bytes(), &[0, 0, 0, 7], payload].concat()
    };
    let datagram = |when: u8, bytes: &[u8]| [&[when, bytes.len() as u8], bytes].concat();
    let sound = |kind: u8, payload: &[u8]| -> Vec<u8> {
        let one = |n: u16| {
            let stamp = u32::from(n) * 160;
            datagram(4, &packet(kind, 65_520u16.wrapping_add(n), stamp.wrapping_sub(900), payload))
        };
        (0..40).filter(|n| *n != 17).flat_map(one).collect()
    };
    let keys: Vec<u8> = (1..8u16)
        .flat_map(|n| {
            let ended = if n > 5 { 0x80 } else { 0 };
            let [high, low] = (n * 160).to_be_bytes();
            datagram(4, &packet(101, 50 + n, 8_000, &[4, ended | 10, high, low]))
        })
        .collect();
    let report = datagram(
        0x41,
        &[
            &[0x80, 200, 0, 6, 0, 0, 0, 7, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 160][..],
            &[0, 0, 0, 9, 0, 0, 5, 120, 0x81, 202, 0, 2, 0, 0, 0, 7, 1, 1, b'a', 0],
        ]
        .concat(),
    );
    let bye = datagram(0x41, &[0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 7]);
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap_or(0)).collect()
    };
    let secure = [
        datagram(4, &hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")),
        datagram(0x44, &hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798")),
    ]
    .concat();
    vec![
        [&[0][..], &sound(0, &[0x55; 160]), &keys, &report, &sound(0, &[0x80; 160]), &bye].concat(),
        [&[0][..], &sound(96, &[0xf8, 0xff, 0xfe])].concat(),
        [&[2][..], &sound(96, &[0x12; 160])].concat(),
        [&[4][..], &sound(96, &[0x01; 200])].concat(),
        [&[9][..], &secure].concat(),
        [&[17][..], &secure, &secure].concat(),
    ]
}
