//! The sentences of a scenario's `events`: "90s customer: I am in Boston", "120s payment page opens, pause".

use caveat_model::{Asker, PartyRole};

use super::words;

/// What a sentence tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    /// Recording is on from here.
    Starts,
    Said(PartyRole, String),
    Pause(Asker),
    Resume(Asker),
    Hold,
    Unhold,
    Joins(PartyRole),
    Leaves(PartyRole),
    /// A notice was played; whether it is in the recording.
    Notice(bool),
    Consents,
    Refuses,
    Ends,
}

impl Happening {
    /// What an agent says before a card number.
    pub(crate) fn asks_for_card() -> Self {
        Self::Said(PartyRole::Agent, "can I have your card number please".to_owned())
    }
}

/// The time in seconds that a sentence begins with ("90s", "1:30"), and what it tells; none for what no event stands for.
pub(crate) fn understand(sentence: &str) -> (u32, Option<Happening>) {
    let (seconds, rest) = time_of(sentence.trim());
    let text = rest.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|p| text.contains(p));
    if let Some((who, said)) = rest.split_once(": ")
        && who.split_whitespace().count() <= 2
    {
        let said = said.trim_matches('"').to_owned();
        return (seconds, Some(Happening::Said(words::party_role(who), said)));
    }
    let happening = if has(&["resume", "unpause"]) {
        Happening::Resume(asker(&text))
    } else if has(&["pause"]) {
        Happening::Pause(asker(&text))
    } else if has(&["card entry expected", "card entry begins", "asks for the card", "asks for card"]) {
        Happening::asks_for_card()
    } else if has(&["recording starts", "recording begins", "recorder starts"]) {
        Happening::Starts
    } else if has(&["off hold", "unhold", "back from hold"]) {
        Happening::Unhold
    } else if has(&["on hold", "holds"]) {
        Happening::Hold
    } else if has(&["refuse", "object", "declines", "does not consent", "says no"]) {
        Happening::Refuses
    } else if has(&["consents", "agrees", "says yes", "presses 1"]) {
        Happening::Consents
    } else if has(&["announcement", "notice"]) && has(&["play", "read", "given"]) {
        Happening::Notice(!has(&["not recorded", "not-recorded", "unrecorded"]))
    } else if has(&["joins", "joined", "conferenced", "added"]) {
        Happening::Joins(role_in(&text))
    } else if has(&["call ends", "call over", "everyone hangs up"]) {
        Happening::Ends
    } else if has(&["leaves", "left", "drops", "hangs up", "disconnects", "transfers"]) {
        Happening::Leaves(role_in(&text))
    } else {
        return (seconds, None);
    };
    (seconds, Some(happening))
}

fn time_of(sentence: &str) -> (u32, &str) {
    let (first, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
    let seconds = match (first.strip_suffix('s'), first.split_once(':')) {
        (Some(s), _) => s.parse().ok(),
        (None, Some((m, s))) => m.parse::<u32>().ok().zip(s.parse::<u32>().ok()).map(|(m, s)| m * 60 + s),
        _ => None,
    };
    seconds.map_or((0, sentence), |s| (s, rest))
}

fn asker(text: &str) -> Asker {
    let has = |parts: &[&str]| parts.iter().any(|p| text.contains(p));
    if has(&["timer", "timeout", "limit"]) {
        Asker::Timer
    } else if has(&["payment", "card", "authorization", "api", "automat"]) {
        Asker::CardEntry
    } else if has(&["agent", "manual", "supervisor"]) {
        Asker::Person
    } else {
        Asker::Protocol
    }
}

/// The first word that names a role; otherwise someone else.
fn role_in(text: &str) -> PartyRole {
    let mut roles = text.split(|c: char| !c.is_alphanumeric() && c != '-').map(words::party_role);
    roles.find(|r| *r != PartyRole::OtherParty).unwrap_or(PartyRole::OtherParty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_understood() {
        let check =
            |sentence, seconds, wanted| assert_eq!(understand(sentence), (seconds, wanted), "{sentence}");
        let said = Happening::Said(PartyRole::Customer, "I am in Boston this week".into());
        check("90s customer: I am in Boston this week", 90, Some(said));
        check("0s recording starts, no notice", 0, Some(Happening::Starts));
        check("120s payment page opens, pause", 120, Some(Happening::Pause(Asker::CardEntry)));
        check("185s authorization complete, resume", 185, Some(Happening::Resume(Asker::CardEntry)));
        check("2:00 agent pauses by hand", 120, Some(Happening::Pause(Asker::Person)));
        check("45s supervisor joins silently", 45, Some(Happening::Joins(PartyRole::Supervisor)));
        check("60s agent leaves, customer stays", 60, Some(Happening::Leaves(PartyRole::Agent)));
        check("30s notice played, not recorded", 30, Some(Happening::Notice(false)));
        check("60s agent asks for the card number", 60, Some(Happening::asks_for_card()));
        check("30s customer objects to recording", 30, Some(Happening::Refuses));
        check("150s card number and CVV spoken", 150, None);
        check("the weather is fine", 0, None);
    }
}
