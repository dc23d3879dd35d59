//! Writes as data, so that many can share one commit and each can be done again alone.

use std::borrow::Cow;

use futures::TryStreamExt;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Either, Executor, Row, any::AnyArguments, query::Query};

/// A value bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// Text.
    Text(String),
    /// No text.
    NoText,
    /// A whole number.
    Int(i64),
    /// No number.
    NoInt,
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::NoText, Self::Text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Option<i64>> for Arg {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::NoInt, Self::Int)
    }
}

impl From<&[u8]> for Arg {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Arg {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// One statement that changes rows, with what is bound to its `$1`, `$2` and so on.
#[derive(Debug, Clone)]
pub struct Statement {
    sql: Cow<'static, str>,
    args: Vec<Arg>,
    must_change: bool,
    gives: bool,
}

impl Statement {
    /// A statement; nothing is bound yet.
    pub fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), args: vec![], must_change: false, gives: false }
    }

    /// Binds the next value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        self
    }

    /// Nothing of the write is done unless this statement changes a row.
    #[must_use]
    pub fn or_nothing(mut self) -> Self {
        self.must_change = true;
        self
    }

    /// The statement has a `RETURNING` of one whole number.
    #[must_use]
    pub fn giving(mut self) -> Self {
        self.gives = true;
        self
    }

    fn query(&self) -> Query<'_, Any, AnyArguments> {
        let query = match &self.sql {
            Cow::Borrowed(sql) => sqlx::query(*sql),
            // Put together of parts of the program; what comes from outside is bound.
            Cow::Owned(sql) => sqlx::query(AssertSqlSafe(sql.clone())),
        };
        self.args.iter().fold(query, bound)
    }
}

fn bound<'q>(query: Query<'q, Any, AnyArguments>, arg: &'q Arg) -> Query<'q, Any, AnyArguments> {
    match arg {
        Arg::Text(text) => query.bind(text.as_str()),
        Arg::NoText => query.bind(None::<String>),
        Arg::Int(number) => query.bind(*number),
        Arg::NoInt => query.bind(None::<i64>),
        Arg::Bytes(bytes) => query.bind(bytes.as_slice()),
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Done {
        /// Rows that its statements changed, all together.
        rows: u64,
        /// What the last statement that gives something gave; none when it changed no row.
        given: Option<i64>,
    },
    /// Nothing was done: the statement of this number, from 0, changed no row.
    Nothing {
        /// Which.
        at: usize,
    },
}

impl Written {
    /// Rows changed.
    pub fn rows(self) -> u64 {
        match self {
            Self::Done { rows, .. } => rows,
            Self::Nothing { .. } => 0,
        }
    }
}

/// Runs statements on a connection; when one fails or finds nothing to do, what those before it did has to be undone.
pub(crate) async fn run(conn: &mut AnyConnection, statements: &[Statement]) -> Result<Written, sqlx::Error> {
    let mut sum = Sum::default();
    for (at, statement) in statements.iter().enumerate() {
        let changed = if statement.gives {
            let row = statement.query().fetch_optional(&mut *conn).await?;
            sum.given = row.map(|row| row.try_get(0)).transpose()?;
            u64::from(sum.given.is_some())
        } else {
            statement.query().execute(&mut *conn).await?.rows_affected()
        };
        if !sum.add(statement, changed) {
            return Ok(Written::Nothing { at });
        }
    }
    Ok(sum.done())
}

/// Runs many writes on an SQLite connection, those of the same statements together: each turn with the thread that has the
/// connection costs more than what it does. What became of each, in their order; when one fails or finds nothing to do,
/// all of it has to be undone.
pub(crate) async fn run_all(
    conn: &mut AnyConnection,
    writes: &[&[Statement]],
) -> Result<Vec<Written>, sqlx::Error> {
    let mut order: Vec<(Vec<&str>, usize)> =
        writes.iter().enumerate().map(|(number, write)| (texts(write), number)).collect();
    order.sort_unstable();
    let mut done = vec![Written::Nothing { at: 0 }; writes.len()];
    for alike in order.chunk_by(|(a, _), (b, _)| a == b) {
        let mut rest = alike;
        while !rest.is_empty() {
            let size = TURNS.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
            let (turn, later) = rest.split_at(size);
            let of_turn: Vec<&[Statement]> = turn.iter().map(|(_, number)| writes[*number]).collect();
            for ((_, number), written) in turn.iter().zip(run_at_once(conn, &of_turn).await?) {
                done[*number] = written;
            }
            rest = later;
        }
    }
    Ok(done)
}

fn texts(write: &[Statement]) -> Vec<&str> {
    write.iter().map(|statement| &*statement.sql).collect()
}

/// Writes of one turn. Few sizes, so that SQLite finds what it has prepared.
const TURNS: [usize; 3] = [16, 4, 1];

/// As one text of all their statements, in which each has the numbers of its own values.
async fn run_at_once(conn: &mut AnyConnection, writes: &[&[Statement]]) -> Result<Vec<Written>, sqlx::Error> {
    let (mut sql, mut args) = (String::new(), 0);
    for statement in writes.iter().copied().flatten() {
        renumbered(&statement.sql, args, &mut sql);
        sql.push(';');
        args += statement.args.len();
    }
    let all = writes.iter().copied().flatten().flat_map(|statement| &statement.args);
    // Put together of parts of the program; what comes from outside is bound.
    let query = all.fold(sqlx::query(AssertSqlSafe(sql)), bound);
    let mut results = Executor::fetch_many(&mut *conn, query);
    let mut done = Vec::with_capacity(writes.len());
    for write in writes {
        let mut sum = Sum::default();
        let mut nothing_at = None;
        for (at, statement) in write.iter().enumerate() {
            let mut given = None;
            let affected = loop {
                match results.try_next().await? {
                    Some(Either::Right(row)) if statement.gives => given = Some(row.try_get(0)?),
                    Some(Either::Right(_)) => {}
                    Some(Either::Left(result)) => break result.rows_affected(),
                    None => return Err(sqlx::Error::Protocol("fewer results than statements".into())),
                }
            };
            let changed = if statement.gives { u64::from(given.is_some()) } else { affected };
            sum.given = if statement.gives { given } else { sum.given };
            if !sum.add(statement, changed) {
                nothing_at = nothing_at.or(Some(at));
            }
        }
        done.push(nothing_at.map_or(sum.done(), |at| Written::Nothing { at }));
    }
    Ok(done)
}

/// Appends a statement whose `$1` is to be the value after so many others.
fn renumbered(statement: &str, after: usize, sql: &mut String) {
    let mut parts = statement.split('$');
    sql.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        match number.parse::<usize>() {
            Ok(number) => sql.push_str(&format!("${}", number + after)),
            Err(_) => sql.push('$'),
        }
        sql.push_str(rest);
    }
}

/// What the statements of a write did so far.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    rows: u64,
    given: Option<i64>,
}

impl Sum {
    /// False: it changed nothing and has to.
    fn add(&mut self, statement: &Statement, changed: u64) -> bool {
        self.rows += changed;
        changed > 0 || !statement.must_change
    }

    fn done(self) -> Written {
        Written::Done { rows: self.rows, given: self.given }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_behind_others_have_numbers_of_their_own() {
        let check = |statement: &str, after: usize, want: &str| {
            let mut sql = String::new();
            renumbered(statement, after, &mut sql);
            assert_eq!(sql, want);
        };
        check("DELETE FROM t", 3, "DELETE FROM t");
        check("UPDATE t SET a = $2 WHERE k = $1", 0, "UPDATE t SET a = $2 WHERE k = $1");
        check("UPDATE t SET a = $2 WHERE k = $10", 12, "UPDATE t SET a = $14 WHERE k = $22");
    }
}
