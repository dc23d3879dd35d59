//! Sessions: begun with two factors, kept on the server, ended by idleness, age, standing or wish.
//!
//! Two factors are a password and a code, a passkey that verified its user, or an identity provider that vouches for a
//! second factor or is joined by one shown here.

use caveat_model::{ClientId, Factor, FactorKind, Moment, PersonId, Standing};
use caveat_state::{Purpose, sql};

use crate::{
    Access, AccessError, SessionToken, SignedIn,
    account::{Account, Attempt, millis, moment},
    factors::ShownCode,
    token,
    words::{from_word, word},
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What a sign-in gives.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// For the browser.
    pub token: SessionToken,
    /// For the packs, which rule on the sign-in before the token is handed out: when they refuse it, sign out.
    pub signed_in: SignedIn,
}

/// What somebody showed to begin a session, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    pub(crate) password: Option<Moment>,
    pub(crate) totp: Option<Moment>,
    pub(crate) passkey: Option<Moment>,
    pub(crate) federated: Option<Moment>,
    /// The latest of what counts as a second factor.
    pub(crate) second: Moment,
}

impl Access {
    /// How many sessions are kept, of all clients; those that are idle for too long are among them until they are swept.
    ///
    /// # Errors
    /// [`AccessError::State`].
    pub async fn sessions_kept(&self) -> Result<u64, AccessError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM access_session")
            .fetch_one(self.0.db.across(Purpose::Count))
            .await
            .map_err(sql("count sessions"))?;
        Ok(count.unsigned_abs())
    }

    /// Begins a session for who shows the right password and a code that was not used before: of the authenticator, or a
    /// recovery code. `origin` is where the request came from, for the record.
    ///
    /// Every failure is the same [`AccessError::SignInRefused`] after the same work. The account counts as used only
    /// when the session is, so that a sign-in that packs refuse does not wake a dormant account.
    ///
    /// # Errors
    /// [`AccessError::SignInRefused`]; [`AccessError::Busy`], which costs no attempt; [`AccessError::Secrets`].
    pub async fn sign_in(
        &self,
        client: &ClientId,
        person: &PersonId,
        password: &str,
        code: &str,
        origin: &str,
    ) -> Result<NewSession, AccessError> {
        let turn = self.0.hasher.queue()?;
        let now = self.0.clock.now();
        let (known, account) = match self.account(client, person).await? {
            // Who was invited and has not come, or comes by other ways only, has no password.
            Some(account) if !account.password_hash.is_empty() => (true, account),
            _ => (false, self.decoy_account().await?),
        };
        let (account, attempt) = self.count_attempt(account, now).await?;
        let too_long = password.len() > self.limits().password_bytes_max;
        let password_right =
            turn.verify(if too_long { "" } else { password }, &account.password_hash).await?;
        let shown = if known {
            self.shown_code(&account, client, person, code, now)
        } else {
            Ok(self.0.decoy.totp.step_of(code, now).map(ShownCode::Step))
        };

        if !known || attempt == Attempt::Waiting || !password_right || too_long {
            return Err(AccessError::SignInRefused);
        }
        let Some(code) = shown? else { return Err(AccessError::SignInRefused) };
        let shown = Shown { password: Some(now), totp: Some(now), second: now, ..Shown::default() };
        let mut tx = self.0.db.of(client).begin().await?;
        if !code.use_up(&mut tx, client, person, &account).await? {
            return Err(AccessError::SignInRefused);
        }
        self.begin_session(tx, client, person, &account, shown, origin).await
    }

    /// Who has the session `token`, and the note that it was used.
    ///
    /// # Errors
    /// [`AccessError::NoSession`] when there is none, or when it has ended.
    pub async fn session(&self, token: &str) -> Result<SignedIn, AccessError> {
        let now = self.0.clock.now();
        let (row, token_hash) = self.live_session(token, now).await?;
        let who = row.signed_in(now, self.limits().step_up_valid_s)?;
        if millis(now).saturating_sub(row.used_ms) >= self.limits().session_touch_s as i64 * 1000 {
            sqlx::query("UPDATE access_session SET used_ms = $1 WHERE token_hash = $2 AND used_ms < $1")
                .bind(millis(now))
                .bind(token_hash)
                .execute(self.0.db.of(&who.client))
                .await
                .map_err(sql("note the use of a session"))?;
        }
        if millis(now).saturating_sub(row.last_used_ms) >= HOUR_MS {
            sqlx::query(
                "UPDATE access_person SET last_used_ms = $1 WHERE client = $2 AND id = $3 AND last_used_ms < $1",
            )
            .bind(millis(now))
            .bind(row.client.as_str())
            .bind(row.person.as_str())
            .execute(self.0.db.of(&who.client))
            .await
            .map_err(sql("note the use of an account"))?;
        }
        Ok(who)
    }

    /// The same without a note that it was used: for what a page asks by itself, whether or not somebody sits before it.
    ///
    /// # Errors
    /// As [`Access::session`].
    pub async fn session_unattended(&self, token: &str) -> Result<SignedIn, AccessError> {
        let now = self.0.clock.now();
        let (row, _) = self.live_session(token, now).await?;
        row.signed_in(now, self.limits().step_up_valid_s)
    }

    /// Shows the second factor again: a code of the authenticator, or a recovery code. A wrong one counts like a wrong
    /// sign-in.
    ///
    /// # Errors
    /// [`AccessError::NoSession`], [`AccessError::ProofRefused`].
    pub async fn step_up(&self, token: &str, code: &str) -> Result<SignedIn, AccessError> {
        let now = self.0.clock.now();
        let (row, token_hash) = self.live_session(token, now).await?;
        let who = row.signed_in(now, self.limits().step_up_valid_s)?;
        let account = self.account(&who.client, &who.person).await?.ok_or(AccessError::NoSession)?;
        let (account, attempt) = self.count_attempt(account, now).await?;
        let shown = self.shown_code(&account, &who.client, &who.person, code, now)?;
        let (Attempt::Open, Some(code)) = (attempt, shown) else { return Err(AccessError::ProofRefused) };

        let mut tx = self.0.db.of(&who.client).begin().await?;
        if !code.use_up(&mut tx, &who.client, &who.person, &account).await? {
            return Err(AccessError::ProofRefused);
        }
        sqlx::query(
            "UPDATE access_session SET totp_ms = $1, second_ms = $1, used_ms = $1 WHERE token_hash = $2",
        )
        .bind(millis(now))
        .bind(token_hash)
        .execute(&mut *tx)
        .await
        .map_err(sql("note a step-up"))?;
        tx.commit().await.map_err(sql("note a step-up"))?;
        self.session(token).await
    }

    /// Ends a session. One that has ended already is no error.
    pub async fn sign_out(&self, token: &str) -> Result<(), AccessError> {
        sqlx::query("DELETE FROM access_session WHERE token_hash = $1")
            .bind(token::digest(token))
            .execute(self.0.db.across(Purpose::SignIn))
            .await
            .map_err(sql("end a session"))?;
        Ok(())
    }

    /// Begins the session of somebody whose proofs were checked, and used up in `tx`.
    pub(crate) async fn begin_session(
        &self,
        mut tx: sqlx::Transaction<'_, sqlx::Any>,
        client: &ClientId,
        person: &PersonId,
        account: &Account,
        shown: Shown,
        origin: &str,
    ) -> Result<NewSession, AccessError> {
        let (limits, now) = (self.limits(), self.0.clock.now());
        let token = SessionToken::random();
        let unused_days = millis(now).saturating_sub(account.last_used_ms).max(0) / DAY_MS;
        if account.standing != word(&Standing::Active) {
            return Err(AccessError::SignInRefused);
        }
        sqlx::query(
            "DELETE FROM access_session WHERE token_hash IN (
                 SELECT token_hash FROM access_session WHERE client = $1 AND person = $2
                 ORDER BY used_ms DESC LIMIT 1000 OFFSET $3)",
        )
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(i64::from(limits.sessions_per_person) - 1)
        .execute(&mut *tx)
        .await
        .map_err(sql("make room for a session"))?;
        sqlx::query(
            "INSERT INTO access_session (token_hash, client, person, origin, began_ms, used_ms, password_ms, totp_ms,
                 passkey_ms, federated_ms, second_ms, unused_days)
             VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(token::digest(token.as_str()))
        .bind(client.as_str())
        .bind(person.as_str())
        .bind(origin.chars().take(limits.name_chars_max).collect::<String>())
        .bind(millis(now))
        .bind(shown.password.map_or(0, millis))
        .bind(shown.totp.map_or(0, millis))
        .bind(shown.passkey.map_or(0, millis))
        .bind(shown.federated.map_or(0, millis))
        .bind(millis(shown.second))
        .bind(unused_days)
        .execute(&mut *tx)
        .await
        .map_err(sql("begin a session"))?;
        tx.commit().await.map_err(sql("begin a session"))?;
        sqlx::query("DELETE FROM access_session WHERE began_ms < $1")
            .bind(millis(now) - limits.session_life_s as i64 * 1000)
            .execute(self.0.db.across(Purpose::Expiry))
            .await
            .map_err(sql("clear old sessions"))?;
        let (row, _) = self.live_session(token.as_str(), now).await?;
        Ok(NewSession { token, signed_in: row.signed_in(now, limits.step_up_valid_s)? })
    }

    /// The session of `token`, if it still lives at `now`. One that does not is removed.
    pub(crate) async fn live_session(&self, token: &str, now: Moment) -> Result<(Row, Vec<u8>), AccessError> {
        if !token::well_formed(token) {
            return Err(AccessError::NoSession);
        }
        let token_hash = token::digest(token);
        let row: Option<Row> = sqlx::query_as(
            "SELECT s.client, s.person, s.origin, s.began_ms, s.used_ms, s.password_ms, s.totp_ms, s.passkey_ms,
                 s.federated_ms, s.second_ms, s.unused_days, p.name, p.role, p.function, p.standing, p.last_used_ms
             FROM access_session s JOIN access_person p ON p.client = s.client AND p.id = s.person
             WHERE s.token_hash = $1",
        )
        .bind(token_hash.clone())
        .fetch_optional(self.0.db.across(Purpose::SignIn))
        .await
        .map_err(sql("read a session"))?;
        let row = row.ok_or(AccessError::NoSession)?;
        let limits = self.limits();
        let (used, began) = (moment(row.used_ms), moment(row.began_ms));
        let alive = now.since(used) <= limits.session_idle_s.saturating_mul(1000)
            && used.since(now) <= limits.clock_back_s.saturating_mul(1000)
            && now.since(began) <= limits.session_life_s.saturating_mul(1000)
            && row.standing == word(&Standing::Active);
        if !alive {
            self.sign_out(token).await?;
            return Err(AccessError::NoSession);
        }
        Ok((row, token_hash))
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    client: String,
    person: String,
    origin: String,
    began_ms: i64,
    used_ms: i64,
    password_ms: i64,
    totp_ms: i64,
    passkey_ms: i64,
    federated_ms: i64,
    second_ms: i64,
    unused_days: i64,
    name: String,
    role: String,
    function: String,
    standing: String,
    last_used_ms: i64,
}

impl Row {
    pub(crate) fn signed_in(&self, now: Moment, step_up_valid_s: u64) -> Result<SignedIn, AccessError> {
        let row = format!("{}/{}", self.client, self.person);
        let corrupt = |column| AccessError::Corrupt { table: "access_session", column, row: row.clone() };
        let shown = [
            (FactorKind::Password, self.password_ms),
            (FactorKind::Totp, self.totp_ms),
            (FactorKind::Passkey, self.passkey_ms),
            (FactorKind::Federated, self.federated_ms),
        ];
        let shown = shown.into_iter().filter(|(_, at_ms)| *at_ms > 0);
        Ok(SignedIn {
            client: self.client.parse().map_err(|_| corrupt("client"))?,
            person: self.person.parse().map_err(|_| corrupt("person"))?,
            name: self.name.clone(),
            role: from_word(&self.role).ok_or_else(|| corrupt("role"))?,
            function: self.function.clone(),
            origin: self.origin.clone(),
            began: moment(self.began_ms),
            factors: shown.map(|(kind, at_ms)| Factor { kind, at: moment(at_ms) }).collect(),
            idle_s: (now.since(moment(self.used_ms)) / 1000).try_into().unwrap_or(u32::MAX),
            unused_days: self.unused_days.try_into().unwrap_or(u16::MAX),
            stepped_up: now.since(moment(self.second_ms)) <= step_up_valid_s.saturating_mul(1000),
            step_up_valid_s,
        })
    }
}
