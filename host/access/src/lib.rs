//! Who is let in, and what each may do: people, roles, password and second factor, passkeys, identity providers, sessions,
//! machine tokens.
//!
//! Never keeps a secret that it could give away: passwords as argon2id, tokens and recovery codes as SHA-256, TOTP secrets
//! and what a sign-in under way has to remember sealed by the vault through [`SecretBox`]. Never reads a pack and never hands out a recording: what it permits, packs then rule on.
//! Everything lies inside one client. Start at [`Access`], then [`SignedIn::permit`], then the table in [`roles`].

mod account;
mod ceremony;
mod enrolment;
mod error;
mod factors;
mod limits;
mod machine;
mod markdown;
mod passkeys;
mod password;
mod people;
mod provider;
mod recovery;
pub mod roles;
mod session;
mod signed_in;
mod tables;
mod token;
mod totp;
mod ways;
mod words;

use std::{fmt, sync::Arc};

use caveat_model::{ClientId, Clock};
use caveat_state::{Db, StateError};

pub use ceremony::{Ceremony, Challenge};
pub use enrolment::{Enrolling, Invitation, Invited};
pub use error::AccessError;
pub use limits::Limits;
pub use machine::{Machine, MachineToken, Scope, ShownCertificate, Sidecar, TokenRecord};
pub use markdown::markdown;
pub use passkeys::PasskeyRecord;
pub use people::{Change, Enrolment, NewPerson, PersonRecord};
pub use provider::{Federated, Provider, Redirect};
pub use roles::{Action, needs_step_up, needs_two_people, permitted};
pub use session::NewSession;
pub use signed_in::SignedIn;
pub use token::SessionToken;
pub use ways::{ProviderChoice, Ways, WaysIn};

use account::Decoy;
use password::Hasher;

/// Seals small secrets for keeping in the database. The vault provides it.
///
/// `context` names what the secret is for; what was sealed for one client and context must not open for another.
pub trait SecretBox: Send + Sync + 'static {
    /// Encrypts `plain`.
    fn seal(&self, client: &ClientId, context: &str, plain: &[u8]) -> Result<Vec<u8>, String>;
    /// Decrypts what [`SecretBox::seal`] made of the same client and context.
    fn open(&self, client: &ClientId, context: &str, sealed: &[u8]) -> Result<Vec<u8>, String>;
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Arc<dyn Clock>,
    secrets: Arc<dyn SecretBox>,
    limits: Limits,
    hasher: Hasher,
    decoy: Decoy,
    ways: WaysIn,
}

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`StateError`].
pub async fn migrate(db: &Db) -> Result<(), StateError> {
    db.migrate("access", tables::MIGRATIONS, tables::ACROSS).await
}

impl Access {
    /// Brings its tables up to date and checks `limits`. People come in by password and code only.
    ///
    /// # Errors
    /// [`AccessError::Limit`] when a limit makes no sense or is weaker than PCI DSS 4.0.1 allows; [`AccessError::State`].
    pub async fn open(
        db: Db,
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn SecretBox>,
        limits: Limits,
    ) -> Result<Self, AccessError> {
        Self::open_with(db, clock, secrets, limits, WaysIn::default()).await
    }

    /// The same with further ways in.
    ///
    /// # Errors
    /// As [`Access::open`].
    pub async fn open_with(
        db: Db,
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn SecretBox>,
        limits: Limits,
        ways: WaysIn,
    ) -> Result<Self, AccessError> {
        limits.check()?;
        migrate(&db).await?;
        let hasher = Hasher::new(&limits)?;
        let decoy = Decoy::prepare(&db, &hasher).await?;
        Ok(Self(Arc::new(Inner { db, clock, secrets, limits, hasher, decoy, ways })))
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
