//! What was built: whether it fits the manifest, how large it is, and whether it rules alike everywhere.

use std::collections::BTreeSet;

use super::{
    code::Code,
    folder::Folder,
    lint::{
        COMPONENT, CONTRACT, FLOAT_NAN, IMPORT_UNDECLARED, IMPORT_UNUSED, Lint, RELAXED_SIMD, SIZE,
        SIZE_LIMIT, STAGE_EXPORTS, THREADS,
    },
    report::{Found, Place},
};
use crate::{
    FileLimits, Language, MANIFEST_FILE,
    surface::{Disagreement, Surface},
};

/// How many functions a finding names.
const NAMED_MAX: usize = 5;

/// Of a component, in bytes, above which something is probably in it by mistake. An interpreter has some 18 MB.
fn usual_bytes(language: Option<Language>) -> usize {
    match language {
        Some(Language::Python | Language::JavaScript) => 32 << 20,
        Some(Language::Rust) | None => 1 << 20,
    }
}

/// The texts in its memory, if it can be read.
pub(super) fn check(
    folder: &Folder,
    language: Option<Language>,
    component: &[u8],
    found: &mut Found,
) -> Option<String> {
    check_size(component.len(), language, found);
    let read = Surface::of(component).and_then(|surface| Ok((surface, Code::of(component)?)));
    let (surface, code) = match read {
        Ok(read) => read,
        Err(problem) => {
            found.add(COMPONENT, Place::default(), problem, "build it again with `caveat pack build`");
            return None;
        }
    };
    check_surface(folder, &surface, found);
    let same = "the same event has to give the same ruling on every machine";
    check_functions(
        RELAXED_SIMD,
        &code.relaxed_simd,
        "relaxed SIMD",
        &format!("build without it: {same}"),
        found,
    );
    check_functions(
        THREADS,
        &code.threads,
        "shared memory or atomics",
        &format!("build without threads: {same}"),
        found,
    );
    let mend = match caveat_engine::NAN_IS_CANONICAL {
        true => "nothing to mend: this host's engine gives every NaN the same bits; other hosts may not",
        false => "compute in whole numbers",
    };
    check_functions(FLOAT_NAN, &code.floats, "floating point", mend, found);
    Some(code.literals)
}

fn check_size(bytes: usize, language: Option<Language>, found: &mut Found) {
    let limit = FileLimits::default().file_bytes;
    let usual = usual_bytes(language);
    if bytes as u64 > limit {
        let message = format!("the component has {bytes} bytes, and hosts take {limit} by default");
        found.add(
            SIZE_LIMIT,
            Place::default(),
            message,
            "leave out dependencies and tables that no ruling needs",
        );
    } else if bytes > usual {
        let message = format!("the component has {bytes} bytes, more than the usual {usual}");
        let mend = "see what is in it: debug information, a library that no ruling needs, a table twice";
        found.add(SIZE, Place::default(), message, mend);
    }
}

fn check_surface(folder: &Folder, surface: &Surface<'_>, found: &mut Found) {
    let at = |path: &str| Place::of(MANIFEST_FILE, folder.line(path));
    for disagreement in surface.disagreements(&folder.manifest) {
        let message = disagreement.to_string();
        match disagreement {
            Disagreement::NoContract { .. } => {
                let mend = "build it against the contract that pack.toml names";
                found.add(CONTRACT, at("pack.contract"), message, mend);
            }
            Disagreement::NotExported { .. } => {
                let mend = "export it, or take the stage out of `stages`";
                found.add(STAGE_EXPORTS, at("pack.stages"), message, mend);
            }
            Disagreement::NotNamed { .. } => {
                let mend = "name the stage in `stages`, or do not export it";
                found.add(STAGE_EXPORTS, at("pack.stages"), message, mend);
            }
            Disagreement::NotAskedFor { .. } => {
                let mend = "add it to `imports` if the contract has it; nothing else is ever granted";
                found.add(IMPORT_UNDECLARED, at("pack.imports"), message, mend);
            }
        }
    }
    for (n, import) in folder.manifest.pack.imports.iter().enumerate() {
        if !surface.imports_interface(&folder.manifest, import) {
            let message = format!("the component does not import `{import}`");
            let mend = "take it out of `imports`: a pack asks for what it uses";
            found.add(IMPORT_UNUSED, at(&format!("pack.imports.{n}")), message, mend);
        }
    }
}

fn check_functions(lint: Lint, functions: &BTreeSet<String>, what: &str, mend: &str, found: &mut Found) {
    if functions.is_empty() {
        return;
    }
    let named: Vec<&str> = functions.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match functions.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    found.add(lint, Place::default(), format!("{what} in {}{more}", named.join(", ")), mend);
}
