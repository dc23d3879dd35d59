//! Every dialect as a file, `testdata/siprec/metadata/NAME.xml`, and what is understood of it, `NAME.said`. A file
//! `NAME.then.xml` is an update of `NAME.xml`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::siprec::SiprecLimits;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/siprec/metadata")
}

fn said(metadata: &Metadata) -> String {
    let mut text = String::new();
    for s in &metadata.sessions {
        write!(text, "session {}", s.id).unwrap();
        s.sip_ids.iter().for_each(|id| write!(text, ", in SIP {id}").unwrap());
        s.group.iter().for_each(|group| write!(text, ", of {group}").unwrap());
        s.reason.iter().for_each(|reason| write!(text, ", because {reason}").unwrap());
        writeln!(text, "{}", if s.stopped { ", over" } else { "" }).unwrap();
    }
    for p in &metadata.participants {
        let labels: Vec<_> = metadata.labels_of(&p.id).collect();
        let present = if metadata.is_present(&p.id) { "" } else { ", gone" };
        writeln!(text, "{}, on {}{present}", p.aors.join(" "), labels.join(" ")).unwrap();
    }
    text
}

fn check(name: &str, before: Option<&str>) {
    let read = |name: &str| read(&fs::read(folder().join(name)).unwrap(), &SiprecLimits::default()).unwrap();
    let mut metadata = read(&format!("{name}.xml"));
    if let Some(before) = before {
        metadata = read(before).merged(metadata);
    }
    let want = fs::read_to_string(folder().join(format!("{name}.said"))).unwrap();
    assert_eq!(said(&metadata), want, "{name}");
    assert!(!metadata.has_unknown_ids(), "{name}");
}

#[test]
fn every_dialect_says_who_is_heard_where() {
    for name in
        ["rfc7865", "draft-oracle", "draft-audiocodes", "prefixed-sonus", "mixed-broadworks", "sparse"]
    {
        check(name, None);
    }
}

#[test]
fn updates_replace_what_they_name() {
    check("rfc7865.then", Some("rfc7865.xml"));
    check("draft-oracle.then", Some("draft-oracle.xml"));
}

#[test]
fn an_id_that_was_never_explained_is_noticed() {
    let text = r#"<recording><datamode>partial</datamode><participantstreamassoc participant_id="a"><send>s</send></participantstreamassoc></recording>"#;
    let metadata = read(text.as_bytes(), &SiprecLimits::default()).unwrap();
    assert!(metadata.is_partial && metadata.has_unknown_ids());
}

#[test]
fn what_is_broken_is_an_error_and_nothing_else() {
    let limits = SiprecLimits { metadata_elements_max: 4, metadata_depth_max: 3, ..SiprecLimits::default() };
    let fails = |text: &str, want: &str| {
        let error = read(text.as_bytes(), &limits).unwrap_err().to_string();
        assert!(error.contains(want), "`{error}` instead of `{want}`");
    };
    fails("", "cut short");
    fails("hello", "cut short");
    fails("<recording>", "cut short");
    fails("<recording></record>", "metadata");
    fails("<recording/><recording", "metadata");
    fails("<!DOCTYPE a [<!ENTITY b 'c'>]><recording>&b;</recording>", "document type");
    fails("<a><b/><b/><b/><b/></a>", "too many elements");
    fails("<a><b><c><d/></c></b></a>", "too deep");
    let entities = "<recording><session id='a'><reason>a&amp;b&#99;&unknown;</reason></session></recording>";
    let metadata = read(entities.as_bytes(), &limits).unwrap();
    assert_eq!(metadata.sessions[0].reason.as_deref(), Some("a&bc"));
}

#[test]
fn no_document_can_do_harm() {
    let whole = fs::read(folder().join("draft-oracle.xml")).unwrap();
    for at in 0..whole.len() {
        let _ = read(&whole[..at], &SiprecLimits::default());
        for byte in [0, b'<', b'>', b'"', b'&', b'/', 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = read(&changed, &SiprecLimits::default());
        }
    }
}
