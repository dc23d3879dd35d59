//! `[[client.oidc]]`: identity providers of a client.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use caveat_access::Provider;
use caveat_model::ClientId;
use serde::Deserialize;

/// An identity provider as a client describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProvider {
    /// In routes.
    name: String,
    /// On the button; the name, if it is not there.
    label: Option<String>,
    issuer: String,
    /// What the provider calls this host.
    client_id: String,
    /// Environment variable that holds what this host proves itself with there.
    secret_env: Option<String>,
    /// File that holds it, without white space at its ends; relative to the configuration.
    secret_file: Option<PathBuf>,
    /// Asked for beside `openid`.
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default = "preferred_username")]
    person_claim: String,
    #[serde(default = "mfa")]
    second_factor_amr: BTreeSet<String>,
    #[serde(default)]
    second_factor_acr: BTreeSet<String>,
}

fn preferred_username() -> String {
    "preferred_username".into()
}

/// RFC 8176, section 2: multiple-factor authentication was performed.
fn mfa() -> BTreeSet<String> {
    ["mfa".to_owned()].into()
}

impl RawProvider {
    pub(crate) fn located(self, base: &Path) -> Self {
        Self { secret_file: self.secret_file.map(|file| base.join(file)), ..self }
    }

    /// With its secret, which is read now; without one it is PKCE alone that binds the code to this host.
    pub(crate) fn open(&self, client: &ClientId) -> anyhow::Result<Provider> {
        let about = || format!("client `{client}`, identity provider `{}`", self.name);
        let secret = match (&self.secret_env, &self.secret_file) {
            (Some(_), Some(_)) => bail!("{}: give it one of `secret-env` and `secret-file`", about()),
            (Some(name), None) => Some(
                std::env::var(name)
                    .with_context(|| format!("{}: {name} is not set in the environment", about()))?,
            ),
            (None, Some(file)) => Some(
                std::fs::read_to_string(file)
                    .with_context(|| format!("{}: cannot read {}", about(), file.display()))?,
            ),
            (None, None) => None,
        };
        Ok(Provider {
            client: client.clone(),
            name: self.name.clone(),
            label: self.label.clone().unwrap_or_else(|| self.name.clone()),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            secret: secret.map(|secret| secret.trim().to_owned().into()),
            scopes: self.scopes.clone(),
            person_claim: self.person_claim.clone(),
            second_factor_amr: self.second_factor_amr.clone(),
            second_factor_acr: self.second_factor_acr.clone(),
        })
    }
}
