//! `caveat pack docs`: a page about a pack that a lawyer can read and sign off.
//!
//! Everything on it comes from the manifest, the schema, the tables in `data/` and the cases. Where the built pack is at
//! hand, the cases are put to it, and the page says what it answered; otherwise what the cases expect.

mod answer;
mod html;
mod markdown;
mod page;
mod prose;
mod tables;
mod told;

use std::path::Path;

use caveat_engine::Engine;
use serde_json::Value;

pub use answer::{Answer, Said, Why};
pub use page::{CasePage, Page, RulePage, SettingRow, StagePage, StepPage, Word};
pub use tables::{DataRow, DataTable};

use crate::{CaseText, Manifest, PackError, PackFile, builder, cases};

/// What a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocsFormat {
    /// One file, with its style in it.
    Html,
    /// For repositories and wikis.
    Markdown,
}

impl Page {
    /// Of a pack's folder. `built` is what was built from it, if anything was: a file with another manifest, schema or other
    /// cases than the folder's is left out.
    ///
    /// # Errors
    /// [`PackError::Io`], [`PackError::Document`]; [`PackError::Settings`] and [`PackError::Load`] when the built pack does
    /// not load with the settings of a case.
    pub fn of_folder(engine: &Engine, dir: &Path, built: Option<&PackFile>) -> Result<Self, PackError> {
        let manifest = Manifest::open(dir)?;
        let schema = manifest
            .pack
            .settings
            .as_deref()
            .map(|name| builder::read_schema(&dir.join(name)))
            .transpose()?;
        let folder = dir.join("cases");
        let texts = if folder.is_dir() { cases::read_cases(&folder)? } else { Vec::new() };
        let fits = |file: &&PackFile| {
            **file.manifest() == manifest
                && file.schema() == schema.as_ref()
                && file.cases().is_ok_and(|cases| cases == texts)
        };
        let built = built.filter(fits).map(|file| (engine, file));
        let mut page = Self::new(&manifest, schema.as_ref(), &texts, &folder, built)?;
        page.tables = tables::read(&dir.join("data"))?;
        page.from_folder = true;
        Ok(page)
    }

    /// Of a pack file. It carries no tables: the page has none.
    ///
    /// # Errors
    /// As [`Self::of_folder`].
    pub fn of_file(engine: &Engine, file: &PackFile) -> Result<Self, PackError> {
        let (manifest, texts) = (file.manifest(), file.cases()?);
        let within = Path::new(&manifest.pack.name);
        Self::new(manifest, file.schema(), &texts, within, Some((engine, file)))
    }

    fn new(
        manifest: &Manifest,
        schema: Option<&Value>,
        texts: &[CaseText],
        within: &Path,
        built: Option<(&Engine, &PackFile)>,
    ) -> Result<Self, PackError> {
        let scripts = cases::read_scripts(texts, within, &manifest.rule_ids())?;
        let pages = page::cases(manifest, &scripts, built)?;
        Ok(page::compose(manifest, schema, pages, built.map(|(_, file)| file)))
    }

    /// The page as text.
    pub fn write(&self, format: DocsFormat) -> String {
        match format {
            DocsFormat::Html => html::write(self),
            DocsFormat::Markdown => markdown::write(self),
        }
    }
}
