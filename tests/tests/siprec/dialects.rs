//! Every vendor's way to say who is on a call, put to the running host: whoever is understood is ruled on by where they
//! are, and whoever is not is a stranger, who is asked first.

use std::{fs, path::Path};

use caveat_tests::{
    phone::{Phone, amplitude, tone},
    sip::{MIXED, PLAIN, Session, body_of, with_metadata},
    watch::until,
};
use serde_json::json;

use crate::{
    dialogs::offer,
    recorder::{ALL_PARTY, ONE_PARTY, Recorder, played},
};

/// A vendor's client.
struct Vendor {
    /// `host/capture/testdata/siprec/metadata/NAME.xml`.
    metadata: &'static str,
    /// The customer's number in it.
    customer: &'static str,
    /// The labels of its media lines.
    labels: &'static [&'static str],
    body: Body,
}

/// An agent with a number, which says where the agent is.
const MARYLANDER: &str = "+14105550119";

/// How a vendor puts a body together.
#[derive(Clone, Copy)]
enum Body {
    /// As RFC 7866 has it.
    Plain,
    /// The metadata comes first (BroadWorks).
    MetadataFirst,
    /// A third part that is for telephone exchanges (Cisco).
    WithGtd,
    /// The media type of before RFC 7866.
    Legacy,
}

const VENDORS: [Vendor; 6] = [
    Vendor { metadata: "rfc7865", customer: "+14155550123", labels: &["96", "97"], body: Body::Plain },
    Vendor { metadata: "rfc7865", customer: "+14155550123", labels: &["96", "97"], body: Body::WithGtd },
    Vendor {
        metadata: "draft-oracle",
        customer: "+14155550123",
        labels: &["65804", "65805"],
        body: Body::Legacy,
    },
    Vendor {
        metadata: "draft-audiocodes",
        customer: "+12125550187",
        labels: &["1", "2"],
        body: Body::Legacy,
    },
    Vendor { metadata: "prefixed-sonus", customer: "+13125550144", labels: &["1", "2"], body: Body::Plain },
    Vendor {
        metadata: "mixed-broadworks",
        customer: "+12025550143",
        labels: &["mixed"],
        body: Body::MetadataFirst,
    },
];

impl Vendor {
    /// What it says of a call with a customer of this number.
    fn body(&self, number: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/capture/testdata/siprec/metadata");
        let xml = fs::read_to_string(folder.join(format!("{}.xml", self.metadata))).unwrap();
        assert!(xml.contains(self.customer), "{}", self.metadata);
        let xml = xml.replace(self.customer, number).replace(MARYLANDER, ONE_PARTY);
        let lines: Vec<_> = self.labels.iter().map(|label| (*label, "sendonly")).collect();
        let sdp = format!("Content-Type: application/sdp\r\n\r\n{}", offer(&lines));
        let said = |kind: &str| {
            format!("Content-Type: {kind}\r\nContent-Disposition: recording-session\r\n\r\n{xml}\r\n")
        };
        let gtd = "Content-Type: application/gtd\r\nContent-Disposition: signal;handling=optional\r\n\r\nIAM,\r\nPRN,isdn*,,NI***,\r\n";
        let parts = match self.body {
            Body::Plain => vec![sdp, said("application/rs-metadata+xml")],
            Body::MetadataFirst => vec![said("application/rs-metadata+xml"), sdp],
            Body::WithGtd => vec![sdp, gtd.to_owned(), said("application/rs-metadata+xml")],
            Body::Legacy => vec![sdp, said("application/rs-metadata")],
        };
        let parts: String = parts.into_iter().map(|part| format!("--unique-boundary-1\r\n{part}")).collect();
        format!("{parts}--unique-boundary-1--\r\n")
    }
}

const KIND: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"unique-boundary-1\"\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_vendor_names_is_ruled_on_by_where_they_are() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    let kim = recorder.supervisor().await;
    for vendor in VENDORS {
        let name = vendor.metadata;
        // From a state where everybody has to consent: the number was read, and its owner is no agent.
        let session = Session::begin(recorder.udp, KIND, &vendor.body(ALL_PARTY)).await.unwrap();
        let offered = live.next_on("offered").await.unwrap();
        assert_eq!(offered["state"], "not-recorded", "{name}: {offered}");
        assert!(offered["reasons"].to_string().contains("Florida"), "{name}: {offered}");
        session.ends().await.unwrap();
        live.next_on("ended").await.unwrap();

        // And from one where they need not: each line is heard on a leg of its own.
        let session = Session::begin(recorder.udp, KIND, &vendor.body(ONE_PARTY)).await.unwrap();
        let offered = live.next_on("offered").await.unwrap();
        assert_eq!(offered["state"], "recording", "{name}: {offered}");
        let answer = &session.answer;
        for label in vendor.labels {
            assert!(answer.contains(&format!("a=label:{label}\r\n")), "{name}: {answer}");
        }
        assert_eq!(answer.matches("a=recvonly").count(), vendor.labels.len(), "{name}: {answer}");
        let sounds = [(600.0, 4_000.0), (1_500.0, 9_000.0)];
        let mut talking = vec![];
        for (to, (hz, loud)) in session.media().into_iter().zip(sounds) {
            let mut phone = Phone::new(hz as u32).await.unwrap();
            talking.push(tokio::spawn(async move {
                phone.plays(to.unwrap(), &tone(hz, loud, 1_600)).await.unwrap();
            }));
        }
        for phone in talking {
            phone.await.unwrap();
        }
        session.ends().await.unwrap();
        let id = offered["recording"].as_str().unwrap();
        let legs = played(&kim, id).await;
        assert_eq!(legs.len(), 2, "{name}: a recording has two legs at least");
        for (leg, (hz, loud)) in sounds.into_iter().enumerate().take(vendor.labels.len()) {
            let heard = amplitude(&legs[leg], hz, 600, 1_200);
            assert!((heard - loud).abs() < loud * 0.1, "{name}: leg {leg} is {heard} loud at {hz} Hz");
        }
        live.next_on("ended").await.unwrap();
    }
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_what_nobody_understands_is_recorded_once_all_were_told() {
    let mut recorder = Recorder::start("", "", "");
    let mut live = recorder.live().await;
    for metadata in ["<recording>", "<!DOCTYPE a><a/>", "", "<recording xmlns='urn:of:nobody'/>"] {
        let sdp = offer(&[("1", "sendonly"), ("2", "sendonly")]);
        let body = with_metadata(&sdp, metadata);
        let session = Session::begin(recorder.udp, MIXED, &body).await.unwrap();
        let offered = live.next_on("offered").await.unwrap();
        assert_eq!(offered["state"], "not-recorded", "{metadata}: {offered}");
        assert_eq!(session.answer.matches("a=inactive").count(), 2, "{metadata}: {}", session.answer);
        // Of an unknown place the strictest holds: the notice has to be in the recording.
        let now = recorder.at().await;
        recorder.tell(json!({"notice-played": {"kind": "spoken", "record-from": now}})).await;
        let told = live.next_on("notice-played").await.unwrap();
        assert_eq!(told["state"], "recording", "{metadata}: {told}");
        let asked = session.is_asked("INVITE").await.unwrap();
        assert_eq!(body_of(&asked).matches("a=recvonly").count(), 2, "{metadata}: {asked}");
        session.says(&asked, 200, PLAIN, &sdp).await.unwrap();
        session.ends().await.unwrap();
        until("the call is over", async || Ok(recorder.calls().await.is_empty().then_some(())))
            .await
            .unwrap();
    }
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
