//! `caveat pack test --config`: cases put to a client, that is to all its packs with its settings.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use caveat_engine::Engine;
use caveat_model::ClientId;
use caveat_packs::{CaseOptions, CaseReport, ClientOfCases, play_client_cases};

use super::test::{Args, progress_line};
use crate::{
    config::{Client, Config},
    house::load_set,
};

pub(super) fn play(args: &Args, file: &Path) -> anyhow::Result<CaseReport> {
    let config = Config::read(file)?;
    let engine = Engine::new(config.limits.packs.clone(), None)?;
    let client = chosen(&config, args.client.as_ref(), file)?;
    let of_cases = ClientOfCases {
        name: client.profile.id.to_string(),
        set: load_set(&engine, client, &config.trust())?,
        usual: client.profile.usual_facts(),
        full_need: client.profile.full_need.clone(),
    };
    let mut progress = progress_line();
    let options = CaseOptions { filter: &args.filter, progress: Some(&mut progress) };
    Ok(play_client_cases(&engine, &of_cases, &cases(args, file), options)?)
}

/// Where the cases lie.
pub(super) fn cases(args: &Args, file: &Path) -> Vec<PathBuf> {
    match args.dirs.is_empty() {
        true => vec![file.parent().unwrap_or(Path::new("")).join("cases")],
        false => args.dirs.clone(),
    }
}

fn chosen<'a>(config: &'a Config, id: Option<&ClientId>, file: &Path) -> anyhow::Result<&'a Client> {
    let names = || config.clients.iter().map(|c| c.profile.id.as_str()).collect::<Vec<_>>().join(", ");
    match (id, config.clients.as_slice()) {
        (Some(id), all) => all
            .iter()
            .find(|c| c.profile.id == *id)
            .with_context(|| format!("{} has no client `{id}`, only: {}", file.display(), names())),
        (None, [only]) => Ok(only),
        (None, []) => bail!("{} has no client", file.display()),
        (None, _) => bail!("{} has several clients: choose with --client one of {}", file.display(), names()),
    }
}
