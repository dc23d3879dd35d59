#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use super::*;
use crate::siprec::{SiprecLimits, metadata};

fn trunk(more: &str) -> Trunk {
    toml::from_str(&format!("name = \"t\"\nclient = \"acme\"\n{more}")).unwrap()
}

fn dialect(name: &str) -> Metadata {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/siprec/metadata").join(name);
    metadata::read(&fs::read(path).unwrap(), &SiprecLimits::default()).unwrap()
}

fn legs(labels: &[&str]) -> Vec<Leg> {
    let leg = |(number, label): (u8, &&str)| Leg { number, label: Some((*label).to_owned()), sends: true };
    (0..).zip(labels).map(leg).collect()
}

fn shown(new: &NewParty) -> String {
    format!("{:?} {} {:?}", new.role, new.number.as_deref().unwrap_or("-"), new.leg)
}

fn begun(metadata: &Metadata, labels: &[&str], trunk: &Trunk) -> Vec<String> {
    Parties::at_the_beginning(metadata, &legs(labels), trunk, 32).1.iter().map(shown).collect()
}

#[test]
fn whoever_is_known_is_on_their_leg() {
    let check = |name: &str, labels: &[&str], more: &str, want: &[&str]| {
        assert_eq!(begun(&dialect(name), labels, &trunk(more)), want, "{name}");
    };
    let domain = "agents = [\"*@example.bank\"]";
    check("rfc7865.xml", &["96", "97"], domain, &["Agent - Some(0)", "Customer +14155550123 Some(1)"]);
    check("rfc7865.xml", &["97", "96"], domain, &["Agent - Some(1)", "Customer +14155550123 Some(0)"]);
    check("rfc7865.xml", &["96", "97"], "", &["Unknown - Some(0)", "Unknown +14155550123 Some(1)"]);
    let first = "first-stream = \"customer\"";
    check(
        "draft-oracle.xml",
        &["65804", "65805"],
        first,
        &["Customer +14155550123 Some(0)", "Agent - Some(1)"],
    );
    let extensions = "agents = [\"1???\"]";
    check(
        "draft-audiocodes.xml",
        &["1", "2"],
        extensions,
        &["Agent - Some(0)", "Customer +12125550187 Some(1)"],
    );
    check("prefixed-sonus.xml", &["1", "2"], domain, &["Customer +13125550144 Some(0)", "Agent - Some(1)"]);
    let both = &["Agent +14105550119 Some(0)", "Customer +12025550143 Some(0)"];
    check("mixed-broadworks.xml", &["mixed"], domain, both);
}

#[test]
fn whoever_is_not_known_is_unknown() {
    let nothing = Metadata::default();
    assert_eq!(begun(&nothing, &["1", "2"], &trunk("")), ["Unknown - Some(0)", "Unknown - Some(1)"]);
    let first = trunk("first-stream = \"agent\"");
    assert_eq!(begun(&nothing, &["1", "2"], &first), ["Agent - Some(0)", "Customer - Some(1)"]);
    // Nobody says who is on which: they are taken in their order if there are as many.
    let sparse = dialect("sparse.xml");
    assert_eq!(begun(&sparse, &["1", "2"], &trunk("")), ["Unknown - Some(0)", "Unknown - Some(1)"]);
    assert_eq!(begun(&sparse, &["1"], &trunk("")), ["Unknown - Some(0)", "Unknown - Some(0)"]);
    let three = begun(&sparse, &["1", "2", "3"], &trunk(""));
    assert_eq!(three.len(), 5, "{three:?}");
    // A label of no line.
    let lost = begun(&dialect("rfc7865.xml"), &["96", "5"], &trunk(""));
    assert_eq!(lost, ["Unknown - Some(0)", "Unknown +14155550123 None", "Unknown - Some(1)"]);
}

fn changed(changes: Vec<Change>) -> Vec<String> {
    let one = |change| match change {
        Change::Joined(id, new) => format!("{id} joins: {}", shown(&new)),
        Change::Other(happening) => format!("{happening:?}"),
    };
    changes.into_iter().map(one).collect()
}

#[test]
fn updates_become_happenings() {
    let trunk = trunk("agents = [\"*@example.bank\"]");
    let mut legs = legs(&["96", "97"]);
    let before = dialect("rfc7865.xml");
    let (mut parties, _) = Parties::at_the_beginning(&before, &legs, &trunk, 32);
    assert!(parties.update(&before, &legs, &trunk, false).is_empty());

    let after = before.merged(dialect("rfc7865.then.xml"));
    let changes = parties.update(&after, &legs, &trunk, false);
    assert_eq!(changed(changes), ["PartyLeft(0)", "new== joins: Agent - Some(0)"]);
    parties.joined("new==".into(), 2, Some(0));
    assert!(parties.update(&after, &legs, &trunk, false).is_empty());

    legs[1].sends = false;
    assert_eq!(changed(parties.update(&after, &legs, &trunk, false)), ["Held(1)"]);
    legs[0].sends = false;
    assert!(parties.update(&after, &legs, &trunk, true).is_empty(), "a pause is no hold");
    legs.iter_mut().for_each(|leg| leg.sends = true);
    assert_eq!(changed(parties.update(&after, &legs, &trunk, false)), ["Unheld(1)"]);

    let all = changed(parties.update(&Metadata::default(), &legs, &trunk, false));
    assert_eq!(all, ["PartyLeft(1)", "PartyLeft(2)"]);
}

#[test]
fn whoever_loses_every_stream_is_on_hold() {
    let trunk = trunk("");
    let legs = legs(&["96", "97"]);
    let before = dialect("rfc7865.xml");
    let (mut parties, _) = Parties::at_the_beginning(&before, &legs, &trunk, 32);
    let text = r#"<recording><datamode>partial</datamode><participantstreamassoc participant_id="zSfPoSvdSDCmU3A3TRDxAw=="/></recording>"#;
    let held = metadata::read(text.as_bytes(), &SiprecLimits::default()).unwrap();
    let after = before.clone().merged(held);
    assert_eq!(changed(parties.update(&after, &legs, &trunk, false)), ["Held(1)"]);
    assert_eq!(changed(parties.update(&before, &legs, &trunk, false)), ["Unheld(1)"]);
}

#[test]
fn addresses_are_bare() {
    let check = |aor: &str, bare: &str, digits: Option<&str>| {
        assert_eq!(address(aor), bare);
        assert_eq!(number(bare).as_deref(), digits, "{aor}");
    };
    check("sip:+14155550123@x.example;user=phone", "+14155550123@x.example", Some("+14155550123"));
    check("tel:+1-415-555-0123;ext=4", "+1-415-555-0123", Some("+1-415-555-0123"));
    check("<SIPS:bob@x>", "bob@x", None);
    check("7301@10.0.0.1", "7301@10.0.0.1", None);
    check("sip:Anonymous@anonymous.invalid", "Anonymous@anonymous.invalid", Some("Anonymous"));
    check("", "", None);
}
