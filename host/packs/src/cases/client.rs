//! Cases put to a whole client: all its packs, with its settings, and what packs are told of every call of it.

use std::path::{Path, PathBuf};

use caveat_engine::Engine;
use caveat_model::{Event, Facts};
use serde_json::json;

use super::{
    CaseOptions, CaseReport,
    script::{Script, read_case, read_cases, read_scripts},
};
use crate::{ActiveSet, CaseText, PackError, Problem};

/// A client as its cases meet it.
pub struct ClientOfCases {
    /// Its id.
    pub name: String,
    /// Its packs, configured. Those that only watch are asked and not obeyed, as on a call.
    pub set: ActiveSet,
    /// What the host tells of every call of it, where a case does not say otherwise.
    pub usual: Facts,
    /// Jobs whose people have a need for what the rules would hide.
    pub full_need: Vec<String>,
}

/// Runs every case of these files, and of the files in these folders, against the packs of a client together.
///
/// # Errors
/// [`PackError::Document`] with line or key for a file that cannot be read, and for a case that brings settings: the client's
/// hold. [`PackError::NoCases`]. A case that disagrees is no error; it is in the report.
pub fn play_client_cases(
    engine: &Engine,
    client: &ClientOfCases,
    paths: &[PathBuf],
    mut options: CaseOptions<'_>,
) -> Result<CaseReport, PackError> {
    let rules: Vec<&str> = client.set.packs.iter().flat_map(|p| p.loaded.manifest.rule_ids()).collect();
    let mut scripts = Vec::new();
    for path in paths {
        scripts.extend(scripts_at(path, &rules)?);
    }
    let all = scripts.len();
    scripts.retain(|script| script.is_about(&options.filter.to_lowercase()));
    let mut cases = Vec::with_capacity(scripts.len());
    for (n, script) in scripts.iter().enumerate() {
        cases.push(client.told(script).play(engine, &client.set).0);
        if let Some(progress) = &mut options.progress {
            progress(n + 1, scripts.len());
        }
    }
    let failed = cases.iter().filter(|c| !c.problems.is_empty()).count();
    Ok(CaseReport {
        pack: client.name.clone(),
        passed: cases.len() - failed,
        failed,
        left_out: all - cases.len(),
        cases,
        coverage: Vec::new(),
    })
}

/// The cases of a file, or of a folder's files.
fn scripts_at(path: &Path, rules: &[&str]) -> Result<Vec<Script>, PackError> {
    let (within, files): (&Path, Vec<CaseText>) = match path.is_dir() {
        true => (path, read_cases(path)?),
        false => (path.parent().unwrap_or(Path::new("")), vec![read_case(path)?]),
    };
    if files.is_empty() {
        return Err(PackError::NoCases { dir: path.to_owned() });
    }
    let scripts = read_scripts(&files, within, rules)?;
    match scripts.iter().find(|script| script.settings != json!({})) {
        Some(case) => {
            let message =
                format!("case `{}`: the client's settings hold, a case has none of its own", case.name);
            let problem = Problem { line: case.line, ..Problem::new("settings", message) };
            Err(PackError::Document { path: within.join(&case.file), problems: vec![problem] })
        }
        None => Ok(scripts),
    }
}

impl ClientOfCases {
    /// The case with what the host would tell.
    fn told(&self, script: &Script) -> Script {
        let mut script = script.clone();
        for step in &mut script.steps {
            step.facts.add_usual(&self.usual);
            if let Event::Access(request) = &mut step.event {
                request.person.traits.full_need |= self.full_need.contains(&request.person.function);
            }
        }
        script
    }
}
