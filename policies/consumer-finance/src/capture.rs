//! What is taken orally on a call, and what that is worth.

use caveat_sdk::{
    Facts,
    capture::{Duty, Event, Ruling},
};
use pack_law::known;

use crate::law;

pub(crate) fn rule(event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if known::is(facts, &["payment.tel-entry"]) && !known::is(facts, &["payment.written-notice"]) {
        ruling.because(
            &law::TELEPHONE_DEBIT,
            "A debit is authorized by telephone: it is recorded, or confirmed in writing.",
        );
        ruling.oblige(&law::TELEPHONE_DEBIT, Duty::MustRecord);
        if matches!(event, Event::Ended) && facts.paused.is_some() {
            ruling.see_to(&law::TELEPHONE_DEBIT, "send-written-notice", None);
        }
    }
    if known::is(facts, &["esign.oral-consent"]) {
        ruling.because(
            &law::ORAL_CONSENT,
            "A recorded yes is no electronic record: consent to electronic records is taken electronically.",
        );
        ruling.see_to(&law::ORAL_CONSENT, "get-electronic-consent", None);
    }
    ruling
}
