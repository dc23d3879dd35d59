//! Reading TOML so that a mistake is named: file, line, key, and the nearest name that would have been right.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};
use toml::de::{DeTable, DeValue};

use crate::{PackError, Problem};

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, PackError> {
    fs::read_to_string(path).map_err(PackError::io("read", path))
}

/// Reads a TOML file into a type.
///
/// # Errors
/// [`PackError::Document`] with line, key, and the nearest name for a misspelt one.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, PackError> {
    parse(path, &read(path)?)
}

/// Parses TOML into a type; `path` is for messages.
///
/// # Errors
/// As [`read_toml`].
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, PackError> {
    toml::from_str(text).map_err(|error| {
        let (at, hint) = misspelt(error.message());
        let line = error.span().map(|span| line_at(text, &span));
        let problem = Problem { line, at, message: format!("{}{hint}", error.message()) };
        PackError::Document { path: path.to_owned(), problems: vec![problem] }
    })
}

/// The line of the value under a key path such as `on-failure.capture` or `rule.3.id`; that of the deepest part of the
/// path that exists.
pub(crate) fn line_of(text: &str, path: &str) -> Option<usize> {
    found(text, path, |_, span| line_at(text, &span))
}

/// The line of each value under a key path, by its JSON pointer from there. If there is nothing, the line of the deepest
/// part of the path that exists, by the empty pointer.
pub(crate) fn lines_under(text: &str, path: &str) -> BTreeMap<String, usize> {
    let all = found(text, path, |value, span| {
        let mut lines = BTreeMap::from([(String::new(), line_at(text, &span))]);
        if let Some(value) = value {
            lines_in(text, value, "", &mut lines);
        }
        lines
    });
    all.unwrap_or_default()
}

fn lines_in(text: &str, value: &DeValue<'_>, at: &str, into: &mut BTreeMap<String, usize>) {
    let mut note = |step: &str, span: Range<usize>, value: &DeValue<'_>| {
        let pointer = format!("{at}/{}", step.replace('~', "~0").replace('/', "~1"));
        into.insert(pointer.clone(), line_at(text, &span));
        lines_in(text, value, &pointer, into);
    };
    match value {
        DeValue::Table(table) => {
            table.iter().for_each(|(key, value)| note(key.get_ref(), key.span(), value.get_ref()));
        }
        DeValue::Array(array) => {
            array.iter().enumerate().for_each(|(n, v)| note(&n.to_string(), v.span(), v.get_ref()));
        }
        _ => {}
    }
}

/// The line of each value of a JSON text, by its JSON pointer.
pub(crate) fn lines_of_json(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(whole) = serde_json::from_str(text) {
        json_lines_in(text, whole, "", &mut lines);
    }
    lines
}

/// A raw value is a part of the text that it was read from.
fn json_lines_in(text: &str, value: &RawValue, at: &str, into: &mut BTreeMap<String, usize>) {
    let part = value.get();
    let begin = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    into.insert(at.to_owned(), line_at(text, &(begin..begin)));
    let mut below = |step: &str, value| {
        json_lines_in(text, value, &format!("{at}/{}", step.replace('~', "~0").replace('/', "~1")), into);
    };
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, &RawValue>>(part) {
        object.into_iter().for_each(|(key, value)| below(&key, value));
    } else if let Ok(array) = serde_json::from_str::<Vec<&RawValue>>(part) {
        array.into_iter().enumerate().for_each(|(n, value)| below(&n.to_string(), value));
    }
}

/// What `look` makes of the value under a key path, and of its place; it is told of no value, and of the place of the
/// deepest part of the path that exists, if there is none.
fn found<T>(text: &str, path: &str, look: impl FnOnce(Option<&DeValue<'_>>, Range<usize>) -> T) -> Option<T> {
    let root = DeTable::parse(text).ok()?;
    let mut span = root.span();
    let top = DeValue::Table(root.into_inner());
    let mut here = &top;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let next = match here {
            DeValue::Table(table) => {
                table.iter().find(|(key, _)| key.get_ref() == step).map(|(_, value)| value)
            }
            DeValue::Array(array) => step.parse().ok().and_then(|n: usize| array.get(n)),
            _ => None,
        };
        let Some(next) = next else { return Some(look(None, span)) };
        span = next.span();
        here = next.get_ref();
    }
    Some(look(Some(here), span))
}

/// The name among `known` that is closest to `given`, if any is close.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `, did you mean ...` for a name that is close to a known one.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
}

/// From serde's "unknown field `x`, expected one of `a`, `b`": the name and a hint.
pub(crate) fn misspelt(message: &str) -> (String, String) {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown ");
    match (is_unknown, quoted.next()) {
        (true, Some(given)) => (given.to_owned(), did_you_mean(given, quoted)),
        _ => (String::new(), String::new()),
    }
}

/// TOML as JSON; a date becomes its text.
pub(crate) fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(s) => Value::String(s),
        toml::Value::Integer(n) => n.into(),
        toml::Value::Float(x) => x.into(),
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Datetime(d) => Value::String(d.to_string()),
        toml::Value::Array(all) => all.into_iter().map(to_json).collect(),
        toml::Value::Table(all) => Value::Object(all.into_iter().map(|(k, v)| (k, to_json(v))).collect()),
    }
}

fn line_at(text: &str, span: &Range<usize>) -> usize {
    let end = span.start.min(text.len());
    text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_path_leads_to_its_line() {
        let text = "[a]\nb = 1\n\n[[c]]\nd = 2\n[[c]]\nd = 3\n";
        let check = |path, line| assert_eq!(line_of(text, path), Some(line), "{path}");
        check("a.b", 2);
        check("c.1.d", 7);
        check("a.missing", 1);
    }

    #[test]
    fn a_close_name_is_offered_and_a_distant_one_is_not() {
        assert_eq!(nearest("captrue", ["capture", "storage"]), Some("capture"));
        assert_eq!(nearest("banana", ["capture", "storage"]), None);
    }
}
