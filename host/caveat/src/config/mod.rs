//! `caveat.toml`: raw words in, valid types out. Everything is checked before a socket opens.

mod client;

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use caveat_access::WaysIn;
use caveat_api::WebhookLimits;
use caveat_packs::Trust;
use caveat_stores::{Address, Settings};
use serde::Deserialize;

use crate::hosts::{self, Hosts};
use crate::http::Http;
use crate::ingest::{Ingest, RawAudioSocket};
use crate::keys::{Keys, Secret};
use crate::operation;
use crate::telemetry::Telemetry;
use crate::timestamps::Timestamps;

pub(crate) use client::Client;
use client::RawClient;

/// A configuration that can be run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) host: Host,
    pub(crate) paths: Paths,
    /// Other hosts on the same database and store; none: this is the only one.
    pub(crate) hosts: Option<Hosts>,
    pub(crate) http: Http,
    pub(crate) keys: Keys,
    pub(crate) timestamps: Option<Timestamps>,
    pub(crate) limits: Limits,
    /// How the console is served.
    pub(crate) console: caveat_api::Console,
    /// How a remote store is reached.
    pub(crate) store: Settings,
    pub(crate) media: caveat_capture::Media,
    pub(crate) siprec: caveat_capture::Siprec,
    pub(crate) clients: Vec<Client>,
    pub(crate) ingest: Ingest,
    pub(crate) telemetry: Telemetry,
}

/// The host itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Host {
    /// Its name in the ledger.
    pub(crate) name: String,
    /// Where it listens, for phone systems and people.
    pub(crate) listen: SocketAddr,
    /// Everything it keeps, unless a path says otherwise.
    data_dir: PathBuf,
    /// Origin of the ledgers' checkpoints: a name that is yours.
    pub(crate) ledger_origin: String,
    database: Option<String>,
    store: Option<String>,
    keyring: Option<PathBuf>,
    /// What ledgers are signed with; hosts that share a database have the same.
    ledger_key: Option<PathBuf>,
    /// Environment variable that holds the passphrase of the keyring; none: the file's permissions guard it.
    keyring_passphrase_env: Option<String>,
    /// File that holds it; relative to the configuration.
    keyring_passphrase_file: Option<PathBuf>,
    /// Credential of systemd that holds it.
    keyring_passphrase_credential: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            name: "caveat".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            data_dir: "caveat-data".into(),
            ledger_origin: "caveat.localhost".into(),
            database: None,
            store: None,
            keyring: None,
            ledger_key: None,
            keyring_passphrase_env: None,
            keyring_passphrase_file: None,
            keyring_passphrase_credential: None,
        }
    }
}

impl Host {
    fn located(self, base: &Path) -> Self {
        Self { keyring_passphrase_file: self.keyring_passphrase_file.map(|file| base.join(file)), ..self }
    }

    /// Where the passphrase of the keyring lies.
    pub(crate) fn keyring_passphrase(&self) -> Secret<'_> {
        Secret {
            name: "keyring-passphrase",
            env: self.keyring_passphrase_env.as_deref(),
            file: self.keyring_passphrase_file.as_ref(),
            credential: self.keyring_passphrase_credential.as_deref(),
        }
    }
}

/// Where things lie, all absolute or relative to the working directory.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) database: String,
    pub(crate) store: Address,
    /// What is on its way to a remote store.
    pub(crate) spool: PathBuf,
    pub(crate) keyring: PathBuf,
    pub(crate) ledger_key: PathBuf,
    pub(crate) write_ahead: PathBuf,
    pub(crate) compiled: PathBuf,
    /// Where relative paths start.
    pub(crate) base: PathBuf,
    /// `caveat.lock` beside `caveat.toml`; it need not be there.
    pub(crate) lock: PathBuf,
}

/// Every limit of the house, by room.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) host: operation::Limits,
    pub(crate) calls: caveat_recorder::Limits,
    pub(crate) packs: caveat_engine::Limits,
    pub(crate) people: caveat_access::Limits,
    pub(crate) vault: caveat_vault::Limits,
    pub(crate) requests: caveat_api::Limits,
    pub(crate) http: crate::http::Limits,
    pub(crate) media: caveat_capture::Limits,
    pub(crate) webhooks: WebhookLimits,
    pub(crate) assurance: caveat_recorder::AssuranceLimits,
    pub(crate) siprec: caveat_capture::SiprecLimits,
    pub(crate) store: caveat_stores::Limits,
    pub(crate) retention: caveat_retention::Limits,
    pub(crate) hosts: hosts::Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    host: Host,
    hosts: Option<Hosts>,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    keys: Keys,
    timestamps: Option<Timestamps>,
    #[serde(default)]
    telemetry: Telemetry,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    console: caveat_api::Console,
    #[serde(default)]
    store: Settings,
    audiosocket: Option<RawAudioSocket>,
    #[serde(default)]
    media: caveat_capture::Media,
    #[serde(default)]
    siprec: caveat_capture::Siprec,
    #[serde(default)]
    client: Vec<RawClient>,
}

impl Config {
    /// Reads and checks a file. The error names the file, the line, what is wrong, and the nearest right name.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut raw: Raw = caveat_packs::parse_toml(path, &text)?;
        for (n, client) in raw.client.iter_mut().enumerate() {
            client.settings_written(path, &text, n);
        }
        let base = path.parent().unwrap_or(Path::new("."));
        Self::from_raw(raw, base, path.with_extension("lock")).with_context(|| path.display().to_string())
    }

    /// What each client asks of packs before it takes them.
    pub(crate) fn trust(&self) -> Trust {
        self.clients
            .iter()
            .fold(Trust::new(Some(self.paths.lock.clone())), |trust, client| client.trust(trust))
    }

    /// Ways in for people beside password and code, with their secrets, which are read now.
    pub(crate) fn ways(&self) -> anyhow::Result<WaysIn> {
        self.http.ways(self.host.listen, self.clients.iter().flat_map(Client::providers))
    }

    fn from_raw(raw: Raw, base: &Path, lock: PathBuf) -> anyhow::Result<Self> {
        let mut seen = HashSet::new();
        for client in &raw.client {
            if !seen.insert(&client.id) {
                bail!("client `{}` is there twice: give each client one [[client]]", client.id);
            }
            client.check_packs()?;
        }
        let sources = raw.client.iter().map(|client| (client.id.clone(), client.sources())).collect();
        let ingest = Ingest::new(base, raw.audiosocket, sources)?;
        raw.siprec.check(&seen).map_err(anyhow::Error::msg)?;
        let (lines, legs) = (raw.limits.siprec.lines_max, raw.limits.calls.legs_max);
        if lines > usize::from(legs) {
            bail!(
                "`lines_max` of [limits.siprec] is {lines}, but `legs_max` of [limits.calls] is {legs}: a line is a leg"
            );
        }
        raw.limits.store.check().map_err(anyhow::Error::msg)?;
        raw.console.check().map_err(anyhow::Error::msg)?;
        raw.limits.http.check()?;
        raw.limits.host.check()?;
        raw.telemetry.check()?;
        raw.http.check(&raw.client.iter().map(|client| client.id.as_str()).collect::<Vec<_>>())?;
        let clients: Vec<Client> =
            raw.client.into_iter().map(|c| c.checked(base)).collect::<anyhow::Result<_>>()?;
        let data = base.join(&raw.host.data_dir);
        let store = match &raw.host.store {
            Some(text) => Address::parse(text, base)?,
            None => Address::Folder(data.join("store")),
        };
        raw.store.check(&store)?;
        for client in &clients {
            client.check_lock(&store)?;
        }
        let at = |given: &Option<PathBuf>, name: &str| {
            given.as_ref().map_or_else(|| data.join(name), |p| base.join(p))
        };
        let database = raw.host.database.clone();
        let paths = Paths {
            database: database.unwrap_or_else(|| format!("sqlite:{}", data.join("state.db").display())),
            store,
            spool: data.join("spool"),
            keyring: at(&raw.host.keyring, "keys/keyring"),
            ledger_key: at(&raw.host.ledger_key, "keys/ledger"),
            write_ahead: data.join("write-ahead"),
            compiled: data.join("compiled"),
            base: base.to_owned(),
            lock,
        };
        raw.limits.hosts.check()?;
        if let Some(hosts) = &raw.hosts {
            hosts.check(&paths)?;
        }
        let siprec = raw.siprec.located(base);
        let (host, keys) = (raw.host.located(base), raw.keys.located(base)?);
        let timestamps = raw.timestamps.map(|timestamps| timestamps.located(base)).transpose()?;
        Ok(Self {
            host,
            paths,
            hosts: raw.hosts,
            http: raw.http.located(base),
            keys,
            timestamps,
            limits: raw.limits,
            console: raw.console,
            store: raw.store,
            media: raw.media,
            siprec,
            clients,
            ingest,
            telemetry: raw.telemetry,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("caveat.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, wanted: &[&str]| {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(wanted.iter().all(|w| error.contains(w)), "{text}\n{error}");
        };
        check("[host]\nname = \"a\"\nlisten_ = \"x\"\n", &["caveat.toml", "line 3", "`listen`"]);
        check("[host]\nlisten = \"nowhere\"\n", &["line 2", "socket address"]);
        check("[[client]]\nid = \"A B\"\n", &["line 2", "client id"]);
        check("[[client]]\nid = \"a\"\n", &["no active pack"]);
        check("[[client]]\nid = \"a\"\ntrusted-pack-keys = [\"a+b\"]\n", &["line 3", "no verifier key"]);
        check("[[client]]\nid = \"a\"\ntrusted-pack-keys = []\n", &["client `a`", "names no key"]);
        check(
            "[[client]]\nid = \"a\"\npause-keys = \"x\"\n[[client.pack]]\nfile = \"p\"\n",
            &["client `a`", "pause-keys"],
        );
        let hook = |rest: &str| {
            format!(
                "[[client]]\nid = \"a\"\n[[client.pack]]\nfile = \"p\"\n[[client.webhook]]\nurl = \"https://a.example\"\n{rest}\n"
            )
        };
        check(&hook("events = [\"state\"]"), &["client `a`", "https://a.example", "secret-env"]);
        check(&hook("secret-env = \"X\"\nevents = []"), &["`events` is empty"]);
        check(&hook("events = [\"states\"]"), &["line 7", "`state`"]);
        let client =
            |more: &str| format!("[[client]]\nid = \"a\"\n{more}\n[[client.pack]]\nfile = \"x.wasm\"\n");
        check(&client("[client.twilio]\npublic-url = \"rec.example.com\""), &["client `a`", "wss://"]);
        check(&client("[[client.audiohook]]\napi-key = \"\""), &["client `a`", "api-key"]);
        check("[audiosocket]\nlisten = \"127.0.0.1:1\"\nclient = \"b\"\n", &["client `b`"]);
        check("[limits.calls]\nlate_window_s = 1\n", &["line 2", "`late_window_ms`"]);
        check("[siprec]\nlisten-upd = \"127.0.0.1:5060\"\n", &["line 2", "`listen-udp`"]);
        check("[[siprec.trunk]]\nname = \"a\"\nclient = \"b\"\n", &["siprec trunk `a`", "no client `b`"]);
        check("[limits.siprec]\nlines_max = 9\n", &["`legs_max`"]);
        check("[host]\nstore = \"ftp://x\"\n", &["ftp://x", "s3://BUCKET"]);
        check("[store]\nregion = \"x\"\n", &["is a folder"]);
        check(
            "[[http.machine]]\nname = \"m\"\ncertificate = \"m.example\"\nclient = \"b\"\nscopes = [\"capture\"]\n",
            &["`m`", "no client `b`"],
        );
        check("[http.tls]\ncertificate = \"c\"\n", &["line 1", "`key`"]);
        check("[limits.http]\nhandshakes_max = 0\n", &["`handshakes_max`"]);
        check("[store]\nsecret = \"x\"\n", &["line 2", "`secret-env`"]);
        check("[limits.store]\nretry_ms = 0\n", &["`retry_ms`"]);
        check("[hosts]\n", &["[hosts]", "PostgreSQL"]);
        check("[host]\ndatabase = \"postgres://a@b/c\"\n[hosts]\n", &["[hosts]", "s3://"]);
        check("[hosts]\nurl = \"10.0.0.5\"\n", &["`url`", "http://"]);
        check("[limits.hosts]\nlease_ms = 1\n", &["`lease_ms`"]);
        let locked = |placement: &str| {
            let more = format!("placement = {{ {placement} }}");
            format!("[host]\nstore = \"s3://calls\"\n{}", client(&more))
        };
        check(&locked("lock-days = 1"), &["client `a`", "`immutable = true`"]);
        check(&locked("traits = { immutable = true }"), &["client `a`", "`lock-days`"]);
        check(&client("placement = { lock-days = 1 }"), &["client `a`", "only s3://"]);
    }

    #[test]
    fn an_empty_file_gives_the_embedded_defaults() {
        let config = read("").unwrap();
        assert!(config.clients.is_empty() && config.host.listen.ip().is_loopback());
        assert!(config.paths.database.starts_with("sqlite:"));
    }

    #[test]
    fn the_examples_are_valid() {
        for example in ["quickstart", "siprec"] {
            let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
            let config = Config::read(&examples.join(example).join("caveat.toml")).unwrap();
            assert!(!config.clients.is_empty());
        }
    }
}
