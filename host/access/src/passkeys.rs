//! Passkeys (WebAuthn Level 3): a key in the person's device that verifies its user, so that one of them is two factors.
//!
//! Registered by who has just shown a second factor. Every challenge is good once, for a short time, for one person.

use caveat_model::{ClientId, Moment, PersonId};
use caveat_state::sql;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use webauthn_rs::{
    Webauthn,
    fake::{FakePasskeyDistribution, WebauthnFakeCredentialGenerator},
    prelude::{Passkey, PasskeyAuthentication, PasskeyRegistration, RequestChallengeResponse, Uuid},
};

use crate::{
    Access, AccessError, Ceremony, Challenge, NewSession, SignedIn,
    account::{millis, moment},
    factors::proven,
    session::Shown,
};

/// A passkey as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PasskeyRecord {
    /// Of the credential.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// When it was added.
    pub created: Moment,
    /// When it was shown last.
    pub used: Option<Moment>,
}

/// What has to be remembered while a passkey is being added.
#[derive(Serialize, Deserialize)]
struct Adding {
    name: String,
    handle: Uuid,
    state: PasskeyRegistration,
}

impl Access {
    /// Begins to add a passkey that is to be called `name`.
    ///
    /// # Errors
    /// [`AccessError::NoSession`]; [`AccessError::StepUpNeeded`]; [`AccessError::PasskeyRefused`] when there are enough;
    /// [`AccessError::Unusable`] for the name; [`AccessError::NoSuchWay`].
    pub async fn start_passkey(&self, token: &str, name: &str) -> Result<Challenge, AccessError> {
        let webauthn = self.webauthn()?;
        let who = self.manages_own_factors(token).await?;
        let max = self.limits().name_chars_max;
        if name.trim().is_empty() || name.chars().count() > max || name.chars().any(char::is_control) {
            let why = format!("1 to {max} printable characters are wanted");
            return Err(AccessError::Unusable { what: "the name of the passkey", why });
        }
        let rows = self.passkeys_of(&who.client, &who.person).await?;
        if rows.len() >= self.limits().passkeys_per_person as usize {
            return Err(AccessError::PasskeyRefused {
                why: "there are as many as a person may have; remove one",
            });
        }
        let handle = rows.first().and_then(|row| row.handle.parse().ok());
        let handle = handle.unwrap_or_else(|| Uuid::from_bytes(rand::random()));
        let known = rows.iter().map(Row::passkey).collect::<Result<Vec<_>, _>>()?;
        let known = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let account = format!("{}@{}", who.person, who.client);
        let (options, state) =
            webauthn.start_passkey_registration(handle, &account, &who.name, Some(known)).map_err(refused)?;
        let adding = Adding { name: name.to_owned(), handle, state };
        let ceremony = self
            .begin_ceremony(Ceremony::PasskeyRegistration, &who.client, Some(&who.person), &adding)
            .await?;
        Ok(Challenge { ceremony, options: json(&options)? })
    }

    /// Adds the passkey that a browser made.
    ///
    /// # Errors
    /// [`AccessError::NoCeremony`]; [`AccessError::ProofRefused`] when it does not answer the challenge, or did not verify
    /// its user; [`AccessError::PasskeyRefused`] when it is known already.
    pub async fn finish_passkey(
        &self,
        token: &str,
        ceremony: &str,
        credential: Value,
    ) -> Result<PasskeyRecord, AccessError> {
        let webauthn = self.webauthn()?;
        let who = self.manages_own_factors(token).await?;
        let taken = self.take_ceremony::<Adding>(Ceremony::PasskeyRegistration, ceremony).await?;
        if taken.client != who.client || taken.person.as_ref() != Some(&who.person) {
            return Err(AccessError::NoCeremony);
        }
        let Adding { name, handle, state } = taken.state;
        let passkey = webauthn.finish_passkey_registration(&read(credential)?, &state).map_err(refused)?;
        let now = self.0.clock.now();
        let id = id_of(&passkey);
        let added = sqlx::query(
            "INSERT INTO access_passkey (id, client, person, handle, name, credential, created_ms, used_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(who.client.as_str())
        .bind(who.person.as_str())
        .bind(handle.to_string())
        .bind(name.as_str())
        .bind(written(&passkey)?)
        .bind(millis(now))
        .execute(self.0.db.of(&who.client))
        .await
        .map_err(sql("add a passkey"))?;
        if added.rows_affected() == 0 {
            return Err(AccessError::PasskeyRefused { why: "it is known already" });
        }
        Ok(PasskeyRecord { id, name, created: now, used: None })
    }

    /// The passkeys of whoever has the session.
    pub async fn passkeys(&self, token: &str) -> Result<Vec<PasskeyRecord>, AccessError> {
        let who = self.session(token).await?;
        let rows = self.passkeys_of(&who.client, &who.person).await?;
        Ok(rows.into_iter().map(Row::record).collect())
    }

    /// Removes one of them.
    ///
    /// # Errors
    /// [`AccessError::NoPasskey`]; [`AccessError::StepUpNeeded`].
    pub async fn remove_passkey(&self, token: &str, id: &str) -> Result<(), AccessError> {
        let who = self.manages_own_factors(token).await?;
        let removed = sqlx::query("DELETE FROM access_passkey WHERE client = $1 AND person = $2 AND id = $3")
            .bind(who.client.as_str())
            .bind(who.person.as_str())
            .bind(id)
            .execute(self.0.db.of(&who.client))
            .await
            .map_err(sql("remove a passkey"))?;
        if removed.rows_affected() == 0 { Err(AccessError::NoPasskey) } else { Ok(()) }
    }

    /// Begins a sign-in by passkey. Who has none, or does not exist, gets a challenge too, which nothing answers.
    ///
    /// # Errors
    /// [`AccessError::NoSuchWay`], [`AccessError::Busy`].
    pub async fn start_passkey_sign_in(
        &self,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Challenge, AccessError> {
        let rows = self.passkeys_of(client, person).await?;
        if rows.is_empty() {
            return self.challenge_of_nobody(client, person);
        }
        self.challenge(Ceremony::PasskeySignIn, client, person, &rows).await
    }

    /// Begins a session for who answers the challenge. A wrong answer is no guess at a secret, so it counts for nothing;
    /// the right one ends a lockout that others brought about.
    ///
    /// # Errors
    /// [`AccessError::SignInRefused`].
    pub async fn finish_passkey_sign_in(
        &self,
        ceremony: &str,
        credential: Value,
        origin: &str,
    ) -> Result<NewSession, AccessError> {
        let taken = self.take_ceremony::<PasskeyAuthentication>(Ceremony::PasskeySignIn, ceremony).await;
        let taken = taken.map_err(|error| match error {
            AccessError::NoCeremony => AccessError::SignInRefused,
            error => error,
        })?;
        let person = taken.person.ok_or(AccessError::SignInRefused)?;
        let shown = self.shown_passkey(&taken.client, &person, &taken.state, credential).await;
        shown.map_err(|error| match error {
            AccessError::ProofRefused => AccessError::SignInRefused,
            error => error,
        })?;
        let account = self.account(&taken.client, &person).await?.ok_or(AccessError::SignInRefused)?;
        let now = self.0.clock.now();
        let mut tx = self.0.db.of(&taken.client).begin().await?;
        if !proven(&mut tx, &taken.client, &person, &account).await? {
            return Err(AccessError::SignInRefused);
        }
        let shown = Shown { passkey: Some(now), second: now, ..Shown::default() };
        self.begin_session(tx, &taken.client, &person, &account, shown, origin).await
    }

    /// Begins to show a passkey again.
    ///
    /// # Errors
    /// [`AccessError::NoSession`]; [`AccessError::NoPasskey`].
    pub async fn start_passkey_step_up(&self, token: &str) -> Result<Challenge, AccessError> {
        let who = self.session(token).await?;
        let rows = self.passkeys_of(&who.client, &who.person).await?;
        if rows.is_empty() {
            return Err(AccessError::NoPasskey);
        }
        self.challenge(Ceremony::PasskeyStepUp, &who.client, &who.person, &rows).await
    }

    /// Shows a passkey again.
    ///
    /// # Errors
    /// [`AccessError::NoSession`], [`AccessError::NoCeremony`], [`AccessError::ProofRefused`].
    pub async fn finish_passkey_step_up(
        &self,
        token: &str,
        ceremony: &str,
        credential: Value,
    ) -> Result<SignedIn, AccessError> {
        let now = self.0.clock.now();
        let (row, token_hash) = self.live_session(token, now).await?;
        let who = row.signed_in(now, self.limits().step_up_valid_s)?;
        let taken = self.take_ceremony::<PasskeyAuthentication>(Ceremony::PasskeyStepUp, ceremony).await?;
        if taken.client != who.client || taken.person.as_ref() != Some(&who.person) {
            return Err(AccessError::NoCeremony);
        }
        self.shown_passkey(&who.client, &who.person, &taken.state, credential).await?;
        sqlx::query(
            "UPDATE access_session SET passkey_ms = $1, second_ms = $1, used_ms = $1 WHERE token_hash = $2",
        )
        .bind(millis(now))
        .bind(token_hash)
        .execute(self.0.db.of(&who.client))
        .await
        .map_err(sql("note a step-up"))?;
        self.session(token).await
    }

    async fn challenge(
        &self,
        kind: Ceremony,
        client: &ClientId,
        person: &PersonId,
        rows: &[Row],
    ) -> Result<Challenge, AccessError> {
        let known = rows.iter().map(Row::passkey).collect::<Result<Vec<_>, _>>()?;
        let (options, state) = self.webauthn()?.start_passkey_authentication(&known).map_err(refused)?;
        let ceremony = self.begin_ceremony(kind, client, Some(person), &state).await?;
        Ok(Challenge { ceremony, options: json(&options)? })
    }

    /// As of somebody who has passkeys: the same ones each time, as far as anybody can tell.
    fn challenge_of_nobody(&self, client: &ClientId, person: &PersonId) -> Result<Challenge, AccessError> {
        let (options, _) = self.webauthn()?.start_passkey_authentication(&[]).map_err(refused)?;
        let made_up = WebauthnFakeCredentialGenerator::<FakePasskeyDistribution>::new(&self.0.decoy.passkeys)
            .and_then(|made_up| made_up.generate(format!("{client}/{person}").as_bytes()))
            .map_err(refused)?;
        let mut options = json::<RequestChallengeResponse>(&options)?;
        let ids = made_up.iter().map(|id| Value::String(encoded(id)));
        let allowed = ids.map(|id| serde_json::json!({ "type": "public-key", "id": id })).collect();
        if let Some(wanted) = options.pointer_mut("/publicKey/allowCredentials") {
            *wanted = Value::Array(allowed);
        }
        Ok(Challenge { ceremony: crate::token::random_secret(), options })
    }

    /// Checks an answer to a challenge and notes the use, once: a counter that did not grow tells of a copied key.
    async fn shown_passkey(
        &self,
        client: &ClientId,
        person: &PersonId,
        state: &PasskeyAuthentication,
        credential: Value,
    ) -> Result<(), AccessError> {
        let result =
            self.webauthn()?.finish_passkey_authentication(&read(credential)?, state).map_err(refused)?;
        let id = encoded(result.cred_id());
        let rows = self.passkeys_of(client, person).await?;
        let row = rows.iter().find(|row| row.id == id).ok_or(AccessError::ProofRefused)?;
        let mut passkey = row.passkey()?;
        passkey.update_credential(&result);
        let noted = sqlx::query(
            "UPDATE access_passkey SET credential = $1, used_ms = $2
             WHERE client = $3 AND person = $4 AND id = $5 AND credential = $6",
        )
        .bind(written(&passkey)?)
        .bind(millis(self.0.clock.now()))
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(id)
        .bind(row.credential.as_str())
        .execute(self.0.db.of(client))
        .await
        .map_err(sql("note the use of a passkey"))?;
        if noted.rows_affected() == 1 { Ok(()) } else { Err(AccessError::ProofRefused) }
    }

    async fn passkeys_of(&self, client: &ClientId, person: &PersonId) -> Result<Vec<Row>, AccessError> {
        Ok(sqlx::query_as(
            "SELECT id, handle, name, credential, created_ms, used_ms FROM access_passkey
             WHERE client = $1 AND person = $2 ORDER BY created_ms, id",
        )
        .bind(client.as_str())
        .bind(person.as_str())
        .fetch_all(self.0.db.of(client))
        .await
        .map_err(sql("read passkeys"))?)
    }

    fn webauthn(&self) -> Result<&Webauthn, AccessError> {
        self.0.ways.webauthn.as_deref().ok_or(AccessError::NoSuchWay {
            way: "passkey".into(),
            remedy: "give the host a `public-url` with a name, not an address, under [http]",
        })
    }
}

/// The library says why; whoever asks learns that it was not accepted.
fn refused(error: webauthn_rs::prelude::WebauthnError) -> AccessError {
    tracing::info!(%error, "a passkey was not accepted");
    AccessError::ProofRefused
}

fn read<T: DeserializeOwned>(credential: Value) -> Result<T, AccessError> {
    serde_json::from_value(credential).map_err(|error| AccessError::Unusable {
        what: "the credential",
        why: format!("it is not as WebAuthn's JSON form has it: {error}"),
    })
}

fn json<T: Serialize>(value: &T) -> Result<Value, AccessError> {
    serde_json::to_value(value).map_err(|_| AccessError::ProofRefused)
}

fn written(passkey: &Passkey) -> Result<String, AccessError> {
    serde_json::to_string(passkey).map_err(|_| AccessError::ProofRefused)
}

fn id_of(passkey: &Passkey) -> String {
    encoded(passkey.cred_id())
}

fn encoded(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    handle: String,
    name: String,
    credential: String,
    created_ms: i64,
    used_ms: i64,
}

impl Row {
    fn passkey(&self) -> Result<Passkey, AccessError> {
        serde_json::from_str(&self.credential).map_err(|_| AccessError::Corrupt {
            table: "access_passkey",
            column: "credential",
            row: self.id.clone(),
        })
    }

    fn record(self) -> PasskeyRecord {
        PasskeyRecord {
            id: self.id,
            name: self.name,
            created: moment(self.created_ms),
            used: (self.used_ms > 0).then(|| moment(self.used_ms)),
        }
    }
}
