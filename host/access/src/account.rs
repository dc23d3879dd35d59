//! The row that a proof is checked against, and the count of wrong attempts on it.

use caveat_model::{ClientId, Moment, PersonId};
use caveat_state::{Db, Purpose, Scoped, sql};

use crate::{Access, AccessError, Limits, password::Hasher, token, totp::TotpSecret};

/// What is needed to check a password or a code.
#[derive(sqlx::FromRow)]
pub(crate) struct Account {
    pub(crate) client: String,
    pub(crate) id: String,
    pub(crate) standing: String,
    pub(crate) password_hash: String,
    pub(crate) totp_sealed: Vec<u8>,
    pub(crate) last_used_ms: i64,
    failures: i64,
    wait_until_ms: i64,
    attempts: i64,
}

/// Stands in for people who do not exist, so that they cost the same work: a row without a client, which no
/// [`ClientId`] can name, and a secret that nobody has.
pub(crate) struct Decoy {
    pub(crate) totp: TotpSecret,
    /// What passkeys of nobody are made up from.
    pub(crate) passkeys: [u8; 32],
}

impl Decoy {
    pub(crate) async fn prepare(db: &Db, hasher: &Hasher) -> Result<Self, AccessError> {
        let hash = hasher.queue()?.hash(&token::random_secret()).await?;
        sqlx::query(
            "INSERT INTO access_person (client, id, name, role, function, standing, password_hash,
                 password_changed_ms, totp_sealed, totp_step, failures, wait_until_ms, attempts, created_ms,
                 last_used_ms)
             VALUES ('', '', '', 'outsider', '', 'terminated', $1, 0, $2, 0, 0, 0, 0, 0, 0)
             ON CONFLICT (client, id) DO UPDATE SET password_hash = excluded.password_hash",
        )
        .bind(hash)
        .bind(Vec::<u8>::new())
        .execute(db.across(Purpose::SignIn))
        .await
        .map_err(sql("prepare the decoy"))?;
        Ok(Self { totp: TotpSecret::random(), passkeys: rand::random() })
    }
}

/// Whether an attempt may succeed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It was counted as a failure, until it succeeds.
    Open,
    /// There were too many: it comes to nothing, whatever it shows.
    Waiting,
}

impl Access {
    pub(crate) async fn account(
        &self,
        client: &ClientId,
        person: &PersonId,
    ) -> Result<Option<Account>, AccessError> {
        self.account_row(client.as_str(), person.as_str()).await
    }

    pub(crate) async fn decoy_account(&self) -> Result<Account, AccessError> {
        self.account_row("", "").await?.ok_or_else(|| AccessError::Corrupt {
            table: "access_person",
            column: "client",
            row: "the decoy".into(),
        })
    }

    /// Counts an attempt before it is looked at: many at the same moment get no more guesses than one after another.
    /// Success takes the count back. Writes in every case, so that the time it takes tells nothing.
    pub(crate) async fn count_attempt(
        &self,
        mut account: Account,
        now: Moment,
    ) -> Result<(Account, Attempt), AccessError> {
        const TRIES: usize = 3; // whoever loses the swap this often is one of a crowd at one account
        for _ in 0..TRIES {
            let (attempt, failures, wait_until_ms) = account.after_failure(now, &self.0.limits);
            let swapped = sqlx::query(
                "UPDATE access_person SET failures = $1, wait_until_ms = $2, attempts = attempts + 1
                 WHERE client = $3 AND id = $4 AND attempts = $5",
            )
            .bind(failures)
            .bind(wait_until_ms)
            .bind(account.client.as_str())
            .bind(account.id.as_str())
            .bind(account.attempts)
            .execute(self.rows_of(&account.client))
            .await
            .map_err(sql("count an attempt"))?;
            if swapped.rows_affected() == 1 {
                if attempt == Attempt::Open && failures >= self.0.limits.failures_before_lockout.into() {
                    tracing::warn!(
                        client = account.client,
                        person = account.id,
                        "locked unless this attempt succeeds: too many wrong ones before it"
                    );
                }
                return Ok((account, attempt));
            }
            account = match self.account_row(&account.client, &account.id).await? {
                Some(newer) => newer,
                None => break,
            };
        }
        Ok((account, Attempt::Waiting))
    }

    /// No client has the row that stands in for people who do not exist.
    fn rows_of(&self, client: &str) -> Scoped {
        let client: Result<ClientId, _> = client.parse();
        client.map_or_else(|_| self.0.db.across(Purpose::SignIn), |client| self.0.db.of(&client))
    }

    async fn account_row(&self, client: &str, id: &str) -> Result<Option<Account>, AccessError> {
        Ok(sqlx::query_as(
            "SELECT client, id, standing, password_hash, totp_sealed, last_used_ms, failures, wait_until_ms, attempts
             FROM access_person WHERE client = $1 AND id = $2",
        )
        .bind(client)
        .bind(id)
        .fetch_optional(self.rows_of(client))
        .await
        .map_err(sql("read an account"))?)
    }
}

impl Account {
    /// The count and the wait that hold if the attempt at `now` fails.
    fn after_failure(&self, now: Moment, limits: &Limits) -> (Attempt, i64, i64) {
        let now_ms = millis(now);
        if now_ms < self.wait_until_ms {
            return (Attempt::Waiting, self.failures, self.wait_until_ms);
        }
        let lockout = i64::from(limits.failures_before_lockout);
        // A lockout that was sat out is forgotten.
        let failures = if self.failures >= lockout { 1 } else { self.failures + 1 };
        let wait_s = if failures >= lockout {
            limits.lockout_s
        } else {
            match failures - i64::from(limits.failures_without_wait) {
                over @ 1.. => (1u64 << (over - 1).min(20)).min(limits.lockout_s),
                _ => 0,
            }
        };
        let until = if wait_s == 0 { 0 } else { now_ms + (wait_s as i64).saturating_mul(1000) };
        (Attempt::Open, failures, until)
    }
}

/// A moment as a column holds it: the last one there is, in the year 9999, fits.
pub(crate) fn millis(moment: Moment) -> i64 {
    moment.as_millis() as i64
}

/// A column as a moment.
pub(crate) fn moment(ms: i64) -> Moment {
    Moment::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_in_a_lockout() {
        let limits = Limits::default();
        let mut account = Account {
            client: String::new(),
            id: String::new(),
            standing: String::new(),
            password_hash: String::new(),
            totp_sealed: Vec::new(),
            last_used_ms: 0,
            failures: 0,
            wait_until_ms: 0,
            attempts: 0,
        };
        let mut now = Moment::from_millis(1_000_000_000);
        let mut waits_s = Vec::new();
        for _ in 0..11 {
            let (attempt, failures, until) = account.after_failure(now, &limits);
            assert_eq!(attempt, Attempt::Open);
            (account.failures, account.wait_until_ms) = (failures, until);
            waits_s.push((until - millis(now)).max(0) / 1000);
            if until > 0 {
                let early = moment(until - 1);
                assert_eq!(account.after_failure(early, &limits), (Attempt::Waiting, failures, until));
                now = moment(until);
            }
        }
        assert_eq!(waits_s, [0, 0, 0, 1, 2, 4, 8, 16, 32, 1800, 0]);
    }
}
