//! Sound over HTTP: a WAV as this person may hear it, in one piece or in ranges (RFC 9110, section 14).

use std::ops::Range;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use caveat_model::{Act, RecordingId};
use sha2::{Digest, Sha256};

use crate::{
    Problem, Rooms,
    extract::{Path, Query},
    gate::Person,
    recordings::{Play, asked, served},
};

/// The sound as this person may hear it: a stereo WAV, the spans that the rules hide silenced. Each range that is asked for
/// is ruled on and logged.
pub(crate) async fn audio(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    headers: HeaderMap,
    Query(play): Query<Play>,
) -> Result<Response, Problem> {
    let asked = asked(&rooms, Act::Play, play)?;
    let (playback, decided) = rooms.recorder.play(&who, id, &asked).await?.map_err(Problem::refused)?;
    let wav = playback.wav;
    // What is silenced for one person is not for another: the tag is of what this one gets.
    let tag = format!("\"{}\"", hex(&Sha256::digest(&wav)[..16]));
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_same = text(header::IF_RANGE).is_none_or(|given| given == tag);
    let range = text(header::RANGE).filter(|_| is_same).and_then(|range| wanted(range, wav.len()));
    let kind = [
        (header::CONTENT_TYPE, "audio/wav".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag),
    ];
    let all = wav.len();
    let (status, at, body) = match range {
        None => (StatusCode::OK, None, wav),
        Some(Err(Unsatisfiable)) => {
            let at = format!("bytes */{all}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, at)]).into_response());
        }
        Some(Ok(range)) => {
            let at = format!("bytes {}-{}/{all}", range.start, range.end - 1);
            let part = wav.get(range).unwrap_or_default().to_vec();
            (StatusCode::PARTIAL_CONTENT, Some(at), part)
        }
    };
    let mut response = (status, served(&decided)?, kind, body).into_response();
    if let Some(at) = at.and_then(|at| HeaderValue::from_str(&at).ok()) {
        response.headers_mut().insert(header::CONTENT_RANGE, at);
    }
    Ok(response)
}

/// No byte of it is there.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The bytes that a `Range` asks for; none where it is not understood, or asks for several, which a server may pass over.
fn wanted(range: &str, all: usize) -> Option<Result<Range<usize>, Unsatisfiable>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = match (first, last) {
        ("", last) => {
            let count: usize = last.parse().ok()?;
            all.saturating_sub(count)..all
        }
        (first, "") => first.parse().ok()?..all,
        (first, last) => {
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(all)
        }
    };
    Some(if range.is_empty() { Err(Unsatisfiable) } else { Ok(range) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        let check = |range: &str, expected: Option<Result<Range<usize>, Unsatisfiable>>| {
            assert_eq!(wanted(range, 1_000), expected, "{range}");
        };
        check("bytes=0-0", Some(Ok(0..1)));
        check("bytes=0-", Some(Ok(0..1_000)));
        check("bytes=900-2000", Some(Ok(900..1_000)));
        check("bytes=-100", Some(Ok(900..1_000)));
        check("bytes=-2000", Some(Ok(0..1_000)));
        check("bytes=1000-", Some(Err(Unsatisfiable)));
        check("bytes=-0", Some(Err(Unsatisfiable)));
        check("bytes=5-2", None);
        check("bytes=0-1,4-5", None);
        check("lines=0-1", None);
    }
}
