//! What a route needs of whoever calls it, and the gate before each that asks for it. A handler that takes [`Person`],
//! [`Client`] or [`Caller`] gets whom the gate let in; it never looks at a token itself.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use caveat_access::{Action, Machine, Scope, SignedIn, permitted};
use caveat_model::ClientId;

use crate::{Problem, Rooms, who};

/// What a route needs of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Open,
    /// A session, of anybody.
    Session,
    /// A person who may do it.
    Person(Action),
    /// One of the two people that it takes.
    OneOfTwo(Action),
    /// A person who may do one of these; which one it is stands in the request, and the handler asks for that.
    AnyOf(&'static [Action]),
    /// A machine whose token has the scope.
    Machine(Scope),
    /// A person who may do it, or a machine whose token has the scope.
    Either(Action, Scope),
    /// A person who may do one of these, or a machine whose token has the scope.
    EitherOf(&'static [Action], Scope),
}

impl Needs {
    /// What a person needs, and what a machine needs; empty where it cannot.
    pub(crate) fn in_words(self) -> (String, String) {
        let (none, word) = (String::new, crate::openapi::word::<Action>);
        match self {
            Self::Open => ("open".into(), "open".into()),
            Self::Session => ("signed in".into(), none()),
            Self::Person(action) => (word(&action), none()),
            Self::OneOfTwo(action) => (format!("{}, one of two", word(&action)), none()),
            Self::AnyOf(actions) => (actions.iter().map(word).collect::<Vec<_>>().join(" or "), none()),
            Self::Machine(scope) => (none(), crate::openapi::word(&scope)),
            Self::Either(action, scope) => (word(&action), crate::openapi::word(&scope)),
            Self::EitherOf(actions, scope) => {
                (Self::AnyOf(actions).in_words().0, crate::openapi::word(&scope))
            }
        }
    }
}

/// Who called, and was let in.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// With a session.
    Person(SignedIn),
    /// With a token.
    Machine(Machine),
}

impl Caller {
    /// Whose person or machine it is.
    pub(crate) fn client(&self) -> &ClientId {
        match self {
            Self::Person(person) => &person.client,
            Self::Machine(machine) => &machine.client,
        }
    }

    /// For the record: `person kim`, `token phones`.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Person(person) => format!("person {}", person.person),
            Self::Machine(machine) => format!("token {}", machine.name),
        }
    }
}

/// The person who called.
pub(crate) struct Person(pub(crate) SignedIn);

/// Whose person or machine called.
pub(crate) struct Client(pub(crate) ClientId);

/// Stands before every route of the table.
pub(crate) async fn gate(
    State((rooms, needs)): State<(Rooms, Needs)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(caller) = rooms.admit(request.headers(), needs).await? {
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

impl Rooms {
    async fn admit(&self, headers: &axum::http::HeaderMap, needs: Needs) -> Result<Option<Caller>, Problem> {
        let person =
            async || -> Result<SignedIn, Problem> { Ok(self.access.session(who::session(headers)?).await?) };
        let machine = async |scope| -> Result<Machine, Problem> {
            Ok(self.access.machine(who::bearer(headers)?, scope).await?)
        };
        let may = async |action| -> Result<Caller, Problem> {
            let who = person().await?;
            who.permit(action, &who.client)?;
            Ok(Caller::Person(who))
        };
        Ok(Some(match needs {
            Needs::Open => return Ok(None),
            Needs::Session => Caller::Person(person().await?),
            Needs::Person(action) => may(action).await?,
            Needs::OneOfTwo(action) => {
                let who = person().await?;
                who.may_ask(action, &who.client)?;
                Caller::Person(who)
            }
            Needs::EitherOf(_, scope) if who::is_machine(headers) => Caller::Machine(machine(scope).await?),
            Needs::AnyOf(actions) | Needs::EitherOf(actions, _) => {
                let who = person().await?;
                if let [first, ..] = actions
                    && !actions.iter().any(|action| permitted(who.role, *action))
                {
                    who.may_ask(*first, &who.client)?;
                }
                Caller::Person(who)
            }
            Needs::Machine(scope) => Caller::Machine(machine(scope).await?),
            Needs::Either(_, scope) if who::is_machine(headers) => Caller::Machine(machine(scope).await?),
            Needs::Either(action, _) => may(action).await?,
        }))
    }
}

/// A handler that asks who called stands behind a gate that knows it, or the table is wrong.
fn let_in(parts: &Parts) -> Result<Caller, Problem> {
    parts.extensions.get().cloned().ok_or_else(|| {
        tracing::error!(
            path = parts.uri.path(),
            "a route asks who called, and its row in the table does not"
        );
        Problem::failed()
    })
}

impl FromRequestParts<Rooms> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Rooms) -> Result<Self, Problem> {
        let_in(parts)
    }
}

impl FromRequestParts<Rooms> for Client {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Rooms) -> Result<Self, Problem> {
        Ok(Self(let_in(parts)?.client().clone()))
    }
}

impl FromRequestParts<Rooms> for Person {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Rooms) -> Result<Self, Problem> {
        match let_in(parts)? {
            Caller::Person(person) => Ok(Self(person)),
            Caller::Machine(_) => Err(Problem::forbidden("this is for people: sign in")),
        }
    }
}
