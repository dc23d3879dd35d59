//! Where clients' keys are, as `caveat.toml` says, and the secrets that open the way to them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use caveat_vault::{AwsKms, AwsKmsConfig, KeySource, Keyring, Transit, TransitConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::Config;

/// Where systemd puts a service's credentials (`LoadCredential=`, `LoadCredentialEncrypted=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// `[keys]`: a service that keeps the keys; without one, the keyring does.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Keys {
    transit: Option<OfTransit>,
    aws_kms: Option<AwsKmsConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OfTransit {
    url: String,
    mount: Option<String>,
    prefix: Option<String>,
    answer_ms: Option<u64>,
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    token_credential: Option<String>,
}

/// Places where a secret may lie, of which one is named.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Secret<'a> {
    /// What they are called in the configuration, before `-env`, `-file` and `-credential`.
    pub(crate) name: &'static str,
    /// A variable of the environment.
    pub(crate) env: Option<&'a str>,
    /// A file.
    pub(crate) file: Option<&'a PathBuf>,
    /// A credential that systemd hands over.
    pub(crate) credential: Option<&'a str>,
}

impl Secret<'_> {
    /// The secret, without a line's end; none where no place is named. No error quotes it.
    pub(crate) fn read(self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let Self { name, env: variable, file, credential } = self;
        let text = match (variable, file, credential) {
            (None, None, None) => return Ok(None),
            (Some(variable), None, None) => env::var(variable).map_err(|_| {
                anyhow::anyhow!("{name}-env names {variable}, which is not set to a text in the environment")
            })?,
            (None, Some(file), None) => {
                fs::read_to_string(file).with_context(|| format!("{name}-file names {}", file.display()))?
            }
            (None, None, Some(credential)) => {
                let dir = env::var_os(CREDENTIALS).with_context(|| {
                    format!(
                        "{name}-credential needs a service of systemd with LoadCredential={credential}:FILE"
                    )
                })?;
                let file = PathBuf::from(dir).join(credential);
                fs::read_to_string(&file).with_context(|| format!("{name}-credential: {}", file.display()))?
            }
            _ => bail!("`{name}-env`, `{name}-file` and `{name}-credential` exclude each other: keep one"),
        };
        let text = Zeroizing::new(text);
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            bail!("the secret that `{name}-...` names is empty");
        }
        Ok(Some(Zeroizing::new(trimmed.to_owned())))
    }
}

impl Keys {
    /// Checked, with paths that start at `base`.
    pub(crate) fn located(mut self, base: &Path) -> anyhow::Result<Self> {
        if self.transit.is_some() && self.aws_kms.is_some() {
            bail!("[keys.transit] and [keys.aws-kms] exclude each other: keep one");
        }
        if let Some(transit) = &mut self.transit {
            transit.token_file = transit.token_file.take().map(|file| base.join(file));
        }
        Ok(self)
    }
}

/// Opens the way to the keys.
pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<dyn KeySource>> {
    Ok(match (&config.keys.transit, &config.keys.aws_kms) {
        (Some(transit), _) => Arc::new(transit.open().context("[keys.transit]")?),
        (None, Some(kms)) => Arc::new(of_aws(kms).context("[keys.aws-kms]")?),
        (None, None) => {
            let passphrase = config.host.keyring_passphrase().read()?;
            Arc::new(Keyring::open(&config.paths.keyring, passphrase.as_ref().map(|p| p.as_str()))?)
        }
    })
}

/// Credentials as every tool of AWS takes them from the environment.
fn of_aws(config: &AwsKmsConfig) -> anyhow::Result<AwsKms> {
    let of = |variable: &'static str| {
        let set = env::var(variable).map(Zeroizing::new);
        set.with_context(|| format!("{variable} is not set: credentials come from the environment"))
    };
    let (access_key, secret) = (of("AWS_ACCESS_KEY_ID")?, of("AWS_SECRET_ACCESS_KEY")?);
    Ok(AwsKms::new(config.clone(), &access_key, &secret, env::var("AWS_SESSION_TOKEN").ok())?)
}

impl OfTransit {
    fn open(&self) -> anyhow::Result<Transit> {
        let secret = Secret {
            name: "token",
            env: self.token_env.as_deref(),
            file: self.token_file.as_ref(),
            credential: self.token_credential.as_deref(),
        };
        let token = secret
            .read()?
            .context("no token: name one by `token-env`, `token-file` or `token-credential`")?;
        let mut config = TransitConfig::at(&self.url);
        config.mount = self.mount.clone().unwrap_or(config.mount);
        config.prefix = self.prefix.clone().unwrap_or(config.prefix);
        config.answer_ms = self.answer_ms.unwrap_or(config.answer_ms);
        Ok(Transit::new(config, token)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_secret_comes_from_one_place_and_is_never_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passphrase");
        fs::write(&file, "correct horse\n").unwrap();
        let of = |file, env| Secret { name: "keyring-passphrase", env, file, credential: None };
        assert_eq!(of(Some(&file), None).read().unwrap().unwrap().as_str(), "correct horse");
        assert!(of(None, None).read().unwrap().is_none());
        let both = of(Some(&file), Some("PATH")).read().unwrap_err().to_string();
        assert!(both.contains("exclude each other") && !both.contains("horse"), "{both}");
        let unset = of(None, Some("CAVEAT_NO_SUCH")).read().unwrap_err().to_string();
        assert!(unset.contains("CAVEAT_NO_SUCH"), "{unset}");
        fs::write(&file, "\n").unwrap();
        assert!(of(Some(&file), None).read().unwrap_err().to_string().contains("empty"));
    }
}
