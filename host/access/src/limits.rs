//! Every number of this room.

use serde::Deserialize;

use crate::AccessError;

/// Limits, with their units. The defaults meet PCI DSS 4.0.1; [`crate::Access::open`] refuses weaker ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A session that lies unused for longer has ended (PCI DSS 8.2.8: at most 15 minutes).
    pub session_idle_s: u64,
    /// A session ends this long after sign-in, used or not.
    pub session_life_s: u64,
    /// Use is noted once in this time, so that a burst of requests is one write.
    pub session_touch_s: u64,
    /// A person's oldest session ends when there would be more.
    pub sessions_per_person: u32,
    /// How long a shown second factor is good for play, export and redact.
    pub step_up_valid_s: u64,
    /// A session last used further in the future than this has ended: nobody can say how long it was idle.
    pub clock_back_s: u64,
    /// So many wrong attempts cost no wait; each one after them doubles it, from one second.
    pub failures_without_wait: u32,
    /// At so many wrong attempts the account is locked (PCI DSS 8.3.4: at most 10).
    pub failures_before_lockout: u32,
    /// For how long (PCI DSS 8.3.4: at least 30 minutes).
    pub lockout_s: u64,
    /// The shortest password (PCI DSS 8.3.6: at least 12).
    pub password_chars_min: usize,
    /// The longest password.
    pub password_bytes_max: usize,
    /// A new password differs from so many before it, the current one included (PCI DSS 8.3.7: at least 4).
    pub password_history: u32,
    /// argon2id: memory for one hash.
    pub argon2_memory_kib: u32,
    /// argon2id: passes over it.
    pub argon2_passes: u32,
    /// Passwords hashed at the same time: a flood of sign-ins takes so many cores and no more.
    pub hashes_at_once: usize,
    /// Attempts that may wait for their turn; further ones are told to come back.
    pub hashes_waiting: usize,
    /// Longest person, function and token name.
    pub name_chars_max: usize,
    /// The longest life of a machine token.
    pub machine_token_days_max: u32,
    /// How long an invitation is good for.
    pub enrolment_valid_s: u64,
    /// At so many wrong codes an invitation is good for nothing.
    pub enrolment_failures_max: u32,
    /// Recovery codes that a person gets at a time.
    pub recovery_codes: usize,
    /// Passkeys of a person.
    pub passkeys_per_person: u32,
    /// How long a challenge, or a sign-in at an identity provider, is waited for.
    pub ceremony_valid_s: u64,
    /// So many are waited for at the same time; further ones are told to come back.
    pub ceremonies_max: u32,
    /// How long an identity provider may take for one answer.
    pub provider_answer_ms_max: u64,
    /// The longest answer of an identity provider.
    pub provider_answer_bytes_max: usize,
    /// What is known of an identity provider is asked for again after this time.
    pub provider_refresh_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_idle_s: 15 * 60,
            session_life_s: 12 * 3600,
            session_touch_s: 1,
            sessions_per_person: 8,
            step_up_valid_s: 300,
            clock_back_s: 60,
            failures_without_wait: 3,
            failures_before_lockout: 10,
            lockout_s: 30 * 60,
            password_chars_min: 12,
            password_bytes_max: 1024,
            password_history: 4,
            argon2_memory_kib: 19 * 1024, // OWASP's minimum for argon2id with two passes
            argon2_passes: 2,
            hashes_at_once: 1,
            hashes_waiting: 32,
            name_chars_max: 120,
            machine_token_days_max: 365,
            enrolment_valid_s: 3 * 24 * 3600,
            enrolment_failures_max: 5,
            recovery_codes: 10,
            passkeys_per_person: 10,
            ceremony_valid_s: 300,
            ceremonies_max: 10_000,
            provider_answer_ms_max: 5_000,
            provider_answer_bytes_max: 262_144,
            provider_refresh_s: 300,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), AccessError> {
        let rules: [(&'static str, bool, &'static str); 15] = [
            ("session_idle_s", (1..=900).contains(&self.session_idle_s), "1 to 900 (PCI DSS 4.0.1, 8.2.8)"),
            ("session_touch_s", self.session_touch_s < self.session_idle_s, "less than session_idle_s"),
            ("sessions_per_person", self.sessions_per_person > 0, "at least 1"),
            (
                "failures_before_lockout",
                (1..=10).contains(&self.failures_before_lockout),
                "1 to 10 (PCI DSS 4.0.1, 8.3.4)",
            ),
            ("lockout_s", self.lockout_s >= 1800, "at least 1800 (PCI DSS 4.0.1, 8.3.4)"),
            ("password_chars_min", self.password_chars_min >= 12, "at least 12 (PCI DSS 4.0.1, 8.3.6)"),
            (
                "password_bytes_max",
                self.password_bytes_max >= 4 * self.password_chars_min,
                "at least four times password_chars_min",
            ),
            ("password_history", self.password_history >= 4, "at least 4 (PCI DSS 4.0.1, 8.3.7)"),
            ("hashes_at_once", self.hashes_at_once > 0, "at least 1"),
            ("machine_token_days_max", self.machine_token_days_max > 0, "at least 1"),
            ("enrolment_failures_max", (1..=10).contains(&self.enrolment_failures_max), "1 to 10"),
            ("recovery_codes", (1..=100).contains(&self.recovery_codes), "1 to 100"),
            ("passkeys_per_person", (1..=100).contains(&self.passkeys_per_person), "1 to 100"),
            ("ceremony_valid_s", (30..=3600).contains(&self.ceremony_valid_s), "30 to 3600"),
            ("ceremonies_max", self.ceremonies_max > 0, "at least 1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((name, _, wanted)) => Err(AccessError::Limit { name, wanted }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_weaker_than_the_standard_are_refused_with_the_rule() {
        assert!(Limits::default().check().is_ok());
        let check = |change: fn(&mut Limits), said: &str| {
            let mut limits = Limits::default();
            change(&mut limits);
            let err = limits.check().err().map(|e| e.to_string()).unwrap_or_default();
            assert!(err.contains(said), "{err}");
        };
        check(|l| l.session_idle_s = 901, "8.2.8");
        check(|l| l.failures_before_lockout = 11, "8.3.4");
        check(|l| l.failures_before_lockout = 0, "8.3.4");
        check(|l| l.lockout_s = 1799, "8.3.4");
        check(|l| l.password_chars_min = 11, "8.3.6");
        check(|l| l.password_history = 3, "8.3.7");
        check(|l| l.hashes_at_once = 0, "hashes_at_once");
    }
}
