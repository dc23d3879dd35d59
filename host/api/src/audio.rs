//! Sound over HTTP as this person may hear it, as a WAV or as Opus, in one piece or in ranges (RFC 9110, section 14).

use std::{convert::Infallible, ops::Range};

use axum::{
    Extension,
    body::Body,
    extract::{FromRequestParts, State},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use caveat_model::{Act, Form, Offset, Purpose, RecordingId};
use caveat_recorder::{Format, Heard};
use futures::TryStreamExt;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Problem, Rooms,
    answer::served,
    describe::{Described, Given, Taken, bytes},
    extract::{Path, Query},
    gate::{Person, Token},
    plays::Plays,
    recordings::{Play, asked},
};

/// What is asked for, why, and in which form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Listen {
    purpose: Purpose,
    form: Option<Form>,
    from_ms: Option<Offset>,
    to_ms: Option<Offset>,
    #[serde(default)]
    break_glass: bool,
    /// In the person's own words; kept sealed beside the verdict.
    #[serde(default)]
    reason: String,
    /// Goes before what `Accept` says.
    format: Option<Format>,
}

/// The sound as this person may hear it: a channel for each leg, the spans that the rules hide silenced; a WAV, or Opus in
/// Ogg where `format` or `Accept` wants that. It is ruled on and logged once a play: ranges of the same sound that the same
/// session asks for a little later belong to it.
pub(crate) async fn audio(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Token(session): Token,
    Path(id): Path<RecordingId>,
    (uri, Extension(plays)): (Uri, Extension<Plays>),
    wanted: Wanted,
    Query(listen): Query<Listen>,
) -> Result<Sound, Problem> {
    let Listen { purpose, form, from_ms, to_ms, break_glass, reason, format } = listen;
    let format = format.unwrap_or_else(|| wanted.accept.as_deref().map(accepted).unwrap_or_default());
    let asked = asked(&rooms, Act::Play, Play { purpose, form, from_ms, to_ms, break_glass, reason })?;
    let key = (session.as_str(), id, uri.query().unwrap_or_default());
    let play = match plays.find(key).filter(|_| wanted.range.is_some()) {
        Some(play) => play,
        None => {
            let play = rooms.recorder.play(&who, id, &asked).await?.map_err(Problem::refused)?;
            plays.keep(key, play)
        }
    };
    let mut part = None;
    let heard = rooms.recorder.hear(&play, format, |tag, of| {
        part = wanted.of(tag, of);
        match &part {
            None => Some(0..of),
            Some(Ok(range)) => Some(range.clone()),
            Some(Err(Unsatisfiable)) => None,
        }
    });
    let Heard { pieces, range, of, tag } = match heard.await {
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
        (header::CONTENT_TYPE, kind(format).to_owned()),
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, quoted(&tag)),
        (header::VARY, header::ACCEPT.to_string()),
    ];
    let pieces = pieces.inspect_err(move |error| {
        tracing::error!(%error, recording = %id, "a sound that is being served ends before its end");
    });
    let answer = (served(&play.decided)?, kind, Body::from_stream(pieces));
    Ok(Sound(match part {
        None => answer.into_response(),
        Some(_) => {
            let at = format!("bytes {}-{}/{of}", range.start, range.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, at)], answer).into_response()
        }
    }))
}

const WAV: &str = "audio/wav";
const OPUS: &str = "audio/ogg";

/// Its media type; Opus is told by what is in the Ogg (RFC 7845, section 9).
fn kind(format: Format) -> &'static str {
    match format {
        Format::Wav => WAV,
        Format::Opus => "audio/ogg; codecs=opus",
    }
}

/// Which of the two is taken more gladly (RFC 9110, section 12.5.1); a WAV where neither is.
fn accepted(accept: &str) -> Format {
    if quality(accept, OPUS) > quality(accept, WAV) { Format::Opus } else { Format::Wav }
}

/// How gladly a media type is taken, in thousandths: what the entry says that names it best.
fn quality(accept: &str, kind: &str) -> u32 {
    let entries = accept.split(',').filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let names = parts.next()?;
        let how_well = [names.eq_ignore_ascii_case(kind), names == "audio/*", names == "*/*"];
        let how_well = how_well.iter().rev().position(|names_it| *names_it)?;
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        Some((how_well, (quality.clamp(0.0, 1.0) * 1_000.0) as u32))
    });
    entries.max_by_key(|(how_well, _)| *how_well).map_or(0, |(_, quality)| quality)
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
            let sound = to.gives(status, says, vec![(WAV, bytes()), (OPUS, bytes())]);
            sound.headers.push(("ETag", "Names these bytes, for `If-Range`."));
            sound.headers.push(("caveat-decided", "The verdict, as JSON."));
        }
        to.gives(416, "No byte of the range is there.", vec![]);
    }
}

/// As what a sound is wanted, and which part of it.
pub(crate) struct Wanted {
    accept: Option<String>,
    range: Option<String>,
    /// Only if it is still this one.
    only_of: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = |name| parts.headers.get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let (accept, range) = (text(header::ACCEPT), text(header::RANGE));
        Ok(Self { accept, range, only_of: text(header::IF_RANGE) })
    }
}

impl Taken for Wanted {
    fn describe(to: &mut Described<'_>) {
        to.headers.push(("Range", "One range of bytes: `bytes=0-99`."));
        to.headers
            .push(("If-Range", "The `ETag` of a part: all of it is sent where it is another one by now."));
    }
}

impl Wanted {
    /// The range that is wanted of what has this tag and length; none: all of it.
    fn of(&self, tag: &str, of: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
        let is_same = self.only_of.as_ref().is_none_or(|given| *given == quoted(tag));
        self.range.as_deref().filter(|_| is_same).and_then(|range| part(range, of))
    }
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// No byte of it is there.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The bytes that a `Range` asks for; none where it is not understood, or asks for several, which a server may pass over.
fn part(range: &str, all: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
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
    fn opus_is_sent_to_who_rather_takes_it() {
        let check = |accept: &str, expected: Format| assert_eq!(accepted(accept), expected, "{accept}");
        check("audio/ogg", Format::Opus);
        check("audio/ogg; codecs=opus, */*;q=0.5", Format::Opus);
        check("Audio/Ogg, audio/wav;q=0.9", Format::Opus);
        check("*/*, audio/wav;q=0.1", Format::Opus);
        check("*/*", Format::Wav);
        check("audio/*", Format::Wav);
        check("audio/wav, audio/ogg", Format::Wav);
        check("audio/ogg;q=0", Format::Wav);
        check("text/html", Format::Wav);
        check("", Format::Wav);
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        let check = |range: &str, expected: Option<Result<Range<u64>, Unsatisfiable>>| {
            assert_eq!(part(range, 1_000), expected, "{range}");
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
