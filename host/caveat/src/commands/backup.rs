//! `caveat backup` and `caveat restore`: all that a host has, as files.
//!
//! The database is copied as it is at one moment, what it speaks of lies in the store before it speaks of it, and objects
//! never change: so the database goes first, the store after it, and a host may run meanwhile. Of a log, tiles that came
//! after that moment are left out, or the restored log could not go on. What is sealed under keys that were destroyed before
//! the backup stays closed: the keys are not in it.
//!
//! Not in a backup: secrets that the configuration names (passphrases, tokens), objects in a remote store, and what was
//! logged after it. A log that is restored goes on from the backup: whoever holds a later checkpoint sees that.

use std::{
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use caveat_ledger::{Ledger, LogSigner};
use caveat_model::{ClientId, Clock, Moment, SystemClock};
use caveat_state::Db;
use caveat_stores::Address;
use object_store::local::LocalFileSystem;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::{
    cli::ConfigFile,
    commands::database::{Owner, migrate},
    config::Config,
    operation::{Database, is_server},
};

/// What is in a backup, and what it was made by.
const LIST: &str = "backup.json";
const CONFIGURATION: &str = "caveat.toml";
const DATABASE: &str = "data/state.db";
const DUMP: &str = "database.dump";
/// Entries of a tile.
const TILE: u64 = 256;
/// Tiles may be completed, and their parts deleted, while they are copied.
const ATTEMPTS: u32 = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// A host's role sees no client's rows but one's at a time, so the owner makes the dump of a PostgreSQL database.
    #[command(flatten)]
    owner: Owner,
    /// Folder to write, new or empty.
    to: PathBuf,
    /// Print what was copied as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    from: PathBuf,
    /// Folder to put it into, new or empty: the configuration, and everything else below `data`.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Address of an empty PostgreSQL database, for a backup of one, as the host is to have it.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    owner: Owner,
}

/// What a backup holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct List {
    /// Of the program that made it.
    version: String,
    made: Moment,
    host: String,
    /// Whether the keyring opens without a passphrase: whoever has the backup has every key then.
    keys_open: bool,
    /// Where the objects are that it does not hold; none: it holds them.
    remote_store: Option<String>,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    path: PathBuf,
    bytes: u64,
    sha256: String,
}

pub(crate) async fn back_up(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    take_empty(&args.to)?;
    let to = fs::canonicalize(&args.to)?;
    let database_is_server = is_server(&config.paths.database);
    copy_if_there(&config.paths.keyring, &to.join("data/keys/keyring"))?;
    copy_if_there(&config.paths.ledger_key, &to.join("data/keys/ledger"))?;
    let mut attempt = 1;
    loop {
        match copy_state(&config, &args.owner, &to).await {
            Ok(()) => break,
            Err(error) if attempt < ATTEMPTS && !database_is_server => {
                tracing::info!(
                    error = format!("{error:#}"),
                    "logs went on while they were copied; once more"
                );
                fs::remove_file(to.join(DATABASE)).ok();
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
    copy_tree(&config.paths.spool, &to.join("data/spool"))?;
    copy_tree(&config.paths.write_ahead, &to.join("data/write-ahead"))?;
    copy_configuration(&config, &args.config.config, &to)?;
    let keys_open = config.host.keyring_passphrase().read()?.is_none();
    let list = List {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: SystemClock.now(),
        host: config.host.name.clone(),
        keys_open,
        remote_store: config.paths.store.is_remote().then(|| format!("{:?}", config.paths.store)),
        files: list_of(&to)?,
    };
    let text = serde_json::to_string_pretty(&list)?;
    fs::write(to.join(LIST), &text)?;
    File::open(&to)?.sync_all()?;
    if args.json {
        println!("{text}");
    } else {
        let bytes: u64 = list.files.iter().map(|file| file.bytes).sum();
        println!("{}: {} files, {bytes} bytes", args.to.display(), list.files.len());
        if keys_open {
            println!("The keyring in it has no passphrase: whoever has this folder opens every recording.");
        }
        if let Some(store) = &list.remote_store {
            println!("Objects stay where they are, and are not in it: {store}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The database as it is now, then what it speaks of.
async fn copy_state(config: &Config, owner: &Owner, to: &Path) -> anyhow::Result<()> {
    let url = &config.paths.database;
    let store = to.join("data/store");
    if is_server(url) {
        run(Command::new("pg_dump")
            .args(["--format=custom", "--no-owner", "--no-acl", "--file"])
            .arg(to.join(DUMP))
            .arg("--dbname")
            .arg(owner.url("a dump of all clients' rows")?))?;
    } else {
        let db = Db::open(url, 1).await.context("the state database")?;
        let snapshot = to.join(DATABASE);
        fs::create_dir_all(snapshot.parent().unwrap_or(to))?;
        Database::new(db.clone(), url).snapshot(&snapshot).await?;
        db.close().await;
    }
    if let Address::Folder(folder) = &config.paths.store {
        copy_tree(folder, &store)?;
    }
    fs::create_dir_all(&store)?;
    if is_server(url) || config.paths.store.is_remote() {
        return Ok(());
    }
    trim_logs(config, to, &store).await
}

/// Leaves out of each log what came after the database was copied, and sees that the rest can be read.
async fn trim_logs(config: &Config, to: &Path, store: &Path) -> anyhow::Result<()> {
    let db = Db::open_file(&to.join(DATABASE)).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let signer = LogSigner::open(&config.paths.ledger_key, &config.host.ledger_origin)?;
    let objects = Arc::new(LocalFileSystem::new_with_prefix(store)?);
    let ledger = Ledger::open(db.clone(), objects, clock, signer, config.host.name.clone()).await?;
    for client in config.clients.iter().map(|client| &client.profile.id) {
        let size = ledger.size(client).await?;
        trim_log(&store.join("ledger").join(client.as_str()).join("tile"), size)?;
        read_all(&ledger, client, size)
            .await
            .with_context(|| format!("the log of `{client}` in the copy"))?;
    }
    db.close().await;
    Ok(())
}

async fn read_all(ledger: &Ledger, client: &ClientId, size: u64) -> anyhow::Result<()> {
    let mut next = 0;
    while next < size {
        let read = ledger.entries(client, next..size).await?;
        next = read
            .last()
            .map(|(index, ..)| index + 1)
            .filter(|index| *index > next)
            .context("it breaks off")?;
    }
    Ok(())
}

/// Removes tiles of more than `size` entries (C2SP tlog-tiles: `LEVEL/N[.p/W]`, `entries/N[.p/W]`).
fn trim_log(tiles: &Path, size: u64) -> anyhow::Result<()> {
    for (path, full) in files_below(tiles)? {
        if covered(&path).is_some_and(|covers| covers > size) {
            fs::remove_file(full)?;
        }
    }
    Ok(())
}

/// How many entries of the log there are at the end of a tile; none: it is no tile.
fn covered(tile: &Path) -> Option<u64> {
    let mut parts = tile.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let level = parts.next()?;
    let level: u32 = if level == "entries" { 0 } else { level.parse().ok()? };
    let (mut number, mut width) = (0u64, TILE);
    while let Some(part) = parts.next() {
        let digits = part.trim_start_matches('x');
        let (digits, is_partial) = match digits.strip_suffix(".p") {
            Some(digits) => (digits, true),
            None => (digits, false),
        };
        number = number.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
        if is_partial {
            width = parts.next()?.parse().ok()?;
        }
    }
    number.checked_mul(TILE)?.checked_add(width)?.checked_mul(TILE.checked_pow(level)?)
}

/// The configuration with its paths as they are in the backup; the packs that it names; the lock.
fn copy_configuration(config: &Config, file: &Path, to: &Path) -> anyhow::Result<()> {
    let mut table: Table = fs::read_to_string(file)?.parse()?;
    let host = table.entry("host").or_insert(Value::Table(Table::new()));
    if let Value::Table(host) = host {
        host.insert("data-dir".into(), "data".into());
        host.remove("keyring");
        if !is_server(&config.paths.database) {
            host.remove("database");
        }
        if !config.paths.store.is_remote() {
            host.remove("store");
        }
    }
    fs::create_dir_all(to.join("packs"))?;
    let base = file.parent().unwrap_or(Path::new("."));
    for (number, client) in
        table.get_mut("client").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
    {
        let packs = client.get_mut("pack").and_then(Value::as_array_mut);
        for pack in packs.into_iter().flatten() {
            rehouse(pack, base, to, &format!("packs/{number}-"))?;
        }
        let notices = client.get_mut("announcement").and_then(Value::as_array_mut);
        for notice in notices.into_iter().flatten() {
            rehouse(notice, base, to, &format!("packs/{number}-"))?;
        }
    }
    fs::copy(file, to.join("caveat.toml.original"))?;
    fs::write(to.join(CONFIGURATION), toml::to_string_pretty(&table)?)?;
    copy_if_there(&config.paths.lock, &to.join("caveat.lock"))
}

/// Copies what `file` of an entry names, with its signature, and has it name the copy.
fn rehouse(entry: &mut Value, base: &Path, to: &Path, before: &str) -> anyhow::Result<()> {
    let Some(named) = entry.get("file").and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
    let from = base.join(&named);
    let name = from.file_name().and_then(|name| name.to_str()).context("a file without a name")?;
    let copy = format!("{before}{name}");
    fs::copy(&from, to.join(&copy)).with_context(|| format!("cannot copy {}", from.display()))?;
    let signature = |of: &Path| PathBuf::from(format!("{}.sig", of.display()));
    copy_if_there(&signature(&from), &signature(&to.join(&copy)))?;
    if let Value::Table(entry) = entry {
        entry.insert("file".into(), copy.into());
    }
    Ok(())
}

pub(crate) async fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(args.from.join(LIST))
        .with_context(|| format!("{} is no backup: there is no {LIST}", args.from.display()))?;
    let list: List = serde_json::from_str(&text).with_context(|| format!("{LIST} cannot be read"))?;
    take_empty(&args.to)?;
    for Listed { path, bytes, sha256 } in &list.files {
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(inside, "{LIST} names {}, which lies outside the backup", path.display());
        let (there, digest) = digest_of(&args.from.join(path))?;
        ensure!(
            there == *bytes && digest == *sha256,
            "{} is not what was backed up: nothing was restored; take another backup",
            path.display()
        );
    }
    let dump = args.from.join(DUMP);
    match (&args.database, dump.is_file()) {
        (None, true) => bail!("the backup is of PostgreSQL: name an empty database by --database URL"),
        (Some(_), false) => bail!("the backup is not of PostgreSQL: leave --database out"),
        _ => {}
    }
    for Listed { path, .. } in &list.files {
        let to = args.to.join(path);
        fs::create_dir_all(to.parent().unwrap_or(&args.to))?;
        fs::copy(args.from.join(path), &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    if let Some(url) = &args.database {
        let owner = args.owner.url("restoring tables")?;
        run(Command::new("pg_restore")
            .args(["--no-owner", "--exit-on-error", "--dbname", owner])
            .arg(&dump))?;
        migrate(url, owner).await?;
        let file = args.to.join(CONFIGURATION);
        let mut table: Table = fs::read_to_string(&file)?.parse()?;
        if let Some(Value::Table(host)) = table.get_mut("host") {
            host.insert("database".into(), url.as_str().into());
        }
        fs::write(&file, toml::to_string_pretty(&table)?)?;
        fs::remove_file(args.to.join(DUMP)).ok();
    }
    println!("{}: restored as it was at {}", args.to.display(), list.made);
    println!("Look it over:  caveat doctor --config {}", args.to.join(CONFIGURATION).display());
    Ok(ExitCode::SUCCESS)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().display().to_string();
    let status = command.status().with_context(|| {
        format!(
            "{name} cannot be run: install PostgreSQL's client programs, of the server's version or newer"
        )
    })?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

/// A folder of one's own: made, or there and empty.
fn take_empty(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        let mut there = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
        ensure!(there.next().is_none(), "{} is not empty: name a new folder", dir.display());
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn copy_if_there(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_file() {
        return Ok(());
    }
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// What is gone by the time that it is copied was not needed any more.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    for (path, full) in files_below(from)? {
        let copy = to.join(path);
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        match fs::copy(&full, &copy) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot copy {}", full.display()))?
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files below a folder, by their paths from there; those that are being written are left out.
fn files_below(root: &Path) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let (mut files, mut folders) = (vec![], vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| folder.display().to_string()),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains('#') {
                files.push((path.strip_prefix(root)?.to_owned(), path));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn list_of(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let listed = |(path, full): (PathBuf, PathBuf)| {
        let (bytes, sha256) = digest_of(&full)?;
        Ok(Listed { path, bytes, sha256 })
    };
    files_below(dir)?.into_iter().map(listed).collect()
}

fn digest_of(file: &Path) -> anyhow::Result<(u64, String)> {
    let about = || format!("cannot read {}", file.display());
    let (mut opened, mut digest, mut bytes) = (File::open(file).with_context(about)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = opened.read(&mut buffer).with_context(about)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        bytes += read as u64;
    }
    Ok((bytes, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_tell_how_far_they_go() {
        let check = |tile: &str, wanted| assert_eq!(covered(Path::new(tile)), wanted, "{tile}");
        check("0/000", Some(256));
        check("0/000.p/7", Some(7));
        check("entries/001.p/3", Some(259));
        check("entries/x001/005.p/255", Some(1_005 * 256 + 255));
        check("1/000.p/2", Some(512));
        check("checkpoint", None);
    }
}
