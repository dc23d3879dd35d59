//! What a host tells of itself: logs, metrics and traces hold nothing of a person, and every metric is in the documented list.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use caveat_tests::{
    host::Host,
    house::{CLIENT, House, call, sealed},
    people::PASSWORD,
    twilio::{AGENT, CUSTOMER},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{CONFIG, metrics};

/// A collector: takes OTLP over HTTP, and keeps the bodies.
async fn collector() -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let kept = bodies.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = kept.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let (mut length, mut first) = (0, String::new());
                    if stream.read_line(&mut first).await.unwrap_or(0) == 0 {
                        return;
                    }
                    assert!(first.starts_with("POST /v1/traces "), "{first}");
                    loop {
                        let mut line = String::new();
                        stream.read_line(&mut line).await.unwrap();
                        let line = line.trim().to_lowercase();
                        if let Some(value) = line.strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                        if line.is_empty() {
                            break;
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    kept.lock().unwrap().push(body);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    (url, bodies)
}

/// A message of protocol buffers: its fields that are bytes, by number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        let length = match tag & 7 {
            0 => {
                number(&mut bytes);
                0
            }
            1 => 8,
            2 => number(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        if tag & 7 == 2 {
            found.push((tag >> 3, value));
        }
    }
    found
}

/// A span: its id, its parent's, its trace's (opentelemetry/proto/trace/v1/trace.proto).
struct Span {
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    trace: Vec<u8>,
}

fn spans(bodies: &[Vec<u8>]) -> Vec<Span> {
    let inner = |bytes: &'static [u8], wanted: u64| -> Vec<&'static [u8]> {
        fields(bytes).into_iter().filter(|(number, _)| *number == wanted).map(|(_, value)| value).collect()
    };
    let mut spans = vec![];
    for body in bodies {
        let body: &'static [u8] = body.clone().leak();
        for resource in inner(body, 1) {
            for scope in inner(resource, 2) {
                for span in inner(scope, 2) {
                    let field = |number| inner(span, number).first().map(|v| v.to_vec()).unwrap_or_default();
                    let name = String::from_utf8(field(5)).unwrap();
                    spans.push(Span { name, id: field(2), parent: field(4), trace: field(1) });
                }
            }
        }
    }
    spans
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_is_told_and_a_trace_goes_from_the_wire_to_the_ledger() {
    let (collector, bodies) = collector().await;
    let telemetry =
        format!("\n[telemetry]\nlog = \"debug\"\nlog-format = \"json\"\notlp-endpoint = \"{collector}\"\n");
    let host = Host::prepare(&format!("{CONFIG}{telemetry}")).unwrap();
    let mut house = House::of(host, &[("kimberly-doe", "supervisor")]).unwrap();
    let kim = house.person("kimberly-doe").await.unwrap();
    let mut script = call("CA1");
    script.say(CUSTOMER, "my name is rhododendron zeppelin").unwrap();
    script.event(json!({"party-joined": {"role": "other-party", "number": "+12145550101", "leg": 1}}));
    script.say(CUSTOMER, "four one one one one one one one one one one one one one one one").unwrap();
    script.key(CUSTOMER, "4111111111111111");
    script.silence(1_000);
    script.say(AGENT, "thank you").unwrap();
    script.play(&house.host.url, &house.token).await.unwrap();
    let id = sealed(&kim, 1).await.unwrap().remove(0);
    caveat_tests::house::heard(&kim, &id).await.unwrap();
    let wrong = json!({"client": CLIENT, "person": "kimberly-doe", "password": "swordfish 1234 abcd", "code": "000000"});
    let refused =
        reqwest::Client::new().post(format!("{}/v1/session", house.host.url)).json(&wrong).send().await;
    assert_eq!(refused.unwrap().status(), 401);
    let counted = metrics(&house.host).await.unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);

    let log = house.host.log();
    for line in log.lines().filter(|line| !line.is_empty()) {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|_| panic!("a line is no JSON: {line}"));
    }
    assert!(log.lines().count() > 20, "next to nothing was logged:\n{log}");
    let bodies = bodies.lock().unwrap().clone();
    let secret = house.secret("kimberly-doe").unwrap();
    let token = house.token.as_str();
    let personal = [
        "kimberly-doe",
        "2145550101",
        "rhododendron",
        "zeppelin",
        "4111111111111111",
        "four one one",
        PASSWORD,
        "swordfish",
        secret,
        token,
    ];
    for what in personal {
        let holds = |bytes: &[u8]| bytes.windows(what.len()).any(|window| window == what.as_bytes());
        let line = log.lines().find(|line| holds(line.as_bytes()));
        assert!(line.is_none(), "`{what}` was logged: {line:?}");
        assert!(!holds(counted.as_bytes()), "`{what}` is in the metrics");
        assert!(!bodies.iter().any(|body| holds(body)), "`{what}` is in the traces");
    }

    let spans = spans(&bodies);
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["event", "ledger", "merge", "ruling", "rulings", "seal", "vault"].into(), "{names:?}");
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|span| (span.id.as_slice(), span)).collect();
    let check = |child: &str, parent: &str| {
        let found = spans.iter().filter(|span| span.name == child).any(|span| {
            by_id.get(span.parent.as_slice()).is_some_and(|p| p.name == parent && p.trace == span.trace)
        });
        assert!(found, "no `{child}` is below a `{parent}`");
    };
    check("rulings", "event");
    check("ruling", "rulings");
    check("merge", "event");
    check("vault", "event");
    check("ledger", "event");
    check("ledger", "seal");
    // The offer of the call, ruled on by two packs.
    let packs = spans.iter().filter(|span| span.name == "ruling").count();
    assert!(packs >= 2 * 3, "{packs} rulings");

    // Every metric is documented, and those that this call has to have moved are there.
    let documented = include_str!("../../../examples/metrics.md");
    let emitted: BTreeSet<&str> =
        counted.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in &emitted {
        assert!(documented.contains(&format!("| `{name}` |")), "{name} is not in examples/metrics.md");
    }
    for name in [
        "caveat_calls_total",
        "caveat_calls",
        "caveat_verdicts_total",
        "caveat_verdict_rules_total",
        "caveat_gap_milliseconds_total",
        "caveat_ledger_entries",
        "caveat_pack_ruling_seconds",
        "caveat_pack_fuel_total",
        "caveat_sessions",
        "caveat_sign_ins_refused_total",
        "caveat_disk_free_bytes",
        "caveat_unsealed_recordings",
        "caveat_ready",
        "process_resident_memory_bytes",
    ] {
        assert!(emitted.contains(name), "{name} is not told: {emitted:?}");
    }
}
