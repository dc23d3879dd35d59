//! What handlers answer with besides JSON: each says by its type what it is, to the client and to the OpenAPI document.

use axum::{
    Json,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LINK, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use caveat_recorder::Decided;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Problem,
    describe::{Described, Given, bytes},
};

/// It was made.
pub(crate) struct Created<T>(pub(crate) T);

/// It was entered, and waits: for a second person, for time.
pub(crate) struct Accepted<T>(pub(crate) T);

/// It was entered, and there is nothing to say about it.
pub(crate) struct Entered;

/// It was done, and there is nothing to say about it.
pub(crate) struct NoContent;

/// Shown once, and kept by no cache.
pub(crate) struct Secret<T>(pub(crate) T);

/// A page of a list, and where the next one is.
pub(crate) struct Paged<T>(pub(crate) Vec<T>, pub(crate) Option<HeaderValue>);

/// Something of the content of a recording, and the verdict on serving it.
pub(crate) struct Ruled<T>(pub(crate) Decided, pub(crate) T);

/// A file to keep.
pub(crate) struct TarFile {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// A session ended, and with it the cookie.
pub(crate) struct SignedOut(pub(crate) HeaderValue);

/// The verdict on what is served, as JSON.
static DECIDED: HeaderName = HeaderName::from_static("caveat-decided");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What goes with whatever is served of the content of a recording.
pub(crate) fn served(decided: &Decided) -> Result<[(HeaderName, String); 2], Problem> {
    let decided = serde_json::to_string(decided).map_err(|_| Problem::failed())?;
    // Statutes are cited with section signs; a header holds ASCII.
    let decided: String = decided.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    Ok([(CACHE_CONTROL, "no-store".to_owned()), (DECIDED.clone(), decided)])
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> Given for Created<T> {
    fn describe(to: &mut Described<'_>) {
        to.gives_json::<T>(201, "Made.");
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> Given for Accepted<T> {
    fn describe(to: &mut Described<'_>) {
        to.gives_json::<T>(202, "Entered; it waits.");
    }
}

impl IntoResponse for Entered {
    fn into_response(self) -> Response {
        StatusCode::CREATED.into_response()
    }
}

impl Given for Entered {
    fn describe(to: &mut Described<'_>) {
        to.gives(201, "Entered.", vec![]);
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Given for NoContent {
    fn describe(to: &mut Described<'_>) {
        to.gives(204, "Done.", vec![]);
    }
}

impl<T: IntoResponse> IntoResponse for Secret<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        response
    }
}

impl<T: Given> Given for Secret<T> {
    fn describe(to: &mut Described<'_>) {
        T::describe(to);
    }
}

impl<T: Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        let Self(rows, next) = self;
        let mut response = Json(rows).into_response();
        if let Some(next) = next {
            response.headers_mut().insert(LINK, next);
        }
        response
    }
}

impl<T: JsonSchema> Given for Paged<T> {
    fn describe(to: &mut Described<'_>) {
        let page = to.gives_json::<Vec<T>>(200, "A page of the list.");
        page.headers.push(("Link", "The next page (RFC 8288), where there is one."));
    }
}

impl<T: Serialize> IntoResponse for Ruled<T> {
    fn into_response(self) -> Response {
        match served(&self.0) {
            Ok(headers) => (headers, Json(self.1)).into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}

impl<T: JsonSchema> Given for Ruled<T> {
    fn describe(to: &mut Described<'_>) {
        let ruled = to.gives_json::<T>(200, "As far as the rules let it out.");
        ruled.headers.push(("caveat-decided", "The verdict, as JSON."));
    }
}

impl IntoResponse for TarFile {
    fn into_response(self) -> Response {
        let name = format!("attachment; filename=\"{}.tar\"", self.name);
        let kind = "application/x-tar".to_owned();
        let headers = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)];
        ([(CACHE_CONTROL, NO_STORE)], headers, self.bytes).into_response()
    }
}

impl Given for TarFile {
    fn describe(to: &mut Described<'_>) {
        to.gives(200, "A file to keep.", vec![("application/x-tar", bytes())]);
    }
}

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().append(SET_COOKIE, self.0);
        response
    }
}

impl Given for SignedOut {
    fn describe(to: &mut Described<'_>) {
        to.gives(204, "Done.", vec![]);
    }
}
