//! What a component shows on its outside, and whether its manifest says the same.

use std::{collections::BTreeSet, fmt, ops::Range};

use caveat_model::Stage;
use wasmparser::{Encoding, Parser, Payload};

use crate::{CASES_SECTION, MANIFEST_SECTION, Manifest};

/// What a component shows on its outside.
#[derive(Default)]
pub(crate) struct Surface<'a> {
    /// Contents of `caveat:manifest`.
    pub(crate) sections: Vec<&'a [u8]>,
    /// Where the contents of `caveat:cases` lie.
    pub(crate) cases: Vec<Range<usize>>,
    exports: BTreeSet<String>,
    imports: BTreeSet<String>,
}

impl<'a> Surface<'a> {
    /// Reads it without compiling anything.
    ///
    /// # Errors
    /// What is damaged, or no component.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let mut surface = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|e| format!("it is damaged: {e}"))? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(
                        "it is a core module, not a component: build it with `caveat pack build`".into()
                    );
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if depth == 0 && section.name() == MANIFEST_SECTION => {
                    surface.sections.push(section.data());
                }
                Payload::CustomSection(section) if depth == 0 && section.name() == CASES_SECTION => {
                    let start = section.data_offset() as usize;
                    surface.cases.push(start..start + section.data().len());
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        surface.exports.insert(export.map_err(|e| e.to_string())?.name.name.to_owned());
                    }
                }
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        surface.imports.insert(import.map_err(|e| e.to_string())?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }

    /// Every point on which the manifest says otherwise.
    pub(crate) fn disagreements(&self, manifest: &Manifest) -> Vec<Disagreement> {
        let interface = |name: &str| interface(manifest, name);
        let mut found = Vec::new();
        if !self.exports.contains(&interface("settings")) {
            found.push(Disagreement::NoContract { export: interface("settings"), instead: self.contracts() });
        }
        for stage in Stage::ALL {
            let export = interface(&stage.to_string());
            match (manifest.pack.stages.contains(&stage), self.exports.contains(&export)) {
                (true, false) => found.push(Disagreement::NotExported { stage, export }),
                (false, true) => found.push(Disagreement::NotNamed { stage, export }),
                _ => {}
            }
        }
        // Types come in through `facts`; an interface of types alone gives no power.
        let harmless = ["facts", "capture", "storage", "access"].map(interface);
        let granted: BTreeSet<String> = manifest.pack.imports.iter().map(|i| interface(i)).collect();
        let asked = self.imports.iter().filter(|i| !harmless.contains(i) && !granted.contains(*i));
        found.extend(asked.map(|import| Disagreement::NotAskedFor { import: import.clone() }));
        found
    }

    /// Whether it imports this interface of the contract.
    pub(crate) fn imports_interface(&self, manifest: &Manifest, name: &str) -> bool {
        self.imports.contains(&interface(manifest, name))
    }

    /// Which versions of the contract it was built for, for a message that helps.
    fn contracts(&self) -> String {
        let of_policy = self.exports.iter().filter(|e| e.starts_with("caveat:policy/")).cloned();
        match of_policy.collect::<Vec<_>>().join("`, `") {
            none if none.is_empty() => "it exports nothing of caveat:policy".into(),
            some => format!("it exports `{some}`; rebuild it against the contract that its manifest names"),
        }
    }
}

/// A point on which component and manifest differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Disagreement {
    /// It was built for another contract.
    NoContract { export: String, instead: String },
    /// The manifest names a stage that it does not export.
    NotExported { stage: Stage, export: String },
    /// It exports a stage that the manifest does not name.
    NotNamed { stage: Stage, export: String },
    /// It imports what the manifest does not ask for.
    NotAskedFor { import: String },
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContract { export, instead } => write!(f, "it does not export `{export}`: {instead}"),
            Self::NotExported { stage, export } => {
                write!(f, "its manifest names the stage `{stage}`, but it does not export `{export}`")
            }
            Self::NotNamed { stage, export } => {
                write!(f, "it exports `{export}`, but its manifest does not name the stage `{stage}`")
            }
            Self::NotAskedFor { import } => write!(
                f,
                "it imports `{import}`, which its manifest does not ask for: add it to `imports` or do without"
            ),
        }
    }
}

fn interface(manifest: &Manifest, name: &str) -> String {
    format!("caveat:policy/{name}@{}", manifest.pack.contract)
}
