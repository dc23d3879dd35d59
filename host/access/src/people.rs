//! People of a client: enrolment, standing, password.

use std::fmt;

use caveat_model::{ClientId, Moment, PersonId, Role, Standing};
use caveat_state::sql;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Access, AccessError,
    account::{Attempt, millis, moment},
    password::{Replacement, check_policy},
    token,
    totp::TotpSecret,
    words::{from_word, word},
};

/// Somebody to be enrolled.
#[derive(Clone)]
pub struct NewPerson {
    /// Whose person.
    pub client: ClientId,
    /// Unique within the client.
    pub id: PersonId,
    /// As colleagues know them.
    pub name: String,
    /// Any but [`Role::Outsider`].
    pub role: Role,
    /// Job or relation, in the client's words, lower case ("billing", "clinician"); packs read it. May be empty.
    pub function: String,
    /// PCI DSS 8.3.6: at least 12 characters, letters and digits.
    pub password: String,
}

/// What a new person needs for their authenticator. Shown once; never kept in this form.
#[derive(Clone)]
pub struct Enrolment {
    /// The TOTP secret, to be typed.
    pub totp_secret_base32: String,
    /// The same as a key URI, to be scanned.
    pub otpauth_url: String,
}

/// A person as administrators see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PersonRecord {
    /// Whose person.
    pub client: ClientId,
    /// Unique within the client.
    pub id: PersonId,
    /// As colleagues know them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Job or relation, in the client's words.
    pub function: String,
    /// Whether they still may.
    pub standing: Standing,
    /// No sign-in before it, after too many wrong attempts.
    pub wait_until: Option<Moment>,
    /// When they were enrolled.
    pub created: Moment,
    /// When they last used a session, to the hour; when they never did, when they were enrolled.
    pub last_used: Moment,
    /// When the password was set; none: the person was invited and has not set one.
    pub password_changed: Option<Moment>,
    /// How many passkeys they have.
    pub passkeys: i64,
}

/// What may be changed of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// As colleagues know them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What they may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Job or relation, in the client's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Whether they still may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

impl Access {
    /// Enrols a person.
    ///
    /// # Errors
    /// [`AccessError::Password`] with the rule, [`AccessError::Unusable`], [`AccessError::PersonExists`],
    /// [`AccessError::Busy`].
    pub async fn add_person(&self, new: NewPerson) -> Result<Enrolment, AccessError> {
        self.check_words(&new.name, new.role, &new.function)?;
        check_policy(&new.password, self.limits())?;
        let password_hash = self.0.hasher.queue()?.hash(&new.password).await?;
        let totp = TotpSecret::random();
        let now_ms = millis(self.0.clock.now());
        let added = sqlx::query(
            "INSERT INTO access_person (client, id, name, role, function, standing, password_hash,
                 password_changed_ms, totp_sealed, totp_step, failures, wait_until_ms, attempts, created_ms,
                 last_used_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, $8, $8)
             ON CONFLICT (client, id) DO NOTHING",
        )
        .bind(new.client.as_str())
        .bind(new.id.as_str())
        .bind(new.name)
        .bind(word(&new.role))
        .bind(new.function)
        .bind(word(&Standing::Active))
        .bind(password_hash)
        .bind(now_ms)
        .bind(totp.seal(&*self.0.secrets, &new.client, &new.id)?)
        .execute(self.0.db.of(&new.client))
        .await
        .map_err(sql("add a person"))?;
        if added.rows_affected() == 0 {
            return Err(AccessError::PersonExists { client: new.client, person: new.id });
        }
        Ok(Enrolment::of(&totp, &new.client, &new.id))
    }

    /// Gives a person a new password and a new second factor, for who has lost one; whoever calls this has checked
    /// their identity (PCI DSS 8.3.3). Ends their sessions and any lockout.
    ///
    /// # Errors
    /// As [`Access::add_person`], and [`AccessError::NoPerson`].
    pub async fn enroll_again(
        &self,
        client: &ClientId,
        person: &PersonId,
        password: &str,
    ) -> Result<Enrolment, AccessError> {
        check_policy(password, self.limits())?;
        let password_hash = self.0.hasher.queue()?.hash(password).await?;
        let totp = TotpSecret::random();
        let sealed = totp.seal(&*self.0.secrets, client, person)?;
        let mut tx = self.0.db.of(client).begin().await?;
        let changed = sqlx::query(
            "UPDATE access_person SET password_hash = $1, password_changed_ms = $2, totp_sealed = $3, totp_step = 0,
                 failures = 0, wait_until_ms = 0, attempts = attempts + 1
             WHERE client = $4 AND id = $5",
        )
        .bind(password_hash)
        .bind(millis(self.0.clock.now()))
        .bind(sealed)
        .bind(client.as_str())
        .bind(person.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("enroll a person again"))?;
        if changed.rows_affected() == 0 {
            return Err(no_person(client, person));
        }
        end_sessions(&mut tx, client, person, None).await?;
        tx.commit().await.map_err(sql("enroll a person again"))?;
        Ok(Enrolment::of(&totp, client, person))
    }

    /// Sets whether a person still may. Anything but active ends all their sessions at once (PCI DSS 8.2.5); active
    /// again also ends a lockout.
    pub async fn set_standing(
        &self,
        client: &ClientId,
        person: &PersonId,
        standing: Standing,
    ) -> Result<(), AccessError> {
        let mut tx = self.0.db.of(client).begin().await?;
        let changed = sqlx::query(
            "UPDATE access_person SET standing = $1, failures = 0, wait_until_ms = 0, attempts = attempts + 1
             WHERE client = $2 AND id = $3",
        )
        .bind(word(&standing))
        .bind(client.as_str())
        .bind(person.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("set a standing"))?;
        if changed.rows_affected() == 0 {
            return Err(no_person(client, person));
        }
        if standing != Standing::Active {
            end_sessions(&mut tx, client, person, None).await?;
        }
        tx.commit().await.map_err(sql("set a standing"))?;
        Ok(())
    }

    /// Changes what is known of a person, and what they may. A new role or standing ends their sessions.
    ///
    /// # Errors
    /// [`AccessError::NoPerson`], [`AccessError::Unusable`]; [`AccessError::LastAdmin`] when nobody would be left to manage
    /// the people of the client.
    pub async fn change_person(
        &self,
        client: &ClientId,
        person: &PersonId,
        change: &Change,
    ) -> Result<PersonRecord, AccessError> {
        let before = self.person(client, person).await?;
        let name = change.name.as_deref().unwrap_or(&before.name);
        let function = change.function.as_deref().unwrap_or(&before.function);
        let role = change.role.unwrap_or(before.role);
        let standing = change.standing.unwrap_or(before.standing);
        self.check_words(name, role, function)?;
        let steps_down = is_admin(before.role, before.standing) && !is_admin(role, standing);
        let mut tx = self.0.db.of(client).begin().await?;
        // The row of an administrator who stays is touched too, so that of two who end each other one loses.
        let others = sqlx::query(
            "UPDATE access_person SET attempts = attempts + 1
             WHERE client = $1 AND id <> $2 AND role = $3 AND standing = $4",
        )
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(word(&Role::Admin))
        .bind(word(&Standing::Active));
        if steps_down {
            let others = others.execute(&mut *tx).await.map_err(sql("look for administrators"))?;
            if others.rows_affected() == 0 {
                return Err(AccessError::LastAdmin { client: client.clone(), person: person.clone() });
            }
        }
        let changed = sqlx::query(
            "UPDATE access_person SET name = $1, function = $2, role = $3, standing = $4, failures = 0,
                 wait_until_ms = 0, attempts = attempts + 1
             WHERE client = $5 AND id = $6 AND role = $7 AND standing = $8",
        )
        .bind(name)
        .bind(function)
        .bind(word(&role))
        .bind(word(&standing))
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(word(&before.role))
        .bind(word(&before.standing))
        .execute(&mut *tx)
        .await
        .map_err(sql("change a person"))?;
        if changed.rows_affected() == 0 {
            return Err(AccessError::Busy); // somebody else changed it in between
        }
        if (role, standing) != (before.role, before.standing) {
            end_sessions(&mut tx, client, person, None).await?;
        }
        tx.commit().await.map_err(sql("change a person"))?;
        self.person(client, person).await
    }

    /// Changes the password of whoever has the session `token`, and ends their other sessions.
    ///
    /// # Errors
    /// [`AccessError::ProofRefused`] when `current` is wrong, which counts like a wrong sign-in;
    /// [`AccessError::Password`] when `new` breaks a rule or was used before (PCI DSS 8.3.6, 8.3.7).
    pub async fn change_password(&self, token: &str, current: &str, new: &str) -> Result<(), AccessError> {
        let who = self.session(token).await?;
        check_policy(new, self.limits())?;
        let turn = self.0.hasher.queue()?;
        let now = self.0.clock.now();
        let account = self.account(&who.client, &who.person).await?.ok_or(AccessError::NoSession)?;
        let (account, attempt) = self.count_attempt(account, now).await?;
        let current = if current.len() > self.limits().password_bytes_max { "" } else { current };
        let mut kept = vec![account.password_hash.clone()];
        kept.extend(self.former_passwords(&who.client, &who.person).await?);
        let outcome = turn.replace(current, new, kept).await?;
        if attempt == Attempt::Waiting || matches!(outcome, Replacement::CurrentWrong) {
            return Err(AccessError::ProofRefused);
        }
        let new_hash = match outcome {
            Replacement::Hash(hash) => hash,
            _ => {
                let last = self.limits().password_history;
                let why = format!("it is one of the last {last}");
                return Err(AccessError::Password { why, rule: "PCI DSS 4.0.1, 8.3.7" });
            }
        };

        let mut tx = self.0.db.of(&who.client).begin().await?;
        let changed = sqlx::query(
            "UPDATE access_person SET password_hash = $1, password_changed_ms = $2, failures = 0, wait_until_ms = 0,
                 attempts = attempts + 1
             WHERE client = $3 AND id = $4 AND password_hash = $5",
        )
        .bind(new_hash)
        .bind(millis(now))
        .bind(who.client.as_str())
        .bind(who.person.as_str())
        .bind(account.password_hash.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("change a password"))?;
        if changed.rows_affected() == 0 {
            return Err(AccessError::ProofRefused); // somebody else changed it in between
        }
        sqlx::query(
            "INSERT INTO access_former_password (client, person, password_hash, replaced_ms) VALUES ($1, $2, $3, $4)",
        )
        .bind(who.client.as_str())
        .bind(who.person.as_str())
        .bind(account.password_hash)
        .bind(millis(now))
        .execute(&mut *tx)
        .await
        .map_err(sql("keep a former password"))?;
        end_sessions(&mut tx, &who.client, &who.person, Some(token)).await?;
        tx.commit().await.map_err(sql("change a password"))?;
        Ok(())
    }

    /// The people of a client, by id.
    pub async fn list_people(&self, client: &ClientId) -> Result<Vec<PersonRecord>, AccessError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT client, id, name, role, function, standing, wait_until_ms, created_ms, last_used_ms,
                 password_changed_ms, CAST(CASE WHEN password_hash = '' THEN 0 ELSE 1 END AS BIGINT) AS has_password,
                 (SELECT count(*) FROM access_passkey k WHERE k.client = p.client AND k.person = p.id) AS passkeys
             FROM access_person p WHERE client = $1 ORDER BY id",
        )
        .bind(client.as_str())
        .fetch_all(self.0.db.of(client))
        .await
        .map_err(sql("list people"))?;
        let now = self.0.clock.now();
        rows.into_iter().map(|row| row.record(now)).collect()
    }

    /// One person of a client.
    pub async fn person(&self, client: &ClientId, person: &PersonId) -> Result<PersonRecord, AccessError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT client, id, name, role, function, standing, wait_until_ms, created_ms, last_used_ms,
                 password_changed_ms, CAST(CASE WHEN password_hash = '' THEN 0 ELSE 1 END AS BIGINT) AS has_password,
                 (SELECT count(*) FROM access_passkey k WHERE k.client = p.client AND k.person = p.id) AS passkeys
             FROM access_person p WHERE client = $1 AND id = $2",
        )
        .bind(client.as_str())
        .bind(person.as_str())
        .fetch_optional(self.0.db.of(client))
        .await
        .map_err(sql("read a person"))?;
        row.ok_or_else(|| no_person(client, person))?.record(self.0.clock.now())
    }

    pub(crate) fn check_words(&self, name: &str, role: Role, function: &str) -> Result<(), AccessError> {
        let max = self.limits().name_chars_max;
        let unusable = |what, why: &str| Err(AccessError::Unusable { what, why: why.to_owned() });
        if role == Role::Outsider {
            return unusable("the role", "an outsider is who has no account; choose one of the others");
        }
        if name.trim().is_empty() {
            return unusable("the name", "it is empty");
        }
        for (what, text) in [("the name", name), ("the function", function)] {
            if text.chars().count() > max || text.chars().any(char::is_control) {
                return unusable(what, &format!("up to {max} printable characters are wanted"));
            }
        }
        if function.chars().any(char::is_uppercase) {
            return unusable("the function", "packs compare it in lower case");
        }
        Ok(())
    }

    /// The hashes of the passwords before the current one that a new one must differ from, latest first.
    async fn former_passwords(
        &self,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Vec<String>, AccessError> {
        Ok(sqlx::query_scalar(
            "SELECT password_hash FROM access_former_password WHERE client = $1 AND person = $2
             ORDER BY replaced_ms DESC LIMIT $3",
        )
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(i64::from(self.limits().password_history) - 1)
        .fetch_all(self.0.db.of(client))
        .await
        .map_err(sql("read former passwords"))?)
    }
}

/// Ends a person's sessions, all but that of the token `keep`.
pub(crate) async fn end_sessions(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
    keep: Option<&str>,
) -> Result<(), AccessError> {
    sqlx::query("DELETE FROM access_session WHERE client = $1 AND person = $2 AND token_hash <> $3")
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(keep.map(token::digest).unwrap_or_default())
        .execute(&mut **tx)
        .await
        .map_err(sql("end sessions"))?;
    Ok(())
}

fn is_admin(role: Role, standing: Standing) -> bool {
    role == Role::Admin && standing == Standing::Active
}

pub(crate) fn no_person(client: &ClientId, person: &PersonId) -> AccessError {
    AccessError::NoPerson { client: client.clone(), person: person.clone() }
}

impl Enrolment {
    pub(crate) fn of(totp: &TotpSecret, client: &ClientId, person: &PersonId) -> Self {
        Self { totp_secret_base32: totp.base32(), otpauth_url: totp.url(client, person) }
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(..)")
    }
}

impl fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPerson")
            .field("client", &self.client)
            .field("id", &self.id)
            .field("role", &self.role)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    client: String,
    id: String,
    name: String,
    role: String,
    function: String,
    standing: String,
    wait_until_ms: i64,
    created_ms: i64,
    last_used_ms: i64,
    password_changed_ms: i64,
    has_password: i64,
    passkeys: i64,
}

impl Row {
    fn record(self, now: Moment) -> Result<PersonRecord, AccessError> {
        let row = format!("{}/{}", self.client, self.id);
        let corrupt = |column| AccessError::Corrupt { table: "access_person", column, row: row.clone() };
        Ok(PersonRecord {
            client: self.client.parse().map_err(|_| corrupt("client"))?,
            id: self.id.parse().map_err(|_| corrupt("id"))?,
            name: self.name,
            role: from_word(&self.role).ok_or_else(|| corrupt("role"))?,
            function: self.function,
            standing: from_word(&self.standing).ok_or_else(|| corrupt("standing"))?,
            wait_until: (self.wait_until_ms > millis(now)).then(|| moment(self.wait_until_ms)),
            created: moment(self.created_ms),
            last_used: moment(self.last_used_ms),
            password_changed: (self.has_password > 0).then(|| moment(self.password_changed_ms)),
            passkeys: self.passkeys,
        })
    }
}
