//! Capture: codes and PINs are dropped before they are sealed, card numbers masked, and nothing is kept while a card is
//! being taken.
//!
//! A pause of ours begins with the question for card data, or with card data unasked for, and holds until somebody says
//! that the payment was made, or nothing of a card was heard for a while. The pack has no memory: each ruling reads the
//! last minute of talk anew.

mod entry;
mod keyed;

use caveat_sdk::{
    CaptureRules, Facts,
    capture::{Asker, Duty, Event, Keyed, Ruling, Speech},
    detect::{self, Found, Heard, Kind, Pressed},
    facts::{CallTraits, LabelKind, PauseCause, Span},
};

use crate::{PciDss, rules, unsure};

/// From here on what was found is the thing; below, it may be the beginning of one.
const FOUND: u8 = 50;
/// Less than this is only suspected: the check digit fails, or the context alone speaks for it.
const SURE: u8 = 70;

impl CaptureRules for PciDss {
    fn capture(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = self.heard(event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl PciDss {
    fn heard(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        match event {
            Event::Offered => open_networks(&mut ruling, facts),
            Event::Words(speech) => self.words(&mut ruling, speech, facts),
            Event::Keys(keyed) => self.keys(&mut ruling, keyed, facts),
            Event::PauseAsked(Asker::CardEntry) => {
                ruling.because(
                    &rules::PAUSE_CARD_ENTRY,
                    "Card entry begins: nothing is kept until it is over.",
                );
            }
            Event::ResumeAsked(_) if facts.flag("payment.authorized") == Some(false) => {
                suspend(&mut ruling, facts, "The payment is not authorized yet: card data may still come.");
            }
            Event::ResumeAsked(Asker::CardEntry) => {
                ruling.because(&rules::PAUSE_CARD_ENTRY, "Card entry is over.");
            }
            // A transfer or a hold in the middle of card entry does not end it.
            Event::Held(_) | Event::Unheld(_) | Event::PartyJoined(_) | Event::PartyLeft(_)
                if self.pause_is_fresh(facts) =>
            {
                suspend(&mut ruling, facts, "Card data was being taken a moment ago.");
            }
            _ => {}
        }
        ruling
    }
}

impl PciDss {
    fn words(&self, ruling: &mut Ruling, speech: &Speech, facts: &Facts) {
        let words = || speech.before.iter().chain(&speech.heard);
        let all: Vec<Heard<'_>> = words().map(heard).collect();
        let (before, new) = all.split_at(speech.before.len());
        let found = card_data(detect::in_words(before, new));
        self.keep_off(ruling, &found, facts);
        if paused_by_others(facts) {
            return;
        }
        let asked = entry::asked(before, new);
        let goes_on = || !found.is_empty() || self.holds(before, new, facts) || entry::answers(before, new);
        if asked || (!entry::over(before, new) && goes_on()) {
            suspend(ruling, facts, "Card data is being taken.");
        }
    }

    fn keys(&self, ruling: &mut Ruling, keyed: &Keyed, facts: &Facts) {
        let words: Vec<Heard<'_>> = keyed.words.iter().map(heard).collect();
        let before: Vec<Pressed> = keyed.before.iter().map(pressed).collect();
        let last = pressed(&keyed.pressed);
        let mut found = card_data(detect::in_keys(&before, &last, &words));
        if found.iter().all(|f| f.kind == Kind::CardNumber) {
            found.extend(keyed::after_number(&before, &last));
        }
        self.keep_off(ruling, &found, facts);
        if paused_by_others(facts) {
            return;
        }
        let recent = entry::last(&words, self.settings.resume_after_s, keyed.pressed.end);
        if !found.is_empty() || (paused_by_us(facts) && entry::goes_on(recent)) {
            suspend(ruling, facts, "Card data is being keyed.");
        } else if detect::card_expected(&words) && !detect::card_talk_over(&words) {
            ruling
                .because(&rules::MASK_KEYS, "Card data was asked for: keys may be the answer.")
                .oblige(&rules::MASK_KEYS, Duty::MaskKeys);
        }
    }

    /// Drops, masks and labels what was found, as far as it was not said during a pause.
    fn keep_off(&self, ruling: &mut Ruling, found: &[Found], facts: &Facts) {
        let with_number = found.iter().any(|f| f.kind == Kind::CardNumber)
            || facts.labels.iter().any(|l| l.kind == LabelKind::CardNumber);
        for thing in found.iter().filter(|f| f.confidence >= FOUND && is_kept(f, facts)) {
            let margin = self.settings.margin_ms;
            let place = Span {
                leg: Some(thing.leg),
                start: thing.start.saturating_sub(margin),
                end: thing.end.saturating_add(margin),
            };
            let label = match thing.kind {
                Kind::CardCode => {
                    ruling
                        .because(&rules::NO_CARD_CODE, "A card verification code was given: it is not kept.")
                        .oblige(&rules::NO_CARD_CODE, Duty::Purge(place));
                    LabelKind::CardCode
                }
                Kind::CardPin => {
                    ruling
                        .because(&rules::NO_PIN, "A PIN was given: it is not kept.")
                        .oblige(&rules::NO_PIN, Duty::Purge(place));
                    LabelKind::CardPin
                }
                Kind::CardNumber if self.needs_pan(facts) => {
                    let why = if thing.confidence < SURE {
                        "What may be a card number was given: it is masked."
                    } else {
                        "A card number was given: it is masked."
                    };
                    ruling.because(&rules::MASK_PAN, why).oblige(&rules::MASK_PAN, Duty::Redact(place));
                    LabelKind::CardNumber
                }
                Kind::CardNumber => {
                    ruling
                        .because(
                            &rules::PAN_NEED,
                            "A card number was given and nobody needs it: it is not kept.",
                        )
                        .oblige(&rules::PAN_NEED, Duty::Purge(place));
                    LabelKind::CardNumber
                }
                // An expiry date is cardholder data only beside a number.
                Kind::CardExpiry if with_number => LabelKind::CardExpiry,
                _ => continue,
            };
            if !facts.labels.iter().any(|l| l.kind == label && l.where_ == place) {
                ruling.label(label, place, thing.confidence);
            }
        }
    }

    /// Whether a pause of ours, or what stands for it where none is possible, goes on with these words.
    fn holds(&self, before: &[Heard<'_>], new: &[Heard<'_>], facts: &Facts) -> bool {
        let Some(now) = new.iter().map(|w| w.end).max() else { return paused_by_us(facts) };
        let recent = [entry::last(before, self.settings.resume_after_s, now), new].concat();
        let refused = || cannot_pause(facts) && !detect::card_talk_over(&recent);
        (paused_by_us(facts) || refused()) && entry::goes_on(&recent)
    }

    /// Whether recording was suspended so short a time ago that card entry may be why.
    fn pause_is_fresh(&self, facts: &Facts) -> bool {
        let for_ms = |since: u32| facts.elapsed().saturating_sub(since);
        let patience_ms = self.settings.resume_after_s.saturating_mul(1000);
        facts.paused.is_some_and(|p| p.cause == PauseCause::Verdict && for_ms(p.since) <= patience_ms)
    }
}

fn suspend(ruling: &mut Ruling, facts: &Facts, why: &str) {
    let rule = &rules::PAUSE_CARD_ENTRY;
    if cannot_pause(facts) {
        ruling
            .refuse(
                rule,
                "Card data is being taken, and there is no way to pause or mask: it is not recorded.",
            )
            .remedy(rule, "enable-pause-or-masking");
        return;
    }
    ruling.suspend(rule, why).oblige(&rules::MASK_KEYS, Duty::MaskKeys);
    if !facts.traits.contains(CallTraits::CAN_PAUSE) {
        ruling.because(
            rule,
            "The client is not known to pause or mask: the host keeps nothing of this stretch.",
        );
    }
}

/// It is certain; a client that merely did not say is suspended like any other.
fn cannot_pause(facts: &Facts) -> bool {
    const NAMES: [&str; 4] =
        ["call.can-pause", "call.pause-available", "tenant.can-pause", "tenant.pause-available"];
    NAMES.iter().any(|name| facts.flag(name) == Some(false))
}

fn open_networks(ruling: &mut Ruling, facts: &Facts) {
    if facts.flag("call.public-network") != Some(true) {
        return;
    }
    let early = |version: &str| {
        let version = version.trim().to_ascii_lowercase();
        let number = version.trim_start_matches("tls").trim_start_matches(['v', ' ', '-']);
        version.contains("ssl") || ["1", "1.0", "1.1"].contains(&number)
    };
    let why = if facts.flag("call.media-encrypted") == Some(false) {
        "Media comes unencrypted over a public network."
    } else if facts.text("call.tls-version").is_some_and(early) {
        "Media comes over a public network under a version of TLS that is not strong."
    } else if facts.flag("call.certificate-expired") == Some(true) {
        "Media comes over a public network under a certificate that is not valid."
    } else {
        return;
    };
    ruling.refuse(&rules::OPEN_NETWORKS, why).remedy(&rules::OPEN_NETWORKS, "encrypt-media");
}

/// A pause that somebody asked for holds by itself, until somebody asks for its end.
fn paused_by_others(facts: &Facts) -> bool {
    facts.paused.is_some_and(|p| p.cause != PauseCause::Verdict)
}

fn paused_by_us(facts: &Facts) -> bool {
    facts.paused.is_some_and(|p| p.cause == PauseCause::Verdict)
}

/// Words may arrive after a pause began that were said before it.
fn is_kept(found: &Found, facts: &Facts) -> bool {
    facts.paused.is_none_or(|p| found.start < p.since)
}

fn card_data(mut found: Vec<Found>) -> Vec<Found> {
    found.retain(|f| matches!(f.kind, Kind::CardNumber | Kind::CardCode | Kind::CardPin | Kind::CardExpiry));
    found
}

fn heard(word: &caveat_sdk::capture::Word) -> Heard<'_> {
    Heard { leg: word.leg, start: word.start, end: word.end, text: &word.text }
}

fn pressed(key: &caveat_sdk::capture::Key) -> Pressed {
    Pressed { leg: key.leg, start: key.start, end: key.end, symbol: key.symbol }
}

#[cfg(test)]
mod tests;
