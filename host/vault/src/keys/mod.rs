//! Where clients' keys come from: the seam to a key management service, and a file that serves as one.

mod keyring;
mod kms;
mod service;
mod transit;

use caveat_model::ClientId;
use zeroize::Zeroizing;

pub use keyring::Keyring;
pub use kms::{AwsKms, AwsKmsConfig};
pub use transit::{Transit, TransitConfig};

use crate::{Suite, VaultError, once::context};

/// Wraps page keys under a client's key, which never leaves it. A client's key has versions: the newest wraps, every one
/// that is left unwraps. May block: the vault calls it from a blocking thread.
pub trait KeySource: Send + Sync + 'static {
    /// Seals `plain` so that only [`KeySource::unwrap_key`] for the same client opens it. A client's first use makes its
    /// key. `suite` is for sources that encrypt in this process.
    fn wrap(&self, client: &ClientId, suite: Suite, plain: &[u8]) -> Result<Vec<u8>, VaultError>;
    /// Opens what [`KeySource::wrap`] sealed for this client.
    fn unwrap_key(&self, client: &ClientId, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError>;
    /// What it is, for people; no secrets.
    fn describe(&self) -> &str;

    /// The versions of a client's key that are left, oldest first; none before its first use.
    fn versions(&self, client: &ClientId) -> Result<Vec<u32>, VaultError>;
    /// Which version wrapped it.
    fn version_of(&self, client: &ClientId, wrapped: &[u8]) -> Result<u32, VaultError>;
    /// Makes another version, which wraps from now on; its number.
    fn rotate(&self, client: &ClientId) -> Result<u32, VaultError>;
    /// Destroys every version before this one. What they wrapped never opens again.
    fn destroy_before(&self, client: &ClientId, version: u32) -> Result<(), VaultError>;
}

/// What a wrapped key is bound to, whatever wraps it.
fn bound_to(client: &ClientId) -> Vec<u8> {
    context(&[b"wrap", client.as_str().as_bytes()])
}
