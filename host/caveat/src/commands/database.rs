//! `caveat database migrate`: what the owner of the tables does for the hosts, whose role owns nothing.

use std::process::ExitCode;

use anyhow::{Context, bail};
use caveat_state::{Db, StateError};
use clap::{Args, Subcommand};
use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;

use crate::{cli::ConfigFile, config::Config, operation::is_server};

#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Bring the tables on a PostgreSQL server up to date, with the policies that keep clients apart, and give the role that
    /// `database` in the configuration names what a host needs, no more. Makes that role, with the password of the address,
    /// where it is not there. Before a new version of the host is started; hosts may run meanwhile.
    Migrate {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        owner: Owner,
    },
}

/// Who owns the tables.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// Address of the database, with the role that owns the tables: `postgres://OWNER:PASSWORD@HOST/DATABASE`. Hosts have
    /// another one. A process list shows what stands on the command line: set the variable instead.
    #[arg(long = "owner", env = "CAVEAT_DATABASE_OWNER", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
}

impl Owner {
    /// For what it is `wanted`.
    pub(crate) fn url(&self, wanted: &str) -> anyhow::Result<&str> {
        self.url.as_deref().with_context(|| {
            format!(
                "{wanted} takes the owner of the tables: name the database with its role in CAVEAT_DATABASE_OWNER"
            )
        })
    }
}

pub(crate) async fn run(command: DatabaseCommand) -> anyhow::Result<ExitCode> {
    let DatabaseCommand::Migrate { config, owner } = command;
    let config = Config::read(&config.config)?;
    let url = &config.paths.database;
    if !is_server(url) {
        bail!("the database is a file, whose tables the host makes by itself");
    }
    let role = migrate(url, owner.url("making tables")?).await?;
    println!("The tables are as this version of Caveat has them, and the role `{role}` may use them.");
    Ok(ExitCode::SUCCESS)
}

/// Makes the tables, and the host's role, where they are not there; then sees that a host can be opened. The role.
pub(crate) async fn migrate(host: &str, owner: &str) -> anyhow::Result<String> {
    let role = host.parse::<PgConnectOptions>().context("`database` is no address of a database")?;
    let role = role.get_username().to_owned();
    let (db, made) = Db::open_as_owner(owner, &role, password(host).as_deref())
        .await
        .context("the database, as the owner of its tables")?;
    tables(&db).await?;
    db.close().await;
    if made {
        println!("The role `{role}` was not there: it has been made.");
    }
    let db = Db::open(host, 1).await.with_context(|| {
        format!("the tables are there, but no host can be opened as `{role}` with what `database` says")
    })?;
    tables(&db).await?;
    db.close().await;
    Ok(role)
}

/// Brings the tables of every room up to date; or sees that they are, where the role makes none.
pub(crate) async fn tables(db: &Db) -> Result<(), StateError> {
    db.open_leases().await?;
    caveat_access::migrate(db).await?;
    caveat_vault::migrate(db).await?;
    caveat_ledger::migrate(db).await?;
    caveat_retention::migrate(db).await?;
    caveat_recorder::migrate(db).await?;
    caveat_capture::migrate(db).await
}

/// The password that stands in an address.
fn password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, password) = authority.rsplit_once('@')?.0.split_once(':')?;
    Some(percent_decode_str(password).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_as_it_was_meant() {
        let check = |url: &str, wanted: Option<&str>| assert_eq!(password(url).as_deref(), wanted, "{url}");
        check("postgres://host:s3cr%40t%2F@db/caveat", Some("s3cr@t/"));
        check("postgres://host@db:5432/caveat?a=b:c@d", None);
        check("postgres://db/caveat", None);
    }
}
