//! A door to try: a real database, a clock that stands still until it is moved.

#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../../../state/tests/database/mod.rs"]
mod database;

use std::sync::Arc;

use caveat_access::{Access, AccessError, Enrolment, Limits, NewPerson, NewSession, SecretBox};
use caveat_model::{ClientId, Clock, ManualClock, PersonId, Role};
use caveat_state::Db;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret};

pub(crate) const PASSWORD: &str = "correct-horse-42";
pub(crate) const MINUTE_MS: u64 = 60_000;

/// Good enough to see whether what is kept opens for the right client and person only.
pub(crate) struct Box_;

impl Box_ {
    fn stream(client: &ClientId, context: &str) -> [u8; 32] {
        Sha256::digest(format!("test key/{client}/{context}")).into()
    }
}

impl SecretBox for Box_ {
    fn seal(&self, client: &ClientId, context: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
        let stream = Self::stream(client, context);
        let mut sealed: Vec<u8> = plain.iter().zip(stream.into_iter().cycle()).map(|(p, s)| p ^ s).collect();
        sealed.extend(Sha256::digest([&stream[..], plain].concat()));
        Ok(sealed)
    }
    fn open(&self, client: &ClientId, context: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let stream = Self::stream(client, context);
        let (body, tag) = sealed.split_at_checked(sealed.len().saturating_sub(32)).ok_or("too short")?;
        let plain: Vec<u8> = body.iter().zip(stream.into_iter().cycle()).map(|(p, s)| p ^ s).collect();
        let expected = Sha256::digest([&stream[..], &plain].concat());
        if expected.as_slice() == tag { Ok(plain) } else { Err("it does not open".into()) }
    }
}

pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) db: Db,
    pub(crate) access: Access,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) acme: ClientId,
    pub(crate) kim: PersonId,
    pub(crate) enrolment: Enrolment,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(&dir.path().join("state.db")).await;
        let clock = Arc::new(ManualClock::new("2042-03-01T09:00:00Z".parse().unwrap()));
        let limits = Limits { argon2_memory_kib: 64, argon2_passes: 1, ..Limits::default() };
        let access = Access::open(db.clone(), clock.clone(), Arc::new(Box_), limits).await.unwrap();
        let (acme, kim) = ("acme".parse().unwrap(), "kim".parse().unwrap());
        let enrolment = access.add_person(new_person(&acme, &kim, Role::Supervisor)).await.unwrap();
        Self { dir, db, access, clock, acme, kim, enrolment }
    }

    pub(crate) fn code(&self) -> String {
        self.code_in_steps(0)
    }

    pub(crate) fn code_in_steps(&self, steps: i64) -> String {
        let now_s = self.clock.now().as_millis() as i64 / 1000;
        code(&self.enrolment, (now_s + 30 * steps) as u64)
    }

    pub(crate) fn next_step(&self) {
        self.clock.advance_millis(30_000);
    }

    pub(crate) async fn try_sign_in(&self, password: &str, code: &str) -> Result<NewSession, AccessError> {
        self.access.sign_in(&self.acme, &self.kim, password, code, "192.0.2.7").await
    }

    pub(crate) async fn sign_in(&self) -> NewSession {
        self.next_step();
        self.try_sign_in(PASSWORD, &self.code()).await.unwrap()
    }
}

pub(crate) fn new_person(client: &ClientId, id: &PersonId, role: Role) -> NewPerson {
    NewPerson {
        client: client.clone(),
        id: id.clone(),
        name: "Kim Sample".into(),
        role,
        function: "billing".into(),
        password: PASSWORD.into(),
    }
}

pub(crate) fn code(enrolment: &Enrolment, at_s: u64) -> String {
    let secret = Secret::try_from_base32(&enrolment.totp_secret_base32).unwrap();
    Builder::new().with_secret(secret).build().unwrap().generate(at_s).to_string()
}

pub(crate) fn refused<T>(result: Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::SignInRefused))
}

pub(crate) fn ended<T>(result: Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::NoSession))
}
