//! `caveat pack check`: everything that can be wrong with a pack and that no compiler sees.
//!
//! A rule is *covered for* by a case that names it in `rules` and in which it has a say: a reason, an obligation, a remedy or
//! a score of a ruling names it. It is *covered against* by a case that names it and in which it has none, although an event
//! of that case is of a stage at which the rule had a say in a case for it.

mod code;
mod component;
mod declared;
mod folder;
mod lint;
mod literals;
mod report;
mod schema;
mod spoken;
mod tables;

use std::path::Path;

use caveat_engine::Engine;
use serde_json::Value;

pub use lint::{Lint, Severity};
pub use report::{CheckReport, Finding};

use crate::{
    Language, MANIFEST_FILE, Manifest, PackError, PackFile, Problem, cases, document, surface::Surface,
};
use folder::Folder;
use report::{Found, Place};

/// Looks at the pack in `dir` and at `component`, what was built from it: a component, or a whole pack file. Findings of
/// the lints in `allow` are counted and left out.
///
/// # Errors
/// [`PackError::Io`]; whatever `component` fails with. What is wrong with the pack is no error; it is in the report.
pub fn check(
    engine: &Engine,
    dir: &Path,
    allow: &[String],
    component: impl FnOnce(&Manifest) -> Result<Vec<u8>, PackError>,
) -> Result<CheckReport, PackError> {
    let mut found = Found::default();
    let manifest_text = document::read(&dir.join(MANIFEST_FILE))?;
    let shown = dir.display().to_string();
    let folder = match Folder::read(dir, manifest_text) {
        Ok(folder) => folder,
        Err(PackError::Document { problems, .. }) => {
            problems.into_iter().for_each(|problem| add_problem(problem, &mut found));
            let name = dir.file_name().map(|n| n.to_string_lossy().into_owned());
            return Ok(CheckReport::new(name.unwrap_or_else(|| shown.clone()), shown, found, allow));
        }
        Err(error) => return Err(error),
    };
    declared::check(&folder, &mut found);
    let schema = schema::check(dir, &folder, &mut found);
    let bytes = component(&folder.manifest)?;
    check_built(engine, dir, &folder, schema, &bytes, &mut found);
    Ok(CheckReport::new(folder.manifest.pack.name.clone(), shown, found, allow))
}

fn check_built(
    engine: &Engine,
    dir: &Path,
    folder: &Folder,
    schema: Option<Value>,
    bytes: &[u8],
    found: &mut Found,
) {
    let language = Language::of(dir).ok();
    let Some(literals) = component::check(folder, language, bytes, found) else { return };
    // An interpreter's memory holds more than the pack.
    let literals =
        if matches!(language, Some(Language::Python | Language::JavaScript)) { "" } else { &literals };
    literals::check(folder, literals, found);
    let unfit = [lint::CONTRACT, lint::STAGE_EXPORTS, lint::IMPORT_UNDECLARED, lint::SIZE_LIMIT];
    let said = match unfit.iter().any(|lint| found.has(*lint)) {
        true => None,
        false => hear(engine, dir, folder, schema, bytes, found),
    };
    tables::check(folder, literals, &|action| said.as_ref().is_some_and(|s| s.says_action(action)), found);
}

/// Loads the pack and puts its cases to it.
fn hear(
    engine: &Engine,
    dir: &Path,
    folder: &Folder,
    schema: Option<Value>,
    bytes: &[u8],
    found: &mut Found,
) -> Option<spoken::Spoken> {
    let file = pack_file(folder, schema, bytes, found)?;
    let scripts = match cases::read_scripts(&folder.cases, &dir.join("cases"), &folder.manifest.rule_ids()) {
        Ok(scripts) => scripts,
        Err(PackError::Document { path, problems }) => {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            for problem in problems {
                let place = Place::of(format!("cases/{name}"), problem.line);
                found.add(lint::CASE_FAILS, place, problem.to_string(), "correct the case");
            }
            return None;
        }
        Err(error) => {
            found.add(lint::CASE_FAILS, Place::of("cases", None), error.to_string(), "correct the case");
            return None;
        }
    };
    match spoken::check(engine, folder, &file, &scripts, found) {
        Ok(spoken) => Some(spoken),
        Err(error) => {
            let mend =
                "it has to load with the settings of every case: mend the pack, its schema or the case";
            found.add(lint::COMPONENT, Place::default(), error.to_string(), mend);
            None
        }
    }
}

/// The pack with the folder's manifest, schema and cases. A file that was built earlier must have the same ones in it.
fn pack_file(folder: &Folder, schema: Option<Value>, bytes: &[u8], found: &mut Found) -> Option<PackFile> {
    let built_earlier = Surface::of(bytes).is_ok_and(|surface| !surface.sections.is_empty());
    let manifest = folder.manifest.clone();
    let read = match built_earlier {
        true => PackFile::read("the built pack", bytes.to_vec(), &crate::FileLimits::default()),
        false => PackFile::assemble_with(manifest, schema.clone(), &folder.cases, bytes),
    };
    match read {
        Ok(file) => {
            let same = **file.manifest() == folder.manifest
                && file.schema() == schema.as_ref()
                && file.cases().is_ok_and(|cases| cases == folder.cases);
            if !same {
                let message = "the built pack has another manifest, schema or cases than its folder";
                let mend = "build it again with `caveat pack build`, or leave out --no-build";
                found.add(lint::STALE, Place::default(), message, mend);
            }
            Some(file)
        }
        Err(error) => {
            found.add(
                lint::COMPONENT,
                Place::default(),
                error.to_string(),
                "build it again with `caveat pack build`",
            );
            None
        }
    }
}

/// What is wrong with the manifest, under the lint that its place tells.
fn add_problem(problem: Problem, found: &mut Found) {
    let place = Place::of(MANIFEST_FILE, problem.line);
    let lint = match problem.at.as_str() {
        "pack.contract" => lint::CONTRACT,
        at if at.starts_with("rule.") && at.ends_with(".citation") => lint::RULE_CITATION,
        _ => lint::MANIFEST,
    };
    let at = if problem.at.is_empty() { String::new() } else { format!("`{}`: ", problem.at) };
    let mend = "correct it; every key is explained in the documentation of `pack.toml` in host/packs/src/manifest.rs";
    found.add(lint, place, format!("{at}{}", problem.message), mend);
}
