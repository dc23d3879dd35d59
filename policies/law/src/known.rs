//! Attributes under one or more names: where integrators have several words for one fact, the first that is known counts.

use caveat_sdk::{Facts, dates, facts::Moment};

/// Yes, no, or unknown.
pub fn flag(facts: &Facts, names: &[&str]) -> Option<bool> {
    names.iter().find_map(|name| facts.flag(name))
}

/// Known to be so.
pub fn is(facts: &Facts, names: &[&str]) -> bool {
    flag(facts, names) == Some(true)
}

/// Known not to be so.
pub fn is_not(facts: &Facts, names: &[&str]) -> bool {
    flag(facts, names) == Some(false)
}

/// A count; none if unknown or negative.
pub fn count(facts: &Facts, names: &[&str]) -> Option<u64> {
    u64::try_from(names.iter().find_map(|name| facts.whole(name))?).ok()
}

/// A word in lower case with hyphens: `Sales Call` and `sales_call` are `sales-call`.
pub fn word(facts: &Facts, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| facts.text(name)).map(spelled)
}

/// A time, given as such or as whole days before now.
pub fn moment(facts: &Facts, when: &[&str], days_ago: &[&str]) -> Option<Moment> {
    let ago = |days: u64| facts.now.saturating_sub(days.saturating_mul(dates::DAY_MS));
    when.iter().find_map(|name| facts.when(name)).or_else(|| count(facts, days_ago).map(ago))
}

/// A word as [`word`] spells it.
pub fn spelled(text: &str) -> String {
    text.trim().to_ascii_lowercase().replace(['_', ' '], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use caveat_sdk::facts::{Attribute, AttributeValue};

    #[test]
    fn the_first_name_that_is_known_counts() {
        let mut facts = Facts::empty();
        facts.now = 10 * dates::DAY_MS;
        let give = |facts: &mut Facts, name: &str, value| {
            facts.attributes.push(Attribute { name: name.into(), value });
        };
        assert_eq!(flag(&facts, &["a", "b"]), None);
        give(&mut facts, "b", AttributeValue::Flag(false));
        give(&mut facts, "class", AttributeValue::Text(" Sales_Call ".into()));
        give(&mut facts, "days", AttributeValue::Whole(4));
        give(&mut facts, "negative", AttributeValue::Whole(-4));
        assert!(is_not(&facts, &["a", "b"]) && !is(&facts, &["b"]));
        assert_eq!(word(&facts, &["class"]).as_deref(), Some("sales-call"));
        assert_eq!(moment(&facts, &["when"], &["days"]), Some(6 * dates::DAY_MS));
        assert_eq!(moment(&facts, &["when"], &["negative"]), None);
    }
}
