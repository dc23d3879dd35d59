//! A voiceprint is never sold, and passed on only with consent.

use caveat_sdk::{
    Facts,
    access::{Act, Request, Ruling},
    facts::Purpose,
};
use pack_law::known;

use crate::law;

pub(crate) fn rule(request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let passed_on = matches!(request.act, Act::Share | Act::Disclose | Act::Export);
    let voiceprint =
        known::flag(facts, &["access.voiceprint"]).unwrap_or(request.purpose == Purpose::VendorUse);
    if !passed_on || !voiceprint {
        return ruling;
    }
    if known::is(facts, &["access.sale"]) {
        ruling.refuse(&law::NO_SALE, "A voiceprint is not sold, with consent or without.");
    } else if !known::is(facts, &["access.consent"]) {
        ruling.refuse(
            &law::NO_SALE,
            "A voiceprint, or a voice to make one from, is passed on only with the person's consent.",
        );
        ruling.remedy(&law::NO_SALE, "get-consent");
    }
    ruling
}
