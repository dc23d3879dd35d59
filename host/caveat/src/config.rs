//! `caveat.toml`: raw words in, valid types out. Everything is checked before a socket opens.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use caveat_access::WaysIn;
use caveat_api::{HookEvents, Webhook, WebhookLimits};
use caveat_model::{
    Attribute, AttributeValue, Cipher, ClientId, KeyState, Mode, Placement, PlacementTraits, Purpose, Region,
    StoreKind,
};
use caveat_notes::VerifierKey;
use caveat_packs::{Trust, WrittenSettings};
use caveat_recorder::{AfterCall, Announcement, ClientProfile, Practice, Quota};
use caveat_stores::{Address, Settings};
use caveat_vault::Suite;
use serde::Deserialize;

use crate::hosts::{self, Hosts};
use crate::http::Http;
use crate::identity::RawProvider;
use crate::ingest::{Ingest, OfClient, RawAudioHook, RawAudioSocket, RawFolder, RawTwilio};
use crate::keys::{Keys, Secret};
use crate::operation;
use crate::telemetry::Telemetry;
use crate::timestamps::Timestamps;

/// Bytes of a webhook's secret at least.
const SECRET_BYTES_MIN: usize = 16;

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

/// A client and its packs.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) profile: ClientProfile,
    /// For how many days at least the store locks its recordings; none: it does not.
    pub(crate) lock_days: Option<u32>,
    /// What its recordings and keys are sealed with, unless a pack asks for the other suite.
    pub(crate) cipher: Suite,
    pub(crate) packs: Vec<PackChoice>,
    /// Where its systems are told what happens on its calls.
    pub(crate) webhooks: Vec<HookChoice>,
    /// Identity providers of its people.
    oidc: Vec<RawProvider>,
    /// Whose packs it takes; none: anybody's.
    trusted_pack_keys: Option<Vec<VerifierKey>>,
}

/// A pack as a client uses it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackChoice {
    /// The pack's file; relative to the configuration.
    pub(crate) file: PathBuf,
    #[serde(default)]
    pub(crate) mode: Mode,
    #[serde(default)]
    settings: toml::Table,
    /// The settings, and where they are written.
    #[serde(skip)]
    pub(crate) written: WrittenSettings,
}

/// A webhook as a client describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HookChoice {
    url: String,
    /// Environment variable that holds the secret of its signatures.
    secret_env: Option<String>,
    /// File that holds it, without white space at its ends; relative to the configuration.
    secret_file: Option<PathBuf>,
    events: BTreeSet<HookEvents>,
}

/// A notice of recording that the host can play.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnouncementChoice {
    language: String,
    /// A WAV of one channel, 16 bits, 8,000 Hz; relative to the configuration.
    file: PathBuf,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawClient {
    id: ClientId,
    recorder_region: Option<Region>,
    #[serde(default)]
    purposes: Vec<Purpose>,
    #[serde(default)]
    can_pause: bool,
    #[serde(default)]
    medical_record: bool,
    #[serde(default)]
    full_need: Vec<String>,
    pause_keys: Option<String>,
    resume_keys: Option<String>,
    #[serde(default)]
    after_call: AfterCall,
    dispose_after_days: Option<u32>,
    #[serde(default)]
    quota: Quota,
    trusted_pack_keys: Option<Vec<VerifierKey>>,
    #[serde(default)]
    cipher: Suite,
    #[serde(default)]
    placement: RawPlacement,
    #[serde(default)]
    attributes: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pack: Vec<PackChoice>,
    #[serde(default)]
    webhook: Vec<HookChoice>,
    #[serde(default)]
    oidc: Vec<RawProvider>,
    #[serde(default)]
    announcement: Vec<AnnouncementChoice>,
    twilio: Option<RawTwilio>,
    #[serde(default)]
    audiohook: Vec<RawAudioHook>,
    #[serde(default)]
    watched_folder: Vec<RawFolder>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPlacement {
    region: Option<Region>,
    #[serde(default)]
    traits: PlacementTraits,
    lock_days: Option<u32>,
}

impl Config {
    /// Reads and checks a file. The error names the file, the line, what is wrong, and the nearest right name.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut raw: Raw = caveat_packs::parse_toml(path, &text)?;
        for (n, client) in raw.client.iter_mut().enumerate() {
            for (m, pack) in client.pack.iter_mut().enumerate() {
                let (at, settings) =
                    (format!("client.{n}.pack.{m}.settings"), std::mem::take(&mut pack.settings));
                pack.written = WrittenSettings::under(path, &text, &at, settings);
            }
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
        let providers = self
            .clients
            .iter()
            .flat_map(|client| client.oidc.iter().map(|provider| provider.open(&client.profile.id)));
        self.http.ways(self.host.listen, providers)
    }

    fn from_raw(raw: Raw, base: &Path, lock: PathBuf) -> anyhow::Result<Self> {
        let mut seen = HashSet::new();
        for client in &raw.client {
            if !seen.insert(&client.id) {
                bail!("client `{}` is there twice: give each client one [[client]]", client.id);
            }
            if client.trusted_pack_keys.as_ref().is_some_and(Vec::is_empty) {
                bail!(
                    "client `{}`: `trusted-pack-keys` names no key, so that no pack could load: add one (`caveat pack keygen` prints it) or leave it out",
                    client.id
                );
            }
            if client.pack.iter().all(|p| p.mode == Mode::Monitor) {
                bail!(
                    "client `{}` has no active pack, and nothing is recorded unasked: add a [[client.pack]]",
                    client.id
                );
            }
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

impl HookChoice {
    fn checked(&self) -> anyhow::Result<()> {
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            bail!("`url` does not begin with https:// or http://");
        }
        if self.events.is_empty() {
            bail!("`events` is empty: name some of \"state\", \"duty\", \"alert\"");
        }
        if self.secret_env.is_some() == self.secret_file.is_some() {
            bail!("give it one of `secret-env` and `secret-file`, which the receiver knows too");
        }
        Ok(())
    }

    /// With its secret, which is read now.
    fn open(&self, client: &ClientId) -> anyhow::Result<Webhook> {
        let secret = match (&self.secret_env, &self.secret_file) {
            (Some(name), _) => {
                std::env::var(name).with_context(|| format!("{name} is not set in the environment"))?
            }
            (None, Some(file)) => {
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
            }
            (None, None) => String::new(),
        };
        let secret = secret.trim().as_bytes().to_vec();
        if secret.len() < SECRET_BYTES_MIN {
            bail!("its secret has fewer than {SECRET_BYTES_MIN} bytes");
        }
        Ok(Webhook { client: client.clone(), url: self.url.clone(), secret, events: self.events.clone() })
    }
}

impl AnnouncementChoice {
    fn open(&self, base: &Path) -> anyhow::Result<Announcement> {
        let file = base.join(&self.file);
        let read = || {
            let bytes = std::fs::read(&file)?;
            let sound = caveat_audio::wav::telephone(&bytes)?;
            anyhow::Ok(Announcement { language: self.language.clone(), sound: Arc::new(sound) })
        };
        read().with_context(|| format!("the announcement {}", file.display()))
    }
}

impl Client {
    /// Only a store that can be asked to lock, and a client that says its recordings are immutable, go together.
    fn check_lock(&self, store: &Address) -> anyhow::Result<()> {
        let (id, immutable) = (&self.profile.id, self.profile.placement.traits.immutable);
        match self.lock_days {
            Some(0) => bail!("client `{id}`: `lock-days` is 0: give it 1 or more, or leave it out"),
            Some(_) if !matches!(store, Address::S3 { .. }) => bail!(
                "client `{id}`: `lock-days` needs a store that can be asked to lock, which only s3:// is; elsewhere, set the bucket's own retention and leave it out"
            ),
            Some(_) if !immutable => bail!(
                "client `{id}`: `lock-days` makes its recordings immutable: say `immutable = true` in its `traits` too, which packs are told"
            ),
            None if immutable && matches!(store, Address::S3 { .. }) => bail!(
                "client `{id}` says `immutable = true`, and nothing would lock its recordings: say for how many days with `lock-days`"
            ),
            _ => Ok(()),
        }
    }

    /// Those who are told what happens on its calls, with their secrets, which are read now.
    pub(crate) fn hooks(&self) -> impl Iterator<Item = anyhow::Result<Webhook>> {
        let id = &self.profile.id;
        self.webhooks
            .iter()
            .map(move |hook| hook.open(id).with_context(|| format!("client `{id}`: a webhook")))
    }

    /// `trust` with what this client asks for.
    pub(crate) fn trust(&self, trust: Trust) -> Trust {
        match &self.trusted_pack_keys {
            Some(keys) => trust.with_keys(&self.profile.id, keys.clone()),
            None => trust,
        }
    }
}

impl RawClient {
    fn sources(&self) -> OfClient {
        let (twilio, audiohook) = (self.twilio.clone(), self.audiohook.clone());
        OfClient { twilio, audiohook, folders: self.watched_folder.clone() }
    }

    fn checked(self, base: &Path) -> anyhow::Result<Client> {
        let attribute = |(name, value): (String, toml::Value)| {
            let value = match value {
                toml::Value::Boolean(x) => AttributeValue::Flag(x),
                toml::Value::Integer(x) => AttributeValue::Whole(x),
                toml::Value::String(x) => AttributeValue::Text(x),
                toml::Value::Datetime(x) => AttributeValue::When(x.to_string().parse()?),
                other => bail!("attribute `{name}`: {} is no value for a fact", other.type_str()),
            };
            Ok(Attribute { name, value })
        };
        let attributes = self.attributes.into_iter().map(attribute).collect::<anyhow::Result<_>>();
        let Quota { calls_at_once_max, kept_bytes_max, requests_per_minute_max, ruling_ms_per_second_max } =
            self.quota;
        if calls_at_once_max == Some(0)
            || kept_bytes_max == Some(0)
            || [requests_per_minute_max, ruling_ms_per_second_max].contains(&Some(0))
        {
            bail!("client `{}`: a quota is 1 or more; leave it out where there is none", self.id);
        }
        let lock_days = self.placement.lock_days;
        let practice = practice(self.pause_keys, self.resume_keys, &self.announcement, base).map(|p| {
            let (after_call, dispose_after_days) = (self.after_call, self.dispose_after_days);
            Practice { after_call, dispose_after_days, quota: self.quota, ..p }
        });
        let profile = ClientProfile {
            practice: practice.with_context(|| format!("client `{}`", self.id))?,
            attributes: attributes.with_context(|| format!("client `{}`", self.id))?,
            placement: Placement {
                kind: StoreKind::Primary,
                region: self.placement.region.or_else(|| self.recorder_region.clone()),
                cipher: Cipher::None,
                key: KeyState::None,
                traits: self.placement.traits,
            },
            id: self.id,
            recorder_region: self.recorder_region,
            purposes: self.purposes,
            can_pause: self.can_pause,
            medical_record: self.medical_record,
            full_need: self.full_need,
        };
        let located = |pack: PackChoice| PackChoice { file: base.join(&pack.file), ..pack };
        let packs = self.pack.into_iter().map(located).collect();
        let located =
            |hook: HookChoice| HookChoice { secret_file: hook.secret_file.map(|f| base.join(f)), ..hook };
        let webhooks: Vec<HookChoice> = self.webhook.into_iter().map(located).collect();
        for hook in &webhooks {
            hook.checked().with_context(|| format!("client `{}`, webhook {}", profile.id, hook.url))?;
        }
        Ok(Client {
            profile,
            lock_days,
            cipher: self.cipher,
            packs,
            webhooks,
            oidc: self.oidc.into_iter().map(|provider| provider.located(base)).collect(),
            trusted_pack_keys: self.trusted_pack_keys,
        })
    }
}

/// What agents key, checked: short, and neither the end of the other; and what is played.
fn practice(
    pause_keys: Option<String>,
    resume_keys: Option<String>,
    announcements: &[AnnouncementChoice],
    base: &Path,
) -> anyhow::Result<Practice> {
    for (name, keys) in [("pause-keys", &pause_keys), ("resume-keys", &resume_keys)] {
        let Some(keys) = keys else { continue };
        if !(2..=8).contains(&keys.len()) || !keys.chars().all(|c| "0123456789*#ABCD".contains(c)) {
            bail!("`{name}`: 2 to 8 of 0-9, *, #, A-D are wanted, for example \"*71\"");
        }
    }
    if let (Some(pause), Some(resume)) = (&pause_keys, &resume_keys)
        && (pause.ends_with(resume.as_str()) || resume.ends_with(pause.as_str()))
    {
        bail!("`pause-keys` and `resume-keys` end alike, so that one could be taken for the other");
    }
    let announcements = announcements.iter().map(|a| a.open(base)).collect::<anyhow::Result<_>>()?;
    Ok(Practice { pause_keys, resume_keys, announcements, ..Practice::default() })
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
