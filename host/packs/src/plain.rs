//! Facts as people write them, turned into the model's own form: parties by telephone number and place, attributes by
//! name, tones and words by value.
//!
//! A party is in plain form when it has no `id`, or says `stated`, `on-file` or a telephone number:
//! `{ role = "customer", number = "+13055550113", stated = "GA", on-file = "FL" }`. It gets its place in the list as id
//! and leg, is present unless it says otherwise, and its number is looked up. Attributes may be a table:
//! `attributes = { retention.provider = "hospital", retention.birth-date = 2012-03-01 }`.

use caveat_model::{AttributeValue, Facts, NumberKind, Region, numbering};
use serde_json::{Map, Value, json};

use crate::Problem;

/// The 50 states, the District of Columbia and the territories, as the Postal Service writes them.
const US: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR \
                  PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI";

/// Canadian provinces whose letters name no country.
const CANADA: &str = "AB BC MB NB NS ON QC";

/// Facts in plain or in the model's own form.
///
/// # Errors
/// What is wrong, with the key it is at.
pub fn facts(mut given: Value) -> Result<Facts, Problem> {
    if let Some(parties) = given.get_mut("parties").and_then(Value::as_array_mut) {
        for (n, party) in parties.iter_mut().enumerate() {
            expand_party(n, party)?;
        }
    }
    if let Some(Value::Object(table)) = given.get_mut("attributes").map(Value::take) {
        given["attributes"] =
            attributes("", &table).map(|(name, value)| json!({ "name": name, "value": value })).collect();
    }
    serde_json::from_value(given).map_err(|e| Problem::new("facts", e.to_string()))
}

/// A place in plain words: a state, a province, a country. Two letters that could be both are the country only when the
/// party's number is of that country.
pub fn region(text: &str, number: Option<&Region>) -> Option<Region> {
    let text = text.trim().to_ascii_uppercase();
    let abroad = format!("@{text}");
    let listed = |list: &str| list.split(' ').any(|code| code == text);
    if number.is_some_and(|n| n.as_str().starts_with('@') && n.as_str()[..3] == abroad) {
        return abroad.parse().ok();
    }
    let plain = match text.as_str() {
        "UK" => "@GB".to_owned(),
        "USVI" => "VI".to_owned(),
        _ if listed(US) || text.starts_with('@') => text,
        _ if listed(CANADA) => format!("@CA-{text}"),
        _ => match text.strip_prefix("US-") {
            Some(state) => state.to_owned(),
            None => abroad,
        },
    };
    plain.parse().ok()
}

/// `a = { b-c = 1 }` as `a.b-c`, with the kind of value that it looks like; a date (`2012-03-01`) is a time.
pub(crate) fn attributes<'a>(
    prefix: &'a str,
    table: &'a Map<String, Value>,
) -> Box<dyn Iterator<Item = (String, AttributeValue)> + 'a> {
    Box::new(table.iter().flat_map(move |(key, value)| {
        let key = key.replace('_', "-");
        let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => attributes(&name, inner).collect::<Vec<_>>(),
            plain => vec![(name, attribute_value(plain))],
        }
    }))
}

fn attribute_value(value: &Value) -> AttributeValue {
    match value {
        Value::Bool(yes) => AttributeValue::Flag(*yes),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| AttributeValue::Text(n.to_string()), AttributeValue::Whole)
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(text_of).collect();
            AttributeValue::Text(words.join(", "))
        }
        other => {
            let text = text_of(other);
            match text.parse() {
                Ok(moment) => AttributeValue::When(moment),
                Err(_) => AttributeValue::Text(text),
            }
        }
    }
}

/// What a telephone number tells, as party fields.
pub(crate) fn number_facts(number: &str) -> (NumberKind, Option<Region>) {
    let known = numbering::look_up(number);
    (known.kind, known.region)
}

/// `4111` as "four one one one"; letters stay the words they are.
pub(crate) fn spoken(value: &str) -> Vec<String> {
    const DIGITS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut words = Vec::new();
    for part in value.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|p| !p.is_empty()) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            words.extend(part.bytes().map(|b| DIGITS[usize::from(b - b'0')].to_owned()));
        } else {
            words.push(part.to_owned());
        }
    }
    words
}

/// A value as words, without quotes.
pub(crate) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn expand_party(n: usize, party: &mut Value) -> Result<(), Problem> {
    let at = format!("facts.parties.{n}");
    let Some(party) = party.as_object_mut() else {
        return Err(Problem::new(&at, "a table is wanted: { role = \"customer\", number = \"+1...\" }"));
    };
    let number = party.get("number").and_then(Value::as_str).map(str::to_owned);
    let is_kind = number.as_ref().is_some_and(|n| serde_json::from_value::<NumberKind>(json!(n)).is_ok());
    let is_plain = !party.contains_key("id")
        || party.contains_key("stated")
        || party.contains_key("on-file")
        || (number.is_some() && !is_kind);
    if !is_plain {
        return Ok(());
    }
    let (kind, by_number) = match &number {
        Some(number) if !is_kind => number_facts(number),
        _ => (NumberKind::Missing, None),
    };
    if !is_kind {
        party.insert("number".into(), json!(kind));
    }
    let mut regions = party.get("regions").and_then(Value::as_array).cloned().unwrap_or_default();
    for source in ["stated", "on-file"] {
        if let Some(place) = party.remove(source) {
            let place = text_of(&place);
            let Some(region) = region(&place, by_number.as_ref()) else {
                return Err(Problem::new(
                    format!("{at}.{source}"),
                    format!("`{place}` is no place: a state (FL) or country (IE) is wanted"),
                ));
            };
            regions.push(json!({ "region": region, "source": source }));
        }
    }
    regions.extend(by_number.map(|region| json!({ "region": region, "source": "number" })));
    party.insert("regions".into(), regions.into());
    party.entry("id").or_insert(json!(n));
    party.entry("leg").or_insert(json!(n));
    party.entry("traits").or_insert(json!({ "present": true }));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::{PartyRole, RegionSource};

    #[test]
    fn a_plain_party_is_looked_up() {
        let facts = facts(json!({ "parties": [
            { "role": "agent", "on-file": "TX" },
            { "role": "customer", "number": "+13055550113", "stated": "GA" },
        ]}))
        .unwrap();
        let customer = &facts.parties[1];
        assert_eq!((customer.id, customer.leg, customer.role), (1, Some(1), PartyRole::Customer));
        assert!(customer.traits.present);
        assert_eq!(customer.number, NumberKind::Geographic);
        let seen: Vec<_> = customer.regions.iter().map(|r| (r.region.as_str(), r.source)).collect();
        assert_eq!(seen, [("GA", RegionSource::Stated), ("FL", RegionSource::Number)]);
    }

    #[test]
    fn the_models_own_form_is_left_alone() {
        let own = json!({ "id": 7, "role": "vendor", "number": "withheld" });
        let facts = facts(json!({ "parties": [own] })).unwrap();
        assert_eq!(facts.parties[0].id, 7);
        assert!(!facts.parties[0].traits.present);
    }

    #[test]
    fn attributes_take_the_kind_they_look_like() {
        let facts = facts(
            json!({ "attributes": { "retention": { "provider": "hospital", "birth_date": "2012-03-01" },
            "tenant.taping-firm": true, "breach.persons": 40 } }),
        )
        .unwrap();
        let value = |name: &str| facts.attributes.iter().find(|a| a.name == name).unwrap().value.clone();
        assert_eq!(value("retention.provider"), AttributeValue::Text("hospital".into()));
        assert_eq!(value("retention.birth-date"), AttributeValue::When("2012-03-01".parse().unwrap()));
        assert_eq!(value("tenant.taping-firm"), AttributeValue::Flag(true));
        assert_eq!(value("breach.persons"), AttributeValue::Whole(40));
    }

    #[test]
    fn two_letters_are_a_state_unless_the_number_says_otherwise() {
        let check = |text, number: Option<&str>, wanted: Option<&str>| {
            let number = number.map(|n| n.parse().unwrap());
            let found = region(text, number.as_ref());
            assert_eq!(found.as_ref().map(Region::as_str), wanted, "{text}");
        };
        check("DE", None, Some("DE"));
        check("DE", Some("@DE"), Some("@DE"));
        check("CA", Some("@CA-ON"), Some("@CA"));
        check("IE", None, Some("@IE"));
        check("UK", None, Some("@GB"));
        check("on", None, Some("@CA-ON"));
        check("somewhere", None, None);
    }

    #[test]
    fn digits_are_spoken_one_by_one() {
        assert_eq!(spoken("41-2 double one"), ["four", "one", "two", "double", "one"]);
    }
}
