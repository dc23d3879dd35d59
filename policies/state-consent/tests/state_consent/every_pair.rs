//! Every ordered pair of jurisdictions and every form of consent, against a reference that reads the data as text and knows
//! one sentence: needed is, for every jurisdiction with a link to the call, one of its `satisfied_by`.

use caveat_sdk::{
    CaptureRules, Facts,
    capture::{Event, Outcome},
    facts::*,
};

use crate::scene::*;

/// The reference's own reading of the data.
struct Law {
    code: String,
    satisfied_by: Vec<String>,
    express_must_be_captured: bool,
}

fn law() -> Vec<Law> {
    let data: toml::Table = toml::from_str(include_str!("../../data/us-recording-consent.toml")).unwrap();
    let row = |row: &toml::Value| Law {
        code: row["code"].as_str().unwrap().into(),
        satisfied_by: row["satisfied_by"]
            .as_array()
            .unwrap()
            .iter()
            .map(|form| form.as_str().unwrap().into())
            .collect(),
        express_must_be_captured: row.get("express_must_be_captured").is_some(),
    };
    data["jurisdiction"].as_array().unwrap().iter().map(row).collect()
}

impl Law {
    fn is_satisfied(&self, given: &[&str]) -> bool {
        self.satisfied_by.iter().any(|form| {
            let form = if form == "express" && self.express_must_be_captured { "captured" } else { form };
            given.contains(&form)
        })
    }
}

/// What was done, in the words of the data, and what it makes of the facts. The client's own is on every call.
type Form = (&'static str, &'static [&'static str], fn(&mut Facts));

const FORMS: [Form; 11] = [
    ("nothing", &["participant"], |_| {}),
    ("notice, not recorded", &["participant", "notice-and-continue"], |f| {
        f.notices.push(notice(false, &[0, 1]))
    }),
    ("notice, recorded", &["participant", "notice-and-continue", "recorded-announcement"], |f| {
        f.notices.push(notice(true, &[0, 1]));
    }),
    ("notice to the agent only", &["participant"], |f| f.notices.push(notice(true, &[0]))),
    ("late notice", &["participant"], |f| f.notices.push(late_notice(60_000, &[0, 1]))),
    ("beep, 15 s", &["participant", "beep-tone"], |f| f.notices.push(beep(15, &[0, 1]))),
    ("beep, 30 s", &["participant"], |f| f.notices.push(beep(30, &[0, 1]))),
    ("express, captured", &["participant", "express", "captured"], |f| f.consents.push(yes(1))),
    ("express, not captured", &["participant", "express"], |f| {
        f.consents.push(Consent { recorded: false, ..yes(1) });
    }),
    ("written", &["participant", "written"], |f| f.consents.push(written(1))),
    ("late notice, then express", &["participant"], |f| {
        f.notices.push(late_notice(5_000, &[0, 1]));
        f.consents.push(yes(1));
    }),
];

/// How the two places become known.
const EVIDENCE: [fn(&str, &str) -> Facts; 3] = [
    |a, c| call(&[at(Role::Agent, a), at(Role::Customer, c)]),
    |a, c| call(&[at(Role::Agent, a), by_number(Role::Customer, c)]),
    // Both places are the customer's: a stated one does not cancel the area code.
    |a, c| {
        let mut customer = by_number(Role::Customer, c);
        customer.regions.push(evidence(a, RegionSource::Stated));
        call(&[at(Role::Agent, a), customer])
    },
];

#[test]
fn two_places() {
    let (pack, law) = (pack("{}"), law());
    let states: Vec<&Law> = law.iter().filter(|row| row.code != "US").collect();
    assert_eq!(states.len(), 54);
    let mut cases = 0;
    for (agent, customer) in states.iter().flat_map(|a| states.iter().map(move |c| (a, c))) {
        for (name, given, set) in FORMS {
            let expected = agent.is_satisfied(given) && customer.is_satisfied(given);
            for known in EVIDENCE {
                let mut facts = known(&agent.code, &customer.code);
                set(&mut facts);
                let ruling = pack.capture(&Event::Offered, &facts);
                let allowed = ruling.outcome == Outcome::Allow;
                assert_eq!(allowed, expected, "{} and {}, {name}: {ruling:?}", agent.code, customer.code);
                assert_eq!(ruling.remedies.is_empty(), allowed, "a refusal says what would help");
                assert!(!ruling.reasons.is_empty(), "a ruling says why");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 54 * 54 * FORMS.len() * EVIDENCE.len());
}

#[test]
fn a_third_place_counts_whoever_is_there() {
    let (pack, law) = (pack("{}"), law());
    let states: Vec<&Law> = law.iter().filter(|row| row.code != "US").collect();
    let (_, given, notice) = FORMS[1];
    let silent = |region: &str| {
        let traits = PartyTraits::PRESENT | PartyTraits::SILENT;
        Party { traits, ..at(Role::Supervisor, region) }
    };
    for (customer, third) in states.iter().flat_map(|a| states.iter().map(move |c| (a, c))) {
        let expected = customer.is_satisfied(given) && third.is_satisfied(given);
        let two = [at(Role::Agent, "TX"), by_number(Role::Customer, &customer.code)];
        let mut recorder = call(&two);
        recorder.recorder_region = third.code.clone();
        let [agent, customer] = two;
        let mut supervisor = call(&[agent, customer, silent(&third.code)]);
        for facts in [&mut recorder, &mut supervisor] {
            notice(facts);
            let ruling = pack.capture(&Event::Offered, facts);
            assert_eq!(ruling.outcome == Outcome::Allow, expected, "{}: {ruling:?}", third.code);
        }
    }
}

#[test]
fn the_safe_form_is_safe_everywhere() {
    for row in law() {
        assert!(row.is_satisfied(&["recorded-announcement"]), "{}", row.code);
    }
}
