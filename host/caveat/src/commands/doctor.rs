//! `caveat doctor`: looks a deployment over, and says of everything that is wrong where it is and what to do.

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use caveat_engine::Engine;
use caveat_model::{Clock, SystemClock};
use caveat_state::{Db, StateError, sql};
use caveat_stores::{Address, Opened, Room};
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, path::Path as ObjectPath};
use serde::Serialize;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode};

use crate::{
    cli::ConfigFile,
    commands::database::tables,
    config::{Client, Config},
    explained,
    house::{disk, load_set},
    keys,
    operation::{Database, is_server},
};

/// A store or a database has to answer within this.
const ANSWER: Duration = Duration::from_secs(10);
/// A certificate that ends within so many days is told of.
const DAYS_LEFT_MIN: u64 = 14;
/// Nothing finer than this is told by dates of objects.
const CLOCK_OFF_MS_MAX: u64 = 5_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Weight {
    /// It runs, and somebody should see to it.
    Warning,
    /// It cannot run so, or not safely.
    Fault,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
struct Finding {
    /// `config`, `keys`, `store`, `lock`, `clock`, `certificates`, `packs`, `database`, `disk`, `ports`.
    check: &'static str,
    weight: Weight,
    /// The file, folder, address, client.
    r#where: String,
    what: String,
    /// What to do.
    remedy: &'static str,
}

/// What is found as checks go on.
#[derive(Default, Serialize)]
struct Found {
    /// What was looked at.
    checked: Vec<&'static str>,
    findings: Vec<Finding>,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut found = Found::default();
    let file = &args.config.config;
    found.checked.push("config");
    match Config::read(file) {
        Err(error) => found.fault(
            "config",
            file.display(),
            explained(&error),
            "mend the file; nothing else was looked at",
        ),
        Ok(config) => look_over(&config, &mut found).await,
    }
    found.print(args.json)?;
    Ok(ExitCode::from(match found.findings.iter().map(|finding| finding.weight).max() {
        None => 0,
        Some(Weight::Warning) => 1,
        Some(Weight::Fault) => 2,
    }))
}

async fn look_over(config: &Config, found: &mut Found) {
    secrets(config, found);
    look_at_keys(config, found);
    store(config, found).await;
    certificates(config, found);
    packs(config, found);
    database(config, found).await;
    look_at_disk(config, found);
    ports(config, found).await;
}

impl Found {
    fn fault(
        &mut self,
        check: &'static str,
        r#where: impl ToString,
        what: impl ToString,
        remedy: &'static str,
    ) {
        self.add(check, Weight::Fault, r#where, what, remedy);
    }

    fn warning(
        &mut self,
        check: &'static str,
        r#where: impl ToString,
        what: impl ToString,
        remedy: &'static str,
    ) {
        self.add(check, Weight::Warning, r#where, what, remedy);
    }

    fn add(
        &mut self,
        check: &'static str,
        weight: Weight,
        r#where: impl ToString,
        what: impl ToString,
        remedy: &'static str,
    ) {
        let (r#where, what) = (r#where.to_string(), what.to_string());
        self.findings.push(Finding { check, weight, r#where, what, remedy });
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        for Finding { check, weight, r#where, what, remedy } in &self.findings {
            let weight = if *weight == Weight::Fault { "FAULT  " } else { "warning" };
            println!("{weight} {check}: {where}: {what}\n        {remedy}", where = r#where);
        }
        println!("looked at: {}; {} findings", self.checked.join(", "), self.findings.len());
        Ok(())
    }
}

/// Secrets that the configuration names by variable or file.
fn secrets(config: &Config, found: &mut Found) {
    const REMEDY: &str = "set the variable, or write the file, that the configuration names";
    found.checked.push("secrets");
    let mut look = |what: anyhow::Result<()>| {
        if let Err(error) = what {
            found.fault("secrets", "caveat.toml", explained(&error), REMEDY);
        }
    };
    look(config.ingest.sources().map(drop));
    look(config.ways().map(drop));
    config.clients.iter().flat_map(Client::hooks).for_each(|hook| look(hook.map(drop)));
}

fn look_at_keys(config: &Config, found: &mut Found) {
    found.checked.push("keys");
    let paths = &config.paths;
    for file in [&paths.keyring, &paths.ledger_key] {
        let Ok(there) = fs::metadata(file) else { continue };
        if there.permissions().mode() & 0o077 != 0 {
            let mode = format!("others may read it (mode {:o})", there.permissions().mode() & 0o777);
            found.fault("keys", file.display(), mode, "chmod 600, and ask who could have read it");
        }
    }
    // A host that never ran has no keyring yet, and makes one.
    if (paths.keyring.is_file() || !paths.keyring.starts_with(&paths.base))
        && let Err(error) = keys::open(config)
    {
        let remedy = "give the passphrase or token that it was made with; without it nothing opens";
        found.fault("keys", paths.keyring.display(), explained(&error), remedy);
    }
    if paths.keyring.is_file() && config.host.keyring_passphrase().read().is_ok_and(|secret| secret.is_none())
    {
        let remedy = "name a passphrase by `keyring-passphrase-file`, or keep keys in a service ([keys])";
        found.warning("keys", paths.keyring.display(), "the keyring has no passphrase", remedy);
    }
}

async fn store(config: &Config, found: &mut Found) {
    found.checked.push("store");
    let (paths, limits) = (&config.paths, &config.limits.store);
    let place = match &paths.store {
        Address::Folder(folder) => folder.display().to_string(),
        other => format!("{other:?}"),
    };
    if let Address::Folder(folder) = &paths.store
        && !folder.exists()
    {
        let parent = folder.ancestors().find(|dir| dir.exists());
        if parent.is_none_or(|dir| !dir.is_dir() || !may_write(dir)) {
            let remedy = "make the folder, and give it to the user that the host runs as";
            found.fault("store", place, "it is not there and cannot be made", remedy);
        }
        // The first start makes it.
        return;
    }
    let opened = match config.store.open(&paths.store, &paths.base, limits) {
        Ok(opened) => opened,
        Err(error) => return found.fault("store", place, error, "mend `store` of [host], and [store]"),
    };
    match timeout(ANSWER, probe(opened.store.as_ref())).await {
        Ok(Ok(written)) => {
            let off = written.map_or(0, |written| written.abs_diff(SystemClock.now().as_millis()));
            if paths.store.is_remote() && off > CLOCK_OFF_MS_MAX {
                let what = format!("this machine's clock is {off} ms off the store's");
                found.fault(
                    "clock",
                    place.clone(),
                    what,
                    "set the clock by NTP; requests and retention go by it",
                );
            }
        }
        Ok(Err(what)) => {
            let remedy = "the host needs to put, get and delete there, and the store to refuse to create what is there";
            found.fault("store", place.clone(), what, remedy);
        }
        Err(_) => {
            found.fault("store", place.clone(), "it does not answer", "see that it is reached from here")
        }
    }
    object_lock(config, &opened, place, found).await;
}

fn may_write(dir: &Path) -> bool {
    nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK).is_ok()
}

/// Puts, reads, puts again what is there, deletes; when it was written by the store's clock, in milliseconds.
async fn probe(store: &dyn ObjectStore) -> Result<Option<u64>, String> {
    let path = ObjectPath::from(format!("doctor/{:016x}", rand::random::<u64>()));
    let create = || PutOptions::from(PutMode::Create);
    let failed = |what: &'static str| move |error: Error| format!("it does not {what}: {error}");
    store.put_opts(&path, "probe".into(), create()).await.map_err(failed("take an object"))?;
    let again = store.put_opts(&path, "other".into(), create()).await;
    let read = store.get(&path).await.map_err(failed("give an object back"))?;
    let written = u64::try_from(read.meta.last_modified.timestamp_millis()).ok();
    let bytes = read.bytes().await.map_err(failed("give an object back"))?;
    store.delete(&path).await.map_err(failed("delete an object"))?;
    match again {
        Err(Error::AlreadyExists { .. }) if bytes.as_ref() == b"probe" => Ok(written),
        Err(Error::AlreadyExists { .. }) => Err("it gives back other bytes than it took".into()),
        Ok(_) => Err("it overwrites where it was told to create only".into()),
        Err(error) => Err(format!("it does not know how to create only what is not there: {error}")),
    }
}

async fn object_lock(config: &Config, opened: &Opened, place: String, found: &mut Found) {
    if config.clients.iter().all(|client| client.lock_days.is_none()) {
        return;
    }
    found.checked.push("lock");
    let Some(lock) = &opened.lock else { return };
    let remedy =
        "make a bucket with object lock (it cannot be turned on later everywhere), or leave `lock-days` out";
    match timeout(ANSWER, lock.is_possible()).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => found.fault("lock", place, "the bucket does not lock objects", remedy),
        Ok(Err(error)) => {
            found.warning("lock", place, error, "let the host ask for the bucket's object lock")
        }
        Err(_) => found.warning("lock", place, "it does not answer", "see that it is reached from here"),
    }
}

fn certificates(config: &Config, found: &mut Found) {
    found.checked.push("certificates");
    if let (Some((file, _)), Err(error)) = (config.http.tls_files(), config.http.check_tls()) {
        let remedy = "name the chain, the host's own certificate first, and the key that belongs to it";
        found.fault("certificates", file.display(), explained(&error), remedy);
    }
    let http = config.http.tls_files().map(|(file, _)| file);
    for file in http.into_iter().chain(config.siprec.tls_certificate.as_deref()) {
        expiry(file, found);
    }
}

fn expiry(file: &Path, found: &mut Found) {
    const REMEDY: &str = "renew it; a running host takes up the new files by itself";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let Ok(chain) = CertificateDer::pem_file_iter(file) else {
        return found.fault("certificates", file.display(), "it cannot be read", "name a chain in PEM");
    };
    for certificate in chain {
        let ends = certificate.ok().and_then(|der| {
            let certificate = Certificate::from_der(&der).ok()?;
            Some(certificate.tbs_certificate.validity.not_after.to_unix_duration())
        });
        let Some(ends) = ends else {
            found.fault(
                "certificates",
                file.display(),
                "a certificate in it cannot be read",
                "name a chain in PEM",
            );
            continue;
        };
        let left = ends.saturating_sub(now).as_secs() / 86_400;
        if ends <= now {
            found.fault("certificates", file.display(), "a certificate has expired", REMEDY);
        } else if left < DAYS_LEFT_MIN {
            found.warning(
                "certificates",
                file.display(),
                format!("a certificate ends in {left} days"),
                REMEDY,
            );
        }
    }
}

/// Each as the host would load it: by the client's keys, the lock, its settings.
fn packs(config: &Config, found: &mut Found) {
    found.checked.push("packs");
    let trust = config.trust();
    let engine = match Engine::new(config.limits.packs.clone(), None) {
        Ok(engine) => engine,
        Err(error) => return found.fault("packs", "this machine", error, "see [limits.packs]"),
    };
    for client in &config.clients {
        if let Err(error) = load_set(&engine, client, &trust) {
            let remedy = "have it signed by a trusted key, pin it (`caveat pack lock`), or mend its settings";
            found.fault("packs", format!("client `{}`", client.profile.id), explained(&error), remedy);
        }
    }
}

async fn database(config: &Config, found: &mut Found) {
    found.checked.push("database");
    let url = &config.paths.database;
    if !is_server(url) {
        let file = Path::new(url.trim_start_matches("sqlite:").split('?').next().unwrap_or_default());
        let dir = file.ancestors().skip(1).find(|dir| dir.exists());
        if dir.is_none_or(|dir| !may_write(dir)) {
            let remedy = "make the folder, and give it to the user that the host runs as";
            found.fault("database", file.display(), "its folder cannot be written to", remedy);
        }
        return;
    }
    // Without the password that may stand in the address.
    let place = url
        .rsplit_once('@')
        .map_or(url.as_str(), |(_, at)| at)
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned();
    let asked = async {
        let db = Db::open(url, 1).await?;
        let clock = Database::new(db.clone(), url).clock_ms().await.map_err(sql("read its clock"))?;
        let made = tables(&db).await;
        db.close().await;
        made.map(|()| clock)
    };
    let clock = match timeout(ANSWER, asked).await {
        Ok(Ok(clock)) => clock,
        Ok(Err(error)) => {
            let remedy = match &error {
                StateError::Privileged { .. } => {
                    "name a role that owns nothing in `database`; `caveat database migrate` makes it and gives it its rights"
                }
                StateError::Pooled => {
                    "set `pool_mode = session` in the pooler, or name the server itself in `database`"
                }
                StateError::TooOld { .. } | StateError::Bare { .. } => {
                    "run `caveat database migrate` as the owner of the tables, before a new version of the host is started"
                }
                StateError::TooNew { .. } => "run the version of Caveat that made the tables, or a newer one",
                _ => "see that it runs, and that address and role are right",
            };
            return found.fault("database", place, error, remedy);
        }
        Err(_) => {
            return found.fault("database", place, "it does not answer", "see that it is reached from here");
        }
    };
    let off = clock.map_or(0, |theirs| theirs.abs_diff(SystemClock.now().as_millis()));
    if off > config.limits.host.clock_skew_ms_max {
        found.fault("clock", place, format!("the clock is {off} ms off the database's"), "set both by NTP");
    }
}

fn look_at_disk(config: &Config, found: &mut Found) {
    found.checked.push("disk");
    let place = config.paths.write_ahead.display();
    let Some(there) = config.paths.write_ahead.ancestors().find(|dir| dir.exists()) else { return };
    let room = if config.paths.write_ahead.exists() {
        disk(config).room()
    } else {
        caveat_stores::Disk::new(vec![there.to_owned()], &config.limits.store).room()
    };
    match room {
        Room::Enough => {}
        Room::Low { free } => {
            let what = format!("{free} bytes are free, below `disk_free_bytes_warn`");
            found.warning("disk", place, what, "make room, or have the store elsewhere");
        }
        Room::Full { free } => {
            let what = format!("{free} bytes are free, below `disk_free_bytes_min`: nothing new is recorded");
            found.fault("disk", place, what, "make room, or have the store elsewhere");
        }
    }
}

/// Whether each port is free, unless this host has it already.
async fn ports(config: &Config, found: &mut Found) {
    const REMEDY: &str = "stop what listens there (`ss -ltnup` names it), or name another port";
    found.checked.push("ports");
    if runs_already(config).await {
        return;
    }
    let tcp = [Some(config.host.listen), config.siprec.listen_tcp, config.siprec.listen_tls];
    for address in tcp.into_iter().flatten() {
        if let Err(error) = TcpListener::bind(address) {
            found.fault("ports", format!("TCP {address}"), error, REMEDY);
        }
    }
    if let Some(address) = config.siprec.listen_udp
        && let Err(error) = UdpSocket::bind(address)
    {
        found.fault("ports", format!("UDP {address}"), error, REMEDY);
    }
}

/// Whether a host answers where this one would.
async fn runs_already(config: &Config) -> bool {
    let scheme = if config.http.tls_files().is_some() { "https" } else { "http" };
    let at: SocketAddr = config.host.listen;
    let ask =
        reqwest::Client::builder().timeout(Duration::from_secs(2)).danger_accept_invalid_certs(true).build();
    let Ok(ask) = ask else { return false };
    let answer = ask.get(format!("{scheme}://{at}/healthz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
