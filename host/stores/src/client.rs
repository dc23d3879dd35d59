//! The HTTP client of cloud stores: the one that the rest of the house uses, without HTTP/2.

use std::{error::Error as _, io, time::Duration};

use http_body_util::BodyExt;
use object_store::{
    ClientOptions, Error, Result,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};

use crate::Limits;

type HttpAnswer = http::Response<reqwest::Body>;

/// Makes clients with the time-outs of the limits.
#[derive(Debug)]
pub(crate) struct Connector {
    connect: Duration,
    silent: Duration,
}

impl Connector {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (connect, silent) = (limits.connect_timeout_ms, limits.request_timeout_ms);
        Self { connect: Duration::from_millis(connect), silent: Duration::from_millis(silent) }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient> {
        // The whole of a request has no limit here, because objects differ in size: the spool gives each its time.
        let client =
            reqwest::Client::builder().connect_timeout(self.connect).read_timeout(self.silent).build();
        let client = client.map_err(|e| Error::Generic { store: "HTTP", source: Box::new(e) })?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(reqwest::Client);

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let body = match body.as_bytes() {
            Some(bytes) => reqwest::Body::from(bytes.clone()),
            None => reqwest::Body::wrap(body),
        };
        let request = self.0.request(parts.method, url).headers(parts.headers).body(body);
        let answer = request.send().await.map_err(failed)?;
        let (parts, body) = HttpAnswer::from(answer).into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
    }
}

/// What may be asked again, and what not, is told by the kind of failure.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else {
        broke_off(&error)
    };
    // The URL may hold a signature.
    HttpError::new(kind, error.without_url())
}

fn broke_off(error: &reqwest::Error) -> HttpErrorKind {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => HttpErrorKind::Interrupted,
                _ => HttpErrorKind::Unknown,
            };
        }
        cause = error.source();
    }
    HttpErrorKind::Unknown
}
