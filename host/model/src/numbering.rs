//! What a telephone number tells about a place: evidence, not location.
//!
//! The North American area codes are `data/nanp-area-codes.csv` (the administrator's report of 2025-11-26; regenerate it
//! yearly), other countries `data/country-codes.csv` (ITU-T E.164 assignments; one that is missing gives no region).

use std::{collections::HashMap, sync::LazyLock};

use crate::{NumberKind, Region};

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFacts {
    /// What it tells.
    pub kind: NumberKind,
    /// The place it is assigned to, when it has one.
    pub region: Option<Region>,
}

/// Looks up a number in E.164 form (`+14155550123`); a bare ten-digit or `1` and ten-digit number is taken as North
/// American. `anonymous`, `restricted`, `unavailable` and the like mean that it was withheld.
pub fn look_up(number: &str) -> NumberFacts {
    let only = |kind| NumberFacts { kind, region: None };
    let text = number.trim();
    match text.to_ascii_lowercase().as_str() {
        "" => return only(NumberKind::Missing),
        "anonymous" | "restricted" | "withheld" | "private" | "unavailable" | "unknown" | "blocked" => {
            return only(NumberKind::Withheld);
        }
        _ => {}
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if text.chars().any(|c| !(c.is_ascii_digit() || "+-(). ".contains(c))) {
        return only(NumberKind::Malformed);
    }
    let national = match (text.starts_with('+'), digits.len()) {
        (true, 11) | (false, 11) if digits.starts_with('1') => &digits[1..],
        (false, 10) => &digits[..],
        (true, 8..=15) if !digits.starts_with('1') => return abroad(&digits),
        _ => return only(NumberKind::Malformed),
    };
    let Ok(area) = national[..3].parse::<u16>() else {
        return only(NumberKind::Malformed);
    };
    match AREA_CODES.get(&area) {
        Some(facts) => facts.clone(),
        None => only(NumberKind::Malformed),
    }
}

fn abroad(digits: &str) -> NumberFacts {
    let region = (1..=3).rev().find_map(|n| COUNTRIES.get(&digits[..n])).cloned();
    NumberFacts { kind: NumberKind::Foreign, region }
}

static COUNTRIES: LazyLock<HashMap<&'static str, Region>> = LazyLock::new(|| {
    include_str!("../data/country-codes.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (code, country) = line.split_once(',')?;
            Some((code, format!("@{country}").parse().ok()?))
        })
        .collect()
});

static AREA_CODES: LazyLock<HashMap<u16, NumberFacts>> = LazyLock::new(|| {
    csv::Reader::from_reader(include_str!("../data/nanp-area-codes.csv").as_bytes())
        .records()
        .filter_map(|row| area_code(&row.ok()?))
        .collect()
});

/// Columns: npa, region, country, kind, ...
fn area_code(row: &csv::StringRecord) -> Option<(u16, NumberFacts)> {
    let (npa, region, country) = (row.get(0)?.parse().ok()?, row.get(1)?, row.get(2)?);
    let (kind, region) = match row.get(3)? {
        "toll-free" => (NumberKind::TollFree, None),
        "geographic" | "us-territory" if country == "US" => (NumberKind::Geographic, region.parse().ok()),
        // A code shared by several provinces is only known to be Canadian.
        "geographic" if region.contains('|') => (NumberKind::Foreign, format!("@{country}").parse().ok()),
        "geographic" => (NumberKind::Foreign, format!("@{country}-{region}").parse().ok()),
        "us-territory" => (NumberKind::Geographic, region.parse().ok()),
        "nanp-country" => (NumberKind::Foreign, format!("@{country}").parse().ok()),
        _ => (NumberKind::NonGeographic, None),
    };
    Some((npa, NumberFacts { kind, region }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_what_they_tell() {
        let check = |number: &str, kind, region: Option<&str>| {
            let facts = look_up(number);
            assert_eq!((facts.kind, facts.region.as_ref().map(Region::as_str)), (kind, region), "{number}");
        };
        check("+14155550123", NumberKind::Geographic, Some("CA"));
        check("(305) 555-0113", NumberKind::Geographic, Some("FL"));
        check("+17875550141", NumberKind::Geographic, Some("PR"));
        check("+18005550100", NumberKind::TollFree, None);
        check("+14165550100", NumberKind::Foreign, Some("@CA-ON"));
        check("+18095550100", NumberKind::Foreign, Some("@DO"));
        check("+19025550100", NumberKind::Foreign, Some("@CA"));
        check("+35315550101", NumberKind::Foreign, Some("@IE"));
        check("+4930555010", NumberKind::Foreign, Some("@DE"));
        check("anonymous", NumberKind::Withheld, None);
        check("+1415555", NumberKind::Malformed, None);
        check("sip:alice@example.org", NumberKind::Malformed, None);
        check("", NumberKind::Missing, None);
    }
}
