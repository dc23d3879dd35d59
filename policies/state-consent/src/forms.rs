//! Forms of consent, and which of them a party has given.

use caveat_sdk::{Facts, facts::*};

use crate::{call::stayed, places::BEEP_EVERY_S};

/// A set of forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Forms(u8);

impl Forms {
    pub(crate) const NONE: Self = Self(0);
    /// The client's own person is on the call and consents.
    pub(crate) const PARTICIPANT: Self = Self(1);
    /// Said or keyed "yes".
    pub(crate) const EXPRESS: Self = Self(1 << 1);
    /// The "yes" is in the recording.
    pub(crate) const CAPTURED: Self = Self(1 << 2);
    /// Told before recording, and stayed.
    pub(crate) const NOTICE: Self = Self(1 << 3);
    /// And the notice is in the recording.
    pub(crate) const RECORDED: Self = Self(1 << 4);
    /// A tone that is repeated often enough.
    pub(crate) const BEEP: Self = Self(1 << 5);
    /// In writing, beforehand.
    pub(crate) const WRITTEN: Self = Self(1 << 6);
    /// What a party has to give by its own act.
    pub(crate) const OWN_ACT: Self = Self::EXPRESS.and(Self::CAPTURED).and(Self::WRITTEN);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether one of them is accepted.
    pub(crate) const fn meet(self, accepted: Self) -> bool {
        self.0 & accepted.0 != 0
    }
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Where one party stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// What it gave, a refusal left aside.
    pub(crate) gave: Forms,
    /// Its last answer was no.
    pub(crate) refused: bool,
    /// It was told only after audio had been kept.
    pub(crate) told_late: bool,
    /// It was told, and did not stay.
    pub(crate) went: bool,
    /// It was told in a language that it does not speak.
    pub(crate) told_in_another_language: bool,
}

impl Standing {
    /// `spared`: audio kept from before a notice is nothing that needed this party's consent.
    pub(crate) fn of(party: &Party, facts: &Facts, spared: bool) -> Self {
        let mut standing = Self::default();
        let (mut any_late, stays) = (false, facts.notices.is_empty() || stayed(facts));
        for notice in &facts.notices {
            let late = notice.late && !spared;
            any_late |= late;
            standing.hear(party, notice, late, stays);
        }
        standing.answer(party, facts, any_late);
        standing
    }

    /// What counts now.
    pub(crate) fn forms(&self) -> Forms {
        if self.refused { Forms::NONE } else { self.gave }
    }

    /// Nothing but being told is missing.
    pub(crate) fn only_needs_telling(&self) -> bool {
        !self.refused && !self.told_late && !self.went
    }

    fn hear(&mut self, party: &Party, notice: &Notice, late: bool, stays: bool) {
        let heard = notice.heard_by.contains(&party.id);
        match notice.kind {
            NoticeKind::Spoken if !heard => {}
            NoticeKind::Spoken if !understands(&party.language, &notice.language) => {
                self.told_in_another_language = true;
            }
            NoticeKind::Spoken if late => self.told_late = true,
            NoticeKind::Spoken if !stays => self.went = true,
            NoticeKind::Spoken => {
                self.gave = self.gave.and(Forms::NOTICE);
                if notice.recorded {
                    self.gave = self.gave.and(Forms::RECORDED);
                }
            }
            // A tone goes on, so that whoever joins hears it too; one that began late did not accompany the recording.
            NoticeKind::Beep => {
                let often = (1..=BEEP_EVERY_S).contains(&notice.every_s);
                if often && !late && (heard || party.joined > notice.at) {
                    self.gave = self.gave.and(Forms::BEEP);
                }
            }
            // A text that says calls are recorded is no notice on this call, and no consent either.
            NoticeKind::Written => {}
        }
    }

    /// The last answer counts; a "yes" after audio was kept without a notice is not prior to it and cures nothing.
    fn answer(&mut self, party: &Party, facts: &Facts, any_late: bool) {
        for answer in facts.consents.iter().filter(|c| c.party == party.id) {
            let last = facts.consents.iter().filter(|c| c.party == party.id).all(|c| c.at <= answer.at);
            if last {
                self.refused = !answer.given;
            }
            if !answer.given {
                continue;
            }
            match answer.form {
                ConsentForm::Written => self.gave = self.gave.and(Forms::WRITTEN),
                ConsentForm::Express if any_late && answer.at > 0 => self.told_late = true,
                ConsentForm::Express if answer.recorded => {
                    self.gave = self.gave.and(Forms::EXPRESS).and(Forms::CAPTURED);
                }
                ConsentForm::Express => self.gave = self.gave.and(Forms::EXPRESS),
            }
        }
    }
}

/// Whether somebody who speaks one BCP 47 language understands another, as far as anybody knows.
fn understands(speaks: &str, told_in: &str) -> bool {
    let base = |tag: &str| tag.find(['-', '_']).unwrap_or(tag.len());
    let (speaks, told_in) = (&speaks[..base(speaks)], &told_in[..base(told_in)]);
    speaks.is_empty() || told_in.is_empty() || speaks.eq_ignore_ascii_case(told_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_other_language_is_not_understood() {
        assert!(understands("en-US", "en"));
        assert!(understands("EN", "en-GB"));
        assert!(understands("", "es"));
        assert!(understands("es", ""));
        assert!(!understands("es-MX", "en-US"));
    }
}
