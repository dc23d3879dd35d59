//! What is begun in one request and finished in another: a challenge, a sign-in elsewhere. Each is good once, for a short
//! time, and what has to be remembered of it lies sealed on the server.

use caveat_model::{ClientId, PersonId};
use caveat_state::{Purpose, sql};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Access, AccessError, account::millis, token, words::word};

/// What is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceremony {
    /// A passkey is to be added.
    PasskeyRegistration,
    /// A passkey is to be shown to sign in.
    PasskeySignIn,
    /// A passkey is to be shown again.
    PasskeyStepUp,
    /// An identity provider was asked who somebody is.
    Federated,
    /// It answered, and a second factor is to be shown here.
    SecondFactor,
    /// Another secret for codes was shown, and is to be confirmed by a code.
    NewTotp,
}

/// What a browser needs to go on.
#[derive(Clone, Serialize, JsonSchema)]
pub struct Challenge {
    /// Names the ceremony. Whoever finishes it sends it back.
    pub ceremony: String,
    /// For `navigator.credentials`, as WebAuthn's JSON form has it.
    pub options: Value,
}

/// A ceremony that was waited for.
pub(crate) struct Taken<T> {
    pub(crate) client: ClientId,
    pub(crate) person: Option<PersonId>,
    pub(crate) state: T,
}

impl Access {
    /// Remembers `state`; the key that it is found by again.
    pub(crate) async fn begin_ceremony(
        &self,
        kind: Ceremony,
        client: &ClientId,
        person: Option<&PersonId>,
        state: &impl Serialize,
    ) -> Result<String, AccessError> {
        let key = token::random_secret();
        self.begin_ceremony_as(kind, &key, client, person, state).await?;
        Ok(key)
    }

    /// The same under a key that was chosen before.
    pub(crate) async fn begin_ceremony_as(
        &self,
        kind: Ceremony,
        key: &str,
        client: &ClientId,
        person: Option<&PersonId>,
        state: &impl Serialize,
    ) -> Result<(), AccessError> {
        let now_ms = millis(self.0.clock.now());
        sqlx::query("DELETE FROM access_ceremony WHERE expires_ms < $1")
            .bind(now_ms)
            .execute(self.0.db.across(Purpose::Expiry))
            .await
            .map_err(sql("clear old ceremonies"))?;
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM access_ceremony")
            .fetch_one(self.0.db.across(Purpose::Count))
            .await
            .map_err(sql("count ceremonies"))?;
        if open >= self.limits().ceremonies_max.into() {
            return Err(AccessError::Busy);
        }
        let name = person.map(PersonId::as_str).unwrap_or_default();
        let failed = |why: String| AccessError::Secrets {
            what: "seal",
            client: client.clone(),
            person: name.into(),
            why,
        };
        let plain = Zeroizing::new(serde_json::to_vec(state).map_err(|e| failed(e.to_string()))?);
        let sealed = self.0.secrets.seal(client, &context(kind), &plain).map_err(failed)?;
        sqlx::query(
            "INSERT INTO access_ceremony (key_hash, kind, client, person, state, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token::digest(key))
        .bind(word(&kind))
        .bind(client.as_str())
        .bind(name)
        .bind(sealed)
        .bind(now_ms.saturating_add(self.limits().ceremony_valid_s as i64 * 1000))
        .execute(self.0.db.of(client))
        .await
        .map_err(sql("begin a ceremony"))?;
        Ok(())
    }

    /// What was remembered under `key`, once.
    ///
    /// # Errors
    /// [`AccessError::NoCeremony`].
    pub(crate) async fn take_ceremony<T: DeserializeOwned>(
        &self,
        kind: Ceremony,
        key: &str,
    ) -> Result<Taken<T>, AccessError> {
        if !token::well_formed(key) {
            return Err(AccessError::NoCeremony);
        }
        let row: Option<Row> = sqlx::query_as(
            "DELETE FROM access_ceremony WHERE key_hash = $1 AND kind = $2
             RETURNING client, person, state, expires_ms",
        )
        .bind(token::digest(key))
        .bind(word(&kind))
        .fetch_optional(self.0.db.across(Purpose::SignIn))
        .await
        .map_err(sql("take a ceremony"))?;
        let now_ms = millis(self.0.clock.now());
        let row = row.filter(|row| now_ms <= row.expires_ms).ok_or(AccessError::NoCeremony)?;
        let corrupt = |column| AccessError::Corrupt { table: "access_ceremony", column, row: word(&kind) };
        let client: ClientId = row.client.parse().map_err(|_| corrupt("client"))?;
        let person = match row.person.as_str() {
            "" => None,
            person => Some(person.parse().map_err(|_| corrupt("person"))?),
        };
        let failed = |why: String| AccessError::Secrets {
            what: "open",
            client: client.clone(),
            person: row.person.clone(),
            why,
        };
        let plain = Zeroizing::new(self.0.secrets.open(&client, &context(kind), &row.state).map_err(failed)?);
        let state = serde_json::from_slice(&plain).map_err(|_| corrupt("state"))?;
        Ok(Taken { client, person, state })
    }
}

fn context(kind: Ceremony) -> String {
    format!("ceremony/{}", word(&kind))
}

#[derive(sqlx::FromRow)]
struct Row {
    client: String,
    person: String,
    state: Vec<u8>,
    expires_ms: i64,
}
