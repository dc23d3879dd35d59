//! A request about a call that runs on another host is handed on to it, with what it carries of who asks; the answer comes
//! back as it is. A host that does not say where it is reached is named instead.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use caveat_recorder::Elsewhere;

use crate::{Problem, Rooms, gate::Caller};

/// Names the host that handed a request on; such a one is handed on no further.
static HANDED_ON: HeaderName = HeaderName::from_static("caveat-handed-on");
/// What belongs to one connection, or is made anew for the next.
const NOT_HANDED_ON: [HeaderName; 5] =
    [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];

/// Stands behind the gate of every route about one running call.
pub(crate) async fn elsewhere(
    State(rooms): State<Rooms>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let call = parameters.iter().find(|(name, _)| *name == "call").map(|(_, call)| call.to_owned());
    let caller = request.extensions().get::<Caller>().cloned();
    let (Some(call), Some(caller)) = (call, caller) else { return Ok(next.run(request).await) };
    let handed_on = request.headers().contains_key(&HANDED_ON);
    if handed_on || rooms.recorder.call(caller.client(), &call).is_ok() {
        return Ok(next.run(request).await);
    }
    match rooms.recorder.elsewhere(caller.client(), &call).await? {
        None => Ok(next.run(request).await),
        Some(Elsewhere { host, url: None }) => Err(Problem::elsewhere(format!(
            "the call runs on host `{host}`, which says nobody where it is reached: ask there, or give it a `url` under [hosts]"
        ))),
        Some(Elsewhere { host, url: Some(url) }) => hand_on(&rooms, &host, &url, request).await,
    }
}

async fn hand_on(rooms: &Rooms, host: &str, url: &str, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, rooms.limits.body_bytes_max).await;
    let body = body.map_err(|e| Problem::too_large(format!("the body: {e}")))?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers: HeaderMap = parts.headers;
    NOT_HANDED_ON.iter().for_each(|name| drop(headers.remove(name)));
    let asked = rooms.others.request(parts.method, format!("{}{path}", url.trim_end_matches('/')));
    let asked = asked
        .headers(headers)
        .header(&HANDED_ON, "true")
        .timeout(Duration::from_millis(rooms.limits.handed_on_ms))
        .body(body);
    let away = |error: reqwest::Error| {
        tracing::warn!(host, %error, "another host does not answer");
        Problem::unavailable(format!(
            "the call runs on host `{host}`, which does not answer: ask again in a moment"
        ))
    };
    let answer = asked.send().await.map_err(away)?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    NOT_HANDED_ON.iter().for_each(|name| drop(headers.remove(name)));
    let mut response = Response::new(Body::from(answer.bytes().await.map_err(away)?));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
