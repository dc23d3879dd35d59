//! A pack with its settings in the engine, and the shelf of packs that can be loaded.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    sync::Arc,
};

use caveat_engine::{Engine, EngineError, Pack};
use caveat_model::{PackRef, Ruling};
use serde_json::Value;

use crate::{Manifest, PackError, PackFile, Problem, document, settings};

/// A pack that can be asked.
pub struct LoadedPack {
    /// In the engine.
    pub pack: Pack,
    /// The file it came from.
    pub file: PackFile,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// Which pack with which settings, for verdicts and the ledger.
    pub reference: PackRef,
    /// Its settings, defaults filled in.
    pub settings: Value,
    rules: HashSet<String>,
}

impl LoadedPack {
    /// The first rule that a ruling names and the manifest does not declare.
    pub(crate) fn undeclared<'r>(&self, ruling: &'r Ruling) -> Option<&'r str> {
        let named = ruling.obligations.iter().map(|o| &o.rule).chain(ruling.remedies.iter().map(|r| &r.rule));
        let named =
            named.chain(ruling.reasons.iter().map(|r| &r.rule)).chain(ruling.scores.iter().map(|s| &s.rule));
        named.map(String::as_str).find(|rule| !self.rules.contains(*rule))
    }
}

/// Completes and checks the settings, then compiles and configures the pack.
///
/// # Errors
/// [`PackError::Settings`] with a JSON pointer for each problem; [`PackError::Load`] with the engine's or the pack's own word.
pub fn load(engine: &Engine, file: &PackFile, given: &Value) -> Result<LoadedPack, PackError> {
    let manifest = file.manifest().clone();
    let name = manifest.pack.name.as_str();
    let settings = settings::complete(file.schema(), given).map_err(|problems| PackError::Settings {
        pack: name.to_owned(),
        file: None,
        problems,
    })?;
    let pack = engine
        .load(name, file.bytes(), &settings::canonical(&settings), &manifest.needs)
        .map_err(|error| refused(name, error))?
        .reading(manifest.facts.iter().map(|fact| fact.name.clone()));
    let reference = PackRef {
        name: name.to_owned(),
        version: manifest.pack.version.to_string(),
        digest: file.digest(),
        settings: settings::digest(&settings),
    };
    let rules = manifest.rules.iter().map(|r| r.id.clone()).collect();
    let file = file.clone();
    Ok(LoadedPack { pack, file, manifest, reference, settings, rules })
}

fn refused(name: &str, error: EngineError) -> PackError {
    let pack = name.to_owned();
    match error {
        EngineError::Settings { problems, .. } => {
            let problems = problems.into_iter().map(|p| Problem::new(p.at, p.message)).collect();
            PackError::Settings { pack, file: None, problems }
        }
        source => PackError::Load { pack, source: Box::new(source) },
    }
}

/// Packs by name; one version of each.
#[derive(Debug, Clone, Default)]
pub struct Library {
    files: BTreeMap<String, PackFile>,
}

impl Library {
    /// Every `.wasm` in a folder. Of several versions of a pack the highest stands.
    ///
    /// # Errors
    /// [`PackError::Io`]; [`PackError::NotAPack`] for the first file that is none.
    pub fn open(dir: &Path) -> Result<Self, PackError> {
        let mut library = Self::default();
        for entry in fs::read_dir(dir).map_err(PackError::io("list", dir))? {
            let path = entry.map_err(PackError::io("list", dir))?.path();
            if path.extension().is_some_and(|e| e == "wasm") {
                library.add(PackFile::open(&path)?);
            }
        }
        Ok(library)
    }

    /// Adds a pack, unless a higher version is there.
    pub fn add(&mut self, file: PackFile) {
        let about = &file.manifest().pack;
        let present = self.files.get(&about.name).map(|f| &f.manifest().pack.version);
        if present.is_none_or(|version| *version <= about.version) {
            self.files.insert(about.name.clone(), file);
        }
    }

    /// The pack of this name or alias.
    pub fn find(&self, name: &str) -> Option<&PackFile> {
        self.files.get(name).or_else(|| self.files.values().find(|f| f.manifest().answers_to(name)))
    }

    /// As [`Self::find`].
    ///
    /// # Errors
    /// [`PackError::Unknown`] with the nearest name.
    pub fn get(&self, name: &str) -> Result<&PackFile, PackError> {
        self.find(name).ok_or_else(|| {
            let known = self.files.values().flat_map(|f| {
                let about = &f.manifest().pack;
                std::iter::once(about.name.as_str()).chain(about.aliases.iter().map(String::as_str))
            });
            let nearest = document::nearest(name, known).map(str::to_owned);
            PackError::Unknown { name: name.to_owned(), nearest }
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PackFile> {
        self.files.values()
    }
}
