//! Signing in at an identity provider: there, back with a code, and perhaps a second factor here.
//!
//! What a browser has to come back with lies in cookies that no script reads. They are `Lax`: a provider sends the browser
//! back from another site.

use axum::{
    extract::{ConnectInfo, State},
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use caveat_access::Federated;
use caveat_model::ClientId;
use serde::Deserialize;

use crate::{
    Origin, Problem, Rooms,
    extract::{Body, Path, Query},
    who::SESSION,
};

/// Whose browser began a sign-in.
const BINDING: &str = "caveat-oidc";
/// For whom a provider vouched, until the second factor.
const SECOND: &str = "caveat-second";
/// Where a page of ours asks for it.
const ASK_FOR_SECOND: &str = "/#second-factor";

#[derive(Deserialize)]
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
) -> Result<Response, Problem> {
    let redirect = rooms.access.start_federated(&client, &provider, fresh).await?;
    let valid_s = rooms.access.limits().ceremony_valid_s;
    let mut response = to(&redirect.url);
    let cookie = rooms.web.set_cookie(BINDING, &redirect.binding, "Lax", Some(valid_s));
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

#[derive(Deserialize)]
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
) -> Result<Response, Problem> {
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
    let mut response = match came {
        Federated::Session(new) => {
            let new = rooms.ruled(new).await?;
            let mut response = to("/");
            let cookie = rooms.web.set_cookie(SESSION, new.token.as_str(), "Strict", None);
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        Federated::SecondFactor { ceremony } => {
            let mut response = to(ASK_FOR_SECOND);
            let valid_s = rooms.access.limits().ceremony_valid_s;
            let cookie = rooms.web.set_cookie(SECOND, &ceremony, "Strict", Some(valid_s));
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
    };
    response.headers_mut().append(SET_COOKIE, rooms.web.clear_cookie(BINDING));
    Ok(response)
}

#[derive(Deserialize)]
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
) -> Result<Response, Problem> {
    rooms.web.from_our_page(&axum::http::Method::POST, &headers)?;
    let nobody =
        || Problem::unauthorized("no identity provider vouched for anybody in this browser: begin again");
    let ceremony = rooms.web.cookie(&headers, SECOND).ok_or_else(nobody)?;
    let new = rooms.access.finish_second_factor(ceremony, &code, &origin.ip().to_string()).await?;
    let new = rooms.ruled(new).await?;
    let mut response = rooms.session(new, &headers);
    response.headers_mut().append(SET_COOKIE, rooms.web.clear_cookie(SECOND));
    Ok(response)
}

fn to(url: &str) -> Response {
    // Nobody keeps an address with a code in it, nor tells it to the next site.
    let headers = [
        (LOCATION, url.to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (axum::http::header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
