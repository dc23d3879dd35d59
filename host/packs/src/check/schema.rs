//! The schema of a pack's settings.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    folder::Folder,
    lint::{SETTING_UNUSED, SETTINGS_DEFAULT, SETTINGS_DESCRIPTION, SETTINGS_OPEN, SETTINGS_SCHEMA},
    report::{Found, Place},
};
use crate::{MANIFEST_FILE, document, settings};

/// The schema, if there is one that can be used.
pub(super) fn check(dir: &Path, folder: &Folder, found: &mut Found) -> Option<Value> {
    let name = folder.manifest.pack.settings.as_deref()?;
    let text = match document::read(&dir.join(name)) {
        Ok(text) => text,
        Err(error) => {
            let place = Place::of(MANIFEST_FILE, folder.line("pack.settings"));
            found.add(
                SETTINGS_SCHEMA,
                place,
                error.to_string(),
                "write it, or remove `settings` from [pack]",
            );
            return None;
        }
    };
    let schema: Value = match serde_json::from_str(&text) {
        Ok(schema) => schema,
        Err(error) => {
            let place = Place::of(name, Some(error.line()));
            found.add(SETTINGS_SCHEMA, place, format!("it is not JSON: {error}"), "mend the line");
            return None;
        }
    };
    let place = |key: Option<&str>| Place::of(name, key.and_then(|key| line_of(&text, key)));
    let wrong = jsonschema::meta::validate(&schema).map_err(|e| format!("at `{}`: {e}", e.instance_path()));
    if let Err(problem) = wrong.map_err(|p| p.clone()).and_then(|()| settings::validator(&schema).map(drop)) {
        let mend = "see https://json-schema.org/draft/2020-12 for what each keyword wants";
        found.add(SETTINGS_SCHEMA, place(None), format!("it is no JSON Schema: {problem}"), mend);
        return None;
    }
    for problem in settings::complete(Some(&schema), &Value::Null).err().into_iter().flatten() {
        let key =
            problem.at.rsplit('/').find(|step| step.parse::<usize>().is_err()).filter(|k| !k.is_empty());
        let message = format!("the defaults do not satisfy the schema: {problem}");
        let mend = "give each setting that is required a `default` that it allows";
        found.add(SETTINGS_DEFAULT, place(key), message, mend);
    }
    if schema["additionalProperties"] != Value::Bool(false) {
        let mend = "add `\"additionalProperties\": false`";
        found.add(
            SETTINGS_OPEN,
            place(Some("properties")),
            "a misspelt setting would be taken and ignored",
            mend,
        );
    }
    each_property(&schema, &mut |key, property| {
        if property["description"].as_str().is_none_or(|d| d.trim().is_empty()) {
            let message = format!("nobody can tell what the setting `{key}` means");
            found.add(SETTINGS_DESCRIPTION, place(Some(key)), message, "add a `description`");
        }
        if !folder.mentions(key) && !folder.mentions(&key.replace('-', "_")) {
            let message = format!("nothing in the sources reads the setting `{key}`");
            found.add(SETTING_UNUSED, place(Some(key)), message, "read it, or remove it");
        }
    });
    Some(schema)
}

/// Every property, and the properties of those.
fn each_property(schema: &Value, each: &mut dyn FnMut(&str, &Value)) {
    for (key, property) in schema["properties"].as_object().into_iter().flat_map(Map::iter) {
        each(key, property);
        each_property(property, each);
        each_property(&property["items"], each);
    }
}

/// Where a key is written down first.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quoted = format!("\"{key}\"");
    let is_key = |line: &str| {
        line.find(&quoted).is_some_and(|at| line[at + quoted.len()..].trim_start().starts_with(':'))
    };
    text.lines().position(is_key).map(|n| n + 1)
}
