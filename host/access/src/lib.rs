//! Who is let in, and what each may do: people, roles, password and second factor, sessions, machine tokens.
//!
//! Never keeps a secret that it could give away: passwords as argon2id, tokens as SHA-256, TOTP secrets sealed by the
//! vault through [`SecretBox`]. Never reads a pack and never hands out a recording: what it permits, packs then rule on.
//! Everything lies inside one client. Start at [`Access`], then [`SignedIn::permit`], then the table in [`roles`].

mod account;
mod error;
mod limits;
mod machine;
mod password;
mod people;
pub mod roles;
mod session;
mod signed_in;
mod token;
mod totp;
mod words;

use std::{fmt, sync::Arc};

use caveat_model::{ClientId, Clock};
use caveat_state::Db;

pub use error::AccessError;
pub use limits::Limits;
pub use machine::{Machine, MachineToken, Scope, TokenRecord};
pub use people::{Enrolment, NewPerson, PersonRecord};
pub use roles::{Action, needs_step_up, needs_two_people, permitted};
pub use session::NewSession;
pub use signed_in::SignedIn;
pub use token::SessionToken;

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
}

impl Access {
    /// Brings its tables up to date and checks `limits`.
    ///
    /// # Errors
    /// [`AccessError::Limit`] when a limit makes no sense or is weaker than PCI DSS 4.0.1 allows; [`AccessError::State`].
    pub async fn open(
        db: Db,
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn SecretBox>,
        limits: Limits,
    ) -> Result<Self, AccessError> {
        limits.check()?;
        db.migrate("access", MIGRATIONS).await?;
        let hasher = Hasher::new(&limits)?;
        let decoy = Decoy::prepare(&db, &hasher).await?;
        Ok(Self(Arc::new(Inner { db, clock, secrets, limits, hasher, decoy })))
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

const MIGRATIONS: &[&str] = &["
CREATE TABLE access_person (
    client              TEXT   NOT NULL,
    id                  TEXT   NOT NULL,
    name                TEXT   NOT NULL,
    role                TEXT   NOT NULL,
    function            TEXT   NOT NULL,
    standing            TEXT   NOT NULL,
    password_hash       TEXT   NOT NULL,
    password_changed_ms BIGINT NOT NULL,
    totp_sealed         BYTEA  NOT NULL,
    totp_step           BIGINT NOT NULL, -- the last one used: none up to it is taken again
    failures            BIGINT NOT NULL,
    wait_until_ms       BIGINT NOT NULL, -- no attempt before it counts
    attempts            BIGINT NOT NULL, -- grows with every attempt: the compare-and-swap of `failures`
    created_ms          BIGINT NOT NULL,
    last_used_ms        BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE TABLE access_former_password (
    client        TEXT   NOT NULL,
    person        TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    replaced_ms   BIGINT NOT NULL,
    PRIMARY KEY (client, person, password_hash)
);
CREATE TABLE access_session (
    token_hash  BYTEA  PRIMARY KEY,
    client      TEXT   NOT NULL,
    person      TEXT   NOT NULL,
    origin      TEXT   NOT NULL,
    began_ms    BIGINT NOT NULL,
    used_ms     BIGINT NOT NULL,
    password_ms BIGINT NOT NULL,
    totp_ms     BIGINT NOT NULL,
    unused_days BIGINT NOT NULL
);
CREATE INDEX access_session_person ON access_session (client, person);
CREATE INDEX access_session_began ON access_session (began_ms);
CREATE TABLE access_machine (
    id          TEXT   PRIMARY KEY,
    client      TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    scopes      TEXT   NOT NULL, -- words, one space between
    secret_hash BYTEA  NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL,
    revoked_ms  BIGINT NOT NULL, -- 0: not revoked
    used_ms     BIGINT NOT NULL  -- to the hour; 0: never
);
CREATE INDEX access_machine_client ON access_machine (client);
"];
