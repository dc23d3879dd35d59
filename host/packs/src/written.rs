//! Settings as somebody wrote them down, so that what is wrong with one is shown in its file and line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use caveat_engine::Engine;
use serde_json::{Map, Value};

use crate::{LoadedPack, PackError, PackFile, Problem, document, load, settings};

/// Settings, and where they were written down.
#[derive(Debug, Clone)]
pub struct WrittenSettings {
    value: Value,
    file: Option<PathBuf>,
    /// By JSON pointer, from 1. The empty pointer is the whole.
    lines: BTreeMap<String, usize>,
}

impl WrittenSettings {
    /// Reads a file, TOML or (by its extension) JSON.
    ///
    /// # Errors
    /// [`PackError::Io`], or [`PackError::Document`] with the line.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let text = document::read(path)?;
        if path.extension().is_none_or(|e| e != "json") {
            return Ok(Self::under(path, &text, "", document::parse(path, &text)?));
        }
        let value = serde_json::from_str(&text).map_err(|error| PackError::Document {
            path: path.to_owned(),
            problems: vec![Problem { line: Some(error.line()), ..Problem::new("", error.to_string()) }],
        })?;
        Ok(Self { value, file: Some(path.to_owned()), lines: document::lines_of_json(&text) })
    }

    /// The settings that lie under a key path of a TOML text (`client.0.pack.1.settings`); the whole text, if it is empty.
    pub fn under(file: &Path, text: &str, path: &str, settings: toml::Table) -> Self {
        let lines = document::lines_under(text, path);
        Self { value: document::to_json(toml::Value::Table(settings)), file: Some(file.to_owned()), lines }
    }

    /// The settings themselves.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether the pack's schema takes them.
    ///
    /// # Errors
    /// [`PackError::Settings`] with file and line of each problem.
    pub fn check(&self, pack: &PackFile) -> Result<(), PackError> {
        let refused = |problems| {
            let pack = pack.manifest().pack.name.clone();
            self.located(PackError::Settings { pack, file: None, problems })
        };
        settings::complete(pack.schema(), &self.value).map(drop).map_err(refused)
    }

    /// As [`load`].
    ///
    /// # Errors
    /// As [`load`], with file and line of each problem of a setting.
    pub fn load(&self, engine: &Engine, pack: &PackFile) -> Result<LoadedPack, PackError> {
        load(engine, pack, &self.value).map_err(|error| self.located(error))
    }

    fn located(&self, error: PackError) -> PackError {
        match error {
            PackError::Settings { pack, problems, .. } => {
                let here = |p: Problem| Problem { line: self.line(&p.at), ..p };
                let problems = problems.into_iter().map(here).collect();
                PackError::Settings { pack, file: self.file.clone(), problems }
            }
            other => other,
        }
    }

    /// The line of a setting; of one that is not there, that of what it is missing in.
    fn line(&self, pointer: &str) -> Option<usize> {
        let mut here = pointer;
        loop {
            match (self.lines.get(here), here.rsplit_once('/')) {
                (Some(line), _) => return Some(*line),
                (None, Some((above, _))) => here = above,
                (None, None) => return None,
            }
        }
    }
}

/// Settings that nobody wrote down: those of a pack in force.
impl From<Value> for WrittenSettings {
    fn from(value: Value) -> Self {
        Self { value, file: None, lines: BTreeMap::new() }
    }
}

/// None at all: the schema's defaults.
impl Default for WrittenSettings {
    fn default() -> Self {
        Value::Object(Map::new()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_line_however_it_is_written() {
        let text = "[[client]]\n[[client.pack]]\nfile = \"a\"\nsettings = { x = 1,\n  y = [1,\n 2] }\n\
                    [[client.pack]]\nfile = \"b\"\n[client.pack.settings]\nz = 1\n[client.pack.settings.\"a/b\"]\nc = 2\n\
                    [[client.pack]]\nfile = \"c\"\n";
        let check = |pack: usize, pointer: &str, line: usize| {
            let path = format!("client.0.pack.{pack}.settings");
            let written = WrittenSettings::under(Path::new("caveat.toml"), text, &path, toml::Table::new());
            assert_eq!(written.line(pointer), Some(line), "{pack} {pointer}");
        };
        check(0, "", 4);
        check(0, "/x", 4);
        check(0, "/y/1", 6);
        check(0, "/missing", 4);
        check(1, "/z", 10);
        check(1, "/a~1b/c", 12);
        check(1, "/a~1b/d", 11);
        // It has no settings: the pack is what they are missing in.
        check(2, "/x", 13);
    }

    #[test]
    fn so_has_each_in_json() {
        let text = "{\n  \"x\": 1,\n  \"a/b\": {\n    \"y\": [1,\n      {\"z\": 2}]\n  }\n}\n";
        let lines = document::lines_of_json(text);
        let at = |pointer: &str| lines.get(pointer).copied();
        let pointers = ["", "/x", "/a~1b", "/a~1b/y", "/a~1b/y/1", "/a~1b/y/1/z", "/missing"];
        assert_eq!(pointers.map(at), [Some(1), Some(2), Some(3), Some(4), Some(5), Some(5), None]);
        assert!(document::lines_of_json("{").is_empty());
    }
}
