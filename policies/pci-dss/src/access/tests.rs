#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_sdk::facts::Purpose;

use super::*;
use crate::testing::{kept, pack, sorted};

use FactorKind::{Federated, Passkey, Password, Totp};
use LabelKind::{CardCode, CardNumber};
use Outcome::{Allow, Refuse, StepUp};

fn person(role: Role) -> Person {
    let factors = [Password, Totp].map(|kind| Factor { kind, at: 0 }).to_vec();
    Person {
        role,
        function: String::new(),
        factors,
        idle_s: 0,
        unused_days: 0,
        account: AccountKind::Individual,
        standing: Standing::Active,
        traits: PersonTraits::empty(),
    }
}

fn entitled() -> Person {
    Person { traits: PersonTraits::FULL_NEED, ..person(Role::Supervisor) }
}

fn ask(act: Act, form: Form, person: Person) -> Request {
    Request { act, purpose: Purpose::Unstated, form, where_: None, person }
}

fn play(person: Person) -> Request {
    ask(Act::Play, Form::Original, person)
}

/// Outcome, what is hidden, remedies.
fn check(request: Request, facts: &Facts, want: Outcome, hidden: &[LabelKind], remedies: &[&str]) {
    let ruling = pack("{}").access(&request, facts);
    let masks = ruling.obligations.iter().flat_map(|o| match &o.duty {
        Duty::ServeRedacted(kinds) => kinds.clone(),
        other => unreachable!("{other:?}"),
    });
    let said = (
        ruling.outcome,
        masks.collect::<Vec<_>>(),
        sorted(ruling.remedies.iter().map(|r| r.action.as_str())),
    );
    assert_eq!(
        said,
        (want, hidden.to_vec(), sorted(remedies.iter().copied())),
        "{request:?}\n{:?}",
        ruling.reasons
    );
}

fn pan() -> Facts {
    kept(&[CardNumber], &[])
}

#[test]
fn two_factors_of_different_kinds() {
    let check = |factors: &[FactorKind], change: fn(&mut Person), want: Outcome| {
        let mut who = entitled();
        who.factors = factors.iter().map(|&kind| Factor { kind, at: 0 }).collect();
        change(&mut who);
        let remedies: &[&str] = if want == StepUp { &["require-mfa"] } else { &[] };
        check(play(who), &pan(), want, &[], remedies);
    };
    check(&[Password], |_| (), StepUp);
    check(&[], |_| (), StepUp);
    check(&[Password, Password], |_| (), StepUp);
    check(&[Federated], |_| (), StepUp);
    check(&[Password, Totp], |_| (), Allow);
    check(&[Password, Federated], |_| (), Allow);
    check(&[Passkey, Totp], |_| (), Allow);
    check(&[Passkey], |_| (), Allow);
    check(&[Passkey], |p| p.traits = PersonTraits::REMOTE | p.traits, StepUp);
    check(&[Passkey], |p| p.role = Role::Admin, StepUp);
    check(&[Password, Passkey], |p| p.traits = PersonTraits::REMOTE | p.traits, Allow);
    let mut alone = entitled();
    alone.factors.truncate(1);
    super::tests::check(
        ask(Act::SignIn, Form::FactsOnly, alone.clone()),
        &kept(&[], &[]),
        StepUp,
        &[],
        &["require-mfa"],
    );
    let mut admin = entitled();
    admin.role = Role::Admin;
    admin.factors = vec![Factor { kind: Passkey, at: 0 }];
    for (settings, verified, want) in [
        ("{}", "yes", StepUp),
        (r#"{"verified-passkey-is-mfa": true}"#, "yes", Allow),
        (r#"{"options": ["verified-passkey-is-mfa"]}"#, "yes", Allow),
        (r#"{"verified-passkey-is-mfa": true}"#, "no", StepUp),
    ] {
        let facts = kept(&[], &[("access.passkey-verified", verified)]);
        let ruling = pack(settings).access(&ask(Act::SignIn, Form::FactsOnly, admin.clone()), &facts);
        assert_eq!(ruling.outcome, want, "{settings}, verified: {verified}");
    }
    super::tests::check(
        play(alone),
        &kept(&[CardNumber], &[("access.phishing-resistant", "yes")]),
        Allow,
        &[],
        &[],
    );
}

#[test]
fn accounts_that_are_nobodys_or_closed() {
    let check = |change: fn(&mut Person), facts: &Facts, want: Outcome, remedies: &[&str]| {
        let mut who = entitled();
        change(&mut who);
        check(play(who), facts, want, &[], remedies);
    };
    check(|p| p.standing = Standing::Terminated, &pan(), Refuse, &[]);
    check(|p| p.standing = Standing::Suspended, &kept(&[], &[]), Refuse, &[]);
    check(|p| p.standing = Standing::Inactive, &pan(), Refuse, &[]);
    check(|p| p.unused_days = 91, &pan(), Refuse, &[]);
    check(|p| p.unused_days = 90, &pan(), Allow, &[]);
    check(|p| p.account = AccountKind::Shared, &kept(&[], &[]), Refuse, &["use-individual-account"]);
    check(|p| p.account = AccountKind::Service, &pan(), Refuse, &["use-individual-account"]);
    check(|p| p.account = AccountKind::Service, &kept(&[], &[]), Allow, &[]);
    let locked = kept(&[CardNumber], &[("access.failed-attempts", "10"), ("access.locked-minutes", "29")]);
    check(|_| (), &locked, Refuse, &["confirm-identity"]);
    let waited = kept(&[CardNumber], &[("access.failed-attempts", "10"), ("access.locked-minutes", "30")]);
    check(|_| (), &waited, Allow, &[]);
    // What else is missing does not matter any more.
    check(
        |p| {
            p.standing = Standing::Terminated;
            p.idle_s = 5000;
            p.factors.clear();
        },
        &pan(),
        Refuse,
        &[],
    );
}

#[test]
fn idle_for_more_than_a_quarter_of_an_hour() {
    let idle = |idle_s| Person { idle_s, ..entitled() };
    check(play(idle(960)), &pan(), StepUp, &[], &["re-authenticate"]);
    check(play(idle(901)), &kept(&[], &[]), StepUp, &[], &["re-authenticate"]);
    check(play(idle(900)), &pan(), Allow, &[], &[]);
    check(ask(Act::SignIn, Form::FactsOnly, idle(960)), &kept(&[], &[]), Allow, &[], &[]);
}

#[test]
fn what_a_role_gets() {
    let need = |role, want: Outcome| {
        let (hidden, remedies): (&[LabelKind], &[&str]) = match want {
            Refuse => (&[], &["ask-for-redacted-copy"]),
            _ => (&CARD, &[]),
        };
        check(play(person(role)), &pan(), want, hidden, remedies);
        check(play(person(role)), &kept(&[], &[]), Allow, &[], &[]);
        check(ask(Act::Play, Form::Redacted, person(role)), &pan(), Allow, &[], &[]);
        let full = Person { traits: PersonTraits::FULL_NEED, ..person(role) };
        check(play(full), &pan(), Allow, &[], &[]);
    };
    [Role::Supervisor, Role::Trainer, Role::Compliance, Role::Auditor]
        .into_iter()
        .for_each(|r| need(r, Allow));
    [Role::Agent, Role::Integrator, Role::Admin, Role::Outsider].into_iter().for_each(|r| need(r, Refuse));
    let qa = Person { function: "QA".into(), ..person(Role::Outsider) };
    check(ask(Act::Play, Form::Transcript, qa.clone()), &pan(), Allow, &CARD, &[]);
    check(ask(Act::Search, Form::FactsOnly, qa), &pan(), Allow, &[], &[]);
    let own = Person { traits: PersonTraits::OWN_RECORDING, ..person(Role::Outsider) };
    check(ask(Act::Disclose, Form::Original, own), &pan(), Allow, &CARD, &[]);
    check(ask(Act::Delete, Form::Original, person(Role::Admin)), &pan(), Allow, &[], &[]);
    // Said to have no need, whatever else is on file.
    check(play(entitled()), &kept(&[CardNumber], &[("access.need-full-pan", "no")]), Allow, &CARD, &[]);
}

#[test]
fn nobody_hears_a_code() {
    check(play(entitled()), &kept(&[CardNumber, CardCode], &[]), Allow, &SAD, &[]);
    check(play(person(Role::Agent)), &kept(&[CardCode], &[]), Allow, &SAD, &[]);
}

#[test]
fn ways_that_card_numbers_do_not_go() {
    let with = |attributes: &[(&str, &str)]| kept(&[CardNumber], attributes);
    let remote = || Person { traits: PersonTraits::FULL_NEED | PersonTraits::REMOTE, ..entitled() };
    let export = |who| ask(Act::Export, Form::Original, who);
    check(export(remote()), &pan(), Refuse, &[], &["ask-for-redacted-copy", "copy-grant"]);
    check(export(remote()), &with(&[("access.copy-grant", "yes")]), Allow, &[], &[]);
    check(export(entitled()), &pan(), Allow, &[], &[]);
    check(play(remote()), &pan(), Allow, &[], &[]);
    check(ask(Act::Export, Form::Redacted, remote()), &pan(), Allow, &[], &[]);
    check(export(remote()), &kept(&[], &[]), Allow, &[], &[]);

    check(export(entitled()), &with(&[("access.channel", "email")]), Refuse, &[], &["use-secure-channel"]);
    let sealed = with(&[("access.channel", "email"), ("access.channel-encrypted", "yes")]);
    check(export(entitled()), &sealed, Allow, &[], &[]);

    check(play(entitled()), &with(&[("access.via", "sql")]), Refuse, &[], &["use-application"]);
    check(play(entitled()), &with(&[("access.via", "application")]), Allow, &[], &[]);
    let keeper = Person { function: "dba".into(), ..entitled() };
    check(play(keeper), &with(&[("access.via", "sql")]), Allow, &[], &[]);
}
