//! Rule by rule, where the pairs do not reach.

use caveat_sdk::{
    CaptureRules, Facts,
    capture::{Duty, Event, Outcome, Ruling},
    facts::*,
};

use crate::scene::*;

const TOLD: [&str; 2] = ["play-announcement", "record-announcement"];

fn two(agent: &str, customer: &str) -> Facts {
    call(&[at(Role::Agent, agent), at(Role::Customer, customer)])
}

fn with(mut facts: Facts, change: impl FnOnce(&mut Facts)) -> Facts {
    change(&mut facts);
    facts
}

/// A call that was told in time and is being recorded, and somebody who joins it after a minute.
fn joined(agent: &str, customer: &str, joiner: Party) -> Facts {
    let joiner = Party { joined: 60_000, ..joiner };
    let mut facts = call(&[at(Role::Agent, agent), at(Role::Customer, customer), joiner]);
    facts.notices.push(notice(true, &[0, 1]));
    facts.traits = CallTraits::CAPTURED;
    facts
}

#[track_caller]
fn allows(facts: &Facts) -> Ruling {
    let ruling = rule(facts);
    assert_eq!((ruling.outcome, duties(&ruling)), (Outcome::Allow, vec![]), "{ruling:?}");
    ruling
}

#[track_caller]
fn refuses(facts: &Facts, by: &str) -> Ruling {
    let ruling = rule(facts);
    assert_eq!(ruling.outcome, Outcome::Refuse, "{ruling:?}");
    assert!(rules(&ruling).contains(&by), "{ruling:?}");
    ruling
}

#[track_caller]
fn suspends(facts: &Facts, by: &str) -> Ruling {
    let ruling = rule(facts);
    assert_eq!(ruling.outcome, Outcome::Suspend, "{ruling:?}");
    assert!(rules(&ruling).contains(&by), "{ruling:?}");
    ruling
}

#[test]
fn one_party_says_so_once_and_cites_each_place() {
    let ruling = allows(&two("TX", "GA"));
    assert_eq!(ruling.reasons.len(), 1);
    assert_eq!(ruling.reasons[0].rule, "consent.one-party");
    for citation in ["18 U.S.C. 2511(2)(d)", "Tex. Penal Code 16.02(c)(4)", "O.C.G.A. 16-11-62"] {
        assert!(cites(&ruling, citation), "{citation}");
    }
}

#[test]
fn nobody_told_is_refused_without_duties() {
    let ruling = refuses(&two("GA", "FL"), "consent.all-party");
    assert!(duties(&ruling).is_empty());
    assert_eq!(remedies(&ruling), TOLD);
    assert_eq!(
        ruling.reasons[0].message,
        "Florida requires the consent of all parties; no notice has been given."
    );
    assert!(cites(&ruling, "Fla. Stat. 934.03(2)(d)"));
}

#[test]
fn every_unsatisfied_place_is_named() {
    let facts = with(two("PA", "WA"), |f| f.recorder_region = "CA".into());
    let ruling = refuses(&facts, "consent.all-party");
    for citation in ["18 Pa. Cons. Stat.", "Wash. Rev. Code", "Cal. Penal Code 632"] {
        assert!(cites(&ruling, citation), "{citation}");
    }
}

#[test]
fn no_evidence_is_the_strictest() {
    use NumberKind::{Foreign, Malformed, Missing, NonGeographic, TollFree, Withheld};
    for number in [TollFree, NonGeographic, Foreign, Withheld, Malformed, Missing] {
        let facts = call(&[at(Role::Agent, "TX"), nowhere(Role::Customer, number)]);
        let ruling = refuses(&facts, "consent.unknown-place");
        assert_eq!(remedies(&ruling), TOLD, "{number:?}");
        allows(&with(facts.clone(), |f| f.notices.push(notice(true, &[0, 1]))));
        let unrecorded = with(facts, |f| f.notices.push(notice(false, &[0, 1])));
        assert_eq!(remedies(&refuses(&unrecorded, "consent.notice-recorded")), ["record-announcement"]);
    }
    for region in ["@DE", "@CA-ON", "AS", "MP", "US"] {
        refuses(&two("TX", region), "consent.unknown-place");
    }
    refuses(&Facts::empty(), "consent.unknown-place");
}

#[test]
fn a_known_place_needs_no_number() {
    use NumberKind::{Malformed, Missing, TollFree, Withheld};
    for number in [TollFree, Withheld, Malformed, Missing] {
        allows(&call(&[at(Role::Agent, "TX"), Party { number, ..at(Role::Customer, "GA") }]));
    }
    let abroad = Party { number: NumberKind::Foreign, ..at(Role::Customer, "GA") };
    refuses(&call(&[at(Role::Agent, "TX"), abroad]), "consent.unknown-place");
}

#[test]
fn the_agents_place_is_where_they_are() {
    let mut agent = by_number(Role::Agent, "TX");
    agent.traits = agent.traits | PartyTraits::REMOTE_WORKER;
    let customer = by_number(Role::Customer, "TX");
    refuses(&call(&[agent.clone(), customer.clone()]), "consent.unknown-place");
    agent.regions.push(evidence("PA", RegionSource::OnFile));
    let ruling = refuses(&call(&[agent, customer]), "consent.all-party");
    assert!(cites(&ruling, "18 Pa. Cons. Stat. 5703"));
}

#[test]
fn a_place_learned_on_the_call_ends_it_and_what_was_kept() {
    let facts = with(two("TX", "MA"), |f| f.traits = CallTraits::CAPTURED);
    let ruling = refuses(&facts, "consent.all-party");
    assert_eq!(remedies(&ruling), ["play-announcement", "record-announcement", "discard-captured-audio"]);
    assert_eq!(duties(&ruling), [&Duty::DiscardCaptured]);
    assert!(cites(&ruling, "Mass. Gen. Laws ch. 272, 99"));
}

#[test]
fn a_late_notice_is_not_cured() {
    let late = with(two("TX", "FL"), |f| f.notices.push(late_notice(60_000, &[0, 1])));
    let ruling = refuses(&late, "consent.prior");
    assert_eq!(remedies(&ruling), ["play-announcement", "record-announcement", "discard-captured-audio"]);
    refuses(&with(late.clone(), |f| f.consents.push(yes(1))), "consent.prior");
    allows(&with(late.clone(), |f| f.consents.push(written(1))));
    allows(&with(late, |f| f.notices.push(notice(true, &[0, 1]))));
    allows(&with(two("TX", "GA"), |f| f.notices.push(late_notice(60_000, &[0, 1]))));
}

#[test]
fn a_late_joiner_pauses_what_was_lawful() {
    let facts = joined("TX", "TX", at(Role::OtherParty, "WA"));
    let ruling = suspends(&facts, "consent.late-joiner");
    assert_eq!(duties(&ruling), [&Duty::Announce]);
    assert!(cites(&ruling, "Wash. Rev. Code 9.73.030"));
    // Told while nothing was kept: the notice is late for nobody.
    allows(&with(facts, |f| f.notices.push(late_notice(65_000, &[0, 1, 2]))));
    // The same where nobody had to be told before.
    let lax = with(joined("TX", "GA", at(Role::Interpreter, "WA")), |f| f.notices.clear());
    suspends(&lax, "consent.late-joiner");
    allows(&with(lax, |f| f.notices.push(late_notice(65_000, &[0, 1, 2]))));
    // And where the strict law was there first, and everyone knew.
    suspends(&joined("FL", "TX", at(Role::OtherParty, "TX")), "consent.late-joiner");
    // But not where it was broken all along.
    let broken = with(joined("FL", "TX", at(Role::OtherParty, "TX")), |f| f.notices.clear());
    assert_eq!(duties(&refuses(&broken, "consent.prior")), [&Duty::DiscardCaptured]);
}

#[test]
fn the_clients_own_consent_through_it_and_bring_their_place() {
    let monitor = |region: &str| {
        let traits = PartyTraits::PRESENT | PartyTraits::SILENT;
        Party { traits, ..at(Role::Supervisor, region) }
    };
    allows(&joined("TX", "TX", monitor("WA")));
    let untold = with(joined("TX", "TX", monitor("WA")), |f| f.notices.clear());
    suspends(&untold, "consent.late-joiner");
    refuses(&call(&[at(Role::Agent, "TX"), at(Role::Customer, "TX"), monitor("WA")]), "consent.all-party");
    refuses(
        &call(&[
            at(Role::Agent, "TX"),
            at(Role::Customer, "TX"),
            nowhere(Role::Interpreter, NumberKind::Missing),
        ]),
        "consent.unknown-place",
    );
}

#[test]
fn a_machine_stands_for_whoever_sent_it() {
    let bot = nowhere(Role::Automaton, NumberKind::Missing);
    allows(&call(&[bot.clone(), at(Role::Customer, "TX")]));
    allows(&call(&[bot.clone(), at(Role::Agent, "TX"), at(Role::Customer, "TX")]));
    refuses(&call(&[bot, at(Role::Agent, "TX")]), "consent.unknown-place");
    refuses(&call(&[at(Role::Automaton, "FL"), at(Role::Agent, "TX")]), "consent.all-party");
}

#[test]
fn a_refusal_stands_in_all_party_places_only() {
    let refused = |customer: &str| {
        with(two("TX", customer), |f| {
            f.notices.push(notice(true, &[0, 1]));
            f.consents.push(no(1));
        })
    };
    let ruling = refuses(&refused("CA"), "consent.refused");
    assert_eq!((remedies(&ruling), duties(&ruling)), (vec!["obtain-express-consent"], vec![]));
    // What was kept after the notice was lawful until then.
    let captured = with(refused("CA"), |f| f.traits = CallTraits::CAPTURED);
    assert!(duties(&refuses(&captured, "consent.refused")).is_empty());
    allows(&refused("GA"));
    allows(&with(refused("CA"), |f| f.consents.push(Consent { at: 20_000, ..yes(1) })));
    let house = pack(r#"{"honor-refusal": true}"#).capture(&Event::Offered, &refused("GA"));
    assert_eq!((house.outcome, rules(&house)), (Outcome::Refuse, vec!["consent.house-refusal"]));
    // An agent is a party too.
    refuses(&with(refused("CA"), |f| f.consents[0].party = 0), "consent.refused");
    refuses(&with(two("TX", "GA"), |f| f.consents.push(no(0))), "consent.party-exit");
}

#[test]
fn who_left_no_longer_matters() {
    let gone = |facts: &mut Facts, n: usize| {
        facts.parties[n].left = Some(90_000);
        facts.parties[n].traits = PartyTraits::empty();
    };
    let third = call(&[at(Role::Agent, "TX"), at(Role::Customer, "TX"), at(Role::OtherParty, "FL")]);
    refuses(&third, "consent.all-party");
    allows(&with(third, |f| gone(f, 2)));
    // Unless they went because they were told.
    let told = with(two("TX", "FL"), |f| {
        f.notices.push(notice(true, &[0, 1]));
        gone(f, 1);
    });
    allows(&told);
    let stayed = Attribute { name: "consent.parties-stay".into(), value: AttributeValue::Flag(false) };
    refuses(&with(told, |f| f.attributes.push(stayed)), "consent.refused");
}

#[test]
fn somebody_has_to_be_there_who_consents() {
    let outsiders =
        with(call(&[at(Role::Agent, "GA"), at(Role::Customer, "GA"), at(Role::OtherParty, "TX")]), |f| {
            f.parties[0].left = Some(1);
            f.parties[0].traits = PartyTraits::empty();
        });
    refuses(&outsiders, "consent.party-exit");
    let told = with(outsiders.clone(), |f| f.notices.push(notice(false, &[1])));
    allows(&told);
    let child = with(told, |f| f.parties[1].traits = PartyTraits::PRESENT | PartyTraits::MINOR);
    refuses(&child, "consent.minor");
    allows(&with(two("GA", "GA"), |f| f.parties[1].traits = PartyTraits::PRESENT | PartyTraits::MINOR));
    // A silent monitor is no party to what it hears.
    let monitor = with(outsiders, |f| {
        f.parties[0] =
            Party { id: 0, traits: PartyTraits::PRESENT | PartyTraits::SILENT, ..at(Role::Supervisor, "GA") };
    });
    refuses(&monitor, "consent.party-exit");
    // Nobody has answered yet.
    suspends(&call(&[at(Role::Customer, "TX")]), "consent.party-exit");
}

#[test]
fn on_hold_is_off_the_record() {
    let hold = |f: &mut Facts, n: usize| f.parties[n].traits = f.parties[n].traits | PartyTraits::ON_HOLD;
    let told = with(two("TX", "FL"), |f| f.notices.push(notice(true, &[0, 1])));
    suspends(&with(told.clone(), |f| hold(f, 1)), "consent.party-exit");
    suspends(&with(two("TX", "GA"), |f| hold(f, 0)), "consent.party-exit");
    let consult = call(&[at(Role::Agent, "TX"), at(Role::Customer, "GA"), at(Role::OtherParty, "GA")]);
    allows(&with(consult, |f| hold(f, 1)));
}

#[test]
fn emergencies_are_never_gated() {
    let line = |agent: &str, customer: Party| {
        with(call(&[at(Role::Agent, agent), customer]), |f| f.traits = CallTraits::EMERGENCY_LINE)
    };
    for state in ["FL", "IL", "CT", "WA", "MT"] {
        assert!(rules(&allows(&line(state, at(Role::Customer, state)))).contains(&"consent.emergency-line"));
        allows(&line(state, nowhere(Role::Customer, NumberKind::Withheld)));
    }
    let ruling = refuses(&line("PA", at(Role::Customer, "PA")), "consent.all-party");
    assert!(ruling.remedies.is_empty() && duties(&ruling).is_empty());

    let nature = |state: &str| with(two(state, state), |f| f.traits = CallTraits::EMERGENCY);
    let ruling = allows(&nature("WA"));
    assert!(cites(&ruling, "9.73.030(2)(a)"));
    refuses(&nature("FL"), "consent.all-party");
    refuses(&with(two("WA", "CA"), |f| f.traits = CallTraits::EMERGENCY), "consent.all-party");
    let joiner = with(joined("TX", "TX", at(Role::OtherParty, "FL")), |f| {
        f.traits = CallTraits::CAPTURED | CallTraits::EMERGENCY;
    });
    assert!(
        duties(&refuses(&joiner, "consent.all-party")).is_empty(),
        "the call is not held up for a notice"
    );

    allows(&with(two("WA", "CT"), |f| f.attributes.push(flag("call.threats"))));
    refuses(&with(two("WA", "CA"), |f| f.attributes.push(flag("call.threats"))), "consent.all-party");
}

#[test]
fn purposes_have_to_be_listed() {
    let purpose = |purpose| with(two("TX", "TX"), |f| f.purposes = vec![purpose]);
    allows(&purpose(Purpose::Marketing));
    allows(&purpose(Purpose::Unstated));
    let words = |words: &str| with(two("TX", "TX"), |f| f.attributes.push(text("call.purpose", words)));
    allows(&words("quality-control"));
    refuses(&words("blackmail"), "consent.purpose");
    let listed = pack(r#"{"purposes": ["training", "quality"]}"#);
    assert_eq!(listed.capture(&Event::Offered, &purpose(Purpose::Training)).outcome, Outcome::Allow);
    assert_eq!(listed.capture(&Event::Offered, &purpose(Purpose::Marketing)).outcome, Outcome::Refuse);
}

#[test]
fn a_vendor_is_not_covered_in_california() {
    let vendor = |state: &str| {
        with(
            call(&[
                at(Role::Agent, "TX"),
                at(Role::Customer, state),
                nowhere(Role::Vendor, NumberKind::Missing),
            ]),
            |f| {
                f.notices.push(notice(true, &[0, 1]));
            },
        )
    };
    refuses(&vendor("CA"), "consent.vendor");
    allows(&vendor("FL"));
    allows(&with(vendor("CA"), |f| f.attributes.push(flag("consent.vendor-use"))));
    let training = with(vendor("CA"), |f| {
        f.parties.pop();
        f.purposes = vec![Purpose::VendorUse];
    });
    refuses(&training, "consent.vendor");
}

#[test]
fn a_notice_is_understood_or_none() {
    let told = |spoken: &str, told_in: &str| {
        with(two("TX", "CA"), |f| {
            f.parties[1].language = spoken.into();
            f.notices.push(Notice { language: told_in.into(), ..notice(true, &[0, 1]) });
        })
    };
    let ruling = refuses(&told("es-MX", "en"), "consent.notice-language");
    assert_eq!(remedies(&ruling)[0], "translate-announcement");
    allows(&told("en-GB", "en-US"));
    allows(&told("", "en"));
    allows(&with(told("es", "en"), |f| {
        f.notices.push(Notice { language: "es".into(), ..notice(true, &[1]) })
    }));
}

#[test]
fn stricter_by_choice_or_by_office() {
    let told = |state: &str| with(two("TX", state), |f| f.notices.push(notice(true, &[0, 1])));
    for settings in [r#"{"express-states": ["FL", "GA"]}"#, r#"{"options": ["express-fl", "express-ga"]}"#] {
        let strict = pack(settings);
        for state in ["FL", "GA"] {
            let ruling = strict.capture(&Event::Offered, &told(state));
            assert_eq!(
                (ruling.outcome, remedies(&ruling)),
                (Outcome::Refuse, vec!["obtain-express-consent"])
            );
            let agreed = with(told(state), |f| f.consents.push(yes(1)));
            assert_eq!(strict.capture(&Event::Offered, &agreed).outcome, Outcome::Allow);
        }
        assert_eq!(strict.capture(&Event::Offered, &told("CA")).outcome, Outcome::Allow);
    }
    let public = with(told("FL"), |f| f.attributes.push(flag("tenant.public-body")));
    assert!(cites(&refuses(&public, "consent.express"), "2002-05"));
    allows(&with(public, |f| f.consents.push(yes(1))));
    allows(&with(told("CA"), |f| f.attributes.push(flag("tenant.public-body"))));
}

#[test]
fn a_telephone_utility_does_not_record_in_pennsylvania() {
    let utility = |state: &str| {
        with(two("OH", state), |f| {
            f.notices.push(notice(true, &[0, 1]));
            f.attributes.push(flag("tenant.telephone-utility"));
        })
    };
    assert!(cites(&refuses(&utility("PA"), "consent.telephone-utility"), "63.137(2)"));
    allows(&utility("FL"));
    allows(&with(utility("PA"), |f| f.attributes.push(flag("tenant.puc-waiver"))));
}

/// Whoever may be anywhere is held to what any place asks for.
#[test]
fn an_unknown_place_is_every_place() {
    let told = |attributes: &[&str]| {
        let parties = [
            at(Role::Agent, "TX"),
            nowhere(Role::Customer, NumberKind::Missing),
            nowhere(Role::Vendor, NumberKind::Missing),
        ];
        with(call(&parties), |f| {
            f.notices.push(notice(true, &[0, 1]));
            f.attributes.extend(attributes.iter().map(|name| flag(name)));
        })
    };
    assert!(cites(&refuses(&told(&[]), "consent.vendor"), "Cal. Penal Code 631"));
    let free = "consent.vendor-use";
    allows(&told(&[free]));
    assert!(cites(
        &refuses(&told(&[free, "tenant.telephone-utility"]), "consent.telephone-utility"),
        "63.137(2)"
    ));
    let public = told(&[free, "tenant.public-body"]);
    assert!(cites(&refuses(&public, "consent.express"), "2002-05"));
    allows(&with(public, |f| f.consents.push(yes(1))));
    let florida = pack(r#"{"express-states": ["FL"]}"#);
    assert_eq!(florida.capture(&Event::Offered, &told(&[free])).outcome, Outcome::Refuse);
}

#[test]
fn a_room_in_oregon_is_told() {
    let room = with(two("WY", "OR"), |f| f.attributes.push(flag("call.speakerphone")));
    assert!(cites(&refuses(&room, "consent.in-person"), "165.540(1)(c)"));
    allows(&with(room, |f| f.notices.push(notice(false, &[0, 1]))));
    allows(&two("WY", "OR"));
}

#[test]
fn words_and_keys_are_ruled_on_quietly() {
    let words = Event::Words(caveat_sdk::capture::Speech { heard: vec![], before: vec![] });
    let pack = pack("{}");
    assert_eq!(pack.capture(&words, &two("TX", "GA")), Ruling::allow());
    let ruling = pack.capture(&words, &two("TX", "FL"));
    assert_eq!(ruling, pack.capture(&Event::Offered, &two("TX", "FL")));
    assert_eq!(pack.capture(&Event::Ended, &two("TX", "FL")), Ruling::allow());
}

#[test]
fn what_is_unsure_is_said() {
    let says = |ruling: Ruling, words: &str| assert!(ruling.reasons[0].message.contains(words), "{ruling:?}");
    says(refuses(&two("OH", "DE"), "consent.all-party"), "counsel may opt in to de-one-party");
    says(refuses(&two("OH", "VI"), "consent.all-party"), "not verified");
    let told = |state: &str| with(two("TX", state), |f| f.notices.push(notice(true, &[0, 1])));
    says(allows(&told("FL")), "accepted practice, not statute; the option express-fl is stricter");
    let agreed = with(told("FL"), |f| f.consents.push(yes(1)));
    assert_eq!(allows(&agreed).reasons[0].message, "Florida: every party consented, or was told and stayed.");
}

#[test]
fn whoever_is_called_may_record() {
    let called = |state: &str, name: &str| {
        with(two(state, state), |f| {
            f.direction = Direction::Inbound;
            f.attributes.push(flag(name));
        })
    };
    assert!(cites(&allows(&called("WA", "call.harassing")), "9.73.030(2)(c)"));
    refuses(&called("MA", "call.harassing"), "consent.all-party");
    assert!(cites(&allows(&called("PA", "call.from-telemarketer")), "5704(19)"));
    let caller = with(called("PA", "call.from-telemarketer"), |f| f.direction = Direction::Outbound);
    refuses(&caller, "consent.all-party");
}

mod options {
    use super::*;

    #[track_caller]
    fn opted(option: &str, facts: &Facts) -> Ruling {
        pack(&format!(r#"{{"options": ["{option}"]}}"#)).capture(&Event::Offered, facts)
    }

    #[track_caller]
    fn check(option: &str, facts: &Facts, outcome: Outcome, codes: &[&str]) -> Ruling {
        let ruling = opted(option, facts);
        assert_eq!(ruling.outcome, outcome, "{ruling:?}");
        let tasks: Vec<&str> = duties(&ruling)
            .iter()
            .filter_map(|d| match d {
                Duty::SeeTo(task) => Some(task.action.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(tasks, codes);
        ruling
    }

    #[test]
    fn nevada_stops_at_its_border() {
        let option = "nv-place-of-recording";
        let call_from = |agent: Party, recorder: &str| {
            with(call(&[agent, by_number(Role::Customer, "NV")]), |f| f.recorder_region = recorder.into())
        };
        let az = call_from(at(Role::Agent, "AZ"), "AZ");
        assert!(cites(&check(option, &az, Outcome::Allow, &[]), "Ditech"));
        refuses(&az, "consent.all-party");
        let mut ported = at(Role::Agent, "AZ");
        ported.regions.push(evidence("NV", RegionSource::Number));
        for near in [
            call_from(at(Role::Agent, "AZ"), "NV"),
            call_from(at(Role::Agent, "AZ"), ""),
            call_from(at(Role::Agent, "NV"), "AZ"),
            call_from(by_number(Role::Agent, "AZ"), "AZ"),
            call_from(ported, "AZ"),
            call_from(at(Role::Agent, "CA"), "AZ"),
        ] {
            check(option, &near, Outcome::Refuse, &[]);
        }
    }

    #[test]
    fn illinois_monitors_solicitation() {
        let option = "il-14-3j";
        let sale = with(two("IN", "IL"), |f| {
            f.purposes = vec![Purpose::Training];
            f.attributes.push(text("call.kind", "telephone-solicitation"));
        });
        let ruling = check(
            option,
            &sale,
            Outcome::Allow,
            &["restrict-use-to-training-qc", "employee-notice-on-file", "destroy-unrelated-recording"],
        );
        assert!(duties(&ruling).contains(&&Duty::NoThirdParty));
        let uses = vec![Purpose::Training, Purpose::Quality, Purpose::Research];
        assert!(duties(&ruling).contains(&&Duty::RestrictUse(uses)));
        refuses(&sale, "consent.all-party");
        check(option, &with(sale.clone(), |f| f.purposes.push(Purpose::Evidence)), Outcome::Refuse, &[]);
        check(option, &with(sale.clone(), |f| f.attributes.clear()), Outcome::Refuse, &[]);
        check(option, &with(sale.clone(), |f| f.purposes.clear()), Outcome::Refuse, &[]);
        // With a notice nothing was relied on, and nothing is owed.
        check(option, &with(sale.clone(), |f| f.notices.push(notice(false, &[0, 1]))), Outcome::Allow, &[]);
        // It lifts Illinois and no other.
        check(option, &with(sale, |f| f.recorder_region = "CA".into()), Outcome::Refuse, &[]);
    }

    #[test]
    fn pennsylvania_destroys_within_a_year() {
        let option = "pa-5704-15";
        let service = with(two("OH", "PA"), |f| {
            f.purposes = vec![Purpose::Quality, Purpose::Oversight];
            f.began = caveat_sdk::dates::parse("2026-01-05").unwrap();
        });
        let ruling = check(option, &service, Outcome::Allow, &["restrict-use-to-training-qc"]);
        let by = caveat_sdk::dates::parse("2027-01-05").unwrap();
        assert!(duties(&ruling).contains(&&Duty::DestroyBy(by)));
        check(option, &with(service.clone(), |f| f.purposes.push(Purpose::Evidence)), Outcome::Refuse, &[]);
        check(
            option,
            &with(service, |f| f.attributes.push(text("call.kind", "board-meeting"))),
            Outcome::Refuse,
            &[],
        );
    }

    #[test]
    fn michigan_needs_a_participant() {
        let option = "mi-participant";
        let facts = two("OH", "MI");
        check(option, &facts, Outcome::Allow, &[]);
        let supervised = with(facts.clone(), |f| f.parties[0].role = Role::Supervisor);
        check(option, &supervised, Outcome::Refuse, &[]);
        check(option, &with(facts.clone(), |f| f.purposes = vec![Purpose::VendorUse]), Outcome::Refuse, &[]);
        refuses(&facts, "consent.all-party");
    }
}
