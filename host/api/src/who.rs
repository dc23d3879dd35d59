//! Where a request carries who asks: `Authorization: Bearer ...`, with a session or a machine token.

use axum::http::{HeaderMap, header::AUTHORIZATION};

use crate::Problem;

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

/// The session of a request.
pub(crate) fn session(headers: &HeaderMap) -> Result<&str, Problem> {
    bearer(headers)
}

/// Whether it is a machine's token, not a person's session.
pub(crate) fn is_machine(headers: &HeaderMap) -> bool {
    bearer(headers).is_ok_and(|token| token.starts_with(MACHINE_PREFIX))
}
