//! What a pack may be written in, and the tool that makes a component of it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::PackError;

/// Names a folder of tools, before every other place they are looked for.
const TOOLS_ENV: &str = "CAVEAT_TOOLS";

/// What a pack is written in. The file that lies beside its `pack.toml` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `Cargo.toml`
    Rust,
    /// `app.py`
    Python,
    /// `pack.js`
    JavaScript,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// The language of the pack in `dir`.
    ///
    /// # Errors
    /// [`PackError::NoSource`] when there is none, or more than one.
    pub fn of(dir: &Path) -> Result<Self, PackError> {
        let mut found = Self::ALL.into_iter().filter(|l| dir.join(l.mark()).is_file());
        match (found.next(), found.next()) {
            (Some(language), None) => Ok(language),
            _ => Err(PackError::NoSource { dir: dir.to_owned() }),
        }
    }

    /// The file by which it is known.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "app.py",
            Self::JavaScript => "pack.js",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        })
    }
}

/// A program from a package registry that makes components.
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// Where its own package manager puts it, from any folder above the pack.
    local_bin: &'static str,
    /// Where `cargo xtask` puts it, from there or from [`TOOLS_ENV`].
    tools_bin: &'static str,
    install: &'static str,
    /// Package and version.
    package: &'static str,
}

pub(crate) const COMPONENTIZE_PY: Tool = Tool {
    program: "componentize-py",
    local_bin: ".venv/bin",
    tools_bin: "python/bin",
    install: "pip install",
    package: include_str!("../tools/python.txt"),
};

pub(crate) const COMPONENTIZE_QJS: Tool = Tool {
    program: "componentize-qjs",
    local_bin: "node_modules/.bin",
    tools_bin: "javascript/node_modules/.bin",
    install: "npm install",
    package: include_str!("../tools/javascript.txt"),
};

impl Tool {
    /// Looks in [`TOOLS_ENV`], then beside and above the pack, then on the path.
    pub(crate) fn find(&self, dir: &Path) -> Result<PathBuf, PackError> {
        let named = std::env::var_os(TOOLS_ENV).map(|tools| PathBuf::from(tools).join(self.tools_bin));
        let above = dir
            .ancestors()
            .flat_map(|a| [a.join(self.local_bin), a.join("target/tools").join(self.tools_bin)]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        named
            .into_iter()
            .chain(above)
            .chain(std::env::split_paths(&path))
            .map(|bin| bin.join(self.program))
            .find(|program| fs::metadata(program).is_ok_and(|m| m.is_file()))
            .ok_or_else(|| PackError::Tool { program: self.program, install: self.install_line() })
    }

    /// What to run to have it.
    pub(crate) fn install_line(&self) -> String {
        format!("{} {}", self.install, self.package.trim())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn one_source_tells_the_language_and_two_do_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Language::of(dir.path()), Err(PackError::NoSource { .. })));
        fs::write(dir.path().join("app.py"), "").unwrap();
        assert_eq!(Language::of(dir.path()).unwrap(), Language::Python);
        fs::write(dir.path().join("pack.js"), "").unwrap();
        assert!(matches!(Language::of(dir.path()), Err(PackError::NoSource { .. })));
    }

    #[test]
    fn a_tool_is_found_beside_the_pack_or_named() {
        let dir = tempfile::tempdir().unwrap();
        let tool = Tool { program: "no-such-program-anywhere", ..COMPONENTIZE_PY };
        let pack = dir.path().join("packs/mine");
        fs::create_dir_all(&pack).unwrap();
        let error = tool.find(&pack).unwrap_err().to_string();
        assert!(error.contains(&COMPONENTIZE_PY.install_line()), "{error}");
        let bin = dir.path().join("packs/.venv/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join(tool.program), "").unwrap();
        assert_eq!(tool.find(&pack).unwrap(), bin.join(tool.program));
    }
}
