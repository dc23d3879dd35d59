//! Custom parameters of a stream to the facts of a call; the table is in the parent module. Pure.

use caveat_model::{Attribute, AttributeValue, NoticeKind, PartyRole, Region};
use caveat_recorder::{NewCall, NewNotice, NewParty};
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};

use super::message::{Start, Track};
use crate::error::{CaptureError, shortened};

/// What a `start` message offers.
pub(crate) struct Offered {
    /// Whose call it is, to be checked; empty if the stream is signed.
    pub(crate) token: String,
    /// Whether `mark` messages are wanted.
    pub(crate) marks: bool,
    /// Whether everyone on the call hears what is played on the stream.
    pub(crate) plays_to_all: bool,
    pub(crate) call: NewCall,
}

/// Every parameter but the attributes.
const NAMES: [&str; 17] = [
    "token",
    "direction",
    "purposes",
    "agent-number",
    "agent-region",
    "agent-language",
    "customer-number",
    "customer-region",
    "customer-on-file",
    "customer-language",
    "customer-written-consent",
    "emergency",
    "emergency-line",
    "notice",
    "marks",
    "plays-to-all",
    ATTRIBUTE,
];
const ATTRIBUTE: &str = "attr:";
/// Beyond this many edits a name is no misspelling of another.
const EDITS_MAX: usize = 4;

/// Reads the parameters of a stream that begins.
pub(crate) fn read(start: Start, parameters_max: usize) -> Result<Offered, CaptureError> {
    let parameters = start.parameters.0;
    if parameters.len() > parameters_max {
        return Err(CaptureError::TooMany { what: "parameters", limit: parameters_max });
    }
    let on_stream = |track: Track| start.tracks.contains(&track).then(|| track.leg());
    let mut agent =
        NewParty { role: PartyRole::Agent, leg: on_stream(Track::Outbound), ..NewParty::default() };
    let mut customer =
        NewParty { role: PartyRole::Customer, leg: on_stream(Track::Inbound), ..NewParty::default() };
    let mut call = NewCall { external_id: start.call, ..NewCall::default() };
    let (mut token, mut marks, mut plays_to_all) = (String::new(), false, false);
    for (name, value) in parameters {
        let name = name.as_str();
        match name {
            _ if !NAMES.contains(&name) && !name.starts_with(ATTRIBUTE) => return Err(unknown(name)),
            _ if value.is_empty() => {}
            "token" => token = value,
            "marks" => marks = flag(name, &value)?,
            "plays-to-all" => plays_to_all = flag(name, &value)?,
            "direction" => call.direction = word(name, &value, "inbound, outbound or internal")?,
            "purposes" => {
                let purposes =
                    value.split(',').map(|p| word(name, p.trim(), "a list such as quality,training"));
                call.purposes = purposes.collect::<Result<_, _>>()?;
            }
            "emergency" => call.traits.emergency = flag(name, &value)?,
            "emergency-line" => call.traits.emergency_line = flag(name, &value)?,
            "notice" => call.notices.push(played(name, &value)?),
            "agent-number" => agent.number = Some(value),
            "agent-region" => agent.stated = Some(region(name, &value)?),
            "agent-language" => agent.language = value,
            "customer-number" => customer.number = Some(value),
            "customer-region" => customer.stated = Some(region(name, &value)?),
            "customer-on-file" => customer.on_file = Some(region(name, &value)?),
            "customer-language" => customer.language = value,
            "customer-written-consent" => customer.written_consent = flag(name, &value)?,
            _ => call.attributes.push(attribute(name, value)?),
        }
    }
    call.parties = vec![agent, customer];
    Ok(Offered { token, marks, plays_to_all, call })
}

fn flag(name: &str, value: &str) -> Result<bool, CaptureError> {
    value.parse().map_err(|_| wrong(name, "`true` or `false`"))
}

fn region(name: &str, value: &str) -> Result<Region, CaptureError> {
    value
        .parse()
        .map_err(|_| wrong(name, "a USPS code (CA), `@` and a country (@DE), or `@CA-` and a province"))
}

/// A word of the contract, by its own spelling.
fn word<T: DeserializeOwned>(name: &str, value: &str, wanted: &'static str) -> Result<T, CaptureError> {
    let text: StrDeserializer<'_, serde::de::value::Error> = value.into_deserializer();
    T::deserialize(text).map_err(|_| wrong(name, wanted))
}

fn played(name: &str, value: &str) -> Result<NewNotice, CaptureError> {
    if value != "played" {
        return Err(wrong(name, "`played`"));
    }
    let (kind, language) = (NoticeKind::Spoken, String::new());
    Ok(NewNotice { kind, record_from: None, heard_by: None, heard_on: None, language, every_s: 0 })
}

fn attribute(parameter: &str, value: String) -> Result<Attribute, CaptureError> {
    let name = parameter.strip_prefix(ATTRIBUTE).unwrap_or_default();
    let dotted_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.is_empty() || !name.chars().all(dotted_kebab) {
        return Err(wrong(parameter, "a name of a-z, 0-9, `-` and `.` after `attr:`"));
    }
    Ok(Attribute { name: name.to_owned(), value: AttributeValue::of_text(value) })
}

fn unknown(name: &str) -> CaptureError {
    let near = |known: &&&str| strsim::damerau_levenshtein(known, name) <= EDITS_MAX;
    // The comparison takes the product of both lengths.
    let candidates = if name.len() <= 64 { &NAMES[..] } else { &[] };
    let nearest =
        candidates.iter().filter(near).min_by_key(|known| strsim::damerau_levenshtein(known, name)).copied();
    CaptureError::UnknownParameter { name: shortened(name.to_owned(), 40), nearest }
}

fn wrong(name: &str, wanted: &'static str) -> CaptureError {
    CaptureError::BadParameter { name: shortened(name.to_owned(), 40), wanted }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::twilio::message::Parameters;
    use caveat_model::{Direction, Purpose};

    fn offer(parameters: &[(&str, &str)]) -> Result<Offered, CaptureError> {
        let given = [("token", "cvt_1")].iter().chain(parameters);
        let parameters = Parameters(given.map(|(k, v)| (k.to_string(), v.to_string())).collect());
        let tracks = vec![Track::Inbound, Track::Outbound];
        read(Start { stream: "MZ1".into(), call: "CA1".into(), account: None, tracks, parameters }, 20)
    }

    #[test]
    fn parameters_become_the_facts_of_the_call() {
        let offered = offer(&[
            ("direction", "inbound"),
            ("purposes", "quality, training"),
            ("agent-number", "+13055550101"),
            ("agent-region", "FL"),
            ("agent-language", "en-US"),
            ("customer-number", "+14045550102"),
            ("customer-region", "@CA-ON"),
            ("customer-on-file", "GA"),
            ("customer-language", "es"),
            ("customer-written-consent", "true"),
            ("emergency", "false"),
            ("emergency-line", "true"),
            ("notice", "played"),
            ("marks", "true"),
        ])
        .unwrap();
        let call = offered.call;
        assert_eq!(
            (offered.token.as_str(), offered.marks, call.external_id.as_str()),
            ("cvt_1", true, "CA1")
        );
        assert_eq!(call.direction, Direction::Inbound);
        assert_eq!(call.purposes, [Purpose::Quality, Purpose::Training]);
        assert_eq!((call.traits.emergency, call.traits.emergency_line), (false, true));
        assert_eq!((call.notices[0].kind, call.notices[0].record_from), (NoticeKind::Spoken, None));
        let [agent, customer] = &call.parties[..] else { panic!("two parties: {:?}", call.parties) };
        assert_eq!((agent.role, agent.leg), (PartyRole::Agent, Some(0)));
        assert_eq!((customer.role, customer.leg), (PartyRole::Customer, Some(1)));
        assert_eq!(agent.number.as_deref(), Some("+13055550101"));
        assert_eq!(agent.stated.as_ref().map(Region::as_str), Some("FL"));
        assert_eq!(customer.stated.as_ref().map(Region::as_str), Some("@CA-ON"));
        assert_eq!(customer.on_file.as_ref().map(Region::as_str), Some("GA"));
        assert_eq!((agent.language.as_str(), customer.language.as_str()), ("en-US", "es"));
        assert!(customer.written_consent && !agent.written_consent);
    }

    #[test]
    fn an_attribute_is_what_it_reads_as() {
        let check = |value: &str, want: AttributeValue| {
            let offered = offer(&[("attr:account.kind-2", value)]).unwrap();
            assert_eq!(offered.call.attributes, [Attribute { name: "account.kind-2".into(), value: want }]);
        };
        let text = |t: &str| AttributeValue::Text(t.into());
        check("true", AttributeValue::Flag(true));
        check("-12", AttributeValue::Whole(-12));
        check("007", text("007"));
        check("+14155550123", text("+14155550123"));
        check("99999999999999999999", text("99999999999999999999"));
        check("2026-03-01", AttributeValue::When("2026-03-01".parse().unwrap()));
        check("2026-03-01T10:00:00Z", AttributeValue::When("2026-03-01T10:00:00Z".parse().unwrap()));
        check("gold", text("gold"));
    }

    #[test]
    fn what_is_empty_is_not_known() {
        let call = offer(&[("customer-region", ""), ("direction", ""), ("attr:tier", "")]).unwrap().call;
        assert_eq!((call.parties[1].stated.as_ref(), call.direction), (None, Direction::Unknown));
        assert!(call.attributes.is_empty());
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_repeated() {
        let check = |name: &str, value: &str, want: &str| {
            let error = offer(&[(name, value)]).err().unwrap();
            assert!(error.to_string().contains(want), "{error}");
            assert!(value.len() < 3 || !error.to_string().contains(value), "{error}");
        };
        check("custmer-number", "+14045550102", "unknown; did you mean `customer-number`?");
        check("nonsense-of-another-kind", "+1404", "`nonsense-of-another-kind` is unknown");
        check(&"x".repeat(5_000), "value", "is unknown");
        check("direction", "sideways", "inbound, outbound or internal");
        check("purposes", "quality,gossip", "a list such as");
        check("customer-region", "California", "a USPS code");
        check("emergency", "yes!", "`true` or `false`");
        check("notice", "maybe", "`played`");
        check("attr:", "gold", "after `attr:`");
        check("attr:Tier", "gold", "after `attr:`");
    }

    #[test]
    fn a_track_that_is_not_streamed_is_no_leg() {
        let parameters = Parameters([("token".to_string(), "cvt_1".to_string())].into());
        let start = Start {
            stream: "MZ1".into(),
            call: "CA1".into(),
            account: None,
            tracks: vec![Track::Inbound],
            parameters,
        };
        let call = read(start, 20).unwrap().call;
        assert_eq!((call.parties[0].leg, call.parties[1].leg), (None, Some(1)));
    }

    #[test]
    fn parameters_are_counted() {
        let many: Vec<String> = (0..20).map(|i| format!("attr:a{i}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
        assert!(matches!(offer(&many), Err(CaptureError::TooMany { limit: 20, .. })));
        assert!(offer(&many[1..]).is_ok());
    }
}
