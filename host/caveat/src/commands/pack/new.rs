//! `caveat pack new`.

use std::{path::PathBuf, process::ExitCode};

use caveat_packs::{Language, scaffold};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Lower-case letters, digits and hyphens; also the folder, unless --dir names one.
    name: String,
    /// What to write it in.
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    lang: Lang,
    /// Where, instead of a folder of its name here. It has to be new or empty.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Lang {
    Rust,
    Python,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let language = match args.lang {
        Lang::Rust => Language::Rust,
        Lang::Python => Language::Python,
        Lang::JavaScript => Language::JavaScript,
    };
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    for path in scaffold(&dir, &args.name, language)? {
        println!("{}", path.display());
    }
    eprintln!("next: caveat pack test {}", dir.display());
    Ok(ExitCode::SUCCESS)
}
