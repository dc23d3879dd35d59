//! Who asks: a person with a session, or a machine with a token. Both come as `Authorization: Bearer ...`.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use caveat_access::{AccessError, Action, Scope, SignedIn};
use caveat_model::ClientId;

use crate::{Problem, Rooms};

/// Every machine token begins with it.
const MACHINE_PREFIX: &str = "cvt_";

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer` with a session or machine token"))
}

/// Whether it is a machine's token, not a person's session.
pub(crate) fn is_machine(headers: &HeaderMap) -> Result<bool, Problem> {
    Ok(bearer(headers)?.starts_with(MACHINE_PREFIX))
}

impl Rooms {
    /// The person who asks, if the table of roles lets them do `action`.
    pub(crate) async fn person(&self, headers: &HeaderMap, action: Action) -> Result<SignedIn, Problem> {
        let who = self.access.session(bearer(headers)?).await?;
        who.permit(action, &who.client)?;
        Ok(who)
    }

    /// One of the two people that `action` needs, if the table of roles lets them do it together with another.
    pub(crate) async fn one_of_two(&self, headers: &HeaderMap, action: Action) -> Result<SignedIn, Problem> {
        let who = self.access.session(bearer(headers)?).await?;
        match who.permit(action, &who.client) {
            Ok(()) | Err(AccessError::SecondPersonNeeded { .. }) => Ok(who),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose machine asks, if its token is good for `scope`.
    pub(crate) async fn machine(&self, headers: &HeaderMap, scope: Scope) -> Result<ClientId, Problem> {
        Ok(self.access.machine(bearer(headers)?, scope).await?.client)
    }

    /// The client of whoever asks, person or machine, and who that is: `person kim`, `token phones`.
    pub(crate) async fn named(
        &self,
        headers: &HeaderMap,
        action: Action,
        scope: Scope,
    ) -> Result<(ClientId, String), Problem> {
        if is_machine(headers)? {
            let machine = self.access.machine(bearer(headers)?, scope).await?;
            Ok((machine.client, format!("token {}", machine.name)))
        } else {
            let person = self.person(headers, action).await?;
            Ok((person.client, format!("person {}", person.person)))
        }
    }

    /// The client of whoever asks, person or machine.
    pub(crate) async fn either(
        &self,
        headers: &HeaderMap,
        action: Action,
        scope: Scope,
    ) -> Result<ClientId, Problem> {
        if is_machine(headers)? {
            self.machine(headers, scope).await
        } else {
            Ok(self.person(headers, action).await?.client)
        }
    }
}
