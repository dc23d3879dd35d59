//! A change to a set of packs, made ready beside the set in force.

use std::sync::Arc;

use caveat_engine::Engine;
use caveat_model::Mode;
use caveat_packs::{Active, ActiveSet, LoadedPack, PackFile, load, run_own_cases};
use serde_json::Value;

use crate::RecorderError;

/// What is to be different.
#[derive(Debug, Clone)]
pub enum Change {
    /// A pack comes in.
    Put {
        /// The pack.
        file: PackFile,
        /// The pack whose place it takes, or beside which it is monitored; none: the one of its own name, if any.
        replaces: Option<String>,
        /// Its settings; none: those of the pack whose place it takes, else its defaults.
        settings: Option<Value>,
        /// Obeyed: the place of an obeyed pack is taken. Monitored: the place of a monitored one.
        mode: Mode,
    },
    /// A pack goes, in whichever mode it is there.
    Retire {
        /// Its name.
        name: String,
    },
}

impl Change {
    /// The set as it would be: what comes in is compiled, configured, and held to its own cases. Blocks for as long.
    pub(super) fn apply(self, engine: &Engine, current: &ActiveSet) -> Result<ActiveSet, RecorderError> {
        let mut set = current.clone();
        match self {
            Self::Put { file, replaces, settings, mode } => {
                let named = replaces.as_deref();
                let place = named.unwrap_or(&file.manifest().pack.name);
                let standing = |mode| set.packs.iter().position(|p| p.mode == mode && name(p) == place);
                let (same_mode, obeyed) = (standing(mode), standing(Mode::Active));
                if named.is_some() && same_mode.or(obeyed).is_none() {
                    return Err(no_such_pack(current, place));
                }
                let before = same_mode.or(obeyed).map(|at| set.packs[at].loaded.settings.clone());
                let given = settings.or(before).unwrap_or(Value::Null);
                let loaded = ready(engine, &file, &given)?;
                let coming = Active { loaded, mode };
                // One that was watched and is obeyed from now on need not be watched any more.
                let watched =
                    |p: &Active| p.mode == Mode::Monitor && p.loaded.reference == coming.loaded.reference;
                match same_mode {
                    Some(at) => set.packs[at] = coming.clone(),
                    None => set.packs.push(coming.clone()),
                }
                if mode == Mode::Active {
                    set.packs.retain(|p| !watched(p));
                }
                let twice = |p: &&Active| p.mode == mode && name(p) == name(&coming);
                if set.packs.iter().filter(twice).count() > 1 {
                    return Err(RecorderError::PackTwice { name: name(&coming).to_owned() });
                }
            }
            Self::Retire { name: gone } => {
                set.packs.retain(|p| name(p) != gone);
                if set.packs.len() == current.packs.len() {
                    return Err(no_such_pack(current, &gone));
                }
            }
        }
        if set.packs.iter().all(|p| p.mode == Mode::Monitor) {
            return Err(RecorderError::NoActivePackLeft);
        }
        Ok(set)
    }
}

/// Compiled, configured, and found to keep to the cases it carries.
fn ready(engine: &Engine, file: &PackFile, settings: &Value) -> Result<Arc<LoadedPack>, RecorderError> {
    let loaded = load(engine, file, settings)?;
    let report = run_own_cases(engine, file)?;
    let wrong = report.cases.iter().find(|case| !case.problems.is_empty());
    if let Some(case) = wrong {
        return Err(RecorderError::PackCases {
            pack: report.pack.clone(),
            failed: report.failed,
            of: report.cases.len(),
            first: format!(
                "{}: {}",
                case.name,
                case.problems.first().map(ToString::to_string).unwrap_or_default()
            ),
        });
    }
    if report.cases.is_empty() {
        tracing::warn!(
            pack = report.pack,
            "it carries no cases to be held to; `caveat pack build` puts them in"
        );
    }
    Ok(Arc::new(loaded))
}

fn name(pack: &Active) -> &str {
    &pack.loaded.reference.name
}

fn no_such_pack(set: &ActiveSet, given: &str) -> RecorderError {
    let names: Vec<&str> = set.packs.iter().map(name).collect();
    RecorderError::NoSuchPack { name: given.to_owned(), there_are: names.join(", ") }
}
