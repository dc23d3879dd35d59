//! Writes as data, so that many can share one commit and each can be done again alone.

use std::borrow::Cow;

use sqlx::{Any, AnyConnection, AssertSqlSafe, Row, query::Query};

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

    fn query(&self) -> Query<'_, Any, sqlx::any::AnyArguments> {
        let query = match &self.sql {
            Cow::Borrowed(sql) => sqlx::query(*sql),
            // Put together of parts of the program; what comes from outside is bound.
            Cow::Owned(sql) => sqlx::query(AssertSqlSafe(sql.clone())),
        };
        self.args.iter().fold(query, |query, arg| match arg {
            Arg::Text(text) => query.bind(text.as_str()),
            Arg::NoText => query.bind(None::<String>),
            Arg::Int(number) => query.bind(*number),
            Arg::NoInt => query.bind(None::<i64>),
            Arg::Bytes(bytes) => query.bind(bytes.as_slice()),
        })
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
    let (mut rows, mut given) = (0, None);
    for (at, statement) in statements.iter().enumerate() {
        let changed = if statement.gives {
            given = match statement.query().fetch_optional(&mut *conn).await? {
                Some(row) => Some(row.try_get(0)?),
                None => None,
            };
            u64::from(given.is_some())
        } else {
            statement.query().execute(&mut *conn).await?.rows_affected()
        };
        if changed == 0 && statement.must_change {
            return Ok(Written::Nothing { at });
        }
        rows += changed;
    }
    Ok(Written::Done { rows, given })
}
