#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_sdk::{
    facts::{Hold, LabelKind},
    storage::Outcome,
};

use super::*;
use crate::testing::{kept, pack, sorted};

use LabelKind::{CardCode, CardNumber};
use Outcome::{Allow, Refuse};

fn place(kind: StoreKind, cipher: Cipher, key: KeyState) -> Placement {
    Placement { kind, region: String::new(), cipher, key, traits: PlacementTraits::empty() }
}

fn strong(kind: StoreKind) -> Placement {
    place(kind, Cipher::Chacha20Poly1305, KeyState::Active)
}

fn duties(ruling: &Ruling) -> Vec<String> {
    sorted(ruling.obligations.iter().map(|o| match &o.duty {
        Duty::Purge(_) => "purge",
        Duty::SecureDestroy => "secure-destroy",
        Duty::DeleteOnAuthorization => "delete-on-authorization",
        Duty::RetainUntil(_) => "retain-until",
        Duty::SeeTo(task) => &task.action,
        _ => "other",
    }))
}

/// Outcome, obligations, remedies.
fn check_with(
    settings: &str,
    event: Event,
    facts: &Facts,
    want: Outcome,
    obligations: &[&str],
    remedies: &[&str],
) {
    let ruling = pack(settings).storage(&event, facts);
    let said = (ruling.outcome, duties(&ruling), sorted(ruling.remedies.iter().map(|r| r.action.as_str())));
    let want = (want, sorted(obligations.iter().copied()), sorted(remedies.iter().copied()));
    assert_eq!(said, want, "{event:?} {:?}\n{:?}", facts.attributes, ruling.reasons);
}

fn check(event: Event, facts: &Facts, want: Outcome, obligations: &[&str], remedies: &[&str]) {
    check_with("{}", event, facts, want, obligations, remedies);
}

const DAY_MS: u64 = dates::DAY_MS;

#[test]
fn keys_past_their_time_encrypt_nothing() {
    for key in [KeyState::Expired, KeyState::Retired, KeyState::Compromised, KeyState::Destroyed] {
        let place = place(StoreKind::Primary, Cipher::Aes256Gcm, key);
        check(Event::Seal(place.clone()), &kept(&[CardNumber], &[]), Refuse, &[], &["rotate-key"]);
        check(Event::Seal(place.clone()), &kept(&[], &[]), Refuse, &[], &["rotate-key"]);
        check(Event::Seal(place), &kept(&[CardNumber], &[("storage.operation", "decrypt")]), Allow, &[], &[]);
    }
    let seal = || Event::Seal(strong(StoreKind::Primary));
    check(seal(), &kept(&[CardNumber], &[]), Allow, &[], &[]);
    let old = kept(&[CardNumber], &[("storage.key-age-days", "400")]);
    check(seal(), &old, Allow, &[], &[]);
    check_with(r#"{ "cryptoperiod-days": 365 }"#, seal(), &old, Refuse, &[], &["rotate-key"]);
    check_with(r#"{ "cryptoperiod-days": 400 }"#, seal(), &old, Allow, &[], &[]);
}

#[test]
fn a_card_number_lies_under_strong_cryptography() {
    let seal = |cipher| Event::Seal(place(StoreKind::Primary, cipher, KeyState::Active));
    let pan = kept(&[CardNumber], &[]);
    for cipher in [Cipher::None, Cipher::Weak, Cipher::DiskOnly] {
        check(seal(cipher), &pan, Refuse, &[], &["encrypt-objects"]);
        check(seal(cipher), &kept(&[], &[]), Refuse, &[], &["encrypt-objects"]);
        check(seal(cipher), &kept(&[LabelKind::Health], &[]), Allow, &[], &[]);
        // Where a code was said, a number was said as well, whether somebody found it or not.
        check(seal(cipher), &kept(&[CardCode], &[]), Refuse, &["purge"], &["encrypt-objects"]);
    }
    let removable = kept(&[CardNumber], &[("storage.removable", "yes")]);
    check(seal(Cipher::DiskOnly), &removable, Allow, &["approve-media-move"], &[]);
    for cipher in [Cipher::Aes256Gcm, Cipher::Chacha20Poly1305, Cipher::OtherStrong] {
        check(seal(cipher), &pan, Allow, &[], &[]);
    }
}

#[test]
fn codes_wait_in_an_encrypted_buffer_only() {
    let before = kept(&[CardCode], &[("content.after-authorization", "no")]);
    let after = kept(&[CardCode], &[("content.after-authorization", "yes")]);
    let buffer = |cipher| Event::Seal(place(StoreKind::Buffer, cipher, KeyState::Active));
    check(buffer(Cipher::Aes256Gcm), &before, Allow, &["delete-on-authorization"], &[]);
    check(buffer(Cipher::None), &before, Refuse, &[], &["use-encrypted-buffer"]);
    check(buffer(Cipher::DiskOnly), &before, Refuse, &[], &["use-encrypted-buffer"]);
    check(buffer(Cipher::Aes256Gcm), &after, Refuse, &["purge"], &[]);
    for kind in [StoreKind::Primary, StoreKind::Replica, StoreKind::Backup, StoreKind::Exported] {
        check(Event::Place(strong(kind)), &before, Refuse, &[], &["use-encrypted-buffer"]);
        check(Event::Place(strong(kind)), &after, Refuse, &["purge"], &[]);
        check(Event::Place(strong(kind)), &kept(&[CardCode], &[]), Allow, &["purge"], &[]);
        check_with(r#"{ "issuer": true }"#, Event::Place(strong(kind)), &after, Allow, &[], &[]);
    }
    let plain = Event::Seal(place(StoreKind::Primary, Cipher::None, KeyState::None));
    check_with(r#"{ "options": ["issuer"] }"#, plain, &after, Refuse, &[], &["encrypt-objects"]);
}

#[test]
fn how_card_numbers_lie() {
    let check = |attribute: (&str, &str), want, obligations: &[&str], remedies: &[&str]| {
        check(
            Event::Seal(strong(StoreKind::Primary)),
            &kept(&[CardNumber], &[attribute]),
            want,
            obligations,
            remedies,
        );
    };
    check(("storage.keys-apart", "no"), Refuse, &[], &["separate-keys"]);
    check(("storage.keys-apart", "yes"), Allow, &[], &[]);
    check(("storage.hash", "SHA256"), Refuse, &[], &["use-keyed-hash"]);
    check(("storage.hash", "hmac-sha256"), Allow, &[], &[]);
    check(("storage.environment", "test"), Refuse, &[], &["use-test-data"]);
    check(("storage.environment", "pre_production"), Refuse, &[], &["use-test-data"]);
    check(("storage.environment", "production"), Allow, &[], &[]);
    check(("content.found-later", "yes"), Allow, &["open-incident"], &[]);
    check(("tenant.pan-business-need", "no"), Allow, &["purge"], &[]);
}

#[test]
fn who_holds_it_and_on_what() {
    let traits = |traits| Event::Seal(Placement { traits, ..strong(StoreKind::Primary) });
    let third = PlacementTraits::THIRD_PARTY;
    let pan = kept(&[CardNumber], &[]);
    check(traits(third), &pan, Allow, &["written-agreement"], &[]);
    check(traits(third | PlacementTraits::PCI_ATTESTED), &pan, Allow, &[], &[]);
    check(traits(third), &kept(&[], &[]), Allow, &[], &[]);
    let unscreened = kept(&[], &[("storage.screened", "no")]);
    check(traits(PlacementTraits::IMMUTABLE), &unscreened, Refuse, &[], &["screen-before-commit"]);
    check(traits(PlacementTraits::IMMUTABLE), &pan, Allow, &[], &[]);
}

#[test]
fn how_long_it_is_kept() {
    let aged = |days: u64, attributes: &[(&str, &str)]| Facts {
        now: days * DAY_MS,
        ..kept(&[CardNumber], attributes)
    };
    let review = || Event::Review(Element::Recording);
    let limit = r#"{ "max-age-days": 365 }"#;
    check_with(limit, review(), &aged(366, &[]), Refuse, &["secure-destroy"], &[]);
    check_with(limit, review(), &aged(365, &[]), Allow, &[], &[]);
    check_with(limit, review(), &Facts { now: 900 * DAY_MS, ..kept(&[], &[]) }, Allow, &[], &[]);
    check(review(), &aged(366, &[]), Allow, &[], &[]);
    check(review(), &aged(366, &[("retention.max-age-days", "90")]), Refuse, &["secure-destroy"], &[]);
    check(review(), &aged(10, &[("retention.expired", "yes")]), Refuse, &["secure-destroy"], &[]);
    let held = Facts { holds: vec![Hold { matter: "m".into(), since: 0 }], ..aged(366, &[]) };
    check_with(limit, review(), &held, Allow, &[], &[]);
    check(review(), &aged(10, &[("retention.purge-verified-days-ago", "93")]), Allow, &["verify-purge"], &[]);
    check(review(), &aged(10, &[("retention.purge-verified-days-ago", "92")]), Allow, &[], &[]);
    let orphan = aged(430, &[("retention.primary-deleted-days-ago", "60")]);
    check(Event::Review(Element::Backup), &orphan, Refuse, &["purge-backup-or-crypto-erase"], &[]);
    check(Event::Review(Element::Transcript), &orphan, Refuse, &["secure-destroy"], &[]);
    check(Event::Review(Element::Backup), &aged(430, &[]), Allow, &[], &[]);
}

#[test]
fn a_hold_keeps_the_call_and_not_the_code() {
    let hold = || Hold { matter: "m".into(), since: 0 };
    let both = Facts { holds: vec![hold()], ..kept(&[CardNumber, CardCode], &[]) };
    check(Event::HoldSet(hold()), &both, Allow, &["purge"], &[]);
    check(Event::HoldSet(hold()), &kept(&[CardNumber], &[]), Allow, &[], &[]);
    check(Event::Review(Element::Recording), &both, Allow, &["purge"], &[]);
    let dispose = |basis| Event::Dispose(Disposal { what: Element::Recording, basis });
    check(dispose(Basis::Schedule), &both, Allow, &["purge"], &[]);
    check(dispose(Basis::Rules), &both, Allow, &["secure-destroy"], &[]);
    check(dispose(Basis::Schedule), &kept(&[CardNumber], &[]), Allow, &["secure-destroy"], &[]);
    check(dispose(Basis::Schedule), &kept(&[], &[]), Allow, &[], &[]);
    check(Event::HoldLifted(hold()), &both, Allow, &[], &[]);
}

#[test]
fn the_audit_log_is_kept_for_a_year() {
    let aged = |days: u64, attributes: &[(&str, &str)]| Facts { now: days * DAY_MS, ..kept(&[], attributes) };
    let dispose = || Event::Dispose(Disposal { what: Element::AuditLog, basis: Basis::Schedule });
    check(dispose(), &aged(300, &[]), Refuse, &["retain-until"], &[]);
    check(dispose(), &aged(365, &[]), Allow, &[], &[]);
    let offline = [("storage.immediately-available", "no")];
    check(Event::Review(Element::AuditLog), &aged(60, &offline), Allow, &["bring-audit-log-online"], &[]);
    check(Event::Review(Element::AuditLog), &aged(100, &offline), Allow, &[], &[]);
    check(Event::Review(Element::AuditLog), &aged(60, &[]), Allow, &[], &[]);
}

#[test]
fn a_breach_of_card_data_starts_the_plan() {
    check(Event::BreachFound, &kept(&[CardNumber], &[]), Allow, &["run-incident-response"], &[]);
    check(
        Event::BreachFound,
        &kept(&[], &[("breach.card-data", "yes")]),
        Allow,
        &["run-incident-response"],
        &[],
    );
    check(Event::BreachFound, &kept(&[], &[("breach.persons", "500")]), Allow, &[], &[]);
}
