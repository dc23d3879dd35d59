//! How people begin, and what becomes of who loses what they sign in with.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests")]

mod house;

use caveat_access::{AccessError, Change, Invitation, Invited};
use caveat_model::{Clock, PersonId, Role, Standing};
use house::{House, PASSWORD, code, ended, refused};

const CHOSEN: &str = "my own words 2042";

fn invited(h: &House, id: &str, role: Role) -> Invited {
    let (client, id) = (h.acme.clone(), id.parse().unwrap());
    Invited { client, id, name: "Ann Sample".into(), role, function: "disputes".into() }
}

async fn enroll(h: &House, invitation: &Invitation) -> (caveat_access::Enrolment, Vec<String>) {
    let enrolling = h.access.enrolment(invitation.as_str()).await.unwrap();
    let now_s = h.clock.now().as_millis() / 1000;
    let code = code(&enrolling.factor, now_s);
    let codes = h.access.enroll(invitation.as_str(), CHOSEN, &code).await.unwrap();
    (enrolling.factor, codes)
}

fn no_enrolment<T>(result: Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::NoEnrolment))
}

#[tokio::test]
async fn who_is_invited_chooses_a_password_and_confirms_a_second_factor() {
    let h = House::new().await;
    let ann: PersonId = "ann".parse().unwrap();
    let invitation = h.access.invite(&invited(&h, "ann", Role::Admin)).await.unwrap();
    assert!(!format!("{invitation:?}").contains(invitation.as_str()));
    assert_eq!(h.access.person(&h.acme, &ann).await.unwrap().password_changed, None);
    // Until then nobody comes in, with no password either.
    for password in ["", PASSWORD, CHOSEN] {
        assert!(refused(h.access.sign_in(&h.acme, &ann, password, "000000", "").await));
        h.clock.advance_millis(5_000);
    }

    let first = h.access.enrolment(invitation.as_str()).await.unwrap();
    let again = h.access.enrolment(invitation.as_str()).await.unwrap();
    assert_eq!(
        (again.client, again.person.clone(), again.name),
        (h.acme.clone(), ann.clone(), "Ann Sample".into())
    );
    assert_ne!(first.factor.totp_secret_base32, again.factor.totp_secret_base32, "a secret is shown once");
    let now_s = h.clock.now().as_millis() / 1000;
    let of_first = code(&first.factor, now_s);
    let wrong = h.access.enroll(invitation.as_str(), CHOSEN, &of_first).await;
    assert!(matches!(wrong, Err(AccessError::ProofRefused)), "{wrong:?}");
    let weak = h.access.enroll(invitation.as_str(), "short", &code(&again.factor, now_s)).await;
    assert!(matches!(weak, Err(AccessError::Password { .. })), "{weak:?}");

    let used = code(&again.factor, now_s);
    let codes = h.access.enroll(invitation.as_str(), CHOSEN, &used).await.unwrap();
    assert_eq!(codes.len(), h.access.limits().recovery_codes);
    assert!(no_enrolment(h.access.enroll(invitation.as_str(), CHOSEN, &used).await), "once");
    assert!(no_enrolment(h.access.enrolment(invitation.as_str()).await));
    assert!(
        refused(h.access.sign_in(&h.acme, &ann, CHOSEN, &used, "").await),
        "its code was used to confirm"
    );
    h.next_step();
    let now_s = h.clock.now().as_millis() / 1000;
    h.access.sign_in(&h.acme, &ann, CHOSEN, &code(&again.factor, now_s), "").await.unwrap();
}

#[tokio::test]
async fn invitations_expire_and_end_by_wrong_codes_or_a_new_one() {
    let h = House::new().await;
    let (ann, ben, cat) = (Role::Agent, Role::Agent, Role::Agent);
    let late = h.access.invite(&invited(&h, "ann", ann)).await.unwrap();
    let tried = h.access.invite(&invited(&h, "ben", ben)).await.unwrap();
    let replaced = h.access.invite(&invited(&h, "cat", cat)).await.unwrap();
    let twice = h.access.invite(&invited(&h, "ann", ann)).await;
    assert!(matches!(twice, Err(AccessError::PersonExists { .. })));

    h.access.enrolment(tried.as_str()).await.unwrap();
    for _ in 0..h.access.limits().enrolment_failures_max {
        let wrong = h.access.enroll(tried.as_str(), CHOSEN, "000000").await;
        assert!(matches!(wrong, Err(AccessError::ProofRefused)), "{wrong:?}");
    }
    assert!(no_enrolment(h.access.enroll(tried.as_str(), CHOSEN, "000000").await));
    assert!(no_enrolment(h.access.enrolment(tried.as_str()).await));

    h.access.invite_again(&h.acme, &"cat".parse().unwrap()).await.unwrap();
    assert!(no_enrolment(h.access.enrolment(replaced.as_str()).await));

    h.clock.advance_millis(h.access.limits().enrolment_valid_s * 1000 - 1);
    assert!(h.access.enrolment(late.as_str()).await.is_ok());
    h.clock.advance_millis(1);
    assert!(no_enrolment(h.access.enrolment(late.as_str()).await));
    assert!(no_enrolment(h.access.enrolment("nonsense").await));
}

#[tokio::test]
async fn a_recovery_code_stands_for_a_code_once() {
    let h = House::new().await;
    let ann: PersonId = "ann".parse().unwrap();
    let invitation = h.access.invite(&invited(&h, "ann", Role::Compliance)).await.unwrap();
    let (_, codes) = enroll(&h, &invitation).await;
    let sign_in =
        async |password: &str, code: &str| h.access.sign_in(&h.acme, &ann, password, code, "").await;
    assert!(refused(sign_in("wrong words 2042", &codes[0]).await), "no good without the password");
    h.clock.advance_millis(5_000);
    let session = sign_in(CHOSEN, &codes[0].to_uppercase()).await.unwrap();
    assert!(refused(sign_in(CHOSEN, &codes[0]).await), "replayed");
    assert!(refused(h.try_sign_in(PASSWORD, &codes[1]).await), "somebody else's");

    h.clock.advance_millis(10 * 60_000);
    let token = session.token.as_str();
    assert!(!h.access.session(token).await.unwrap().stepped_up);
    let stale = h.access.renew_recovery_codes(token).await;
    assert!(matches!(stale, Err(AccessError::StepUpNeeded { .. })), "{stale:?}");
    assert!(h.access.step_up(token, &codes[1]).await.unwrap().stepped_up);
    let renewed = h.access.renew_recovery_codes(token).await.unwrap();
    assert!(refused(sign_in(CHOSEN, &codes[2]).await), "renewed codes end the old ones");
    h.clock.advance_millis(5_000);
    sign_in(CHOSEN, &renewed[0]).await.unwrap();
}

#[tokio::test]
async fn another_authenticator_is_confirmed_by_its_code() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let token = session.token.as_str();
    let (ceremony, proposed) = h.access.propose_totp(token).await.unwrap();
    h.next_step();
    let now_s = || h.clock.now().as_millis() / 1000;
    let old = h.access.confirm_totp(token, &ceremony, &h.code()).await;
    assert!(matches!(old, Err(AccessError::ProofRefused)), "a code of the old one confirms nothing");
    let gone = h.access.confirm_totp(token, &ceremony, &code(&proposed, now_s())).await;
    assert!(matches!(gone, Err(AccessError::NoCeremony)), "one attempt: {gone:?}");

    let (ceremony, proposed) = h.access.propose_totp(token).await.unwrap();
    h.access.confirm_totp(token, &ceremony, &code(&proposed, now_s())).await.unwrap();
    h.next_step();
    assert!(refused(h.try_sign_in(PASSWORD, &h.code()).await), "the old one is good for nothing");
    h.clock.advance_millis(5_000);
    h.try_sign_in(PASSWORD, &code(&proposed, now_s())).await.unwrap();
}

#[tokio::test]
async fn who_is_invited_again_has_lost_everything_before() {
    let h = House::new().await;
    let session = h.sign_in().await;
    let codes = h.access.renew_recovery_codes(session.token.as_str()).await.unwrap();
    h.next_step();
    let invitation = h.access.invite_again(&h.acme, &h.kim).await.unwrap();
    assert!(ended(h.access.session(session.token.as_str()).await));
    assert!(refused(h.try_sign_in(PASSWORD, &h.code()).await));
    assert!(refused(h.try_sign_in(PASSWORD, &codes[0]).await));
    let (factor, _) = enroll(&h, &invitation).await;
    h.clock.advance_millis(40_000);
    let now_s = h.clock.now().as_millis() / 1000;
    assert!(refused(h.try_sign_in(PASSWORD, &code(&factor, now_s)).await), "the old password");
    h.next_step();
    h.try_sign_in(CHOSEN, &code(&factor, now_s + 30)).await.unwrap();
}

#[tokio::test]
async fn a_client_keeps_an_administrator() {
    let h = House::new().await;
    let (ann, ben): (PersonId, PersonId) = ("ann".parse().unwrap(), "ben".parse().unwrap());
    h.access.invite(&invited(&h, "ann", Role::Admin)).await.unwrap();
    let to = |role, standing| Change { role, standing, ..Change::default() };
    let demote = to(Some(Role::Auditor), None);
    for change in [&demote, &to(None, Some(Standing::Suspended))] {
        let last = h.access.change_person(&h.acme, &ann, change).await;
        assert!(matches!(last, Err(AccessError::LastAdmin { .. })), "{last:?}");
    }
    h.access.invite(&invited(&h, "ben", Role::Admin)).await.unwrap();
    assert_eq!(h.access.change_person(&h.acme, &ann, &demote).await.unwrap().role, Role::Auditor);
    let last = h.access.change_person(&h.acme, &ben, &demote).await;
    assert!(matches!(last, Err(AccessError::LastAdmin { .. })), "{last:?}");

    let session = h.sign_in().await;
    let name = Change { name: Some("Kim Other".into()), ..Change::default() };
    h.access.change_person(&h.acme, &h.kim, &name).await.unwrap();
    assert_eq!(h.access.session(session.token.as_str()).await.unwrap().name, "Kim Other");
    h.access.change_person(&h.acme, &h.kim, &to(Some(Role::Agent), None)).await.unwrap();
    assert!(ended(h.access.session(session.token.as_str()).await), "another role begins with a new sign-in");
    let nobody = h.access.change_person(&h.acme, &"nobody".parse().unwrap(), &name).await;
    assert!(matches!(nobody, Err(AccessError::NoPerson { .. })));
}
