//! A stream of events ends when whoever watches it may not do so any more: signed out, idle for too long, of another role or
//! standing, with a token that was revoked.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::Response,
};
use caveat_access::Scope;
use futures::StreamExt;

use crate::{
    Needs, Rooms,
    gate::{Caller, Token, permit},
    who,
};

/// Whoever was let in, to be looked at again.
pub(crate) struct Watcher {
    rooms: Rooms,
    needs: Needs,
    shows: Shows,
}

/// What they were let in with.
enum Shows {
    Session(String),
    Token(String, Scope),
}

impl Watcher {
    /// Of a request that was let in; none: with a certificate, which is looked at with the connection.
    pub(crate) fn of(
        rooms: &Rooms,
        needs: Needs,
        session: Option<&Token>,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let shows = match (needs, who::bearer(headers)) {
            (Needs::Machine(scope) | Needs::Either(_, scope) | Needs::EitherOf(_, scope), Ok(token))
                if who::is_machine(headers) =>
            {
                Shows::Token(token.to_owned(), scope)
            }
            _ => Shows::Session(session?.0.clone()),
        };
        Some(Self { rooms: rooms.clone(), needs, shows })
    }

    /// To watch is no use of a session.
    async fn may_watch(&self) -> bool {
        match &self.shows {
            Shows::Session(session) => match self.rooms.access.session_unattended(session).await {
                Ok(who) => permit(&Caller::Person(who), self.needs).is_ok(),
                Err(_) => false,
            },
            Shows::Token(token, scope) => self.rooms.access.machine(token, *scope).await.is_ok(),
        }
    }

    /// The same answer; a stream, as long as they may watch it.
    pub(crate) fn watches(self, response: Response) -> Response {
        let every = Duration::from_secs(self.rooms.limits.watchers_checked_s.max(1));
        let is_over = async move {
            loop {
                tokio::time::sleep(every).await;
                if !self.may_watch().await {
                    return;
                }
            }
        };
        response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(is_over))))
    }
}

/// Whether an answer goes on.
pub(crate) fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
}
