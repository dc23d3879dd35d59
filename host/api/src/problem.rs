//! What a client sees of an error: RFC 9457 problem details. The log gets the rest.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use caveat_access::AccessError;
use caveat_ledger::LedgerError;
use caveat_packs::PackError;
use caveat_recorder::{Decided, RecorderError};
use caveat_retention::RetentionError;
use caveat_vault::VaultError;
use schemars::JsonSchema;
use serde::Serialize;

/// An error as it leaves the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// Names the kind, for programs: `urn:caveat:step-up`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status again, for whoever has only the body.
    pub status: u16,
    /// Short, and the same for every case of the kind.
    pub title: &'static str,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The verdict of the packs, where they said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Box<Decided>>,
    /// Seconds to wait, for the header `Retry-After`.
    #[serde(skip)]
    pub wait_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("urn:caveat:{}", title.to_lowercase().replace(' ', "-"));
        Self { kind, status: status.as_u16(), title, detail: detail.into(), decided: None, wait_s: None }
    }
    /// What was sent cannot be used.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }
    /// Nobody has signed in.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Not signed in", detail)
    }
    /// The role, the scope or the rules say no.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not permitted", detail)
    }
    /// It is not here, or not this client's.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }
    /// It does not go with what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", detail)
    }
    /// Others are being served; later.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", detail)
    }
    /// Another host has it, and this one cannot ask there.
    pub fn elsewhere(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "On another host", detail)
    }
    /// Another host has it, and does not answer.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Another host is away", detail)
    }
    /// Whoever asks has to wait.
    pub fn too_often(wait_s: u64) -> Self {
        let detail = format!("too many requests: wait {wait_s} s, then go on more slowly");
        Self { wait_s: Some(wait_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail) }
    }
    /// More was sent than is taken.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Too large", detail)
    }
    /// It is of another kind than is taken.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not such a body", detail)
    }
    /// The route is there, and takes another method.
    pub fn wrong_method() -> Self {
        let detail = "this route does not take that method; `/v1/openapi.json` lists what it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail)
    }
    /// The host failed; the log says how.
    pub fn failed() -> Self {
        let detail = "the host failed; its log says why. Nothing that was acknowledged is lost; try again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The host failed", detail)
    }

    /// The packs said no.
    pub fn refused(decided: Decided) -> Self {
        let why = decided.reasons.first().map_or_else(
            || "no pack allowed it".to_owned(),
            |(_, citation, message)| match citation.as_str() {
                "" => message.clone(),
                citation => format!("{message} ({citation})"),
            },
        );
        let mut problem = Self::new(StatusCode::FORBIDDEN, "Refused by the rules", why);
        problem.decided = Some(Box::new(decided));
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let wait_s = self.wait_s;
        let mut response = (status, Json(self)).into_response();
        if let Some(wait_s) = wait_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_s));
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl From<RecorderError> for Problem {
    fn from(error: RecorderError) -> Self {
        use RecorderError as E;
        if !error.is_the_senders() {
            tracing::error!(%error, "a request failed");
            return Self::failed();
        }
        let detail = error.to_string();
        match error {
            E::NoSuchCall { .. }
            | E::NoSuchRecording { .. }
            | E::NoSuchCase { .. }
            | E::NoSuchClient { .. } => Self::not_found(detail),
            E::NoSuchPack { .. } | E::NoEarlierPacks { .. } => Self::not_found(detail),
            E::NoSuchRequest { .. } | E::NoSuchMask { .. } => Self::not_found(detail),
            E::Retention(RetentionError::NoSuchHold { .. } | RetentionError::NoSuchReview { .. }) => {
                Self::not_found(detail)
            }
            E::Retention(RetentionError::Held { .. } | RetentionError::MustKeep { .. }) => {
                Self::new(StatusCode::CONFLICT, "It has to be kept", detail)
            }
            E::Access(error) => error.into(),
            E::Pack(PackError::NotAdmitted(_)) => Self::forbidden(detail),
            E::Vault(VaultError::KeyInUse { .. }) => Self::new(StatusCode::CONFLICT, "Conflict", detail),
            E::NotKept { .. } => Self::new(StatusCode::GONE, "Not kept", detail),
            E::NoSuchDuty { .. } | E::CallOver | E::CallExists { .. } => {
                Self::new(StatusCode::CONFLICT, "Conflict", detail)
            }
            E::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Full", detail),
            full if full.is_full() => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Full", detail),
            _ => Self::bad_request(detail),
        }
    }
}

/// Counted from zero by whoever makes the routes.
pub(crate) fn sign_ins_refused() -> metrics::Counter {
    metrics::counter!("caveat_sign_ins_refused_total")
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        use AccessError as E;
        if matches!(error, E::SignInRefused | E::ProofRefused) {
            sign_ins_refused().increment(1);
        }
        let detail = error.to_string();
        match error {
            E::SignInRefused
            | E::ProofRefused
            | E::NoSession
            | E::NoToken
            | E::NoEnrolment
            | E::NoCeremony => Self::unauthorized(detail),
            E::NoSuchWay { .. } | E::NoPasskey | E::NoPerson { .. } => Self::not_found(detail),
            E::LastAdmin { .. } | E::PersonExists { .. } => {
                Self::new(StatusCode::CONFLICT, "Conflict", detail)
            }
            E::Provider { .. } => {
                tracing::error!(%error, "a sign-in failed at an identity provider");
                let detail = "the identity provider did not answer as it should; the host's log says why. Try again, or sign in another way";
                Self::new(StatusCode::BAD_GATEWAY, "The identity provider failed", detail)
            }
            E::StepUpNeeded { .. } => Self::new(StatusCode::FORBIDDEN, "Step up", detail),
            E::NotPermitted { .. }
            | E::SecondPersonNeeded { .. }
            | E::OwnAccount
            | E::NoSidecar
            | E::Scope { .. } => Self::forbidden(detail),
            E::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", detail),
            E::Password { .. } | E::PasskeyRefused { .. } | E::Unusable { .. } => Self::bad_request(detail),
            _ => {
                tracing::error!(%error, "a request failed at the door");
                Self::failed()
            }
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "a request failed at the ledger");
        Self::failed()
    }
}
