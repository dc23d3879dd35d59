//! What can go wrong at the door.

use caveat_model::{ClientId, PersonId, Role};
use caveat_state::StateError;

use crate::{Action, Scope};

/// What can go wrong. No variant carries a password, a code, a token or a TOTP secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// One answer to every wrong sign-in, so that it tells nothing about who exists or which part was wrong.
    #[error(
        "sign-in was refused: the person, the password or the code is wrong, the code was used before, or there were \
         too many attempts; wait for the next code and try again, or ask an administrator"
    )]
    SignInRefused,
    /// A second factor, or the current password, was wrong.
    #[error(
        "this was not accepted: it is wrong, was used before, or there were too many attempts; wait for the next code \
         and try again"
    )]
    ProofRefused,
    /// No such invitation, or it was used, has expired, or met too many wrong codes.
    #[error("the invitation is unknown, used or expired: ask an administrator for another")]
    NoEnrolment,
    /// What was begun is not waited for: it was finished, took too long, or was never begun.
    #[error("this was not begun here, took too long or is finished: begin again")]
    NoCeremony,
    /// Nobody signs in this way here.
    #[error("nobody signs in by {way} here: {remedy}")]
    NoSuchWay {
        /// Which way ("passkey", "the provider `corp`").
        way: String,
        /// What would change that.
        remedy: &'static str,
    },
    /// The person has no such passkey.
    #[error("there is no such passkey")]
    NoPasskey,
    /// Another has the same passkey, or the person has enough of them.
    #[error("the passkey cannot be added: {why}")]
    PasskeyRefused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// An identity provider failed. The person is told so, the log why.
    #[error("the identity provider `{name}` of client {client} failed: {why}")]
    Provider {
        /// Whose.
        client: ClientId,
        /// Its name in the configuration.
        name: String,
        /// What went wrong.
        why: String,
    },
    /// A client without an administrator could have no other.
    #[error("{person} is the last active administrator of client {client}: make another first")]
    LastAdmin {
        /// Where.
        client: ClientId,
        /// Who.
        person: PersonId,
    },
    /// Nobody changes their own role or standing.
    #[error("this takes another administrator: nobody changes their own role, standing or factors this way")]
    OwnAccount,
    /// The certificate is good, and names no machine of the configuration.
    #[error("the client certificate names no machine of the configuration: add it under [[http.machine]]")]
    NoSidecar,
    /// Too many are signing in.
    #[error("too many sign-ins at once: try again in a few seconds")]
    Busy,
    /// No such session, or it has ended.
    #[error("the session has ended: sign in again")]
    NoSession,
    /// The role does not have it, or it is another client's.
    #[error("the role {role:?} may not do this here ({action:?})")]
    NotPermitted {
        /// Who asks.
        role: Role,
        /// For what.
        action: Action,
    },
    /// The second factor was shown too long ago.
    #[error("{action:?} needs a second factor shown within the last {within_s} s: step up, then ask again")]
    StepUpNeeded {
        /// For what.
        action: Action,
        /// How recent it has to be, in seconds.
        within_s: u64,
    },
    /// One person is not enough.
    #[error("{action:?} needs a second person of this client who may do it and has just stepped up")]
    SecondPersonNeeded {
        /// For what.
        action: Action,
    },
    /// A new password breaks a rule.
    #[error("the password cannot be used: {why} ({rule})")]
    Password {
        /// What is wrong with it.
        why: String,
        /// Which rule says so.
        rule: &'static str,
    },
    /// The id is taken.
    #[error("client {client} has a person {person} already: choose another id")]
    PersonExists {
        /// Where.
        client: ClientId,
        /// Which.
        person: PersonId,
    },
    /// The id is unknown.
    #[error("client {client} has no person {person}")]
    NoPerson {
        /// Where.
        client: ClientId,
        /// Which.
        person: PersonId,
    },
    /// Something about a new person or token cannot be used.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// No such machine token, or it was revoked or has expired.
    #[error("the machine token is unknown, revoked or expired: create a new one")]
    NoToken,
    /// A machine token is good for other things, or for another client.
    #[error("the machine token does not allow this here: it needs the scope {scope:?}")]
    Scope {
        /// What it would need.
        scope: Scope,
    },
    /// A limit in the configuration.
    #[error("limit {name} cannot be used: it has to be {wanted}")]
    Limit {
        /// Its name.
        name: &'static str,
        /// What would do.
        wanted: &'static str,
    },
    /// The vault could not seal or open a TOTP secret.
    #[error("the secret store failed to {what} the second factor of {person} of client {client}: {why}")]
    Secrets {
        /// `seal` or `open`.
        what: &'static str,
        /// Whose.
        client: ClientId,
        /// Whose.
        person: String,
        /// Its answer.
        why: String,
    },
    /// argon2 could not run.
    #[error("hashing a password failed: {why}; check memory and the argon2 limits")]
    Hash {
        /// Its answer.
        why: String,
    },
    /// A row does not read as what this program writes.
    #[error("table {table}: the {column} of {row} is not one that this program knows; restore it or upgrade")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// Where.
        column: &'static str,
        /// Which.
        row: String,
    },
    /// The database.
    #[error(transparent)]
    State(#[from] StateError),
}
