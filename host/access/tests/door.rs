//! The door as its users meet it: a real database, a clock that stands still until it is moved.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests")]

mod house;

use std::collections::BTreeSet;

use caveat_access::{AccessError, Action, NewPerson, Scope};
use caveat_model::{ClientId, Clock, FactorKind, Moment, PersonId, Role, Standing};
use house::{House, MINUTE_MS, PASSWORD, code, ended, new_person, refused};
use totp_rs::Secret;

#[tokio::test]
async fn both_factors_open_the_door() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let who = h.access.session(session.token.as_str()).await.unwrap();
    assert_eq!((&who.client, &who.person, who.role), (&h.acme, &h.kim, Role::Supervisor));
    assert_eq!((who.function.as_str(), who.origin.as_str()), ("billing", "192.0.2.7"));
    let shown: Vec<_> = who.factors.iter().map(|f| (f.kind, f.at)).collect();
    let now = h.clock.now();
    assert_eq!(shown, [(FactorKind::Password, now), (FactorKind::Totp, now)]);
    assert_eq!(who, session.signed_in);
    assert_eq!(who.to_model().role, Role::Supervisor);

    assert_eq!(
        h.enrolment.otpauth_url,
        format!("otpauth://totp/Caveat:kim@acme?secret={}&issuer=Caveat", h.enrolment.totp_secret_base32)
    );
    h.access.sign_out(session.token.as_str()).await.unwrap();
    assert!(ended(h.access.session(session.token.as_str()).await));
}

#[tokio::test]
async fn every_wrong_sign_in_gets_the_same_answer() {
    let h = House::new().await;
    let sam: PersonId = "sam".parse().unwrap();
    let suspended = h.access.add_person(new_person(&h.acme, &sam, Role::Agent)).await.unwrap();
    h.access.set_standing(&h.acme, &sam, Standing::Suspended).await.unwrap();
    let sams_code = code(&suspended, h.clock.now().as_millis() / 1000);
    let (other, nobody) = ("other".parse().unwrap(), "nobody".parse().unwrap());
    let (right, long) = (h.code(), "a1".repeat(5000));
    let tries = [
        (&h.acme, &h.kim, "wrong-horse-42", right.as_str()),
        (&h.acme, &h.kim, PASSWORD, "000000"),
        (&h.acme, &h.kim, PASSWORD, "not a code"),
        (&h.acme, &h.kim, long.as_str(), right.as_str()),
        (&h.acme, &nobody, PASSWORD, right.as_str()),
        (&other, &h.kim, PASSWORD, right.as_str()),
        (&h.acme, &sam, PASSWORD, sams_code.as_str()),
    ];
    let mut answers = BTreeSet::new();
    for (client, person, password, code) in tries {
        let err = h.access.sign_in(client, person, password, code, "").await.unwrap_err();
        answers.insert((err.to_string(), format!("{err:?}")));
        h.clock.advance_millis(2000); // past the first wait
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let people: Vec<_> = h.access.list_people(&h.acme).await.unwrap().into_iter().map(|p| p.id).collect();
    assert_eq!(people, [h.kim.clone(), sam], "nobody was made up");
}

#[tokio::test]
async fn a_code_works_once() {
    let h = House::new().await;
    let code = h.code();
    h.try_sign_in(PASSWORD, &code).await.unwrap();
    assert!(refused(h.try_sign_in(PASSWORD, &code).await), "replayed");
    assert!(refused(h.try_sign_in(PASSWORD, &h.code_in_steps(-1)).await), "older than the last one used");

    h.next_step();
    h.next_step();
    let previous = h.code_in_steps(-1);
    h.try_sign_in(PASSWORD, &previous).await.unwrap();
    assert!(refused(h.try_sign_in(PASSWORD, &previous).await), "the previous step is good once");
    let session = h.try_sign_in(PASSWORD, &h.code()).await.unwrap();
    let again = h.access.step_up(session.token.as_str(), &h.code()).await;
    assert!(matches!(again, Err(AccessError::ProofRefused)), "a step-up takes no used code either");
    assert!(refused(h.try_sign_in(PASSWORD, &h.code_in_steps(-2)).await));
    assert!(refused(h.try_sign_in(PASSWORD, &h.code_in_steps(2)).await));
}

#[tokio::test]
async fn of_two_sign_ins_with_one_code_one_wins() {
    let h = House::new().await;
    let code = h.code();
    let (a, b) = tokio::join!(h.try_sign_in(PASSWORD, &code), h.try_sign_in(PASSWORD, &code));
    assert_eq!([&a, &b].iter().filter(|r| r.is_ok()).count(), 1, "{a:?} {b:?}");
}

#[tokio::test]
async fn ten_failures_lock_for_thirty_minutes() {
    let h = House::new().await;
    for _ in 0..10 {
        let until = h.access.person(&h.acme, &h.kim).await.unwrap().wait_until;
        if let Some(until) = until {
            h.clock.set(until);
        }
        assert!(refused(h.try_sign_in("wrong-horse-42", &h.code()).await));
    }
    let locked = h.clock.now();
    let until = h.access.person(&h.acme, &h.kim).await.unwrap().wait_until.unwrap();
    assert_eq!(until.since(locked), 30 * MINUTE_MS);
    h.clock.set(Moment::from_millis(until.as_millis() - 1));
    assert!(refused(h.try_sign_in(PASSWORD, &h.code()).await), "right, and too early");
    assert_eq!(h.access.person(&h.acme, &h.kim).await.unwrap().wait_until, Some(until), "no longer for it");
    h.clock.set(until);
    h.try_sign_in(PASSWORD, &h.code()).await.unwrap();
    assert_eq!(h.access.person(&h.acme, &h.kim).await.unwrap().wait_until, None);
}

#[tokio::test]
async fn guesses_at_the_same_moment_are_no_more_than_one_after_another() {
    let h = House::new().await;
    let guesses: Vec<_> = (0..24)
        .map(|_| {
            let (access, acme, kim) = (h.access.clone(), h.acme.clone(), h.kim.clone());
            tokio::spawn(async move { access.sign_in(&acme, &kim, "wrong-horse-42", "000000", "").await })
        })
        .collect();
    for guess in guesses {
        assert!(refused(guess.await.unwrap()));
    }
    // The clock stands still: after three free ones, the wait of the fourth holds off all the others.
    let failures: i64 = sqlx::query_scalar("SELECT failures FROM access_person WHERE id = 'kim'")
        .fetch_one(h.db.of(&h.acme))
        .await
        .unwrap();
    assert!((1..=4).contains(&failures), "{failures} were looked at");
    h.access.set_standing(&h.acme, &h.kim, Standing::Active).await.unwrap();
    h.try_sign_in(PASSWORD, &h.code()).await.unwrap();
}

#[tokio::test]
async fn fifteen_idle_minutes_end_a_session_and_no_less() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let token = session.token.as_str();
    for _ in 0..3 {
        h.clock.advance_millis(15 * MINUTE_MS);
        let who = h.access.session(token).await.unwrap();
        assert_eq!(who.idle_s, 900);
    }
    h.clock.advance_millis(15 * MINUTE_MS + 1);
    assert!(ended(h.access.session(token).await));
    h.clock.set(session.signed_in.began);
    assert!(ended(h.access.session(token).await), "an ended session stays ended when the clock goes back");
}

#[tokio::test]
async fn what_a_page_asks_by_itself_keeps_no_session_alive() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let token = session.token.as_str();
    for _ in 0..15 {
        h.clock.advance_millis(60_000);
        let who = h.access.session_unattended(token).await.unwrap();
        assert_eq!(who.person, session.signed_in.person);
    }
    h.clock.advance_millis(1);
    assert!(matches!(h.access.session_unattended(token).await, Err(AccessError::NoSession)));
    assert!(matches!(h.access.session(token).await, Err(AccessError::NoSession)));
}

#[tokio::test]
async fn a_session_in_use_ends_after_twelve_hours() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let token = session.token.as_str();
    for _ in 0..72 {
        h.clock.advance_millis(10 * MINUTE_MS);
        h.access.session(token).await.unwrap();
    }
    h.clock.advance_millis(1);
    assert!(ended(h.access.session(token).await));
}

#[tokio::test]
async fn a_clock_set_back_ends_a_session() {
    let h = House::new().await;
    let session = h.sign_in().await;
    h.clock.set(Moment::from_millis(h.clock.now().as_millis() - 60_000));
    h.access.session(session.token.as_str()).await.unwrap();
    h.clock.set(Moment::from_millis(h.clock.now().as_millis() - 1));
    assert!(ended(h.access.session(session.token.as_str()).await));
}

#[tokio::test]
async fn a_step_up_lasts_five_minutes() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let token = session.token.as_str();
    let play = async || h.access.session(token).await.unwrap().permit(Action::PlayRecording, &h.acme);
    assert!(play().await.is_ok(), "sign-in showed the second factor");
    h.clock.advance_millis(300_000);
    assert!(play().await.is_ok());
    h.clock.advance_millis(1);
    assert!(matches!(play().await, Err(AccessError::StepUpNeeded { within_s: 300, .. })));
    assert!(h.access.session(token).await.unwrap().permit(Action::SearchRecordings, &h.acme).is_ok());

    let wrong = h.access.step_up(token, "000000").await;
    assert!(matches!(wrong, Err(AccessError::ProofRefused)), "{wrong:?}");
    let who = h.access.step_up(token, &h.code()).await.unwrap();
    assert!(who.stepped_up && who.factors[1].at == h.clock.now());
    assert!(who.factors[0].at < h.clock.now(), "the password was not shown again");
    assert!(play().await.is_ok());
}

#[tokio::test]
async fn wrong_step_ups_lock_like_wrong_sign_ins() {
    let h = House::new().await;
    let session = h.sign_in().await;
    for _ in 0..4 {
        assert!(h.access.step_up(session.token.as_str(), "000000").await.is_err());
    }
    assert!(h.access.person(&h.acme, &h.kim).await.unwrap().wait_until.is_some());
    h.next_step();
    h.access.step_up(session.token.as_str(), &h.code()).await.unwrap();
}

#[tokio::test]
async fn the_sessions_of_the_terminated_end_at_once() {
    let h = House::new().await;
    for standing in [Standing::Terminated, Standing::Suspended, Standing::Inactive] {
        let (a, b) = (h.sign_in().await, h.sign_in().await);
        h.access.set_standing(&h.acme, &h.kim, standing).await.unwrap();
        for session in [&a, &b] {
            assert!(ended(h.access.session(session.token.as_str()).await));
        }
        h.next_step();
        assert!(refused(h.try_sign_in(PASSWORD, &h.code()).await));
        h.access.set_standing(&h.acme, &h.kim, Standing::Active).await.unwrap();
        assert!(ended(h.access.session(a.token.as_str()).await), "ended for good");
    }
}

#[tokio::test]
async fn the_oldest_session_makes_room() {
    let h = House::new().await;
    let first = h.sign_in().await;
    for _ in 0..7 {
        h.sign_in().await;
    }
    h.access.session(first.token.as_str()).await.unwrap();
    h.clock.advance_millis(1000);
    h.sign_in().await;
    assert!(h.access.session(first.token.as_str()).await.is_ok(), "it was used last but one");
    let sessions: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM access_session")
        .fetch_one(h.db.across(caveat_state::Purpose::Count))
        .await
        .unwrap();
    assert_eq!(sessions, 8);
}

#[tokio::test]
async fn a_dormant_account_stays_dormant_until_it_is_used() {
    let h = House::new().await;
    h.clock.set(h.clock.now().plus_days(100));
    assert_eq!(h.sign_in().await.signed_in.unused_days, 100);
    let session = h.sign_in().await;
    assert_eq!(session.signed_in.unused_days, 100, "a sign-in that came to nothing does not wake it");
    h.access.session(session.token.as_str()).await.unwrap();
    assert_eq!(h.sign_in().await.signed_in.unused_days, 0);
}

#[tokio::test]
async fn a_password_is_changed_with_the_current_one_and_not_to_a_former_one() {
    let h = House::new().await;
    let (session, elsewhere) = (h.sign_in().await, h.sign_in().await);
    let token = session.token.as_str();
    let wrong = h.access.change_password(token, "wrong-horse-42", "battery-staple-7").await;
    assert!(matches!(wrong, Err(AccessError::ProofRefused)), "{wrong:?}");
    let weak = h.access.change_password(token, PASSWORD, "short1").await.unwrap_err();
    assert!(weak.to_string().contains("8.3.6"), "{weak}");

    let mut current = PASSWORD.to_owned();
    for n in 1..=4 {
        for former in [PASSWORD, &current] {
            let again = h.access.change_password(token, &current, former).await.unwrap_err();
            assert!(again.to_string().contains("8.3.7"), "{again}");
        }
        let next = format!("battery-staple-{n}");
        h.clock.advance_millis(1000);
        h.access.change_password(token, &current, &next).await.unwrap();
        current = next;
    }
    h.access.change_password(token, &current, PASSWORD).await.unwrap();
    h.access.session(token).await.unwrap();
    assert!(ended(h.access.session(elsewhere.token.as_str()).await));
    h.next_step();
    assert!(refused(h.try_sign_in(&current, &h.code()).await));
    h.sign_in().await;
}

#[tokio::test]
async fn who_lost_a_factor_is_enrolled_again() {
    let mut h = House::new().await;
    let session = h.sign_in().await;
    let old_code = h.code_in_steps(1);
    h.enrolment = h.access.enroll_again(&h.acme, &h.kim, "battery-staple-7").await.unwrap();
    assert!(ended(h.access.session(session.token.as_str()).await));
    assert!(refused(h.try_sign_in(PASSWORD, &h.code()).await));
    assert!(refused(h.try_sign_in("battery-staple-7", &old_code).await));
    h.try_sign_in("battery-staple-7", &h.code()).await.unwrap();
    let nobody = h.access.enroll_again(&h.acme, &"nobody".parse().unwrap(), "battery-staple-7").await;
    assert!(matches!(nobody, Err(AccessError::NoPerson { .. })));
}

#[tokio::test]
async fn people_are_refused_with_the_reason() {
    let h = House::new().await;
    let sam = "sam".parse().unwrap();
    let check = async |change: fn(&mut NewPerson), said: &str| {
        let mut new = new_person(&h.acme, &sam, Role::Agent);
        change(&mut new);
        let err = h.access.add_person(new).await.unwrap_err().to_string();
        assert!(err.contains(said), "{err}");
    };
    check(|p| p.password = "onlyletterssss".into(), "no digit (PCI DSS 4.0.1, 8.3.6)").await;
    check(|p| p.password = "elevenchar1".into(), "at least 12 are needed (PCI DSS 4.0.1, 8.3.6)").await;
    check(|p| p.role = Role::Outsider, "the role").await;
    check(|p| p.name = " ".into(), "the name").await;
    check(|p| p.function = "Billing".into(), "lower case").await;
    check(|p| p.function = "a".repeat(121), "up to 120").await;
    check(|p| p.id = "kim".parse().unwrap(), "has a person kim already").await;
}

#[tokio::test]
async fn clients_share_nothing() {
    let h = House::new().await;
    let other: ClientId = "other".parse().unwrap();
    let theirs = h.access.add_person(new_person(&other, &h.kim, Role::Compliance)).await.unwrap();
    assert_eq!(h.access.list_people(&other).await.unwrap().len(), 1);

    h.next_step();
    let their_code = code(&theirs, h.clock.now().as_millis() / 1000);
    assert!(refused(h.try_sign_in(PASSWORD, &their_code).await), "the same id and password, another client");
    let mine = h.try_sign_in(PASSWORD, &h.code()).await.unwrap().signed_in;
    let yours = h.access.sign_in(&other, &h.kim, PASSWORD, &their_code, "").await.unwrap().signed_in;
    for action in caveat_access::roles::ACTIONS {
        assert!(matches!(mine.permit(action, &other), Err(AccessError::NotPermitted { .. })), "{action:?}");
        assert!(matches!(yours.permit(action, &h.acme), Err(AccessError::NotPermitted { .. })), "{action:?}");
    }

    let token = h.access.create_token(&other, "recorder", [Scope::Capture].into(), 30).await.unwrap();
    let machine = h.access.machine(token.as_str(), Scope::Capture).await.unwrap();
    assert!(machine.permit(Scope::Capture, &other).is_ok());
    assert!(matches!(machine.permit(Scope::Capture, &h.acme), Err(AccessError::Scope { .. })));
    assert!(matches!(h.access.revoke_token(&h.acme, &token.id).await, Err(AccessError::NoToken)));
    assert!(h.access.list_tokens(&h.acme).await.unwrap().is_empty());
}

#[tokio::test]
async fn machine_tokens_are_scoped_expire_and_can_be_revoked() {
    let h = House::new().await;
    let scopes = BTreeSet::from([Scope::Capture, Scope::ReadApi]);
    let token = h.access.create_token(&h.acme, "sidecar", scopes.clone(), 2).await.unwrap();
    let machine = h.access.machine(token.as_str(), Scope::ReadApi).await.unwrap();
    assert_eq!((&machine.client, machine.name.as_str(), &machine.scopes), (&h.acme, "sidecar", &scopes));
    for scope in [Scope::CallEvents, Scope::Admin] {
        let err = h.access.machine(token.as_str(), scope).await.unwrap_err();
        assert!(matches!(err, AccessError::Scope { .. }), "{err}");
    }

    let mut forged = token.as_str().to_owned();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    let other_id = token.as_str().replacen(&token.id, "0123456789abcdef", 1);
    for bad in [forged.as_str(), &other_id, "", "cvt_", "cvt_é", &token.as_str()[4..], &token.id] {
        let err = h.access.machine(bad, Scope::Capture).await.unwrap_err();
        assert!(matches!(err, AccessError::NoToken), "{bad}: {err}");
    }

    let expires = h.access.list_tokens(&h.acme).await.unwrap()[0].expires;
    h.clock.set(Moment::from_millis(expires.as_millis() - 1));
    h.access.machine(token.as_str(), Scope::Capture).await.unwrap();
    h.clock.set(expires);
    assert!(matches!(h.access.machine(token.as_str(), Scope::Capture).await, Err(AccessError::NoToken)));

    let second = h.access.create_token(&h.acme, "sidecar", scopes.clone(), 2).await.unwrap();
    h.access.machine(second.as_str(), Scope::Capture).await.unwrap();
    h.access.revoke_token(&h.acme, &second.id).await.unwrap();
    assert!(matches!(h.access.machine(second.as_str(), Scope::Capture).await, Err(AccessError::NoToken)));
    assert!(h.access.list_tokens(&h.acme).await.unwrap()[1].revoked.is_some());

    for (name, scopes, days) in [("", scopes.clone(), 1), ("a", BTreeSet::new(), 1), ("a", scopes, 366)] {
        let made = h.access.create_token(&h.acme, name, scopes, days).await;
        assert!(matches!(made, Err(AccessError::Unusable { .. })), "{made:?}");
    }
}

#[tokio::test]
async fn no_secret_is_on_disk_or_in_debug_output() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let machine = h.access.create_token(&h.acme, "sidecar", [Scope::Admin].into(), 1).await.unwrap();
    h.access.change_password(session.token.as_str(), PASSWORD, "battery-staple-7").await.unwrap();
    h.access.machine(machine.as_str(), Scope::Admin).await.unwrap();
    let totp = Secret::try_from_base32(&h.enrolment.totp_secret_base32).unwrap();
    let machine_secret = machine.as_str().rsplit_once(&machine.id).unwrap().1;
    let secrets: [(&str, &[u8]); 6] = [
        ("session token", session.token.as_str().as_bytes()),
        ("machine token", machine_secret.as_bytes()),
        ("password", PASSWORD.as_bytes()),
        ("new password", b"battery-staple-7"),
        ("TOTP secret", totp.as_bytes()),
        ("TOTP secret in base32", h.enrolment.totp_secret_base32.as_bytes()),
    ];

    let said = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        h.access,
        session,
        machine,
        h.enrolment,
        new_person(&h.acme, &h.kim, Role::Agent),
        h.try_sign_in(PASSWORD, "000000").await,
    );
    for (what, secret) in secrets {
        assert!(!contains(said.as_bytes(), secret), "{what} in {said}");
    }
    let mut searched = 0;
    for file in std::fs::read_dir(h.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        searched += bytes.len();
        for (what, secret) in secrets {
            assert!(!contains(&bytes, secret), "{what} on disk");
        }
    }
    // On a server, what is kept lies elsewhere.
    let here = std::env::var_os("CAVEAT_TEST_POSTGRES").is_none();
    assert!((searched > 10_000 || !here) && said.len() > 100);
    // What should be there is: the search finds what there is to find.
    let found = std::fs::read_dir(h.dir.path())
        .unwrap()
        .any(|file| contains(&std::fs::read(file.unwrap().path()).unwrap(), machine.id.as_bytes()));
    assert!(found || !here);
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}
