//! Machine tokens: scoped, hashed, expiring. `cvt_ID_SECRET`; the id finds the row, the secret is compared.

use std::{collections::BTreeSet, fmt};

use caveat_model::{ClientId, Moment};
use caveat_state::{Purpose, sql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{
    Access, AccessError,
    account::{millis, moment},
    token,
    words::{from_word, word},
};

/// What a machine may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "TokenScope")]
pub enum Scope {
    /// Offer calls and their audio.
    Capture,
    /// Tell what happens on a call: pause, resume, keys, words.
    CallEvents,
    /// Read what the API shows, without audio.
    ReadApi,
    /// Administer the client.
    Admin,
}

/// A new token. The text is shown once; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MachineToken {
    /// Names the token, in lists and to revoke it. No secret.
    pub id: String,
    text: String,
}

/// A machine that showed a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Whose machine. Nothing of another client is its.
    pub client: ClientId,
    /// The token's id.
    pub id: String,
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

/// A machine that proves itself by a certificate of the authority that the host trusts, instead of by a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sidecar {
    /// Names the machine, in the log.
    pub name: String,
    /// A name (DNS or URI) that its certificate has to carry as a subject alternative name.
    pub certificate: String,
    /// Whose machine. Nothing of another client is its.
    pub client: ClientId,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

/// The names of a client certificate that was found good at the socket. Made there and nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownCertificate {
    /// DNS and URI names, as the certificate has them.
    pub names: Vec<String>,
}

/// A token as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TokenRecord {
    /// Names the token.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created: Moment,
    /// From when on it is good for nothing.
    pub expires: Moment,
    /// When it was revoked.
    pub revoked: Option<Moment>,
    /// When it was last used, to the hour.
    pub used: Option<Moment>,
}

const PREFIX: &str = "cvt_";
const ID_CHARS: usize = 16;
const HOUR_MS: i64 = 3_600_000;

impl Access {
    /// Makes a token for a machine of `client`.
    ///
    /// # Errors
    /// [`AccessError::Unusable`] for an empty name, no scope, or days outside 1 to the limit.
    pub async fn create_token(
        &self,
        client: &ClientId,
        name: &str,
        scopes: BTreeSet<Scope>,
        valid_days: u32,
    ) -> Result<MachineToken, AccessError> {
        self.check_token(name, &scopes, valid_days)?;
        let id = format!("{:016x}", rand::random::<u64>());
        let secret = token::random_secret();
        let now = self.0.clock.now();
        sqlx::query(
            "INSERT INTO access_machine (id, client, name, scopes, secret_hash, created_ms, expires_ms, revoked_ms,
                 used_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)",
        )
        .bind(id.as_str())
        .bind(client.as_str())
        .bind(name)
        .bind(scopes.iter().map(word).collect::<Vec<_>>().join(" "))
        .bind(token::digest(&secret))
        .bind(millis(now))
        .bind(millis(now.plus_days(valid_days.into())))
        .execute(self.0.db.of(client))
        .await
        .map_err(sql("create a machine token"))?;
        Ok(MachineToken { text: format!("{PREFIX}{id}_{secret}"), id })
    }

    /// The machine that has `token`, if it is good for `scope`.
    ///
    /// # Errors
    /// [`AccessError::NoToken`], [`AccessError::Scope`].
    pub async fn machine(&self, token: &str, scope: Scope) -> Result<Machine, AccessError> {
        let (id, secret) = split(token).ok_or(AccessError::NoToken)?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, client, name, scopes, secret_hash, created_ms, expires_ms, revoked_ms, used_ms
             FROM access_machine WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(self.0.db.across(Purpose::SignIn))
        .await
        .map_err(sql("read a machine token"))?;
        let now = self.0.clock.now();
        let kept = row.as_ref().map_or(&[0; 32][..], |row| &row.secret_hash);
        let right = bool::from(token::digest(secret).as_slice().ct_eq(kept));
        let row = row.filter(|row| right && row.revoked_ms == 0 && millis(now) < row.expires_ms);
        let row = row.ok_or(AccessError::NoToken)?;
        let machine = row.machine()?;
        machine.permit(scope, &machine.client)?;
        if millis(now) - row.used_ms >= HOUR_MS {
            sqlx::query("UPDATE access_machine SET used_ms = $1 WHERE id = $2 AND used_ms < $1")
                .bind(millis(now))
                .bind(row.id)
                .execute(self.0.db.of(&machine.client))
                .await
                .map_err(sql("note the use of a machine token"))?;
        }
        Ok(machine)
    }

    /// The machine that showed `certificate`, if the configuration names one and it is good for `scope`.
    ///
    /// # Errors
    /// [`AccessError::NoSidecar`], [`AccessError::Scope`].
    pub fn sidecar(&self, certificate: &ShownCertificate, scope: Scope) -> Result<Machine, AccessError> {
        let known = self.0.ways.sidecars.iter().find(|s| certificate.names.contains(&s.certificate));
        let known = known.ok_or(AccessError::NoSidecar)?;
        let (client, name, scopes) = (known.client.clone(), known.name.clone(), known.scopes.clone());
        let machine = Machine { client, id: format!("certificate {name}"), name, scopes };
        machine.permit(scope, &machine.client)?;
        Ok(machine)
    }

    /// Revokes the token `id` of `client`, from now on and for good. One revoked already stays so.
    ///
    /// # Errors
    /// [`AccessError::NoToken`] when the client has none of that id.
    pub async fn revoke_token(&self, client: &ClientId, id: &str) -> Result<(), AccessError> {
        let revoked = sqlx::query(
            "UPDATE access_machine SET revoked_ms = CASE WHEN revoked_ms = 0 THEN $1 ELSE revoked_ms END
             WHERE client = $2 AND id = $3",
        )
        .bind(millis(self.0.clock.now()).max(1))
        .bind(client.as_str())
        .bind(id)
        .execute(self.0.db.of(client))
        .await
        .map_err(sql("revoke a machine token"))?;
        if revoked.rows_affected() == 0 { Err(AccessError::NoToken) } else { Ok(()) }
    }

    /// The tokens of a client, in the order they were made.
    pub async fn list_tokens(&self, client: &ClientId) -> Result<Vec<TokenRecord>, AccessError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, client, name, scopes, secret_hash, created_ms, expires_ms, revoked_ms, used_ms
             FROM access_machine WHERE client = $1 ORDER BY created_ms, id",
        )
        .bind(client.as_str())
        .fetch_all(self.0.db.of(client))
        .await
        .map_err(sql("list machine tokens"))?;
        let unless_never = |ms: i64| (ms > 0).then(|| moment(ms));
        rows.into_iter()
            .map(|row| {
                Ok(TokenRecord {
                    scopes: row.machine()?.scopes,
                    id: row.id,
                    name: row.name,
                    created: moment(row.created_ms),
                    expires: moment(row.expires_ms),
                    revoked: unless_never(row.revoked_ms),
                    used: unless_never(row.used_ms),
                })
            })
            .collect()
    }

    fn check_token(&self, name: &str, scopes: &BTreeSet<Scope>, valid_days: u32) -> Result<(), AccessError> {
        let (chars_max, days_max) = (self.limits().name_chars_max, self.limits().machine_token_days_max);
        let (what, why) = if name.trim().is_empty()
            || name.chars().count() > chars_max
            || name.chars().any(char::is_control)
        {
            ("the name of the token", format!("1 to {chars_max} printable characters are wanted"))
        } else if scopes.is_empty() {
            ("the token", "it would be good for nothing: give it a scope".to_owned())
        } else if !(1..=days_max).contains(&valid_days) {
            ("the life of the token", format!("1 to {days_max} days are wanted"))
        } else {
            return Ok(());
        };
        Err(AccessError::Unusable { what, why })
    }
}

impl Machine {
    /// Whether this machine may do `scope` to something of `client`.
    ///
    /// # Errors
    /// [`AccessError::Scope`].
    pub fn permit(&self, scope: Scope, client: &ClientId) -> Result<(), AccessError> {
        if self.client == *client && self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(AccessError::Scope { scope })
        }
    }
}

impl MachineToken {
    /// The text to hand to the machine, and to no log.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for MachineToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineToken({PREFIX}{}_..)", self.id)
    }
}

fn split(token: &str) -> Option<(&str, &str)> {
    let rest = token.strip_prefix(PREFIX)?;
    let (id, secret) = rest.split_at_checked(ID_CHARS)?;
    let secret = secret.strip_prefix('_')?;
    (id.bytes().all(|b| b.is_ascii_hexdigit()) && token::well_formed(secret)).then_some((id, secret))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    client: String,
    name: String,
    scopes: String,
    secret_hash: Vec<u8>,
    created_ms: i64,
    expires_ms: i64,
    revoked_ms: i64,
    used_ms: i64,
}

impl Row {
    fn machine(&self) -> Result<Machine, AccessError> {
        let corrupt = |column| AccessError::Corrupt { table: "access_machine", column, row: self.id.clone() };
        let scopes = self.scopes.split(' ').map(from_word).collect::<Option<BTreeSet<Scope>>>();
        Ok(Machine {
            client: self.client.parse().map_err(|_| corrupt("client"))?,
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: scopes.ok_or_else(|| corrupt("scopes"))?,
        })
    }
}
