//! A person's second factor as codes: checked and used up, renewed by the person.

use caveat_model::{ClientId, Moment, PersonId, Standing};
use caveat_state::sql;
use serde::{Deserialize, Serialize};

use crate::{
    Access, AccessError, Action, Ceremony, Enrolment, SignedIn,
    account::{Account, Attempt},
    recovery,
    totp::TotpSecret,
    words::word,
};

/// A code that fits. It is good for nothing until it is used up.
pub(crate) enum ShownCode {
    /// Of the authenticator: its step of time.
    Step(i64),
    /// May be a recovery code; whether the person has it shows when it is used up.
    Recovery(Vec<u8>),
}

/// A new secret for codes, shown and not confirmed.
#[derive(Serialize, Deserialize)]
struct Proposed {
    totp_sealed: Vec<u8>,
}

impl Access {
    /// What `code` may be, of who has `account`.
    pub(crate) fn shown_code(
        &self,
        account: &Account,
        client: &ClientId,
        person: &PersonId,
        code: &str,
        now: Moment,
    ) -> Result<Option<ShownCode>, AccessError> {
        if let Some(hash) = recovery::digest(code) {
            return Ok(Some(ShownCode::Recovery(hash)));
        }
        if account.totp_sealed.is_empty() {
            return Ok(None);
        }
        let secret = TotpSecret::open(&*self.0.secrets, client, person, &account.totp_sealed)?;
        Ok(secret.step_of(code, now).map(ShownCode::Step))
    }

    /// New recovery codes in the place of all that this person has; shown once.
    ///
    /// # Errors
    /// [`AccessError::NoSession`]; [`AccessError::StepUpNeeded`].
    pub async fn renew_recovery_codes(&self, token: &str) -> Result<Vec<String>, AccessError> {
        let who = self.manages_own_factors(token).await?;
        let mut tx = self.0.db.of(&who.client).begin().await?;
        let codes = recovery::renew(&mut tx, &who.client, &who.person, self.limits().recovery_codes).await?;
        tx.commit().await.map_err(sql("keep recovery codes"))?;
        Ok(codes)
    }

    /// Another secret for codes, to be confirmed by a code of it; the one before stays good until then.
    ///
    /// # Errors
    /// As [`Access::renew_recovery_codes`], and [`AccessError::Busy`].
    pub async fn propose_totp(&self, token: &str) -> Result<(String, Enrolment), AccessError> {
        let who = self.manages_own_factors(token).await?;
        let secret = TotpSecret::random();
        let totp_sealed = secret.seal(&*self.0.secrets, &who.client, &who.person)?;
        let state = Proposed { totp_sealed };
        let ceremony = self.begin_ceremony(Ceremony::NewTotp, &who.client, Some(&who.person), &state).await?;
        Ok((ceremony, Enrolment::of(&secret, &who.client, &who.person)))
    }

    /// Puts the proposed secret in force. A wrong code counts like a wrong sign-in, and the secret is to be proposed again.
    ///
    /// # Errors
    /// [`AccessError::NoCeremony`], [`AccessError::ProofRefused`], and as [`Access::propose_totp`].
    pub async fn confirm_totp(&self, token: &str, ceremony: &str, code: &str) -> Result<(), AccessError> {
        let who = self.manages_own_factors(token).await?;
        let now = self.0.clock.now();
        let account = self.account(&who.client, &who.person).await?.ok_or(AccessError::NoSession)?;
        let (account, attempt) = self.count_attempt(account, now).await?;
        let taken = self.take_ceremony::<Proposed>(Ceremony::NewTotp, ceremony).await?;
        if taken.client != who.client || taken.person.as_ref() != Some(&who.person) {
            return Err(AccessError::NoCeremony);
        }
        let sealed = taken.state.totp_sealed;
        let secret = TotpSecret::open(&*self.0.secrets, &who.client, &who.person, &sealed)?;
        let (Attempt::Open, Some(step)) = (attempt, secret.step_of(code, now)) else {
            return Err(AccessError::ProofRefused);
        };
        let changed = sqlx::query(
            "UPDATE access_person SET totp_sealed = $1, totp_step = $2, failures = 0, wait_until_ms = 0,
                 attempts = attempts + 1
             WHERE client = $3 AND id = $4 AND totp_sealed = $5",
        )
        .bind(sealed)
        .bind(step)
        .bind(who.client.as_str())
        .bind(who.person.as_str())
        .bind(account.totp_sealed)
        .execute(self.0.db.of(&who.client))
        .await
        .map_err(sql("change a second factor"))?;
        if changed.rows_affected() == 1 { Ok(()) } else { Err(AccessError::ProofRefused) }
    }

    /// Whoever has the session, if they may change what they sign in with.
    pub(crate) async fn manages_own_factors(&self, token: &str) -> Result<SignedIn, AccessError> {
        let who = self.session(token).await?;
        who.permit(Action::ManageOwnFactors, &who.client)?;
        Ok(who)
    }
}

impl ShownCode {
    /// Uses up the code, and with it takes the count of failures back. False when it was used before, or when the
    /// password, the second factor or the standing changed while the proof was being checked.
    pub(crate) async fn use_up(
        self,
        tx: &mut sqlx::Transaction<'_, sqlx::Any>,
        client: &ClientId,
        person: &PersonId,
        account: &Account,
    ) -> Result<bool, AccessError> {
        let step = match self {
            Self::Step(step) => Some(step),
            Self::Recovery(hash) => {
                if !recovery::use_up(tx, client, person, hash).await? {
                    return Ok(false);
                }
                tracing::warn!(%client, %person, "signed in by a recovery code");
                None
            }
        };
        note_proof(tx, client, person, account, step).await
    }
}

/// Takes the count of failures back for who proved otherwise who they are. False when the password, the second factor or
/// the standing changed while the proof was being checked.
pub(crate) async fn proven(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
    account: &Account,
) -> Result<bool, AccessError> {
    note_proof(tx, client, person, account, None).await
}

/// Likewise; `step` is that of the code which was the proof, and has to be later than any before.
async fn note_proof(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    client: &ClientId,
    person: &PersonId,
    account: &Account,
    step: Option<i64>,
) -> Result<bool, AccessError> {
    let proven = sqlx::query(
        "UPDATE access_person SET totp_step = CASE WHEN $1 < 0 THEN totp_step ELSE $1 END, failures = 0,
             wait_until_ms = 0, attempts = attempts + 1
         WHERE client = $2 AND id = $3 AND ($1 < 0 OR totp_step < $1) AND standing = $4 AND password_hash = $5
             AND totp_sealed = $6",
    )
    .bind(step.unwrap_or(-1))
    .bind(client.as_str())
    .bind(person.as_str())
    .bind(word(&Standing::Active))
    .bind(account.password_hash.as_str())
    .bind(account.totp_sealed.clone())
    .execute(&mut **tx)
    .await
    .map_err(sql("note a proof"))?;
    Ok(proven.rows_affected() == 1)
}
