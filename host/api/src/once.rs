//! `Idempotency-Key`: whoever asks the same again under the same key, because the answer was lost, gets the answer that was
//! given, and nothing is done twice.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use caveat_packs::FileLimits;
use caveat_recorder::Before;

use crate::{Problem, Rooms, gate::Caller};

static KEY: HeaderName = HeaderName::from_static("idempotency-key");
static AGAIN: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longer keys are refused.
const KEY_BYTES_MAX: usize = 255;
/// Longer answers are not kept.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Stands between the gate and a handler.
pub(crate) async fn once(
    State(rooms): State<Rooms>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = request.headers().get(&KEY).cloned();
    let (Some(key), Some(caller), &Method::POST) =
        (key, request.extensions().get::<Caller>().cloned(), request.method())
    else {
        return Ok(next.run(request).await);
    };
    let is_key =
        |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let key = key.to_str().ok().filter(is_key).ok_or_else(|| {
        let wanted = format!("`Idempotency-Key` is 1 to {KEY_BYTES_MAX} characters of ASCII, without blanks");
        Problem::bad_request(wanted)
    })?;
    let (parts, body) = request.into_parts();
    let most = usize::try_from(FileLimits::default().file_bytes).unwrap_or(usize::MAX);
    let body = to_bytes(body, most).await.map_err(|e| Problem::too_large(format!("the body: {e}")))?;
    let asked = [parts.uri.to_string().as_bytes(), b"\n", &body].concat();
    let (client, by) = (caller.client().clone(), caller.named());
    let kept_ms = rooms.limits.answers_kept_ms;
    match rooms.recorder.ask_once(&client, (&by, key), &asked, kept_ms).await? {
        Before::New => {}
        Before::Answered(status, body) => return Ok(again(status, body)),
        Before::Open => {
            return Err(Problem::conflict("this request is being answered, or its answer was lost"));
        }
        Before::Other => {
            return Err(Problem::conflict("this `Idempotency-Key` was used for another request"));
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (head, body) = response.into_parts();
    let is_kept = head.status.is_success() && !head.headers.contains_key(header::CACHE_CONTROL);
    if !is_kept {
        // What came to nothing can be asked again; a secret that is shown once is kept nowhere.
        rooms.recorder.not_answered(&client, (&by, key)).await?;
        return Ok(Response::from_parts(head, body));
    }
    let body: Bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|_| Problem::failed())?;
    rooms.recorder.answered(&client, (&by, key), (head.status.as_u16(), &body)).await?;
    Ok(Response::from_parts(head, Body::from(body)))
}

fn again(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(&AGAIN, HeaderValue::from_static("true"));
    response
}
