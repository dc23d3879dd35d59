//! Storage: how card data may lie, how long, and what must go.

use caveat_sdk::{
    Facts, StorageRules, dates,
    facts::{Cipher, KeyState, Placement, PlacementTraits, StoreKind},
    storage::{Basis, Disposal, Duty, Element, Event, Ruling},
};

use crate::{PciDss, holdings::Holdings, rules, tables, unsure};

impl StorageRules for PciDss {
    fn storage(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = self.kept(event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl PciDss {
    fn kept(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        let holdings = Holdings::of(facts);
        match event {
            Event::Seal(place) | Event::Place(place) | Event::Move(place) => {
                self.write(&mut ruling, place, &holdings, facts);
            }
            Event::Review(element) => self.review(&mut ruling, *element, &holdings, facts),
            Event::Dispose(disposal) => self.dispose(&mut ruling, disposal, &holdings, facts),
            Event::HoldSet(_) => self.remove_sad(&mut ruling, &holdings, facts),
            Event::HoldLifted(_) => {}
            Event::BreachFound => {
                if holdings.any() || facts.flag("breach.card-data") == Some(true) {
                    ruling
                        .because(&rules::INCIDENT_RESPONSE, "Card data may have reached somebody else.")
                        .see_to(&rules::INCIDENT_RESPONSE, "run-incident-response", None);
                }
            }
        }
        ruling
    }
}

impl PciDss {
    fn write(&self, ruling: &mut Ruling, place: &Placement, holdings: &Holdings, facts: &Facts) {
        if facts.text("storage.operation").is_some_and(|o| matches!(o, "decrypt" | "read")) {
            return;
        }
        self.key(ruling, place, facts);
        unscreened(ruling, place, facts);
        if holdings.has_sad() {
            self.write_sad(ruling, place, holdings, facts);
        }
        if holdings.has_pan || holdings.unknown {
            unreadable(ruling, place, facts);
        }
        if holdings.has_pan {
            self.write_pan(ruling, place, holdings, facts);
        }
        found_later(ruling, holdings, facts);
    }

    /// No new ciphertext under a key whose time is over, whatever it would protect.
    fn key(&self, ruling: &mut Ruling, place: &Placement, facts: &Facts) {
        let too_old = facts
            .whole("storage.key-age-days")
            .zip(self.settings.cryptoperiod_days)
            .is_some_and(|(age, period)| age > i64::from(period));
        let why = match place.key {
            KeyState::Expired => "The key is past its cryptoperiod: it may decrypt, never encrypt.",
            KeyState::Retired => "The key is retired: it may decrypt, never encrypt.",
            KeyState::Compromised => "The key is or may be compromised: it encrypts nothing more.",
            KeyState::Destroyed => "The key is destroyed.",
            KeyState::None | KeyState::Active if too_old => "The key is past the client's cryptoperiod.",
            KeyState::None | KeyState::Active if facts.flag("storage.custodian-left") == Some(true) => {
                "Somebody who knew the key in clear text has left: it encrypts nothing more."
            }
            KeyState::None | KeyState::Active => return,
        };
        ruling.refuse(&rules::CRYPTOPERIOD, why).remedy(&rules::CRYPTOPERIOD, "rotate-key");
    }

    fn write_sad(&self, ruling: &mut Ruling, place: &Placement, holdings: &Holdings, facts: &Facts) {
        let encrypted = is_strong(place.cipher);
        if self.is_issuer(facts) {
            if !encrypted {
                ruling
                    .refuse(&rules::ISSUER, "An issuer's authentication data has to be encrypted.")
                    .remedy(&rules::ISSUER, "encrypt-objects");
            }
            return;
        }
        match (place.kind, authorized(facts)) {
            (StoreKind::Buffer, Some(false) | None) if encrypted => {
                ruling
                    .because(&rules::SAD_BUFFER, "Held encrypted until authorization, and no longer.")
                    .oblige(&rules::SAD_BUFFER, Duty::DeleteOnAuthorization);
            }
            (StoreKind::Buffer, Some(false) | None) => {
                ruling
                    .refuse(&rules::SAD_BUFFER, "The buffer would hold a code or PIN unencrypted.")
                    .remedy(&rules::SAD_BUFFER, "use-encrypted-buffer");
            }
            (_, Some(false)) => {
                ruling
                    .refuse(&rules::SAD_BUFFER, "Before authorization a code or PIN may be in a buffer only.")
                    .remedy(&rules::SAD_BUFFER, "use-encrypted-buffer");
            }
            (_, Some(true)) => {
                let why = "A code or PIN is not kept after authorization, even encrypted, whatever for.";
                ruling.refuse(&rules::SAD_NOT_STORED, why);
                purge_sad(ruling, holdings);
            }
            // The recording itself: the stretches were or have to be dropped, the rest is sealed.
            (_, None) => self.remove_sad(ruling, holdings, facts),
        }
    }

    fn write_pan(&self, ruling: &mut Ruling, place: &Placement, holdings: &Holdings, facts: &Facts) {
        if !self.needs_pan(facts) {
            remove_pan(ruling, holdings);
        }
        if ["storage.keys-apart", "storage.kek-separate"].iter().any(|n| facts.flag(n) == Some(false)) {
            ruling
                .refuse(&rules::KEYS_APART, "The keys lie where the data lies.")
                .remedy(&rules::KEYS_APART, "separate-keys");
        }
        if facts.flag("storage.kek-weaker") == Some(true) {
            ruling
                .refuse(&rules::KEK_STRENGTH, "The key is protected by one that is weaker than itself.")
                .remedy(&rules::KEK_STRENGTH, "strengthen-kek");
        }
        if facts.flag("storage.key-used-in-test") == Some(true) {
            ruling
                .refuse(&rules::PRODUCTION_KEYS, "The same key is used in test.")
                .remedy(&rules::PRODUCTION_KEYS, "rotate-key");
        }
        let in_test =
            facts.text("storage.environment").is_some_and(|e| tables::lists(tables::TEST_ENVIRONMENTS, e));
        if in_test && facts.flag("storage.environment-in-cde") != Some(true) {
            ruling
                .refuse(&rules::TEST_DATA, "Live card numbers do not go to a test environment.")
                .remedy(&rules::TEST_DATA, "use-test-data");
        }
        let attested = place.traits.contains(PlacementTraits::PCI_ATTESTED);
        if place.traits.contains(PlacementTraits::THIRD_PARTY) && !attested {
            ruling
                .because(&rules::THIRD_PARTY, "The holder is a third party that has not attested to PCI DSS.")
                .see_to(&rules::THIRD_PARTY, "written-agreement", None);
        }
        if is_removable(facts) {
            ruling.because(&rules::MEDIA, "Media with card numbers leaves.").see_to(
                &rules::MEDIA,
                "approve-media-move",
                None,
            );
        }
    }

    fn review(&self, ruling: &mut Ruling, element: Element, holdings: &Holdings, facts: &Facts) {
        if element == Element::AuditLog {
            if facts.flag("storage.log-alterable") == Some(true) {
                ruling
                    .because(&rules::AUDIT_LOG_INTEGRITY, "Somebody could change the audit log unseen.")
                    .see_to(&rules::AUDIT_LOG_INTEGRITY, "protect-audit-log", None);
            }
            let at_hand = facts.flag("storage.immediately-available") != Some(false);
            if !at_hand && facts.now < months_after_began(facts, tables::AUDIT_LOG_AT_HAND_MONTHS) {
                ruling.because(&rules::AUDIT_LOG, "The latest three months have to be at hand.").see_to(
                    &rules::AUDIT_LOG,
                    "bring-audit-log-online",
                    None,
                );
            }
            return;
        }
        self.remove_sad(ruling, holdings, facts);
        found_later(ruling, holdings, facts);
        if !holdings.has_pan {
            return;
        }
        if !self.needs_pan(facts) {
            remove_pan(ruling, holdings);
        }
        let must_be_kept = !facts.holds.is_empty() || facts.flag("retention.legal-duty") == Some(true);
        let outlives = facts.whole("retention.primary-deleted-days-ago").is_some_and(|days| days > 0);
        if outlives && !must_be_kept {
            let why = "The recording is deleted: no copy of it stays behind.";
            ruling.refuse(&rules::EVERY_COPY, why);
            if element == Element::Backup {
                ruling.see_to(&rules::EVERY_COPY, "purge-backup-or-crypto-erase", None);
            } else {
                ruling.oblige(&rules::EVERY_COPY, Duty::SecureDestroy);
            }
        }
        let limit = facts.whole("retention.max-age-days").or(self.settings.max_age_days.map(i64::from));
        let age = i64::try_from(facts.age_days()).unwrap_or(i64::MAX);
        let expired = facts.flag("retention.expired") == Some(true) || limit.is_some_and(|days| age > days);
        if expired && !must_be_kept {
            ruling
                .refuse(&rules::RETENTION, "It is past the client's limit for card data.")
                .oblige(&rules::RETENTION, Duty::SecureDestroy);
        }
        let unseen = facts.whole("retention.media-reviewed-days-ago");
        if unseen.is_some_and(|days| days > i64::from(tables::MEDIA_REVIEW_DAYS)) {
            ruling
                .because(&rules::MEDIA_REVIEW, "Media with card numbers were last looked at over a year ago.")
                .see_to(&rules::MEDIA_REVIEW, "review-media", None);
        }
        let unverified = facts.whole("retention.purge-verified-days-ago");
        if unverified.is_some_and(|days| days > i64::from(tables::PURGE_CHECK_DAYS)) {
            ruling
                .because(
                    &rules::RETENTION,
                    "That over-age data is gone was last verified over three months ago.",
                )
                .see_to(&rules::RETENTION, "verify-purge", None);
        }
    }

    fn dispose(&self, ruling: &mut Ruling, disposal: &Disposal, holdings: &Holdings, facts: &Facts) {
        if disposal.what == Element::AuditLog {
            let until = months_after_began(facts, tables::AUDIT_LOG_MONTHS);
            if facts.now < until {
                ruling
                    .refuse(&rules::AUDIT_LOG, "The audit log is kept for twelve months.")
                    .oblige(&rules::AUDIT_LOG, Duty::RetainUntil(until));
            }
            return;
        }
        // The call stays under a hold; its authentication data has no such exception.
        if !facts.holds.is_empty() && disposal.basis != Basis::Rules {
            return self.remove_sad(ruling, holdings, facts);
        }
        if holdings.any() {
            ruling
                .because(&rules::DESTRUCTION, "Card data is destroyed so that it cannot be reconstructed.")
                .oblige(&rules::DESTRUCTION, Duty::SecureDestroy);
        }
    }

    /// Keep the call, remove the segment.
    fn remove_sad(&self, ruling: &mut Ruling, holdings: &Holdings, facts: &Facts) {
        if holdings.has_sad() && !self.is_issuer(facts) {
            ruling.because(&rules::SAD_NOT_STORED, "The stretches with a code or PIN go, the rest stays.");
            purge_sad(ruling, holdings);
        }
    }
}

fn unscreened(ruling: &mut Ruling, place: &Placement, facts: &Facts) {
    let immutable = place.traits.contains(PlacementTraits::IMMUTABLE);
    if immutable && facts.flag("storage.screened") == Some(false) {
        ruling
            .refuse(
                &rules::SCREEN_BEFORE_LOCK,
                "What nobody has screened for codes cannot be removed there later.",
            )
            .remedy(&rules::SCREEN_BEFORE_LOCK, "screen-before-commit");
    }
}

fn unreadable(ruling: &mut Ruling, place: &Placement, facts: &Facts) {
    match place.cipher {
        Cipher::None | Cipher::Weak => {
            ruling
                .refuse(&rules::PAN_UNREADABLE, "A card number may only be stored with strong cryptography.")
                .remedy(&rules::PAN_UNREADABLE, "encrypt-objects");
        }
        Cipher::DiskOnly if !is_removable(facts) => {
            ruling
                .refuse(&rules::DISK_ENCRYPTION, "Encryption of the disk alone does not protect the object.")
                .remedy(&rules::DISK_ENCRYPTION, "encrypt-objects");
        }
        Cipher::DiskOnly if facts.flag("storage.disk-key-in-login") == Some(true) => {
            ruling
                .refuse(
                    &rules::DISK_ACCESS,
                    "The disk opens with the login of the system, so it is open to all.",
                )
                .remedy(&rules::DISK_ACCESS, "encrypt-objects");
        }
        _ => {}
    }
    // Only keyed hashes count, and only they say so by name.
    let plain =
        |hash: &str| !["hmac", "kmac", "cmac", "gmac", "keyed", "none"].iter().any(|k| hash.contains(k));
    if facts.text("storage.hash").is_some_and(|h| plain(&h.to_ascii_lowercase())) {
        ruling
            .refuse(&rules::KEYED_HASH, "A plain hash of a card number is found by trying all of them.")
            .remedy(&rules::KEYED_HASH, "use-keyed-hash");
    }
}

fn found_later(ruling: &mut Ruling, holdings: &Holdings, facts: &Facts) {
    if holdings.any() && facts.flag("content.found-later") == Some(true) {
        ruling.because(&rules::UNEXPECTED_FIND, "Card data was found where it was not expected.").see_to(
            &rules::UNEXPECTED_FIND,
            "open-incident",
            None,
        );
    }
}

fn purge_sad(ruling: &mut Ruling, holdings: &Holdings) {
    for &span in &holdings.sad {
        ruling.oblige(&rules::SAD_NOT_STORED, Duty::Purge(span));
    }
}

fn remove_pan(ruling: &mut Ruling, holdings: &Holdings) {
    ruling.because(&rules::PAN_NEED, "Nobody needs the card number: it is removed.");
    for &span in &holdings.pan {
        ruling.oblige(&rules::PAN_NEED, Duty::Purge(span));
    }
}

/// Whether the payment is authorized, if anybody said.
fn authorized(facts: &Facts) -> Option<bool> {
    facts.flag("content.after-authorization").or(facts.flag("payment.authorized"))
}

fn is_removable(facts: &Facts) -> bool {
    facts.flag("storage.removable") == Some(true)
}

fn is_strong(cipher: Cipher) -> bool {
    matches!(cipher, Cipher::Chacha20Poly1305 | Cipher::Aes256Gcm | Cipher::OtherStrong)
}

fn months_after_began(facts: &Facts, months: u16) -> u64 {
    dates::plus_months(facts.began, months)
}

#[cfg(test)]
mod tests;
