//! Words that nothing reads: declared facts and actions, files and keys in `data/`.

use std::collections::BTreeMap;

use super::{
    folder::{Folder, Text},
    lint::{ACTION_UNUSED, DATA_KEY_UNUSED, DATA_UNUSED, FACT_UNUSED},
    report::{Found, Place},
};
use crate::{MANIFEST_FILE, document};

/// Looks for each in the sources, and in `literals`, the texts of the component. `said` are actions that a case has heard.
pub(super) fn check(folder: &Folder, literals: &str, said: &dyn Fn(&str) -> bool, found: &mut Found) {
    let manifest = &folder.manifest;
    let at = |path: String| Place::of(MANIFEST_FILE, folder.line(&path));
    let stands = |word: &str| folder.mentions(word) || literals.contains(word);
    for (n, fact) in manifest.facts.iter().enumerate().filter(|(_, f)| !stands(&f.name)) {
        let message = format!("nothing in the pack reads the fact `{}`", fact.name);
        found.add(FACT_UNUSED, at(format!("fact.{n}.name")), message, "read it, or remove the [[fact]]");
    }
    for (n, action) in manifest.actions.iter().enumerate() {
        if !stands(&action.name) && !said(&action.name) {
            let message = format!("nothing in the pack asks for `{}`", action.name);
            let mend = "ask for it, or remove the [[action]]";
            found.add(ACTION_UNUSED, at(format!("action.{n}.name")), message, mend);
        }
    }
    let sources: String = folder.sources.iter().map(|t| plain(&t.text)).collect();
    for table in &folder.data {
        check_table(folder, table, &sources, found);
    }
}

fn check_table(folder: &Folder, table: &Text, sources: &str, found: &mut Found) {
    let file = table.name.rsplit('/').next().unwrap_or(&table.name);
    if !folder.sources.iter().any(|t| t.text.contains(file)) {
        let mend = "read it in build.rs or in the sources, or remove it";
        found.add(DATA_UNUSED, Place::of(&table.name, None), "nothing in the sources names this file", mend);
        return;
    }
    let Ok(value) = document::parse::<toml::Table>(file.as_ref(), &table.text) else { return };
    let mut keys = BTreeMap::new();
    each_key(&value, "", &mut keys);
    for (key, path) in keys.into_iter().filter(|(key, _)| !sources.contains(&plain(key))) {
        let place = Place::of(&table.name, document::line_of(&table.text, &path));
        let message = format!("nothing in the sources reads the key `{key}`");
        found.add(DATA_KEY_UNUSED, place, message, "read it, or say it in a comment");
    }
}

/// Every key, and where it stands first. A table that stands alone may be a map, whose keys are data: its inside is left out,
/// and only rows of a list are held to names.
fn each_key(table: &toml::Table, within: &str, keys: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        keys.entry(key.clone()).or_insert_with(|| path.clone());
        match value {
            toml::Value::Array(rows) => {
                for (n, row) in rows.iter().enumerate().filter_map(|(n, r)| Some((n, r.as_table()?))) {
                    each_key(row, &format!("{path}.{n}"), keys);
                }
            }
            toml::Value::Table(inner) if within.contains('.') => each_key(inner, &path, keys),
            _ => {}
        }
    }
}

/// `minor-until-age`, `minor_until_age` and `MinorUntilAge` are one name.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}
