//! The merge is a semilattice: whatever the packs say and in whatever order, the strictest wins.

#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_model::{Cipher, Duty, LabelKind, Moment, Obligation, Outcome, Purpose, Ruling, Span, Terms};
use proptest::prelude::*;

fn subset<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    proptest::sample::subsequence(all, 0..=all.len())
}

fn span() -> impl Strategy<Value = Span> {
    (proptest::option::of(0u8..3), 0u32..50, 0u32..50).prop_map(|(leg, start, end)| Span { leg, start, end })
}

fn duty() -> impl Strategy<Value = Duty> {
    const REGIONS: [&str; 5] = ["CA", "FL", "@DE", "@CA", "@CA-ON"];
    let region = subset(&REGIONS).prop_map(|rs| rs.iter().map(|r| r.parse().unwrap()).collect());
    prop_oneof![
        Just(Duty::Announce),
        Just(Duty::MustRecord),
        (1u16..30).prop_map(Duty::Beep),
        span().prop_map(Duty::Purge),
        span().prop_map(Duty::Redact),
        (0u64..9).prop_map(|m| Duty::RetainUntil(Moment::from_millis(m))),
        (0u64..9).prop_map(|m| Duty::DestroyBy(Moment::from_millis(m))),
        region.prop_map(Duty::PlaceIn),
        subset(&[Cipher::Aes256Gcm, Cipher::Chacha20Poly1305, Cipher::OtherStrong])
            .prop_map(Duty::EncryptWith),
        subset(&[Purpose::Training, Purpose::Quality, Purpose::Legal]).prop_map(Duty::RestrictUse),
        subset(&[LabelKind::CardNumber, LabelKind::Ssn]).prop_map(Duty::ServeRedacted),
        "[a-z]{1,3}".prop_map(Duty::Alert),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let outcome = prop_oneof![Just(Outcome::Allow), Just(Outcome::Restrain), Just(Outcome::Refuse)];
    (outcome, proptest::collection::vec(duty(), 0..6)).prop_map(|(outcome, duties)| {
        let obligations = duties.into_iter().map(|duty| Obligation { duty, rule: "r".into() }).collect();
        Terms::of(&Ruling { outcome, obligations, ..Ruling::default() })
    })
}

/// Whether every demand of `b` is met by `a`.
fn at_least_as_strict(a: &Terms, b: &Terms) -> bool {
    let keeps = |x: &Option<Moment>, y: &Option<Moment>| y.is_none() || x >= y;
    let narrower = |ok: Option<bool>, asked: bool| !asked || ok.unwrap_or(false);
    a.outcome >= b.outcome
        && keeps(&a.retain_until, &b.retain_until)
        && narrower(a.destroy_by.zip(b.destroy_by).map(|(x, y)| x <= y), b.destroy_by.is_some())
        && narrower(a.beep_every_s.zip(b.beep_every_s).map(|(x, y)| x <= y), b.beep_every_s.is_some())
        && narrower(
            a.encrypt_with.as_ref().zip(b.encrypt_with.as_ref()).map(|(x, y)| x.is_subset(y)),
            b.encrypt_with.is_some(),
        )
        && narrower(
            a.place_in
                .as_ref()
                .zip(b.place_in.as_ref())
                .map(|(x, y)| x.iter().all(|r| y.iter().any(|s| r.within(s)))),
            b.place_in.is_some(),
        )
        && narrower(
            a.serve_redacted.as_ref().zip(b.serve_redacted.as_ref()).map(|(x, y)| x.is_superset(y)),
            b.serve_redacted.is_some(),
        )
        && a.purge.union(&b.purge) == a.purge
        && a.redact.union(&b.redact) == a.redact
        && a.duties.is_superset(&b.duties)
}

proptest! {
    #[test]
    fn commutative(a in terms(), b in terms()) {
        prop_assert_eq!(a.join(&b), b.join(&a));
    }
    #[test]
    fn associative(a in terms(), b in terms(), c in terms()) {
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
    }
    #[test]
    fn idempotent(a in terms()) {
        prop_assert_eq!(&a.join(&a), &a);
    }
    #[test]
    fn never_laxer_than_any_input(a in terms(), b in terms()) {
        let both = a.join(&b);
        prop_assert!(at_least_as_strict(&both, &a));
        prop_assert!(at_least_as_strict(&both, &b));
    }
}
