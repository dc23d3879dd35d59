//! How a person begins: an administrator invites, the person chooses a password and confirms a second factor. Nobody else
//! ever knows either, and no account begins with a password that somebody else set. The first administrator of a client is
//! invited by whoever runs the host.

use std::fmt;

use caveat_model::{ClientId, Moment, PersonId, Role, Standing};
use caveat_state::{Purpose, sql};

use crate::{
    Access, AccessError, Enrolment,
    account::{millis, moment},
    password::check_policy,
    people::{end_sessions, no_person},
    recovery, token,
    totp::TotpSecret,
    words::word,
};

/// Somebody to be invited.
#[derive(Debug, Clone)]
pub struct Invited {
    /// Whose person.
    pub client: ClientId,
    /// Unique within the client.
    pub id: PersonId,
    /// As colleagues know them.
    pub name: String,
    /// Any but [`Role::Outsider`].
    pub role: Role,
    /// Job or relation, in the client's words, lower case; packs read it. May be empty.
    pub function: String,
}

/// What an administrator hands to who is invited, by a way that is safe. Good once, until it expires.
#[derive(Clone)]
pub struct Invitation {
    token: String,
    /// From when on it is good for nothing.
    pub expires: Moment,
}

/// Who was invited, as they see it, with the secret for their authenticator.
#[derive(Debug, Clone)]
pub struct Enrolling {
    /// Whose person.
    pub client: ClientId,
    /// Their id.
    pub person: PersonId,
    /// As colleagues know them.
    pub name: String,
    /// Shown once: who looks again gets another.
    pub factor: Enrolment,
}

impl Access {
    /// Makes an account that nobody can sign in to until the invitation is answered by [`Access::enroll`], or an identity
    /// provider vouches for the person.
    ///
    /// # Errors
    /// [`AccessError::Unusable`], [`AccessError::PersonExists`].
    pub async fn invite(&self, new: &Invited) -> Result<Invitation, AccessError> {
        self.check_words(&new.name, new.role, &new.function)?;
        let mut tx = self.0.db.of(&new.client).begin().await?;
        let added = sqlx::query(
            "INSERT INTO access_person (client, id, name, role, function, standing, password_hash,
                 password_changed_ms, totp_sealed, totp_step, failures, wait_until_ms, attempts, created_ms,
                 last_used_ms)
             VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8, 0, 0, 0, 0, $7, $7)
             ON CONFLICT (client, id) DO NOTHING",
        )
        .bind(new.client.as_str())
        .bind(new.id.as_str())
        .bind(new.name.as_str())
        .bind(word(&new.role))
        .bind(new.function.as_str())
        .bind(word(&Standing::Active))
        .bind(millis(self.0.clock.now()))
        .bind(Vec::<u8>::new())
        .execute(&mut *tx)
        .await
        .map_err(sql("invite a person"))?;
        if added.rows_affected() == 0 {
            return Err(AccessError::PersonExists { client: new.client.clone(), person: new.id.clone() });
        }
        let invitation = self.open_enrolment(&mut tx, &new.client, &new.id).await?;
        tx.commit().await.map_err(sql("invite a person"))?;
        Ok(invitation)
    }

    /// Takes from a person everything they sign in with, for who has lost it or may have shown it to others, and invites
    /// them anew. Whoever calls this has checked their identity (PCI DSS 8.3.3). Ends their sessions and any lockout.
    ///
    /// # Errors
    /// [`AccessError::NoPerson`].
    pub async fn invite_again(
        &self,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Invitation, AccessError> {
        let mut tx = self.0.db.of(client).begin().await?;
        let changed = sqlx::query(
            "UPDATE access_person SET password_hash = '', totp_sealed = $1, totp_step = 0, failures = 0,
                 wait_until_ms = 0, attempts = attempts + 1
             WHERE client = $2 AND id = $3",
        )
        .bind(Vec::<u8>::new())
        .bind(client.as_str())
        .bind(person.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("take a person's factors"))?;
        if changed.rows_affected() == 0 {
            return Err(no_person(client, person));
        }
        for (statement, what) in FORGET {
            sqlx::query(*statement)
                .bind(client.as_str())
                .bind(person.as_str())
                .execute(&mut *tx)
                .await
                .map_err(sql(what))?;
        }
        recovery::forget(&mut tx, client, person).await?;
        end_sessions(&mut tx, client, person, None).await?;
        let invitation = self.open_enrolment(&mut tx, client, person).await?;
        tx.commit().await.map_err(sql("invite a person again"))?;
        Ok(invitation)
    }

    /// Shows who was invited a secret for their authenticator.
    ///
    /// # Errors
    /// [`AccessError::NoEnrolment`].
    pub async fn enrolment(&self, invitation: &str) -> Result<Enrolling, AccessError> {
        let row = self.open_invitation(invitation).await?;
        let secret = TotpSecret::random();
        let sealed = secret.seal(&*self.0.secrets, &row.client, &row.person)?;
        sqlx::query("UPDATE access_enrolment SET totp_sealed = $1 WHERE token_hash = $2")
            .bind(sealed)
            .bind(token::digest(invitation))
            .execute(self.0.db.of(&row.client))
            .await
            .map_err(sql("propose a second factor"))?;
        let factor = Enrolment::of(&secret, &row.client, &row.person);
        let name = self.person(&row.client, &row.person).await?.name;
        Ok(Enrolling { client: row.client, person: row.person, name, factor })
    }

    /// Who an invitation is for.
    ///
    /// # Errors
    /// [`AccessError::NoEnrolment`].
    pub async fn invited(&self, invitation: &str) -> Result<(ClientId, PersonId), AccessError> {
        let row = self.open_invitation(invitation).await?;
        Ok((row.client, row.person))
    }

    /// Sets the password and, confirmed by a code of it, the second factor of who was invited; their recovery codes, shown
    /// once.
    ///
    /// # Errors
    /// [`AccessError::NoEnrolment`]; [`AccessError::Password`] with the rule; [`AccessError::ProofRefused`], which too
    /// often ends the invitation; [`AccessError::Busy`].
    pub async fn enroll(
        &self,
        invitation: &str,
        password: &str,
        code: &str,
    ) -> Result<Vec<String>, AccessError> {
        let row = self.open_invitation(invitation).await?;
        check_policy(password, self.limits())?;
        let password_hash = self.0.hasher.queue()?.hash(password).await?;
        let now = self.0.clock.now();
        // Counted before it is looked at, as every attempt is.
        let counted = sqlx::query(
            "UPDATE access_enrolment SET failures = failures + 1 WHERE token_hash = $1 AND failures < $2",
        )
        .bind(token::digest(invitation))
        .bind(i64::from(self.limits().enrolment_failures_max))
        .execute(self.0.db.of(&row.client))
        .await
        .map_err(sql("count an attempt to enroll"))?;
        if counted.rows_affected() == 0 {
            return Err(AccessError::NoEnrolment);
        }
        if row.totp_sealed.is_empty() {
            return Err(AccessError::ProofRefused);
        }
        let secret = TotpSecret::open(&*self.0.secrets, &row.client, &row.person, &row.totp_sealed)?;
        let step = secret.step_of(code, now).ok_or(AccessError::ProofRefused)?;

        let mut tx = self.0.db.of(&row.client).begin().await?;
        let used = sqlx::query("DELETE FROM access_enrolment WHERE token_hash = $1 AND totp_sealed = $2")
            .bind(token::digest(invitation))
            .bind(row.totp_sealed.clone())
            .execute(&mut *tx)
            .await
            .map_err(sql("use an invitation"))?;
        if used.rows_affected() == 0 {
            return Err(AccessError::NoEnrolment);
        }
        sqlx::query(
            "UPDATE access_person SET password_hash = $1, password_changed_ms = $2, totp_sealed = $3, totp_step = $4,
                 failures = 0, wait_until_ms = 0, attempts = attempts + 1
             WHERE client = $5 AND id = $6",
        )
        .bind(password_hash)
        .bind(millis(now))
        .bind(row.totp_sealed)
        .bind(step)
        .bind(row.client.as_str())
        .bind(row.person.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("enroll a person"))?;
        let codes = recovery::renew(&mut tx, &row.client, &row.person, self.limits().recovery_codes).await?;
        tx.commit().await.map_err(sql("enroll a person"))?;
        Ok(codes)
    }

    async fn open_enrolment(
        &self,
        tx: &mut sqlx::Transaction<'_, sqlx::Any>,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Invitation, AccessError> {
        let token = token::random_secret();
        let expires =
            millis(self.0.clock.now()).saturating_add(self.limits().enrolment_valid_s as i64 * 1000);
        sqlx::query(
            "INSERT INTO access_enrolment (token_hash, client, person, totp_sealed, failures, expires_ms)
             VALUES ($1, $2, $3, $4, 0, $5)
             ON CONFLICT (client, person) DO UPDATE SET token_hash = excluded.token_hash,
                 totp_sealed = excluded.totp_sealed, failures = 0, expires_ms = excluded.expires_ms",
        )
        .bind(token::digest(&token))
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(Vec::<u8>::new())
        .bind(expires)
        .execute(&mut **tx)
        .await
        .map_err(sql("open an invitation"))?;
        Ok(Invitation { token, expires: moment(expires) })
    }

    async fn open_invitation(&self, invitation: &str) -> Result<Open, AccessError> {
        if !token::well_formed(invitation) {
            return Err(AccessError::NoEnrolment);
        }
        let row: Option<Row> = sqlx::query_as(
            "SELECT e.client, e.person, e.totp_sealed, e.failures, e.expires_ms, p.standing
             FROM access_enrolment e JOIN access_person p ON p.client = e.client AND p.id = e.person
             WHERE e.token_hash = $1",
        )
        .bind(token::digest(invitation))
        .fetch_optional(self.0.db.across(Purpose::SignIn))
        .await
        .map_err(sql("read an invitation"))?;
        let now_ms = millis(self.0.clock.now());
        let row = row.filter(|row| {
            now_ms < row.expires_ms
                && row.failures < self.limits().enrolment_failures_max.into()
                && row.standing == word(&Standing::Active)
        });
        let row = row.ok_or(AccessError::NoEnrolment)?;
        let corrupt = |column| AccessError::Corrupt {
            table: "access_enrolment",
            column,
            row: format!("{}/{}", row.client, row.person),
        };
        Ok(Open {
            client: row.client.parse().map_err(|_| corrupt("client"))?,
            person: row.person.parse().map_err(|_| corrupt("person"))?,
            totp_sealed: row.totp_sealed,
        })
    }
}

/// What a person comes in by, beside password and codes.
const FORGET: &[(&str, &str)] = &[
    ("DELETE FROM access_passkey WHERE client = $1 AND person = $2", "forget passkeys"),
    ("DELETE FROM access_subject WHERE client = $1 AND person = $2", "forget subjects of providers"),
    ("DELETE FROM access_ceremony WHERE client = $1 AND person = $2", "forget ceremonies"),
];

impl Invitation {
    /// The text to hand to who is invited, and to no log. In an address it stands behind `#`, which no browser sends.
    pub fn as_str(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation(.., until {})", self.expires)
    }
}

/// An invitation that can be answered.
struct Open {
    client: ClientId,
    person: PersonId,
    totp_sealed: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct Row {
    client: String,
    person: String,
    totp_sealed: Vec<u8>,
    failures: i64,
    expires_ms: i64,
    standing: String,
}
