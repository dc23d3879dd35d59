//! The rule that every contender judges by: whoever is from outside, and in a state that asks for everyone's consent, has to
//! have been told or to have consented. If not, the recording is refused, with the statute of each such state.

use caveat_sdk::{
    CaptureRules, Facts, Pack, Rule,
    capture::{Event, Outcome, Ruling},
    facts::{NoticeKind, Party, PartyTraits, Role},
    settings::Problem,
};

const ALL_PARTY: Rule = Rule { id: "consent.all-party", citation: "The statute of each state" };

/// By code, so that it can be searched.
const STATUTES: [(&str, &str); 13] = [
    ("CA", "Cal. Penal Code 632(a)"),
    ("CT", "Conn. Gen. Stat. 52-570d(a)"),
    ("DE", "Del. Code tit. 11, 1335(a)(4)"),
    ("FL", "Fla. Stat. 934.03(2)(d)"),
    ("IL", "720 ILCS 5/14-2(a)"),
    ("MA", "Mass. Gen. Laws ch. 272, 99(B)(4)"),
    ("MD", "Md. Code, Cts. & Jud. Proc. 10-402(c)(3)"),
    ("MI", "Mich. Comp. Laws 750.539c"),
    ("MT", "Mont. Code 45-8-213(1)(c)"),
    ("NH", "N.H. Rev. Stat. 570-A:2(I)"),
    ("NV", "Nev. Rev. Stat. 200.620"),
    ("PA", "18 Pa. Cons. Stat. 5704(4)"),
    ("WA", "Wash. Rev. Code 9.73.030(1)"),
];

/// Nothing can be set.
#[derive(serde::Deserialize)]
pub struct Settings {}

/// The pack.
pub struct AllParty;

impl Pack for AllParty {
    type Settings = Settings;

    fn new(_: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
}

impl CaptureRules for AllParty {
    fn capture(&self, _: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        for party in facts.parties.iter().filter(|p| is_outsider(p) && !agrees(p, facts)) {
            for evidence in &party.regions {
                if let Ok(at) = STATUTES.binary_search_by(|(code, _)| (*code).cmp(&evidence.region)) {
                    let why = "The consent of all parties is required, and a party has not been told.";
                    ruling.outcome = Outcome::Refuse;
                    ruling.because_of(&ALL_PARTY, STATUTES[at].1, why);
                    ruling.remedy(&ALL_PARTY, "play-announcement");
                }
            }
        }
        ruling
    }
}

fn is_outsider(party: &Party) -> bool {
    let outside = matches!(party.role, Role::Customer | Role::OtherParty | Role::Unknown);
    outside && party.traits.contains(PartyTraits::PRESENT)
}

fn agrees(party: &Party, facts: &Facts) -> bool {
    let told = |kind, heard_by: &[u8]| kind == NoticeKind::Spoken && heard_by.contains(&party.id);
    facts.notices.iter().any(|n| told(n.kind, &n.heard_by))
        || facts.consents.iter().any(|c| c.party == party.id && c.given)
}

caveat_sdk::pack!(AllParty: capture);
