//! Which ways in there are, beside password and code.

use std::sync::Arc;

use caveat_model::ClientId;
use schemars::JsonSchema;
use serde::Serialize;
use webauthn_rs::{Webauthn, WebauthnBuilder, prelude::Url};

use crate::{
    Access, AccessError, Sidecar,
    provider::{Known, Provider},
};

/// Further ways in, as configured.
#[derive(Clone, Default)]
pub struct WaysIn {
    pub(crate) webauthn: Option<Arc<Webauthn>>,
    /// Where browsers reach the host; providers send people back there.
    pub(crate) public_url: Option<Url>,
    pub(crate) providers: Vec<Arc<Known>>,
    pub(crate) sidecars: Vec<Sidecar>,
}

/// Which ways in a client has, for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ways {
    /// Password and code.
    pub password: bool,
    /// Passkeys.
    pub passkey: bool,
    /// Identity providers of the client.
    pub providers: Vec<ProviderChoice>,
}

/// An identity provider that somebody may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProviderChoice {
    /// In routes.
    pub name: String,
    /// On the button.
    pub label: String,
}

impl WaysIn {
    /// Ways of a host that browsers reach at `public_url`. Passkeys are bound to its name: they need one, and no address.
    ///
    /// # Errors
    /// [`AccessError::Unusable`].
    pub fn at(public_url: &str) -> Result<Self, AccessError> {
        let unusable = |why: String| AccessError::Unusable { what: "the public URL", why };
        let url = Url::parse(public_url).map_err(|e| unusable(e.to_string()))?;
        let webauthn = match url.domain() {
            Some(domain) => {
                let built = WebauthnBuilder::new(domain, &url).and_then(|b| b.rp_name("Caveat").build());
                Some(Arc::new(built.map_err(|e| unusable(e.to_string()))?))
            }
            None => None,
        };
        Ok(Self { webauthn, public_url: Some(url), ..Self::default() })
    }

    /// And this identity provider of a client.
    ///
    /// # Errors
    /// [`AccessError::Unusable`].
    pub fn provider(mut self, provider: Provider) -> Result<Self, AccessError> {
        let twice = |p: &Arc<Known>| p.is(&provider.client, &provider.name);
        if self.providers.iter().any(twice) {
            let why = format!("client {} has two called `{}`", provider.client, provider.name);
            return Err(AccessError::Unusable { what: "the identity provider", why });
        }
        self.providers.push(Arc::new(Known::checked(provider)?));
        Ok(self)
    }

    /// And these machines, by their certificates.
    pub fn sidecars(self, sidecars: Vec<Sidecar>) -> Self {
        Self { sidecars, ..self }
    }
}

impl Access {
    /// Which ways in `client` has. Of a client that does not exist the answer is as of one without providers.
    pub fn ways(&self, client: Option<&ClientId>) -> Ways {
        let of_client = self.0.ways.providers.iter().filter(|p| client.is_some_and(|c| p.is_of(c)));
        Ways {
            password: true,
            passkey: self.0.ways.webauthn.is_some(),
            providers: of_client.map(|p| p.choice()).collect(),
        }
    }
}
