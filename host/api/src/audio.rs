//! Sound over HTTP: a WAV as this person may hear it, in one piece or in ranges (RFC 9110, section 14).

use std::{convert::Infallible, ops::Range};

use axum::{
    Extension,
    extract::{FromRequestParts, State},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use caveat_model::{Act, RecordingId};
use caveat_recorder::Heard;

use crate::{
    Problem, Rooms,
    answer::served,
    describe::{Described, Given, Taken, bytes},
    extract::{Path, Query},
    gate::{Person, Token},
    plays::Plays,
    recordings::{Play, asked},
};

/// The sound as this person may hear it: a stereo WAV, the spans that the rules hide silenced. It is ruled on and logged
/// once a play: ranges of the same sound that the same session asks for a little later belong to it.
pub(crate) async fn audio(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Token(session): Token,
    Path(id): Path<RecordingId>,
    (uri, Extension(plays)): (Uri, Extension<Plays>),
    ranged: Ranged,
    Query(play): Query<Play>,
) -> Result<Sound, Problem> {
    let asked = asked(&rooms, Act::Play, play)?;
    let key = (session.as_str(), id, uri.query().unwrap_or_default());
    let play = match plays.find(key).filter(|_| ranged.range.is_some()) {
        Some(play) => play,
        None => {
            let play = rooms.recorder.play(&who, id, &asked).await?.map_err(Problem::refused)?;
            plays.keep(key, play)
        }
    };
    let mut wanted = None;
    let heard = rooms.recorder.hear(&play, |tag, of| {
        wanted = ranged.of(tag, of);
        match &wanted {
            None => Some(0..of),
            Some(Ok(range)) => Some(range.clone()),
            Some(Err(Unsatisfiable)) => None,
        }
    });
    let Heard { bytes, range, of, tag } = match heard.await {
        Ok(heard) => heard,
        Err(error) => {
            plays.forget(key);
            return Err(error.into());
        }
    };
    let Some(range) = range else {
        let at = format!("bytes */{of}");
        return Ok(Sound((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, at)]).into_response()));
    };
    let kind = [
        (header::CONTENT_TYPE, "audio/wav".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, quoted(&tag)),
    ];
    let answer = (served(&play.decided)?, kind, bytes);
    Ok(Sound(match wanted {
        None => answer.into_response(),
        Some(_) => {
            let at = format!("bytes {}-{}/{of}", range.start, range.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, at)], answer).into_response()
        }
    }))
}

/// Sound, or a part of it.
pub(crate) struct Sound(Response);

impl IntoResponse for Sound {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Given for Sound {
    fn describe(to: &mut Described<'_>) {
        for (status, says) in [(200, "The sound."), (206, "A part of the sound.")] {
            let sound = to.gives(status, says, vec![("audio/wav", bytes())]);
            sound.headers.push(("ETag", "Names these bytes, for `If-Range`."));
            sound.headers.push(("caveat-decided", "The verdict, as JSON."));
        }
        to.gives(416, "No byte of the range is there.", vec![]);
    }
}

/// Which part of a whole is wanted.
pub(crate) struct Ranged {
    range: Option<String>,
    /// Only if it is still this one.
    only_of: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Ranged {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = |name| parts.headers.get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        Ok(Self { range: text(header::RANGE), only_of: text(header::IF_RANGE) })
    }
}

impl Taken for Ranged {
    fn describe(to: &mut Described<'_>) {
        to.headers.push(("Range", "One range of bytes: `bytes=0-99`."));
        to.headers
            .push(("If-Range", "The `ETag` of a part: all of it is sent where it is another one by now."));
    }
}

impl Ranged {
    /// The range that is wanted of what has this tag and length; none: all of it.
    fn of(&self, tag: &str, of: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
        let is_same = self.only_of.as_ref().is_none_or(|given| *given == quoted(tag));
        self.range.as_deref().filter(|_| is_same).and_then(|range| wanted(range, of))
    }
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// No byte of it is there.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The bytes that a `Range` asks for; none where it is not understood, or asks for several, which a server may pass over.
fn wanted(range: &str, all: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = match (first, last) {
        ("", last) => {
            let count: u64 = last.parse().ok()?;
            all.saturating_sub(count)..all
        }
        (first, "") => first.parse().ok()?..all,
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(all)
        }
    };
    Some(if range.is_empty() { Err(Unsatisfiable) } else { Ok(range) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        let check = |range: &str, expected: Option<Result<Range<u64>, Unsatisfiable>>| {
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
