//! Which phone systems send calls, and how each proves whose it is; as configured, checked.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use caveat_model::ClientId;

pub use crate::{audiohook::ApiKey, twilio::Account, watched::Folder};

/// Every source that needs more than a machine token.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Twilio accounts, by client.
    pub twilio: HashMap<ClientId, Account>,
    /// AudioHook integrations, by their API key.
    pub audiohook: HashMap<String, ApiKey>,
    /// Where Asterisk connects to; none: nowhere.
    pub audiosocket: Option<AudioSocket>,
    /// Folders that recordings made elsewhere are put into.
    pub folders: Vec<Folder>,
}

/// Where Asterisk connects to.
#[derive(Debug, Clone)]
pub struct AudioSocket {
    /// The address. The protocol is neither encrypted nor authenticated: keep it where only Asterisk gets.
    pub listen: SocketAddr,
    /// Whose calls those are that nobody announced; none: they are refused.
    pub client: Option<ClientId>,
}

/// A secret in memory; never printed.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
