//! Calls that should have been recorded, as phone systems list them: JSON or CSV. Pure.

use caveat_model::Moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A call that should be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectedCall {
    /// The phone system's id: the `external-id` that the call is captured with.
    #[schemars(length(min = 1))]
    pub id: String,
    /// When it begins, or began.
    pub began: Moment,
    /// How long it lasted in milliseconds, once that is known.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// How many legs should sound; none: those of its parties.
    #[serde(default)]
    pub legs: Option<u8>,
}

/// Why a list of expected calls cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpected {
    /// It is not JSON of the right form.
    #[error("the list is no JSON array of {{\"id\", \"began\", \"duration-ms\", \"legs\"}}: {0}")]
    Json(String),
    /// A line is not CSV of the right form.
    #[error(
        "line {line}: {why}; the columns are id,began,duration_ms,legs, the last two may be missing or empty"
    )]
    Csv {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// An id is empty or too long.
    #[error("call {number} has an id of {bytes} bytes: from 1 to {limit} are wanted")]
    Id {
        /// Counted from 1.
        number: usize,
        /// Of the id.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// There are too many.
    #[error("{given} calls are too many at once: the limit is {limit}; send them in parts")]
    TooMany {
        /// How many came.
        given: usize,
        /// The limit.
        limit: usize,
    },
}

/// Bytes of an id.
const ID_BYTES_MAX: usize = 1_024;

impl ExpectedCall {
    /// Reads a JSON array.
    ///
    /// # Errors
    /// Says where it is wrong.
    pub fn from_json(bytes: &[u8], limit: usize) -> Result<Vec<Self>, BadExpected> {
        let calls: Vec<Self> = serde_json::from_slice(bytes).map_err(|e| BadExpected::Json(e.to_string()))?;
        checked(calls, limit)
    }

    /// Reads CSV with a header line: `id,began,duration_ms,legs` in any order.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn from_csv(bytes: &[u8], limit: usize) -> Result<Vec<Self>, BadExpected> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let head = reader.headers().map_err(|error| BadExpected::Csv { line: 1, why: why(&error) })?;
        if let Some(missing) =
            ["id", "began"].into_iter().find(|name| !head.iter().any(|column| column == *name))
        {
            return Err(BadExpected::Csv { line: 1, why: format!("there is no column `{missing}`") });
        }
        let mut calls = Vec::new();
        for row in reader.deserialize::<Row>() {
            let row = row.map_err(|error| {
                let line = error.position().map_or(1, csv::Position::line);
                BadExpected::Csv { line, why: why(&error) }
            })?;
            let Row { id, began, duration_ms, legs } = row;
            calls.push(Self { id, began, duration_ms, legs });
            if calls.len() > limit {
                return Err(BadExpected::TooMany { given: calls.len(), limit });
            }
        }
        checked(calls, limit)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    began: Moment,
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    legs: Option<u8>,
}

/// What is wrong with a row, without its content.
fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields instead of {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => "it cannot be read".to_owned(),
    }
}

fn checked(calls: Vec<ExpectedCall>, limit: usize) -> Result<Vec<ExpectedCall>, BadExpected> {
    if calls.len() > limit {
        return Err(BadExpected::TooMany { given: calls.len(), limit });
    }
    let bad = calls.iter().position(|call| !(1..=ID_BYTES_MAX).contains(&call.id.len()));
    match bad {
        Some(at) => Err(BadExpected::Id { number: at + 1, bytes: calls[at].id.len(), limit: ID_BYTES_MAX }),
        None => Ok(calls),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_list_is_read_from_either_form() {
        let json = br#"[{"id":"CA1","began":"2026-11-23T09:30:00Z","duration-ms":60000},
            {"id":"CA2","began":"2026-11-23T10:00:00Z","legs":1}]"#;
        let csv =
            b"began, id, duration_ms, legs\n2026-11-23T09:30:00Z, CA1, 60000,\n2026-11-23T10:00:00Z,CA2,,1\n";
        let calls = ExpectedCall::from_json(json, 9).unwrap();
        assert_eq!(calls, ExpectedCall::from_csv(csv, 9).unwrap());
        assert_eq!((calls[0].duration_ms, calls[0].legs, calls[1].legs), (Some(60_000), None, Some(1)));
        assert_eq!(ExpectedCall::from_csv(b"id,began\n", 9).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let check = |csv: &str, want: &str| {
            let error = ExpectedCall::from_csv(csv.as_bytes(), 2).unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        check("id,began\nCA1,yesterday\n", "line 2");
        check("id,began\nCA1,2026-11-23T09:30:00Z\nCA2\n", "line 3: it has 1 fields instead of 2");
        check("id,start\nCA1,2026-11-23T09:30:00Z\n", "line 1: there is no column `began`");
        check("id,began,start\nCA1,2026-11-23T09:30:00Z,\n", "line 2");
        check("", "line 1: there is no column `id`");
        check("id,began\n,2026-11-23T09:30:00Z\n", "call 1 has an id of 0 bytes");
        check(&format!("id,began\n{}", "a,2026-11-23\n".repeat(3)), "3 calls are too many");
        let error = ExpectedCall::from_json(b"[{\"id\":\"a\"}]", 2).unwrap_err().to_string();
        assert!(error.contains("missing field `began`"), "{error}");
    }
}
