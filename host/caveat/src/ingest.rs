//! Where calls come from, as `caveat.toml` says it: words in, checked sources out. Secrets are read when a host starts.

use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use caveat_capture::{
    Sources,
    sources::{Account, ApiKey, AudioSocket, Folder, Secret},
};
use caveat_model::ClientId;
use serde::Deserialize;

/// `[audiosocket]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawAudioSocket {
    listen: SocketAddr,
    client: Option<ClientId>,
}

/// `[client.twilio]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawTwilio {
    auth_token_env: Option<String>,
    auth_token_file: Option<PathBuf>,
    public_url: String,
    account_sid: Option<String>,
    #[serde(default)]
    require_token: bool,
}

/// `[[client.audiohook]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawAudioHook {
    api_key: String,
    client_secret_env: Option<String>,
    client_secret_file: Option<PathBuf>,
    #[serde(default)]
    organizations: Vec<String>,
    authority: Option<String>,
    #[serde(default = "yes")]
    pause_stream: bool,
}

/// `[[client.watched-folder]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawFolder {
    path: PathBuf,
    #[serde(default)]
    remove_audio: bool,
}

fn yes() -> bool {
    true
}

/// The sources of one client.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfClient {
    pub(crate) twilio: Option<RawTwilio>,
    pub(crate) audiohook: Vec<RawAudioHook>,
    pub(crate) folders: Vec<RawFolder>,
}

/// All sources, with paths relative to the configuration.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    base: PathBuf,
    audiosocket: Option<RawAudioSocket>,
    clients: Vec<(ClientId, OfClient)>,
}

impl Ingest {
    /// Checks all that can be checked without secrets.
    pub(crate) fn new(
        base: &Path,
        audiosocket: Option<RawAudioSocket>,
        clients: Vec<(ClientId, OfClient)>,
    ) -> anyhow::Result<Self> {
        if let Some(client) = audiosocket.as_ref().and_then(|a| a.client.as_ref())
            && !clients.iter().any(|(id, _)| id == client)
        {
            bail!("[audiosocket] names the client `{client}`, which has no [[client]]");
        }
        let (mut keys, mut folders) = (HashSet::new(), HashSet::new());
        for (id, of) in &clients {
            if let Some(twilio) = &of.twilio
                && !["wss://", "ws://"].iter().any(|scheme| twilio.public_url.starts_with(scheme))
            {
                bail!(
                    "client `{id}`: twilio.public-url is what stands before the path in the URL that Twilio is given, such as wss://recorder.example.com"
                );
            }
            for hook in &of.audiohook {
                if hook.api_key.is_empty() || !keys.insert(&hook.api_key) {
                    bail!(
                        "client `{id}`: an audiohook.api-key is empty, or another client's too: it says whose calls they are"
                    );
                }
            }
            for folder in &of.folders {
                if !folders.insert(base.join(&folder.path)) {
                    bail!("client `{id}`: {} is watched twice", folder.path.display());
                }
            }
        }
        Ok(Self { base: base.to_owned(), audiosocket, clients })
    }

    /// The sources with their secrets.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let mut sources = Sources {
            audiosocket: self
                .audiosocket
                .clone()
                .map(|RawAudioSocket { listen, client }| AudioSocket { listen, client }),
            ..Sources::default()
        };
        for (client, of) in &self.clients {
            let about = |what: &str| format!("client `{client}`: {what}");
            if let Some(RawTwilio {
                auth_token_env,
                auth_token_file,
                public_url,
                account_sid,
                require_token,
            }) = of.twilio.clone()
            {
                let token = self.secret("auth-token", auth_token_env, auth_token_file);
                let auth_token = Secret::new(token.with_context(|| about("twilio"))?.into_bytes());
                let account = Account { auth_token, public_url, account_sid, require_token };
                sources.twilio.insert(client.clone(), account);
            }
            for hook in of.audiohook.clone() {
                let text = self
                    .secret("client-secret", hook.client_secret_env, hook.client_secret_file)
                    .with_context(|| about("audiohook"))?;
                let secret = STANDARD.decode(text).ok().filter(|secret| secret.len() >= 16).with_context(|| {
                    about("audiohook: the client secret is not base64 of 16 bytes or more; take it as it is in the integration")
                })?;
                let key = ApiKey {
                    client: client.clone(),
                    secret: Secret::new(secret),
                    organizations: hook.organizations,
                    authority: hook.authority,
                    pause_stream: hook.pause_stream,
                };
                sources.audiohook.insert(hook.api_key, key);
            }
            for RawFolder { path, remove_audio } in of.folders.clone() {
                let path = self.base.join(path);
                if !path.is_dir() {
                    bail!("{}", about(&format!("watched-folder: there is no folder {}", path.display())));
                }
                sources.folders.push(Folder { client: client.clone(), path, remove_audio });
            }
        }
        Ok(sources)
    }

    /// From the environment or from a file, without the space around it.
    fn secret(&self, key: &str, env: Option<String>, file: Option<PathBuf>) -> anyhow::Result<String> {
        let text = match (env, file) {
            (Some(name), None) => {
                std::env::var(&name).with_context(|| format!("{key}-env names {name}, which is not set"))?
            }
            (None, Some(path)) => {
                let path = self.base.join(path);
                fs::read_to_string(&path).with_context(|| format!("{key}-file: {}", path.display()))?
            }
            _ => bail!("set one of {key}-env and {key}-file"),
        };
        let text = text.trim().to_owned();
        if text.is_empty() {
            bail!("the {key} is empty");
        }
        Ok(text)
    }
}
