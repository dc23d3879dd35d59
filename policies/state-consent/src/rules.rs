//! The rules as `pack.toml` declares them. The opt-ins' own are in `data/options.toml`.

use caveat_sdk::Rule;

const fn rule(id: &'static str, citation: &'static str) -> Rule {
    Rule { id, citation }
}

pub(crate) const ONE_PARTY: Rule = rule("consent.one-party", "18 U.S.C. 2511(2)(d)");
pub(crate) const ALL_PARTY: Rule = rule(
    "consent.all-party",
    "Kearney v. Salomon Smith Barney, 39 Cal.4th 95 (2006); the statute of each jurisdiction",
);
pub(crate) const UNKNOWN_PLACE: Rule = rule(
    "consent.unknown-place",
    "No evidence of place, or a place without a rule here: the strictest rule applies",
);
pub(crate) const NOTICE_RECORDED: Rule =
    rule("consent.notice-recorded", "Wash. Rev. Code 9.73.030(3); Conn. Gen. Stat. 52-570d(a)(2)");
pub(crate) const PRIOR: Rule =
    rule("consent.prior", "18 U.S.C. 2511(2)(d) (prior consent); the statute of each jurisdiction");
pub(crate) const NOTICE_LANGUAGE: Rule = rule(
    "consent.notice-language",
    "Wash. Rev. Code 9.73.030(3) (reasonably effective manner); the statute of each jurisdiction",
);
pub(crate) const BEEP: Rule = rule("consent.beep", "Conn. Gen. Stat. 52-570d(a)(3)");
pub(crate) const EXPRESS: Rule =
    rule("consent.express", "The client's own setting; Fla. Att'y Gen. Op. 2002-05 for public bodies");
pub(crate) const REFUSED: Rule =
    rule("consent.refused", "The statute of each jurisdiction: consent of all parties");
pub(crate) const HOUSE_REFUSAL: Rule = rule("consent.house-refusal", "The client's own setting");
pub(crate) const LATE_JOINER: Rule =
    rule("consent.late-joiner", "The statute of each jurisdiction: consent of all parties, prior");
pub(crate) const PARTY_EXIT: Rule =
    rule("consent.party-exit", "18 U.S.C. 2511(2)(d) (a party to the communication)");
pub(crate) const MINOR: Rule = rule("consent.minor", "O.C.G.A. 16-11-66(b)-(d)");
pub(crate) const PURPOSE: Rule =
    rule("consent.purpose", "18 U.S.C. 2511(2)(d) (criminal or tortious purpose)");
pub(crate) const VENDOR: Rule = rule("consent.vendor", "Cal. Penal Code 631");
pub(crate) const TELEPHONE_UTILITY: Rule = rule("consent.telephone-utility", "52 Pa. Code 63.137(2)");
pub(crate) const IN_PERSON: Rule = rule("consent.in-person", "Or. Rev. Stat. 165.540(1)(c)");
pub(crate) const EMERGENCY_LINE: Rule =
    rule("consent.emergency-line", "Fla. Stat. 934.03(2)(g); 720 ILCS 5/14-3(d)");
pub(crate) const EMERGENCY_NATURE: Rule = rule("consent.emergency-nature", "Wash. Rev. Code 9.73.030(2)(a)");
pub(crate) const THREATS: Rule = rule("consent.threats", "Wash. Rev. Code 9.73.030(2)(b)");
pub(crate) const HARASSMENT: Rule = rule("consent.harassment", "Wash. Rev. Code 9.73.030(2)(c)");
pub(crate) const TELEMARKETER_CALLED: Rule =
    rule("consent.telemarketer-called", "18 Pa. Cons. Stat. 5704(19)");
pub(crate) const EVIDENCE_NOTICE: Rule = rule("consent.evidence-notice", "Wis. Stat. 885.365");
