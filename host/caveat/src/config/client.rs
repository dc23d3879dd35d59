//! A client as `[[client]]` describes it: raw words in, what it records by out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use caveat_access::Provider;
use caveat_api::{HookEvents, Webhook};
use caveat_model::{
    Attribute, AttributeValue, Cipher, ClientId, KeyState, Mode, Placement, PlacementTraits, Purpose, Region,
    StoreKind,
};
use caveat_notes::VerifierKey;
use caveat_packs::{Trust, WrittenSettings};
use caveat_recorder::{AfterCall, Announcement, ClientProfile, Practice, Quota};
use caveat_stores::Address;
use caveat_vault::Suite;
use serde::Deserialize;

use crate::identity::RawProvider;
use crate::ingest::{OfClient, RawAudioHook, RawFolder, RawTwilio};

/// Bytes of a webhook's secret at least.
const SECRET_BYTES_MIN: usize = 16;

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
    webhooks: Vec<HookChoice>,
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
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawClient {
    pub(super) id: ClientId,
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

impl Client {
    /// Only a store that can be asked to lock, and a client that says its recordings are immutable, go together.
    pub(super) fn check_lock(&self, store: &Address) -> anyhow::Result<()> {
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

    /// Ways in that its identity providers are, with their secrets, which are read now.
    pub(super) fn providers(&self) -> impl Iterator<Item = anyhow::Result<Provider>> {
        self.oidc.iter().map(|provider| provider.open(&self.profile.id))
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
    /// Has each pack's settings know where they are written: this is client `n` of the file at `path`.
    pub(super) fn settings_written(&mut self, path: &Path, text: &str, n: usize) {
        for (m, pack) in self.pack.iter_mut().enumerate() {
            let (at, settings) =
                (format!("client.{n}.pack.{m}.settings"), std::mem::take(&mut pack.settings));
            pack.written = WrittenSettings::under(path, text, &at, settings);
        }
    }

    /// Some pack rules, and some pack can be loaded.
    pub(super) fn check_packs(&self) -> anyhow::Result<()> {
        if self.trusted_pack_keys.as_ref().is_some_and(Vec::is_empty) {
            bail!(
                "client `{}`: `trusted-pack-keys` names no key, so that no pack could load: add one (`caveat pack keygen` prints it) or leave it out",
                self.id
            );
        }
        if self.pack.iter().all(|p| p.mode == Mode::Monitor) {
            bail!(
                "client `{}` has no active pack, and nothing is recorded unasked: add a [[client.pack]]",
                self.id
            );
        }
        Ok(())
    }

    pub(super) fn sources(&self) -> OfClient {
        let (twilio, audiohook) = (self.twilio.clone(), self.audiohook.clone());
        OfClient { twilio, audiohook, folders: self.watched_folder.clone() }
    }

    pub(super) fn checked(self, base: &Path) -> anyhow::Result<Client> {
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
