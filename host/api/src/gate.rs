//! What a route needs of whoever calls it, and the gate before each that asks for it. A handler that takes [`Person`],
//! [`Client`] or [`Caller`] gets whom the gate let in; it never looks at a token itself.

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, Method, request::Parts},
    middleware::Next,
    response::Response,
};
use caveat_access::{Action, Machine, Scope, ShownCertificate, SignedIn, permitted};
use caveat_model::ClientId;

use crate::{
    Origin, Problem, Rooms,
    rates::Rates,
    watched::{Watcher, is_stream},
    who,
};

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

/// The secret of the session that a person called with.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

/// Whose person or machine called.
pub(crate) struct Client(pub(crate) ClientId);

/// Stands before every route of the table.
pub(crate) async fn gate(
    State((rooms, rates, needs)): State<(Rooms, Rates, Needs)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asks = Asks {
        method: request.method(),
        headers: request.headers(),
        certificate: request.extensions().get(),
    };
    let token = match needs {
        Needs::Open | Needs::Machine(_) => None,
        _ => rooms.session_of(asks.method, asks.headers).ok().map(Token),
    };
    let address = request.extensions().get().map(|ConnectInfo(from): &Origin| from.ip());
    match rooms.identify(&asks, needs).await {
        Ok(Some(caller)) => {
            let profile = rooms.recorder.clients().get(caller.client());
            rates.of(&caller, profile.and_then(|profile| profile.practice.quota.requests_per_minute_max))?;
            permit(&caller, needs)?;
            request.extensions_mut().insert(caller);
        }
        // The pages and what they are made of lie in memory, and a browser asks for all of them at once.
        Ok(None) if !request.uri().path().starts_with("/v1/") => {}
        Ok(None) => rates.from(address)?,
        Err(unknown) => {
            rates.from(address)?;
            return Err(unknown);
        }
    }
    let watcher = Watcher::of(&rooms, needs, token.as_ref(), request.headers());
    if let Some(token) = token {
        request.extensions_mut().insert(token);
    }
    let response = next.run(request).await;
    Ok(match watcher {
        Some(watcher) if is_stream(&response) => watcher.watches(response),
        _ => response,
    })
}

/// What of a request tells who asks.
struct Asks<'r> {
    method: &'r Method,
    headers: &'r HeaderMap,
    /// Found good at the socket.
    certificate: Option<&'r ShownCertificate>,
}

impl Asks<'_> {
    /// Whether a machine asks: with a token, or with a certificate and nothing else.
    fn by_machine(&self) -> bool {
        who::is_machine(self.headers) || self.certificate.is_some() && !who::says_who(self.headers)
    }
}

impl Rooms {
    async fn person(&self, asks: &Asks<'_>) -> Result<SignedIn, Problem> {
        let session = self.session_of(asks.method, asks.headers)?;
        Ok(match who::is_unattended(asks.headers) {
            true => self.access.session_unattended(&session).await?,
            false => self.access.session(&session).await?,
        })
    }

    async fn machine(&self, asks: &Asks<'_>, scope: Scope) -> Result<Machine, Problem> {
        match asks.certificate {
            Some(certificate) if !who::says_who(asks.headers) => {
                Ok(self.access.sidecar(certificate, scope)?)
            }
            _ => Ok(self.access.machine(who::bearer(asks.headers)?, scope).await?),
        }
    }

    /// Who asks; none where nobody has to say.
    async fn identify(&self, asks: &Asks<'_>, needs: Needs) -> Result<Option<Caller>, Problem> {
        let caller = match needs {
            Needs::Open => return Ok(None),
            Needs::Machine(scope) => Caller::Machine(self.machine(asks, scope).await?),
            Needs::Either(_, scope) | Needs::EitherOf(_, scope) if asks.by_machine() => {
                Caller::Machine(self.machine(asks, scope).await?)
            }
            _ => Caller::Person(self.person(asks).await?),
        };
        Ok(Some(caller))
    }
}

/// Whether the table of roles lets them; a machine's scope was asked for with its token.
pub(crate) fn permit(caller: &Caller, needs: Needs) -> Result<(), Problem> {
    let Caller::Person(who) = caller else { return Ok(()) };
    match needs {
        Needs::Person(action) | Needs::Either(action, _) => who.permit(action, &who.client)?,
        Needs::OneOfTwo(action) => who.may_ask(action, &who.client)?,
        Needs::AnyOf(actions) | Needs::EitherOf(actions, _) => {
            if let [first, ..] = actions
                && !actions.iter().any(|action| permitted(who.role, *action))
            {
                who.may_ask(*first, &who.client)?;
            }
        }
        Needs::Open | Needs::Session | Needs::Machine(_) => {}
    }
    Ok(())
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

impl FromRequestParts<Rooms> for Token {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Rooms) -> Result<Self, Problem> {
        let_in(parts)?;
        parts.extensions.get().cloned().ok_or_else(|| Problem::forbidden("this is for people: sign in"))
    }
}
