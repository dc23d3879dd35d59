//! Signing in and out: by password and code here, by the other ways in the modules below.

pub(crate) mod enrolment;
pub(crate) mod oidc;
pub(crate) mod passkeys;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use caveat_access::{NewSession, SignedIn, Ways};
use caveat_model::{ClientId, PersonId, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Origin, Problem, Rooms,
    answer::{Created, SignedOut},
    describe::{Described, Given},
    extract::{Body, Query},
    gate::{Person, Token},
    who::{SESSION, wants_cookie},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    client: ClientId,
    person: PersonId,
    password: String,
    /// Of the authenticator, or a recovery code.
    code: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Session {
    /// Not there where a cookie has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(flatten)]
    who: Who,
}

/// A session began.
pub(crate) struct Opened {
    session: Session,
    cookies: Vec<HeaderValue>,
}

impl IntoResponse for Opened {
    fn into_response(self) -> Response {
        let mut response = Created(self.session).into_response();
        for cookie in self.cookies {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl Given for Opened {
    fn describe(to: &mut Described<'_>) {
        Created::<Session>::describe(to);
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(crate) struct Who {
    client: ClientId,
    person: PersonId,
    name: String,
    role: Role,
    stepped_up: bool,
}

impl From<SignedIn> for Who {
    fn from(s: SignedIn) -> Self {
        Self { client: s.client, person: s.person, name: s.name, role: s.role, stepped_up: s.stepped_up }
    }
}

/// Password and code; then the packs rule on the sign-in before the token leaves.
pub(crate) async fn sign_in(
    State(rooms): State<Rooms>,
    ConnectInfo(origin): Origin,
    headers: HeaderMap,
    Body(asked): Body<SignIn>,
) -> Result<Opened, Problem> {
    let SignIn { client, person, password, code } = asked;
    let origin = origin.ip().to_string();
    let new = rooms.access.sign_in(&client, &person, &password, &code, &origin).await?;
    let new = rooms.ruled(new).await?;
    Ok(rooms.session(new, &headers))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// Whose identity providers are wanted.
    client: Option<ClientId>,
}

/// Which ways of signing in there are.
pub(crate) async fn ways(State(rooms): State<Rooms>, Query(whose): Query<Whose>) -> Json<Ways> {
    Json(rooms.access.ways(whose.client.as_ref()))
}

pub(crate) async fn whoami(Person(who): Person) -> Json<Who> {
    Json(who.into())
}

pub(crate) async fn sign_out(State(rooms): State<Rooms>, Token(token): Token) -> Result<SignedOut, Problem> {
    rooms.access.sign_out(&token).await?;
    Ok(SignedOut(rooms.web.clear_cookie(SESSION)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// Of the authenticator, or a recovery code.
    code: String,
}

pub(crate) async fn step_up(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(StepUp { code }): Body<StepUp>,
) -> Result<Json<Who>, Problem> {
    Ok(Json(rooms.access.step_up(&token, &code).await?.into()))
}

impl Rooms {
    /// The packs rule on a sign-in before anybody gets its token.
    async fn ruled(&self, new: NewSession) -> Result<NewSession, Problem> {
        let refused = match self.recorder.sign_in(&new.signed_in).await {
            Ok(Ok(())) => return Ok(new),
            Ok(Err(decided)) => Problem::refused(decided),
            Err(error) => error.into(),
        };
        self.access.sign_out(new.token.as_str()).await?;
        Err(refused)
    }

    /// The answer to a sign-in: with a token, or to a page of ours with a cookie.
    fn session(&self, new: NewSession, headers: &HeaderMap) -> Opened {
        let token = new.token.as_str();
        let in_cookie = wants_cookie(headers);
        let cookie = in_cookie.then(|| self.web.set_cookie(SESSION, token, "Strict", None));
        let session = Session { token: (!in_cookie).then(|| token.to_owned()), who: new.signed_in.into() };
        Opened { session, cookies: cookie.into_iter().collect() }
    }
}
