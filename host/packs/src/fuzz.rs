//! Doors for `tests/fuzz` to what is otherwise inside. No part of the API.
#![allow(missing_docs, reason = "not for use")]

use std::path::Path;

use serde_json::Value;

use crate::{CaseText, Lock, Manifest, PackError, Problem, cases, document, settings};

/// The settings completed by a schema, which has to be one; their canonical text.
pub fn settings(schema: &Value, given: &Value) -> Result<String, Vec<Problem>> {
    settings::validator(schema).map_err(|why| vec![Problem::new("", why)])?;
    settings::complete(Some(schema), given).map(|whole| settings::canonical(&whole))
}

/// How many cases a file holds, for a pack with this manifest.
pub fn cases(text: &str, manifest: &Manifest) -> Result<usize, PackError> {
    let file = CaseText { name: "cases.toml".to_owned(), text: text.to_owned() };
    cases::read_scripts(&[file], Path::new(""), &manifest.rule_ids()).map(|scripts| scripts.len())
}

/// A lock file's text.
pub fn lock(text: &str) -> Result<Lock, PackError> {
    document::parse(Path::new("caveat.lock"), text)
}
