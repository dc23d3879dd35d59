//! Storage: who holds it, under which agreement, how it is encrypted, and what becomes of media.

use caveat_sdk::{
    Facts,
    facts::{Cipher, KeyState, Placement, PlacementTraits, StoreKind, Task},
    storage::{Duty, Event, Ruling},
};

use crate::{
    breach, known, retention,
    rules::{ASSOCIATE, ENCRYPTION, INTEGRITY, MEDIA},
    settings::{Profile, Settings},
};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    if matches!(event, Event::BreachFound) {
        return breach::rule(settings, facts);
    }
    if !settings.protects(facts) {
        return Ruling::allow();
    }
    match event {
        Event::Seal(placement) => {
            let mut ruling = placed(settings, placement, facts);
            retention::announce(settings, facts, &mut ruling);
            ruling
        }
        Event::Place(placement) => placed(settings, placement, facts),
        Event::Move(placement) => moved(settings, placement, facts),
        Event::Review(element) => retention::review(settings, *element, facts),
        Event::Dispose(disposal) => retention::dispose(settings, disposal, facts),
        Event::HoldSet(_) | Event::HoldLifted(_) | Event::BreachFound => Ruling::allow(),
    }
}

/// Why encryption is not reasonable here, and what stands in for it, is written down (164.306(d)(3)).
pub(crate) fn alternative_documented(settings: &Settings, facts: &Facts) -> bool {
    known::ALTERNATIVE.is(facts)
        || known::RISK_ANALYSIS.text(facts).is_some_and(|reference| !reference.is_empty())
        || !settings.risk_analysis_ref.is_empty()
}

/// A task without a date.
pub(crate) fn task(action: &str) -> Task {
    Task { action: action.into(), due: None }
}

fn placed(settings: &Settings, placement: &Placement, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let strangers = agreement(placement, facts, &mut ruling);
    let bare = encryption(settings, placement, facts, &mut ruling);
    if known::SANITIZED.is_not(facts) {
        ruling
            .refuse(&MEDIA, "The media were used before and have not been sanitized.")
            .remedy(&MEDIA, "sanitize-media");
    }
    let alterable = known::INTACT.is_not(facts) && !alternative_documented(settings, facts);
    if alterable {
        ruling
            .refuse(&INTEGRITY, "Nothing there would show an improper alteration.")
            .remedy(&INTEGRITY, "protect-integrity");
    }
    if strangers || bare || alterable {
        // What does not go on carries no duties of its own.
        ruling.obligations.clear();
    }
    ruling
}

/// Whether it is refused: a holder of encrypted PHI without the key is a business associate all the same.
fn agreement(placement: &Placement, facts: &Facts, ruling: &mut Ruling) -> bool {
    let elsewhere =
        placement.traits.contains(PlacementTraits::THIRD_PARTY) || known::AGREEMENT.flag(facts).is_some();
    let on_file =
        placement.traits.contains(PlacementTraits::ASSOCIATE_AGREEMENT) || known::AGREEMENT.is(facts);
    if !elsewhere || (on_file && !known::AGREEMENT.is_not(facts) && !known::AGREEMENT_ENDED.is(facts)) {
        return false;
    }
    ruling.refuse(
        &ASSOCIATE,
        "Whoever keeps protected health information for the client needs a business-associate agreement first, also when it \
         is encrypted and they have no key.",
    );
    ruling.remedy(&ASSOCIATE, "sign-baa");
    true
}

/// Whether it is refused.
fn encryption(settings: &Settings, placement: &Placement, facts: &Facts, ruling: &mut Ruling) -> bool {
    if settings.nist_ciphers_only {
        ruling.oblige(&ENCRYPTION, Duty::EncryptWith(vec![Cipher::Aes256Gcm]));
    }
    if encrypted(placement) {
        if let Some(note) = weak_harbor(placement.cipher) {
            ruling.because(&ENCRYPTION, note);
        }
        return false;
    }
    if settings.profile == Profile::Nprm {
        ruling.refuse(
            &ENCRYPTION,
            "The proposed Security Rule requires encryption at rest, without an alternative.",
        );
        ruling.remedy(&ENCRYPTION, "encrypt");
        return true;
    }
    if alternative_documented(settings, facts) {
        ruling.because(
            &ENCRYPTION,
            "Encryption is addressable and the alternative is documented; a breach of this copy has no safe harbor.",
        );
        ruling.see_to(&ENCRYPTION, "risk-analysis-reference", None).see_to(
            &ENCRYPTION,
            "warn-no-safe-harbor",
            None,
        );
        return false;
    }
    ruling.refuse(
        &ENCRYPTION,
        "Addressable is not optional: encrypt, or document why that is not reasonable and use an equivalent measure.",
    );
    ruling.remedy(&ENCRYPTION, "encrypt").remedy(&ENCRYPTION, "document-alternative");
    true
}

/// With a key that still protects something.
fn encrypted(placement: &Placement) -> bool {
    !matches!(placement.cipher, Cipher::None | Cipher::Weak) && placement.key != KeyState::Compromised
}

/// Where the safe harbor of 74 FR 19006 may be argued about.
fn weak_harbor(cipher: Cipher) -> Option<&'static str> {
    match cipher {
        Cipher::DiskOnly => Some(
            "Disk encryption protects a lost disk only: data that an intruder reads on the running host is unsecured.",
        ),
        Cipher::Chacha20Poly1305 | Cipher::OtherStrong => Some(
            "Encrypted, but not with an algorithm that NIST approves: counsel should confirm that the breach safe harbor holds.",
        ),
        _ => None,
    }
}

/// The copy left behind is destroyed, after another one exists (164.310(d)(2)(i), (iii), (iv)).
fn moved(settings: &Settings, to: &Placement, facts: &Facts) -> Ruling {
    let mut ruling = placed(settings, to, facts);
    if ruling.outcome != caveat_sdk::storage::Outcome::Allow {
        return ruling;
    }
    ruling.because(
        &MEDIA,
        "What is left behind is sanitized (NIST SP 800-88) after the new copy has been read back.",
    );
    ruling.oblige(&MEDIA, Duty::SecureDestroy);
    let copies = |p: &&Placement| matches!(p.kind, StoreKind::Backup | StoreKind::Replica);
    if facts.placements.iter().find(copies).is_none() {
        ruling.see_to(&MEDIA, "back-up-before-move", None);
    }
    ruling
}

#[cfg(test)]
pub(crate) mod tests {
    use caveat_sdk::{
        facts::{Attribute, AttributeValue},
        storage::Outcome,
    };

    use super::*;

    /// Facts with these attributes.
    pub(crate) fn with(attributes: &[(&str, AttributeValue)]) -> Facts {
        let mut facts = Facts::empty();
        facts.attributes = attributes
            .iter()
            .map(|(name, value)| Attribute { name: (*name).into(), value: value.clone() })
            .collect();
        facts
    }

    /// The codes of obligations, sorted, by the action's name or a word for the duty.
    pub(crate) fn codes(ruling: &Ruling) -> Vec<String> {
        let code = |duty: &Duty| match duty {
            Duty::SeeTo(task) => task.action.clone(),
            Duty::RetainUntil(at) => format!("retain-until-{}", caveat_sdk::dates::text(*at)),
            Duty::SecureDestroy => "secure-destroy".into(),
            Duty::EncryptWith(_) => "encrypt".into(),
            other => format!("{other:?}"),
        };
        let mut all: Vec<String> = ruling.obligations.iter().map(|o| code(&o.duty)).collect();
        all.sort();
        all
    }

    fn place(cipher: Cipher, traits: PlacementTraits) -> Placement {
        Placement { kind: StoreKind::Primary, region: "US".into(), cipher, key: KeyState::Active, traits }
    }

    #[test]
    fn where_and_how_it_lies() {
        let (own, theirs) = (PlacementTraits::empty(), PlacementTraits::THIRD_PARTY);
        let signed = theirs | PlacementTraits::ASSOCIATE_AGREEMENT;
        let nprm = Settings { profile: Profile::Nprm, ..Settings::default() };
        let documented = ("storage.documented-alternative", AttributeValue::Flag(true));
        let ended = ("storage.agreement-ended", AttributeValue::Flag(true));
        let no_baa = ("storage.baa", AttributeValue::Flag(false));
        let check = |settings: &Settings,
                     cipher,
                     traits,
                     facts: &[(&str, AttributeValue)],
                     outcome,
                     wanted: &[&str]| {
            let ruling = rule(settings, &Event::Seal(place(cipher, traits)), &with(facts));
            assert_eq!(ruling.outcome, outcome, "{cipher:?} {traits:?} {facts:?}");
            assert_eq!(codes(&ruling), wanted, "{cipher:?} {traits:?} {facts:?}");
        };
        let now = Settings::default();
        check(&now, Cipher::Chacha20Poly1305, own, &[], Outcome::Allow, &[]);
        check(&now, Cipher::Aes256Gcm, signed, &[], Outcome::Allow, &[]);
        check(&now, Cipher::Aes256Gcm, theirs, &[], Outcome::Refuse, &[]);
        check(&now, Cipher::Aes256Gcm, own, &[no_baa], Outcome::Refuse, &[]);
        check(&now, Cipher::Aes256Gcm, signed, &[ended], Outcome::Refuse, &[]);
        check(&now, Cipher::None, signed, &[], Outcome::Refuse, &[]);
        check(&now, Cipher::Weak, own, &[], Outcome::Refuse, &[]);
        let both = ["risk-analysis-reference", "warn-no-safe-harbor"];
        check(&now, Cipher::None, signed, std::slice::from_ref(&documented), Outcome::Allow, &both);
        check(&now, Cipher::None, theirs, std::slice::from_ref(&documented), Outcome::Refuse, &[]);
        check(&nprm, Cipher::None, signed, &[documented], Outcome::Refuse, &[]);
        check(&nprm, Cipher::DiskOnly, own, &[], Outcome::Allow, &[]);
        let none = Settings { entity: crate::Entity::None, ..Settings::default() };
        check(&none, Cipher::None, theirs, &[], Outcome::Allow, &[]);
        let strict = Settings { nist_ciphers_only: true, ..Settings::default() };
        check(&strict, Cipher::Chacha20Poly1305, own, &[], Outcome::Allow, &["encrypt"]);
    }

    #[test]
    fn a_move_sanitizes_what_it_leaves() {
        let to = place(Cipher::Aes256Gcm, PlacementTraits::empty());
        let mut facts = Facts::empty();
        let moved = |facts: &Facts| codes(&rule(&Settings::default(), &Event::Move(to.clone()), facts));
        assert_eq!(moved(&facts), ["back-up-before-move", "secure-destroy"]);
        facts.placements.push(Placement { kind: StoreKind::Backup, ..to.clone() });
        assert_eq!(moved(&facts), ["secure-destroy"]);
    }
}
