use caveat_sdk::{
    access::{AccountKind, FactorKind, Form, PersonTraits, Role, Standing},
    facts::{AttributeValue, AttributeValue::*, LabelKind},
};

use super::*;
use crate::{asking::tests::request, settings::Profile, storage::tests::with};

type Attributes<'a> = &'a [(&'a str, AttributeValue)];

const YES: AttributeValue = Flag(true);
const NO: AttributeValue = Flag(false);

fn code(duty: &Duty) -> String {
    match duty {
        Duty::ServeRedacted(_) => "serve-redacted-copy".into(),
        Duty::LogAccess => "log-access".into(),
        Duty::LogDisclosure => "log-disclosure".into(),
        Duty::RecordReason => "record-reason".into(),
        Duty::AfterReview => "after-review".into(),
        Duty::Alert(whom) => format!("alert-{whom}"),
        Duty::SeeTo(task) => task.action.clone(),
    }
}

fn codes(ruling: &Ruling) -> Vec<String> {
    ruling.obligations.iter().map(|o| code(&o.duty)).collect()
}

/// What is said to this request, with the strictest rule named first: allowed with these, or refused by this rule.
#[track_caller]
fn says(request: &Request, facts: Attributes<'_>, wanted: Result<&[&str], &str>) {
    let ruling = rule(&Settings::default(), request, &with(facts));
    let rules: Vec<&str> = ruling.reasons.iter().map(|r| r.rule.as_str()).collect();
    match wanted {
        Ok(wanted) => assert_eq!(
            (ruling.outcome, codes(&ruling)),
            (Outcome::Allow, wanted.iter().map(|w| (*w).into()).collect()),
            "{rules:?}"
        ),
        Err(rule) => {
            assert_eq!(ruling.outcome, Outcome::Refuse, "{rules:?}");
            assert_eq!(rules.first(), Some(&rule));
            assert!(ruling.obligations.is_empty(), "{:?}", ruling.obligations);
        }
    }
}

#[track_caller]
fn plays(function: &str, purpose: Purpose, facts: Attributes<'_>, wanted: Result<&[&str], &str>) {
    says(&request(Role::Outsider, function, Act::Play, purpose), facts, wanted);
}

#[track_caller]
fn discloses(to: &str, purpose: Purpose, facts: Attributes<'_>, wanted: Result<&[&str], &str>) {
    says(&request(Role::Outsider, to, Act::Disclose, purpose), facts, wanted);
}

#[test]
fn treatment_is_not_reduced() {
    plays("clinician", Purpose::Treatment, &[], Ok(&["log-access"]));
    plays("nurse", Purpose::Emergency, &[], Ok(&["log-access"]));
    plays("other-provider", Purpose::Treatment, &[], Ok(&[]));
    plays("nurse", Purpose::Treatment, &[("access.treating", NO)], Err("hipaa.permitted-purpose"));
    discloses("other-provider", Purpose::Treatment, &[], Ok(&[]));
    // Whoever does not treat gets what the work needs.
    plays("billing", Purpose::Treatment, &[], Ok(&["serve-redacted-copy", "log-access"]));
}

#[test]
fn the_minimum_necessary() {
    let reduced: Result<&[&str], &str> = Ok(&["serve-redacted-copy", "log-access"]);
    plays("billing", Purpose::Payment, &[], reduced);
    plays("clinician", Purpose::Operations, &[], reduced);
    plays("coach", Purpose::Training, &[], reduced);
    plays("analyst", Purpose::Quality, &[], reduced);
    let mut ask = request(Role::Trainer, "", Act::Play, Purpose::Training);
    ask.form = Form::Redacted;
    says(&ask, &[], Ok(&["log-access"]));
    let mut ask = request(Role::Agent, "billing", Act::Export, Purpose::Payment);
    ask.person.traits = PersonTraits::FULL_NEED;
    says(&ask, &[], Ok(&["log-access"]));
    says(&request(Role::Compliance, "", Act::Play, Purpose::Oversight), &[], Ok(&["log-access"]));
    says(&request(Role::Supervisor, "", Act::Play, Purpose::Oversight), &[], reduced);
    discloses("health-plan", Purpose::Payment, &[], Ok(&["serve-redacted-copy"]));
}

#[test]
fn what_is_hidden_depends_on_the_purpose() {
    let hidden = |purpose| {
        let ruling =
            rule(&Settings::default(), &request(Role::Supervisor, "", Act::Play, purpose), &with(&[]));
        match &ruling.obligations[0].duty {
            Duty::ServeRedacted(kinds) => kinds.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert!(hidden(Purpose::Payment).contains(&LabelKind::Health));
    assert!(!hidden(Purpose::Payment).contains(&LabelKind::PersonName));
    assert!(hidden(Purpose::Training).contains(&LabelKind::PersonName));
}

#[test]
fn a_purpose_is_wanted() {
    plays("billing", Purpose::Unstated, &[], Err("hipaa.permitted-purpose"));
    plays(
        "nurse",
        Purpose::Unstated,
        &[("access.purpose", Text("curiosity".into()))],
        Err("hipaa.permitted-purpose"),
    );
    discloses("employer", Purpose::Operations, &[], Err("hipaa.permitted-purpose"));
    discloses("", Purpose::Payment, &[], Ok(&["serve-redacted-copy"]));
    plays("journalist", Purpose::Evidence, &[], Err("hipaa.permitted-purpose"));
    says(&request(Role::Agent, "", Act::Search, Purpose::Unstated), &[], Ok(&[]));
    says(
        &request(Role::Outsider, "vendor", Act::Search, Purpose::Unstated),
        &[],
        Err("hipaa.permitted-purpose"),
    );
    // An agent who sends it to nobody we know.
    let sent = [("access.recipient", Text("acme".into()))];
    says(&request(Role::Agent, "", Act::Export, Purpose::Evidence), &sent, Err("hipaa.permitted-purpose"));
}

#[test]
fn accounts_and_standing() {
    let mut ask = request(Role::Agent, "nurse", Act::Play, Purpose::Treatment);
    ask.person.account = AccountKind::Shared;
    says(&ask, &[], Err("hipaa.unique-user"));
    ask.person.traits = PersonTraits::BREAK_GLASS;
    says(&ask, &[], Err("hipaa.unique-user"));
    for standing in [Standing::Terminated, Standing::Suspended, Standing::Inactive] {
        let mut ask = request(Role::Agent, "nurse", Act::SignIn, Purpose::Unstated);
        ask.person.standing = standing;
        says(&ask, &[], Err("hipaa.workforce-termination"));
    }
    says(&request(Role::Agent, "nurse", Act::SignIn, Purpose::Unstated), &[], Ok(&[]));
}

#[test]
fn breaking_the_glass() {
    let wanted: Result<&[&str], &str> = Ok(&["record-reason", "alert-privacy-officer", "after-review"]);
    let mut ask = request(Role::Outsider, "clinician", Act::Play, Purpose::Emergency);
    ask.person.traits = PersonTraits::BREAK_GLASS;
    (ask.person.factors, ask.person.idle_s) = (vec![], 100_000);
    says(&ask, &[], wanted);
    (ask.person.function, ask.person.idle_s) = ("vendor".into(), 0);
    says(&ask, &[], Err("hipaa.business-associate"));
    (ask.person.function, ask.purpose) = ("billing".into(), Purpose::Marketing);
    says(&ask, &[], Err("hipaa.authorization"));
}

#[test]
fn sessions_and_factors() {
    let strict = Settings { profile: Profile::Nprm, ..Settings::default() };
    let mut ask = request(Role::Agent, "nurse", Act::Play, Purpose::Treatment);
    let outcome = |settings: &Settings, ask: &Request| rule(settings, ask, &with(&[])).outcome;
    assert_eq!(outcome(&strict, &ask), Outcome::Allow);
    ask.person.factors.retain(|f| f.kind == FactorKind::Password);
    assert_eq!(outcome(&strict, &ask), Outcome::StepUp);
    assert_eq!(outcome(&Settings::default(), &ask), Outcome::Allow);
    ask.person.idle_s = 900;
    assert_eq!(outcome(&Settings::default(), &ask), Outcome::Allow);
    ask.person.idle_s = 901;
    assert_eq!(outcome(&Settings::default(), &ask), Outcome::StepUp);
}

#[test]
fn the_patient() {
    let verified = ("access.identity-verified", YES);
    let own = |facts: Attributes<'_>, wanted| plays("patient", Purpose::OwnRequest, facts, wanted);
    own(std::slice::from_ref(&verified), Ok(&["respond-within-30-days"]));
    own(&[], Ok(&["verify-identity", "respond-within-30-days"]));
    own(&[("access.identity-verified", NO)], Err("hipaa.verification"));
    own(&[verified.clone(), ("access.qa-only", YES)], Err("hipaa.right-of-access"));
    own(&[verified.clone(), ("access.designated-record-set", NO)], Err("hipaa.right-of-access"));
    own(&[verified.clone(), ("access.designated-record-set", YES)], Ok(&["respond-within-30-days"]));
    own(&[verified.clone(), ("access.for-litigation", YES)], Err("hipaa.right-of-access"));
    own(&[verified.clone(), ("access.psychotherapy-notes", YES)], Err("hipaa.psychotherapy-notes"));
    own(&[verified.clone(), ("access.purpose", Text("accounting".into()))], Ok(&["respond-within-60-days"]));
    own(&[verified, ("access.purpose", Text("amendment".into()))], Ok(&["append-statement"]));
    let mut stranger = request(Role::Outsider, "patient", Act::Play, Purpose::OwnRequest);
    stranger.person.factors.clear();
    says(&stranger, &[], Err("hipaa.verification"));
    let policy = Settings { qa_recordings_to_patients: true, ..Settings::default() };
    let ask = request(Role::Outsider, "patient", Act::Play, Purpose::OwnRequest);
    assert_eq!(rule(&policy, &ask, &with(&[("access.qa-only", YES)])).outcome, Outcome::Allow);
}

#[test]
fn access_is_due_in_thirty_days() {
    let due = |facts: Attributes<'_>| {
        let mut facts = with(facts);
        facts.now = caveat_sdk::dates::parse("2026-11-23").unwrap_or_default();
        let mut ask = request(Role::Outsider, "patient", Act::Play, Purpose::OwnRequest);
        ask.person.traits = PersonTraits::VERIFIED;
        match &rule(&Settings::default(), &ask, &facts).obligations[0].duty {
            Duty::SeeTo(task) => task.due.map(caveat_sdk::dates::text),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(due(&[]).as_deref(), Some("2026-12-23"));
    assert_eq!(due(&[("access.requested-days-ago", Whole(10))]).as_deref(), Some("2026-12-13"));
    assert_eq!(
        due(&[("access.requested-days-ago", Whole(10)), ("access.extended", YES)]).as_deref(),
        Some("2027-01-12")
    );
}

#[test]
fn parents() {
    let verified = ("access.identity-verified", YES);
    let parent = |extra: (&str, AttributeValue), wanted| {
        plays("parent", Purpose::OwnRequest, &[verified.clone(), extra], wanted);
    };
    parent(("access.patient-age", Whole(12)), Ok(&["respond-within-30-days"]));
    parent(("access.patient-age", Whole(18)), Err("hipaa.personal-representative"));
    for carved_out in [
        "access.minor-consented-alone",
        "access.court-consented",
        "access.parent-assented-to-confidentiality",
    ] {
        parent((carved_out, YES), Err("hipaa.personal-representative"));
        let facts = [verified.clone(), (carved_out, YES), ("access.state-law-permits", YES)];
        plays("parent", Purpose::OwnRequest, &facts, Ok(&["respond-within-30-days"]));
    }
    parent(("access.abuse-suspected", YES), Err("hipaa.personal-representative"));
    plays("guardian", Purpose::OwnRequest, std::slice::from_ref(&verified), Ok(&["respond-within-30-days"]));
}

#[test]
fn amendment_never_touches_the_original() {
    let mut ask = request(Role::Outsider, "patient", Act::Amend, Purpose::OwnRequest);
    ask.person.traits = PersonTraits::VERIFIED;
    says(&ask, &[], Ok(&["append-statement"]));
    says(&ask, &[("access.alters-original", YES)], Err("hipaa.amendment"));
    says(&request(Role::Agent, "nurse", Act::Amend, Purpose::Treatment), &[], Ok(&["append-statement"]));
    says(
        &request(Role::Outsider, "vendor", Act::Amend, Purpose::Operations),
        &[],
        Err("hipaa.permitted-purpose"),
    );
    says(&request(Role::Outsider, "patient", Act::Delete, Purpose::OwnRequest), &[], Err("hipaa.amendment"));
    let in_record = [("retention.state", Text("NC".into()))];
    says(
        &request(Role::Admin, "", Act::Delete, Purpose::Operations),
        &in_record,
        Err("hipaa.no-retention-period"),
    );
}

#[test]
fn their_own_ends() {
    for (who, purpose) in [
        ("vendor", Purpose::VendorUse),
        ("vendor", Purpose::Training),
        ("ai-vendor", Purpose::Marketing),
        ("billing", Purpose::Marketing),
    ] {
        plays(who, purpose, &[], Err("hipaa.authorization"));
    }
    plays("vendor", Purpose::VendorUse, &[("access.authorization", YES)], Ok(&[]));
    discloses("health-plan", Purpose::Payment, &[("access.sale", YES)], Err("hipaa.authorization"));
    plays("vendor", Purpose::Operations, &[], Err("hipaa.business-associate"));
    plays("vendor", Purpose::Operations, &[("access.baa", YES)], Ok(&["serve-redacted-copy", "log-access"]));
}

#[test]
fn a_voice_cannot_be_de_identified() {
    let bleeped = ("access.deidentified", Text("names-bleeped".into()));
    let harbor = ("access.deidentified", Text("safe-harbor".into()));
    let expert = ("access.deidentified", Text("expert-determination".into()));
    plays("vendor", Purpose::VendorUse, &[bleeped], Err("hipaa.de-identification"));
    plays("vendor", Purpose::VendorUse, std::slice::from_ref(&harbor), Err("hipaa.de-identification"));
    plays("vendor", Purpose::VendorUse, &[expert], Ok(&[]));
    let mut ask = request(Role::Outsider, "vendor", Act::Play, Purpose::VendorUse);
    ask.form = Form::Transcript;
    says(&ask, &[harbor], Ok(&["serve-redacted-copy"]));
    // Said not to be: then it is not.
    plays("vendor", Purpose::VendorUse, &[("access.deidentified", NO)], Err("hipaa.authorization"));
}

#[test]
fn research() {
    plays("researcher", Purpose::Research, &[], Err("hipaa.research"));
    plays("researcher", Purpose::Research, &[("access.irb-waiver", YES)], Ok(&["log-disclosure"]));
    plays("researcher", Purpose::Research, &[("access.authorization", YES)], Ok(&[]));
    let set = [("access.limited-data-set", YES), ("access.data-use-agreement", YES)];
    plays("researcher", Purpose::Research, &set, Err("hipaa.research"));
    let mut ask = request(Role::Outsider, "researcher", Act::Play, Purpose::Research);
    ask.form = Form::Transcript;
    says(&ask, &set, Ok(&["serve-redacted-copy"]));
    says(&ask, &set[..1], Err("hipaa.research"));
}

#[test]
fn the_dead() {
    let died = |years| ("access.decedent-years", Whole(years));
    plays("researcher", Purpose::Unstated, &[died(30)], Err("hipaa.decedents"));
    plays("researcher", Purpose::Unstated, &[died(49)], Err("hipaa.decedents"));
    plays("researcher", Purpose::Unstated, &[died(50)], Err("hipaa.decedents"));
    plays("researcher", Purpose::Unstated, &[died(51)], Ok(&[]));
    plays(
        "researcher",
        Purpose::Research,
        &[died(30), ("access.decedent-research", YES)],
        Ok(&["log-disclosure"]),
    );
    let ask = request(Role::Outsider, "researcher", Act::Play, Purpose::Unstated);
    assert!(rule(&Settings::default(), &ask, &with(&[died(30)])).remedies.is_empty());
}

#[test]
fn psychotherapy_notes() {
    let notes = ("access.record-class", Text("psychotherapy-notes".into()));
    plays("clinician", Purpose::Treatment, std::slice::from_ref(&notes), Err("hipaa.psychotherapy-notes"));
    plays("clinician", Purpose::Treatment, &[notes.clone(), ("access.originator", YES)], Ok(&["log-access"]));
    plays("health-plan", Purpose::Payment, &[notes.clone(), ("access.authorization", YES)], Ok(&[]));
    plays("clinician", Purpose::Treatment, &[("access.psychotherapy-notes", NO)], Ok(&["log-access"]));
}

#[test]
fn substance_use() {
    let tag = ("access.part2", YES);
    let legal = |extra: Attributes<'_>, wanted| {
        let all: Vec<_> = std::iter::once(tag.clone()).chain(extra.iter().cloned()).collect();
        discloses("subpoena", Purpose::Legal, &all, wanted);
    };
    legal(&[], Err("hipaa.part-2"));
    legal(&[("access.satisfactory-assurance", YES)], Err("hipaa.part-2"));
    legal(&[("access.court-order", YES)], Err("hipaa.part-2"));
    legal(&[("access.part2-order", YES)], Ok(&["attach-part-2-notice", "log-disclosure"]));
    discloses("other-provider", Purpose::Treatment, std::slice::from_ref(&tag), Err("hipaa.part-2"));
    discloses(
        "other-provider",
        Purpose::Treatment,
        &[tag.clone(), ("access.part2-consent", YES)],
        Ok(&["attach-part-2-notice"]),
    );
    plays("nurse", Purpose::Treatment, &[tag], Ok(&["log-access"]));
}

#[test]
fn legal_process() {
    discloses("subpoena", Purpose::Legal, &[], Err("hipaa.legal-process"));
    discloses("subpoena", Purpose::Legal, &[("access.satisfactory-assurance", YES)], Ok(&["log-disclosure"]));
    discloses("court", Purpose::Legal, &[], Ok(&["log-disclosure"]));
    discloses("police", Purpose::LawEnforcement, &[], Err("hipaa.legal-process"));
    discloses("police", Purpose::LawEnforcement, &[("access.warrant", YES)], Ok(&["log-disclosure"]));
    let process = [("access.legal-process", Text("grand_jury_subpoena".into()))];
    discloses("law-enforcement", Purpose::LawEnforcement, &process, Ok(&["log-disclosure"]));
    discloses("public-health", Purpose::PublicHealth, &[], Ok(&["log-disclosure"]));
    discloses("hhs", Purpose::Regulatory, &[], Ok(&["log-disclosure"]));
    // Its own counsel is workforce.
    plays("counsel", Purpose::Legal, &[], Ok(&["serve-redacted-copy", "log-access"]));
}

#[test]
fn paid_out_of_pocket() {
    let paid = [("access.paid-out-of-pocket", YES)];
    discloses("health-plan", Purpose::Payment, &paid, Err("hipaa.restriction"));
    discloses("", Purpose::Payment, &paid, Err("hipaa.restriction"));
    discloses("other-provider", Purpose::Treatment, &paid, Ok(&[]));
    discloses("other-provider", Purpose::Treatment, &[("access.restricted", YES)], Err("hipaa.restriction"));
}

#[test]
fn not_protected() {
    let ask = request(Role::Outsider, "journalist", Act::Play, Purpose::Unstated);
    let labels_only = Settings { all_recordings_are_phi: false, ..Settings::default() };
    assert_eq!(rule(&labels_only, &ask, &with(&[])).outcome, Outcome::Allow);
    assert_eq!(rule(&labels_only, &ask, &with(&[("content.phi", YES)])).outcome, Outcome::Refuse);
    assert_eq!(rule(&Settings::default(), &ask, &with(&[("content.phi", NO)])).outcome, Outcome::Allow);
}
