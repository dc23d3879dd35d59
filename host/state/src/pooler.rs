//! Whether a connection to PostgreSQL stays one. What it may see is set on it, so through a pooler that gives each transaction
//! whichever connection is free, a statement for one client would run as another's.

use std::time::Duration;

use sqlx::{AnyConnection, Connection, Row, raw_sql};
use tokio::time::timeout;

use crate::{StateError, sql};

/// So often another connection is in the way while the first is asked what was set on it. A pooler that has several free
/// ones may happen to give the right one.
const ROUNDS: usize = 8;
/// A pooler that has no connection left lets whoever asks wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Refuses such a pooler.
///
/// # Errors
/// [`StateError::Pooled`]; the server cannot be reached.
pub(crate) async fn check(url: &str) -> Result<(), StateError> {
    let kept = timeout(PATIENCE, keeps_what_is_set(url)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    match kept.map_err(sql("say whether a connection stays one"))? {
        true => Ok(()),
        false => Err(StateError::Pooled),
    }
}

/// By simple queries: a statement that was prepared may not be known on another connection.
async fn keeps_what_is_set(url: &str) -> Result<bool, sqlx::Error> {
    let mut first = AnyConnection::connect(url).await?;
    let mut second = AnyConnection::connect(url).await?;
    raw_sql("SELECT set_config('caveat.whose', 'first', false)").execute(&mut first).await?;
    raw_sql("SELECT set_config('caveat.whose', 'second', false)").execute(&mut second).await?;
    let mut kept = is_set(&mut first).await?;
    for _ in 0..ROUNDS {
        if !kept {
            break;
        }
        raw_sql("BEGIN").execute(&mut second).await?;
        kept = is_set(&mut first).await?;
        raw_sql("ROLLBACK").execute(&mut second).await?;
    }
    first.close().await?;
    second.close().await?;
    Ok(kept)
}

/// Whether the first connection is as it was set.
async fn is_set(first: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let whose = raw_sql("SELECT COALESCE(current_setting('caveat.whose', true), '')");
    Ok(whose.fetch_one(first).await?.try_get::<String, _>(0)? == "first")
}
