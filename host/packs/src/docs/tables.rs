//! The tables in `data/`: what each row says, on which authority, how sure it is.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use super::told;
use crate::{PackError, document};

/// Keys that say which row it is.
const NAMES: [&str; 8] = ["code", "letter", "name", "option", "id", "place", "rule", "state"];

/// Keys that say on which authority.
const AUTHORITY: [&str; 4] = ["citation", "statute", "citations", "authority"];

/// Keys that say how sure it is.
const SURE: [&str; 4] = ["confidence", "verified", "source", "checked"];

/// A table of a file.
#[derive(Debug, Clone)]
pub struct DataTable {
    /// File, and the table in it.
    pub name: String,
    /// The comment at the top of its file; only with its first table.
    pub about: String,
    /// Its rows.
    pub rows: Vec<DataRow>,
}

/// A row in words.
#[derive(Debug, Clone)]
pub struct DataRow {
    /// Which row.
    pub name: String,
    /// What it says.
    pub says: String,
    /// On which authority; may be empty.
    pub authority: String,
    /// How sure it is; may be empty.
    pub sure: String,
}

/// Every TOML file in a folder, if there is one.
pub(super) fn read(dir: &Path) -> Result<Vec<DataTable>, PackError> {
    let mut tables = Vec::new();
    if !dir.is_dir() {
        return Ok(tables);
    }
    let mut paths: Vec<_> = fs::read_dir(dir)
        .map_err(PackError::io("list", dir))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    for path in paths {
        let text = document::read(&path)?;
        let table: toml::Table = document::parse(&path, &text)?;
        let file = path.file_name().map(|n| format!("data/{}", n.to_string_lossy())).unwrap_or_default();
        let mut of_file = of_document(&file, &document::to_json(toml::Value::Table(table)));
        if let Some(first) = of_file.first_mut() {
            first.about = comment(&text);
        }
        tables.extend(of_file);
    }
    Ok(tables)
}

/// The lines at the top that begin with `#`.
fn comment(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// A list of tables is a table; the tables that stand alone are one together, and so are the values beside them.
fn of_document(file: &str, document: &Value) -> Vec<DataTable> {
    let (mut lists, mut single) = (Vec::new(), Vec::new());
    for (key, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                let rows = rows.iter().filter_map(Value::as_object).map(|r| row("", r)).collect();
                lists.push(DataTable {
                    name: format!("{file}: {}", key.replace(['-', '_'], " ")),
                    about: String::new(),
                    rows,
                });
            }
            Value::Object(inner) => single.push(row(key, inner)),
            value => single.push(DataRow {
                name: key.replace(['-', '_'], " "),
                says: told::value(value),
                authority: String::new(),
                sure: String::new(),
            }),
        }
    }
    if !single.is_empty() {
        lists.insert(0, DataTable { name: file.to_owned(), about: String::new(), rows: single });
    }
    lists
}

fn row(name: &str, row: &Map<String, Value>) -> DataRow {
    let of = |keys: &[&str]| {
        let present = keys.iter().filter_map(|key| row.get(*key));
        present.map(told::value).collect::<Vec<_>>()
    };
    let own = if name.is_empty() { of(&NAMES) } else { vec![name.replace(['-', '_'], " ")] };
    let named: &[&str] = if name.is_empty() { &NAMES } else { &[] };
    let rest = row.iter().filter(|(key, _)| {
        let key = key.as_str();
        !named.contains(&key) && !AUTHORITY.contains(&key) && !SURE.contains(&key)
    });
    let says = rest.map(|(key, value)| match value {
        Value::Object(_) => format!("{} ({})", key.replace(['-', '_'], " "), told::value(value)),
        _ => format!("{}: {}", key.replace(['-', '_'], " "), told::value(value)),
    });
    DataRow {
        name: own.join(" \u{b7} "),
        says: says.map(|part| part.trim_end_matches('.').to_owned()).collect::<Vec<_>>().join("; "),
        authority: of(&AUTHORITY).join("; "),
        sure: SURE.iter().filter_map(|key| Some(sure(key, row.get(*key)?))).collect::<Vec<_>>().join("; "),
    }
}

/// In words what a row says in marks.
fn sure(key: &str, value: &Value) -> String {
    match (key, value.as_str()) {
        ("source", Some("V")) => "held against the published text".into(),
        ("source", Some("V2")) => "held against what others say of the text".into(),
        ("source", Some("K")) | ("verified", Some("knowledge")) => {
            "from knowledge, held against no text".into()
        }
        ("verified", Some("primary-transcript")) => "held against a transcript of the text".into(),
        ("verified", Some("stored-text")) => "held against a stored copy of the text".into(),
        ("source" | "checked", _) => format!("{key} {}", told::value(value)),
        _ => told::value(value),
    }
}
