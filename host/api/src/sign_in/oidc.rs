//! Signing in at an identity provider: there, back with a code, and perhaps a second factor here.
//!
//! What a browser has to come back with lies in cookies that no script reads. They are `Lax`: a provider sends the browser
//! back from another site.

use axum::{
    extract::{ConnectInfo, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use caveat_access::Federated;
use caveat_model::ClientId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Opened;
use crate::{
    Origin, Problem, Rooms,
    describe::{Described, Given},
    extract::{Body, Path, Query},
    who::SESSION,
};

/// Whose browser began a sign-in.
const BINDING: &str = "caveat-oidc";
/// For whom a provider vouched, until the second factor.
const SECOND: &str = "caveat-second";
/// Where a page of ours asks for it.
const ASK_FOR_SECOND: &str = "/#second-factor";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    client: ClientId,
    /// The provider has to ask again, though the person has signed in there: for a step-up.
    #[serde(default)]
    fresh: bool,
}

/// Sends the browser to the provider.
pub(crate) async fn start(
    State(rooms): State<Rooms>,
    Path(provider): Path<String>,
    Query(Start { client, fresh }): Query<Start>,
) -> Result<Elsewhere, Problem> {
    let redirect = rooms.access.start_federated(&client, &provider, fresh).await?;
    let valid_s = rooms.access.limits().ceremony_valid_s;
    let cookie = rooms.web.set_cookie(BINDING, &redirect.binding, "Lax", Some(valid_s));
    Ok(Elsewhere { url: redirect.url, cookies: vec![cookie] })
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Back {
    state: String,
    code: Option<String>,
    error: Option<String>,
    /// Who sends the browser back (RFC 9207).
    iss: Option<String>,
}

/// The provider sends the browser back: a session in a cookie, or a second factor is to be shown.
pub(crate) async fn callback(
    State(rooms): State<Rooms>,
    ConnectInfo(origin): Origin,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Result<Elsewhere, Problem> {
    let binding = rooms.web.cookie(&headers, BINDING).unwrap_or_default();
    let Some(code) = back.code else {
        let said: String =
            back.error.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(60).collect();
        return Err(Problem::unauthorized(format!(
            "the identity provider let nobody in ({said}): try again"
        )));
    };
    let (iss, from) = (back.iss.as_deref(), origin.ip().to_string());
    let came = rooms.access.finish_federated(&back.state, &code, iss, binding, &from).await?;
    let (url, cookie) = match came {
        Federated::Session(new) => {
            let new = rooms.ruled(new).await?;
            ("/", rooms.web.set_cookie(SESSION, new.token.as_str(), "Strict", None))
        }
        Federated::SecondFactor { ceremony } => {
            let valid_s = rooms.access.limits().ceremony_valid_s;
            (ASK_FOR_SECOND, rooms.web.set_cookie(SECOND, &ceremony, "Strict", Some(valid_s)))
        }
    };
    Ok(Elsewhere { url: url.to_owned(), cookies: vec![cookie, rooms.web.clear_cookie(BINDING)] })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Second {
    /// Of the authenticator, or a recovery code.
    code: String,
}

/// The second factor of somebody for whom a provider vouched.
pub(crate) async fn second_factor(
    State(rooms): State<Rooms>,
    ConnectInfo(origin): Origin,
    headers: HeaderMap,
    Body(Second { code }): Body<Second>,
) -> Result<Opened, Problem> {
    rooms.web.sent_by_our_page(&axum::http::Method::POST, &headers)?;
    let nobody =
        || Problem::unauthorized("no identity provider vouched for anybody in this browser: begin again");
    let ceremony = rooms.web.cookie(&headers, SECOND).ok_or_else(nobody)?;
    let new = rooms.access.finish_second_factor(ceremony, &code, &origin.ip().to_string()).await?;
    let new = rooms.ruled(new).await?;
    let mut opened = rooms.session(new, &headers);
    opened.cookies.push(rooms.web.clear_cookie(SECOND));
    Ok(opened)
}

/// Sends a browser on.
pub(crate) struct Elsewhere {
    url: String,
    cookies: Vec<HeaderValue>,
}

impl IntoResponse for Elsewhere {
    fn into_response(self) -> Response {
        // Nobody keeps an address with a code in it, nor tells it to the next site.
        let headers = [
            (LOCATION, self.url),
            (CACHE_CONTROL, "no-store".to_owned()),
            (REFERRER_POLICY, "no-referrer".to_owned()),
        ];
        let mut response = (StatusCode::SEE_OTHER, headers).into_response();
        for cookie in self.cookies {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

impl Given for Elsewhere {
    fn describe(to: &mut Described<'_>) {
        to.gives(303, "Go on there.", vec![]).headers.push(("Location", "Where."));
    }
}
