//! Passwords: what is accepted as one, and argon2id with a bound on how many are hashed at a time.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::{AccessError, Limits};

/// Checks a new password against PCI DSS 8.3.6 and the house's limit on length.
pub(crate) fn check_policy(password: &str, limits: &Limits) -> Result<(), AccessError> {
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let chars = password.chars().count();
    let (why, rule) = if chars < limits.password_chars_min {
        let min = limits.password_chars_min;
        (format!("it has {chars} characters, at least {min} are needed"), "PCI DSS 4.0.1, 8.3.6")
    } else if !has(char::is_alphabetic) {
        ("it has no letter".to_owned(), "PCI DSS 4.0.1, 8.3.6")
    } else if !has(char::is_numeric) {
        ("it has no digit".to_owned(), "PCI DSS 4.0.1, 8.3.6")
    } else if password.len() > limits.password_bytes_max {
        (format!("it is longer than {} bytes", limits.password_bytes_max), "limit password_bytes_max")
    } else {
        return Ok(());
    };
    Err(AccessError::Password { why, rule })
}

/// Runs argon2id off the async threads.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// A place in the queue for one piece of hashing. Taken before anything is counted, so that a busy host costs nobody
/// an attempt.
pub(crate) struct Turn<'h> {
    hasher: &'h Hasher,
    place: OwnedSemaphorePermit,
}

impl Hasher {
    pub(crate) fn new(limits: &Limits) -> Result<Self, AccessError> {
        let params = Params::new(limits.argon2_memory_kib, limits.argon2_passes, 1, None)
            .map_err(|why| AccessError::Hash { why: why.to_string() })?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(limits.hashes_at_once)),
            admitted: Arc::new(Semaphore::new(limits.hashes_at_once + limits.hashes_waiting)),
        })
    }

    /// A place in the queue, or [`AccessError::Busy`] at once when it is full.
    pub(crate) fn queue(&self) -> Result<Turn<'_>, AccessError> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| AccessError::Busy)?;
        Ok(Turn { hasher: self, place })
    }
}

impl Turn<'_> {
    /// The hash to keep of a new password, in the PHC string format.
    pub(crate) async fn hash(self, password: &str) -> Result<String, AccessError> {
        let password = Zeroizing::new(password.to_owned());
        self.run(move |argon2| hash(argon2, &password)).await?
    }

    /// Whether `password` is the one that `kept` was made of.
    pub(crate) async fn verify(self, password: &str, kept: &str) -> Result<bool, AccessError> {
        let password = Zeroizing::new(password.to_owned());
        let kept = kept.to_owned();
        self.run(move |argon2| verify(argon2, &password, &kept)).await
    }

    /// Verifies `current` against the first of `kept`; then, if `new` is none of them, its hash.
    pub(crate) async fn replace(
        self,
        current: &str,
        new: &str,
        kept: Vec<String>,
    ) -> Result<Replacement, AccessError> {
        let (current, new) = (Zeroizing::new(current.to_owned()), Zeroizing::new(new.to_owned()));
        self.run(move |argon2| {
            if !kept.first().is_some_and(|first| verify(argon2, &current, first)) {
                Ok(Replacement::CurrentWrong)
            } else if kept.iter().any(|old| verify(argon2, &new, old)) {
                Ok(Replacement::UsedBefore)
            } else {
                hash(argon2, &new).map(Replacement::Hash)
            }
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&Argon2<'_>) -> T + Send + 'static,
    ) -> Result<T, AccessError> {
        let failed = |why: String| AccessError::Hash { why };
        let running = self.hasher.running.clone().acquire_owned().await.map_err(|e| failed(e.to_string()))?;
        let argon2 = self.hasher.argon2.clone();
        let place = self.place;
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when whoever asked has gone.
            let _permits = (running, place);
            work(&argon2)
        })
        .await
        .map_err(|e| failed(e.to_string()))
    }
}

/// What became of a wish to change a password.
pub(crate) enum Replacement {
    CurrentWrong,
    UsedBefore,
    Hash(String),
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, AccessError> {
    let made: Result<PasswordHash, _> = argon2.hash_password(password.as_bytes());
    made.map(|h| h.to_string()).map_err(|why| AccessError::Hash { why: why.to_string() })
}

/// With the parameters that the hash itself names, in constant time. A hash that does not parse fits no password.
fn verify(argon2: &Argon2<'_>, password: &str, kept: &str) -> bool {
    PasswordHash::new(kept).is_ok_and(|kept| argon2.verify_password(password.as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_weak_password_is_refused_with_the_rule() {
        let check = |password: &str, said: &str| {
            let err = check_policy(password, &Limits::default()).err().map(|e| e.to_string());
            assert!(err.as_deref().unwrap_or("fine").contains(said), "{err:?}");
            assert!(password.is_empty() || !err.unwrap_or_default().contains(password));
        };
        check("correct-horse-1", "fine");
        check("", "has 0 characters");
        check("short1", "8.3.6");
        check("elevenchar1", "has 11 characters");
        check("no digits in it", "no digit");
        check("123456789012", "no letter");
        check(&"a1".repeat(600), "password_bytes_max");
    }

    fn small() -> Limits {
        Limits { argon2_memory_kib: 64, argon2_passes: 1, ..Limits::default() }
    }

    #[tokio::test]
    async fn hashes_are_argon2id_and_salted() {
        let hasher = Hasher::new(&small()).unwrap();
        let a = hasher.queue().unwrap().hash("correct-horse-1").await.unwrap();
        let b = hasher.queue().unwrap().hash("correct-horse-1").await.unwrap();
        assert!(a.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && a != b, "{a}");
        assert!(hasher.queue().unwrap().verify("correct-horse-1", &a).await.unwrap());
        assert!(!hasher.queue().unwrap().verify("correct-horse-2", &a).await.unwrap());
        assert!(!hasher.queue().unwrap().verify("correct-horse-1", "garbage").await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let hasher = Hasher::new(&Limits { hashes_at_once: 1, hashes_waiting: 1, ..small() }).unwrap();
        let (first, _second) = (hasher.queue().unwrap(), hasher.queue().unwrap());
        assert!(matches!(hasher.queue(), Err(AccessError::Busy)));
        first.hash("correct-horse-1").await.unwrap();
        assert!(hasher.queue().is_ok(), "a place is free again");
    }
}
