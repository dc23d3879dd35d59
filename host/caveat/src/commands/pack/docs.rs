//! `caveat pack docs`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use caveat_packs::{DocsFormat, Manifest, PackFile, Page};

use super::{PackDir, engine};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pack's folder, or a pack file. A folder has its tables on the page too; what was built from it gives the digest and
    /// the answers to its cases.
    #[arg(value_name = "DIR|FILE")]
    what: PathBuf,
    #[command(flatten)]
    packs: PackDir,
    /// Write the page there; left out: to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to write it; left out: as the ending of --out says, else HTML.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// One self-contained file, made to be printed.
    Html,
    /// For repositories and wikis.
    Markdown,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    let page = match args.what.is_dir() {
        false => Page::of_file(&engine, &PackFile::open(&args.what)?)?,
        true => {
            let built = args.packs.packs.join(Manifest::open(&args.what)?.file_name());
            let file = built.is_file().then(|| PackFile::open(&built)).transpose()?;
            Page::of_folder(&engine, &args.what, file.as_ref())?
        }
    };
    if page.digest.is_none() {
        eprintln!(
            "{} has no built pack that fits it in {}: the page has no digest; run `caveat pack build {0}` first",
            args.what.display(),
            args.packs.packs.display()
        );
    }
    let text = page.write(args.format());
    match &args.out {
        Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?,
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn format(&self) -> DocsFormat {
        let is_markdown = |path: &Path| path.extension().is_some_and(|e| e == "md" || e == "markdown");
        match self.format {
            Some(Format::Html) => DocsFormat::Html,
            Some(Format::Markdown) => DocsFormat::Markdown,
            None if self.out.as_deref().is_some_and(is_markdown) => DocsFormat::Markdown,
            None => DocsFormat::Html,
        }
    }
}
