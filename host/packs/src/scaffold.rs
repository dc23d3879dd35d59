//! A new pack's folder: one rule that builds, with cases for and against it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Language, PackError,
    language::{COMPONENTIZE_PY, COMPONENTIZE_QJS},
    manifest::is_name,
};

/// File in the pack's folder, and its text with `{{words}}` to fill in.
type Template = (&'static str, &'static str);

const COMMON: [Template; 4] = [
    ("pack.toml", include_str!("../templates/pack.toml")),
    ("settings.schema.json", include_str!("../templates/settings.schema.json")),
    ("cases/conference.toml", include_str!("../templates/cases.toml")),
    ("README.md", include_str!("../templates/README.md")),
];

const RUST: [Template; 2] = [
    ("Cargo.toml", include_str!("../templates/rust/crate.toml")),
    ("src/lib.rs", include_str!("../templates/rust/lib.rs")),
];

const PYTHON: [Template; 1] = [("app.py", include_str!("../templates/python/app.py"))];

const JAVASCRIPT: [Template; 2] = [
    ("pack.js", include_str!("../templates/javascript/pack.js")),
    ("package.json", include_str!("../templates/javascript/package.json")),
];

/// The language's part of the texts.
struct Words {
    files: &'static [Template],
    source: &'static str,
    /// For `pack.toml`.
    imports: &'static str,
    /// For `pack.toml`.
    needs: &'static str,
    /// For the README: what has to be installed.
    tools: String,
    /// For the README: more rows of its table.
    files_rows: &'static str,
}

/// Writes the folder of a new pack, which builds and passes its own cases at once. Gives the files written.
///
/// # Errors
/// [`PackError::Name`] for a name that no manifest may have, [`PackError::Occupied`] when the folder is not empty,
/// [`PackError::Io`].
pub fn scaffold(dir: &Path, name: &str, language: Language) -> Result<Vec<PathBuf>, PackError> {
    if !is_name(name) {
        return Err(PackError::Name { name: name.to_owned() });
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(PackError::Occupied { dir: dir.to_owned() });
    }
    fs::create_dir_all(dir).map_err(PackError::io("create", dir))?;
    let words = words(language);
    let sdk = sdk(&fs::canonicalize(dir).map_err(PackError::io("open", dir))?);
    let mut written = Vec::new();
    for (file, text) in COMMON.iter().chain(words.files) {
        let path = dir.join(file);
        let text = text
            .replace("{{name}}", name)
            .replace("{{language}}", &language.to_string())
            .replace("{{source}}", words.source)
            .replace("{{imports}}", words.imports)
            .replace("{{needs}}", words.needs)
            .replace("{{tools}}", &words.tools)
            .replace("{{files}}", words.files_rows)
            .replace("{{sdk}}", &sdk);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(PackError::io("create", folder))?;
        fs::write(&path, text).map_err(PackError::io("write", &path))?;
        written.push(path);
    }
    Ok(written)
}

fn words(language: Language) -> Words {
    let install = |tool: &str| format!("Building needs `{tool}`, in this folder or anywhere on the path.");
    match language {
        Language::Rust => Words {
            files: &RUST,
            source: "src/lib.rs",
            // The SDK tells the host's log what a panic said.
            imports: "imports = [\"log\"]\n",
            needs: "",
            tools: "Building needs `rustup target add wasm32-unknown-unknown`.".into(),
            files_rows: "",
        },
        Language::Python => Words {
            files: &PYTHON,
            source: "app.py",
            imports: "",
            needs: "\n# An interpreter takes more than the host's defaults.\n[needs]\nmemory-bytes = 67_108_864\n\
                    table-elements = 20_000\n",
            tools: install(&COMPONENTIZE_PY.install_line()),
            files_rows: "\n`caveat.py`, for writing down answers, is laid beside `app.py` when the pack is built.\n",
        },
        Language::JavaScript => Words {
            files: &JAVASCRIPT,
            source: "pack.js",
            imports: "",
            needs: "\n# An interpreter takes more than the host's defaults.\n[needs]\nmemory-bytes = 16_777_216\n",
            tools: install(&COMPONENTIZE_QJS.install_line()),
            files_rows: "\n`caveat.js`, for writing down answers, is laid beside `pack.js` when the pack is built.\n",
        },
    }
}

/// The dependency on the SDK: the sources, when the pack is begun inside Caveat's own.
fn sdk(dir: &Path) -> String {
    let ours = |root: &&Path| {
        let manifest = fs::read_to_string(root.join("sdk/Cargo.toml")).unwrap_or_default();
        manifest.contains("name = \"caveat-sdk\"")
    };
    match dir.ancestors().find(ours) {
        Some(root) => format!("{{ path = {:?} }}", root.join("sdk")),
        None => format!(
            "\"{}\" # or {{ path = \"...\" }}, the folder sdk/ of Caveat's sources",
            env!("CARGO_PKG_VERSION")
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Manifest;

    #[test]
    fn every_language_gets_a_whole_folder_and_no_word_is_left_open() {
        for language in Language::ALL {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("house-rules");
            let written = scaffold(&dir, "house-rules", language).unwrap();
            for path in &written {
                let text = fs::read_to_string(path).unwrap();
                // Python's style guide wants two empty lines between definitions.
                let gap = if path.extension().is_some_and(|e| e == "py") { "\n\n\n\n" } else { "\n\n\n" };
                assert!(!text.contains("{{") && !text.contains(gap), "{}:\n{text}", path.display());
            }
            assert_eq!(Language::of(&dir).unwrap(), language);
            assert_eq!(Manifest::open(&dir).unwrap().pack.name, "house-rules");
            assert!(matches!(scaffold(&dir, "house-rules", language), Err(PackError::Occupied { .. })));
        }
    }

    #[test]
    fn a_name_that_no_manifest_may_have_makes_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["House", "a b", "", "../up", "-x"] {
            let inner = dir.path().join("inner");
            assert!(matches!(scaffold(&inner, name, Language::Rust), Err(PackError::Name { .. })), "{name}");
            assert!(!inner.exists());
        }
    }
}
