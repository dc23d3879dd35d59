//! A pack's folder, read once: every check looks at the same text.

use std::{fs, path::Path};

use crate::{CaseText, MANIFEST_FILE, Manifest, PackError, cases, document};

/// Folders that are none of a pack's source.
const PASSED_OVER: [&str; 4] = ["cases", "target", "node_modules", "__pycache__"];

/// What sources end in.
const SOURCE: [&str; 4] = ["rs", "py", "js", "mjs"];

/// Nobody writes a source of more bytes than this by hand.
const SOURCE_BYTES_MAX: u64 = 4 << 20;

/// A file in the folder.
pub(super) struct Text {
    /// Relative to the folder, with `/`.
    pub(super) name: String,
    pub(super) text: String,
}

/// What lies in a pack's folder.
pub(super) struct Folder {
    pub(super) manifest_text: String,
    pub(super) manifest: Manifest,
    /// None when it has none.
    pub(super) readme: Option<String>,
    pub(super) cases: Vec<CaseText>,
    pub(super) sources: Vec<Text>,
    /// TOML files in `data/`.
    pub(super) data: Vec<Text>,
}

impl Folder {
    pub(super) fn read(dir: &Path, manifest_text: String) -> Result<Self, PackError> {
        let manifest = Manifest::parse(&dir.join(MANIFEST_FILE), &manifest_text)?;
        let cases_dir = dir.join("cases");
        let cases = if cases_dir.is_dir() { cases::read_cases(&cases_dir)? } else { vec![] };
        let (mut sources, mut data) = (Vec::new(), Vec::new());
        texts(dir, "", &mut |name, path| {
            let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
            let of = |name: String| Ok::<_, PackError>(Text { name, text: document::read(path)? });
            if SOURCE.contains(&extension.as_str()) {
                sources.push(of(name)?);
            } else if name.starts_with("data/") && extension == "toml" {
                data.push(of(name)?);
            }
            Ok(())
        })?;
        let readme = fs::read_to_string(dir.join("README.md")).ok();
        Ok(Self { manifest_text, manifest, readme, cases, sources, data })
    }

    /// The line of a key path in `pack.toml`.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        document::line_of(&self.manifest_text, path)
    }

    /// Whether these words stand anywhere in the sources or tables.
    pub(super) fn mentions(&self, words: &str) -> bool {
        self.sources.iter().chain(&self.data).any(|t| t.text.contains(words))
    }
}

/// Every file below `dir`, by name. Links to folders are not followed: they could lead in a circle.
fn texts(
    dir: &Path,
    within: &str,
    each: &mut dyn FnMut(String, &Path) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .map_err(PackError::io("list", dir))?
        .collect::<Result<_, _>>()
        .map_err(PackError::io("list", dir))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(PackError::io("open", entry.path()))?;
        if file_name.starts_with('.') || PASSED_OVER.contains(&file_name.as_str()) {
            continue;
        }
        let name = if within.is_empty() { file_name } else { format!("{within}/{file_name}") };
        if kind.is_dir() {
            texts(&entry.path(), &name, each)?;
        } else if entry.metadata().is_ok_and(|m| m.is_file() && m.len() <= SOURCE_BYTES_MAX) {
            each(name, &entry.path())?;
        }
    }
    Ok(())
}
