//! A call that is over already: `POST /v1/uploads`, `multipart/form-data`, a machine token with the scope `capture`.
//!
//! | part | holds |
//! |---|---|
//! | `call` | the call as JSON: what `NewCall` of the recorder reads |
//! | `audio` | a WAV file: 16-bit PCM or mu-law, 8,000 Hz; mono is leg 0, of stereo left is leg 0 and right is leg 1 |
//! | `events` | may be left out: `[{"at": ms, "happening": {..}}]` in order of time |
//!
//! All of it is read and checked before anything is recorded. The answer is `202 Accepted` with the verdict on the
//! beginning of the call, which is durable by then. From there every happening is ruled on in the call's own time, which
//! begins at `began` of the part `call`, or as if the call had ended just now; the host takes it in as fast as it can.
//! Plaintext stays in memory until it is sealed; if the host stops before, the recording is sealed as interrupted, and the
//! rest has to be sent again.

mod feed;
pub(crate) mod wav;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{
        DefaultBodyLimit, Multipart, State,
        multipart::{Field, MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use caveat_access::{Scope, ShownCertificate};
use caveat_model::{Moment, Offset};
use caveat_recorder::{Answer, Happening, NewCall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use crate::{
    Limits, Rooms,
    error::{CaptureError, json_reason, shortened},
};
pub(crate) use feed::feed;
pub(crate) use wav::Wav;

#[derive(Clone)]
struct Desk {
    rooms: Rooms,
    seats: Arc<Semaphore>,
}

/// Something that happened on an uploaded call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Event {
    /// Milliseconds since the call began.
    at: Offset,
    happening: Happening,
}

/// A call that is over, checked.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) call: NewCall,
    pub(crate) audio: Wav,
    pub(crate) events: Vec<Event>,
}

/// The answer to an upload.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Taken {
    /// The call's own id, as given.
    id: String,
    /// How long it lasts, in milliseconds.
    lasts_ms: Offset,
    /// The verdict on its beginning.
    answer: Answer,
}

/// `/v1/uploads`.
pub(crate) fn routes(rooms: Rooms) -> Router {
    let limits = &rooms.limits;
    let seats = Arc::new(Semaphore::new(limits.uploads_max.min(Semaphore::MAX_PERMITS)));
    let body = DefaultBodyLimit::max(limits.upload_bytes_max);
    Router::new().route("/v1/uploads", post(upload)).layer(body).with_state(Desk { rooms, seats })
}

async fn upload(
    State(Desk { rooms, seats }): State<Desk>,
    headers: HeaderMap,
    certificate: Option<Extension<ShownCertificate>>,
    body: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Taken>), CaptureError> {
    // Who asks comes before what they send is read.
    let machine = match certificate {
        Some(Extension(certificate)) if !headers.contains_key(AUTHORIZATION) => {
            rooms.access.sidecar(&certificate, Scope::Capture)?
        }
        _ => rooms.access.machine(bearer(&headers)?, Scope::Capture).await?,
    };
    let limits = &rooms.limits;
    let seat = seats
        .try_acquire_owned()
        .map_err(|_| CaptureError::Busy { what: "uploads", limit: limits.uploads_max })?;
    let body = body.map_err(|error| CaptureError::Multipart { why: error.body_text() })?;
    let ms = limits.upload_ms;
    let Upload { call, audio, events } =
        tokio::time::timeout(Duration::from_millis(ms), read(body, limits, rooms.clock.now()))
            .await
            .map_err(|_| CaptureError::TooLate { what: "end of the upload", ms })??;

    let (call, answer) = rooms.recorder.open(&machine.client, call).await?;
    let taken = Taken { id: call.id().to_owned(), lasts_ms: audio.duration_ms(), answer: answer.clone() };
    tokio::spawn(async move {
        let (client, id) = (call.client().clone(), call.id().to_owned());
        match feed(call, answer, audio, events).await {
            Ok(_) => tracing::info!(%client, call = id, "an upload was taken in"),
            Err(error) => tracing::error!(%client, call = id, %error, "an upload was not taken in whole"),
        }
        drop(seat);
    });
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

fn bearer(headers: &HeaderMap) -> Result<&str, CaptureError> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).ok_or(CaptureError::NoToken)
}

async fn read(mut body: Multipart, limits: &Limits, now: Moment) -> Result<Upload, CaptureError> {
    let (mut call, mut audio, mut events) = (None, None, None);
    while let Some(field) = body.next_field().await.map_err(|e| unreadable(&e, limits))? {
        let name = field.name().unwrap_or_default().to_owned();
        let (part, what, limit_bytes) = match name.as_str() {
            "call" => (&mut call, "part `call`", limits.upload_facts_bytes_max),
            "events" => (&mut events, "part `events`", limits.upload_facts_bytes_max),
            "audio" => (&mut audio, "part `audio`", limits.upload_bytes_max),
            _ => return Err(CaptureError::Part { name: shortened(name, 40), why: "is unknown" }),
        };
        if part.is_some() {
            return Err(CaptureError::Part { name, why: "came twice" });
        }
        *part = Some(bytes_of(field, what, limit_bytes, limits).await?);
    }
    let missing = |name: &str| CaptureError::Part { name: name.to_owned(), why: "is missing" };
    let call = json("call", &call.ok_or_else(|| missing("call"))?)?;
    let audio = Wav::read(audio.ok_or_else(|| missing("audio"))?)?;
    let events = events.map_or_else(|| Ok(vec![]), |events| json("events", &events))?;
    Upload::new(call, audio, events, limits, now)
}

async fn bytes_of(
    mut field: Field<'_>,
    what: &'static str,
    limit_bytes: usize,
    limits: &Limits,
) -> Result<Vec<u8>, CaptureError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(&e, limits))? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(CaptureError::TooLarge { what, limit_bytes });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreadable(error: &MultipartError, limits: &Limits) -> CaptureError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        CaptureError::TooLarge { what: "upload", limit_bytes: limits.upload_bytes_max }
    } else {
        CaptureError::Multipart { why: error.body_text() }
    }
}

pub(crate) fn json<T: DeserializeOwned>(name: &'static str, bytes: &[u8]) -> Result<T, CaptureError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = if error.is_data() {
            json_reason(&error)
        } else {
            format!("it is not JSON at line {}, column {}", error.line(), error.column())
        };
        CaptureError::BadPart { name, why }
    })
}

impl Upload {
    /// Puts together what was sent. A call whose beginning is not told has ended at `now`.
    pub(crate) fn new(
        mut call: NewCall,
        audio: Wav,
        events: Vec<Event>,
        limits: &Limits,
        now: Moment,
    ) -> Result<Self, CaptureError> {
        let began = now.as_millis().saturating_sub(audio.duration_ms().into());
        call.began.get_or_insert(Moment::from_millis(began));
        let upload = Self { call, audio, events };
        upload.check(limits)?;
        Ok(upload)
    }

    fn check(&self, limits: &Limits) -> Result<(), CaptureError> {
        let bad = |why: String| Err(CaptureError::BadPart { name: "events", why });
        let (count, limit) = (self.events.len(), limits.upload_events_max);
        if count > limit {
            return Err(CaptureError::TooMany { what: "events", limit });
        }
        let lasts = self.audio.duration_ms();
        if let Some(late) = self.events.iter().position(|event| event.at > lasts) {
            return bad(format!("event {late} is after the end of the audio at {lasts} ms"));
        }
        if let Some(early) = self.events.windows(2).position(|pair| pair[1].at < pair[0].at) {
            return bad(format!("event {} is before the one in front of it", early + 1));
        }
        let legs = self.audio.legs();
        if let Some(party) = self.call.parties.iter().position(|p| p.leg.is_some_and(|leg| leg >= legs)) {
            let why = format!("party {party} is on a leg that the audio does not have: it has {legs}");
            return Err(CaptureError::BadPart { name: "call", why });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use axum::{body::Body, extract::FromRequest, http::Request};

    const CALL: &str = r#"{"external-id":"UP1","parties":[{"role":"agent","leg":0}]}"#;

    fn part(name: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    }

    async fn sent(parts: &[Vec<u8>], limits: &Limits) -> Result<Upload, CaptureError> {
        let body = [parts.concat().as_slice(), b"--b--\r\n"].concat();
        let request = Request::builder()
            .method("POST")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::from(body))
            .unwrap();
        let body = Multipart::from_request(request, &()).await.unwrap();
        read(body, limits, Moment::from_millis(10_000)).await
    }

    #[tokio::test]
    async fn an_upload_is_read_whole() {
        let events = br#"[{"at":500,"happening":{"party-left":0}},{"at":1000,"happening":{"held":0}}]"#;
        let audio = wav::tests::mu_law(1, &[0xff; 8_000]);
        let parts = [part("call", CALL.as_bytes()), part("events", events), part("audio", &audio)];
        let upload = sent(&parts, &Limits::default()).await.unwrap();
        assert_eq!(upload.call.external_id, "UP1");
        assert_eq!((upload.audio.duration_ms(), upload.events.len()), (1_000, 2));
        assert_eq!(upload.call.began, Some(Moment::from_millis(9_000)));
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        let audio = wav::tests::mu_law(1, &[0xff; 8_000]);
        let small = Limits {
            upload_events_max: 1,
            upload_facts_bytes_max: 200,
            upload_bytes_max: 8_100,
            ..Limits::default()
        };
        let call = || part("call", CALL.as_bytes());
        let sound = || part("audio", &audio);
        let events = |text: &str| vec![call(), sound(), part("events", text.as_bytes())];
        let two = r#"[{"at":9,"happening":{"held":0}},{"at":9,"happening":{"held":0}}]"#;
        let cases = [
            (vec![sound()], "part `call` is missing"),
            (vec![call()], "part `audio` is missing"),
            (vec![call(), call()], "part `call` came twice"),
            (vec![call(), part("video", b"")], "part `video` is unknown"),
            (vec![part("call", b"{"), sound()], "part `call` cannot be used: it is not JSON at line 1"),
            (vec![part("call", br#"{"extrnal-id":1}"#), sound()], "unknown field `extrnal-id`"),
            (vec![part("call", br#"{"parties":[{"leg":1}]}"#), sound()], "party 0 is on a leg"),
            (vec![part("call", &[b' '; 201])], "part `call` is too large: the limit is 200 bytes"),
            (vec![part("audio", &[b' '; 8_101])], "part `audio` is too large"),
            (vec![call(), part("audio", &audio[..4_000])], "the file ends at byte 4000"),
            (events(two), "too many events: the limit is 1"),
            (
                events(r#"[{"at":1001,"happening":{"held":0}}]"#),
                "event 0 is after the end of the audio at 1000 ms",
            ),
            (events(r#"[{"at":1,"happening":"explode"}]"#), "part `events` cannot be used"),
        ];
        for (parts, want) in cases {
            let error = sent(&parts, &small).await.unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        }
        let back = r#"[{"at":9,"happening":{"held":0}},{"at":8,"happening":{"held":0}}]"#;
        let error = sent(&events(back), &Limits::default()).await.unwrap_err().to_string();
        assert!(error.contains("event 1 is before"), "{error}");
    }
}
