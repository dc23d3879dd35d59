//! What the database is told of pages and of what is on them, one statement each.

use caveat_model::ClientId;
use caveat_state::{Statement, sql};
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::{VaultError, wal::Name};

/// Recordings that one statement moves to another page: so many, then eight, then one, so that few statements are ever
/// prepared.
const AT_ONCE: [usize; 3] = [128, 8, 1];

/// Also the lock: whoever moves what is on the page to another waits, or has dropped it before.
pub(super) fn take_place(page: &str, capacity: i64) -> Statement {
    Statement::new("UPDATE vault_page SET recordings = recordings + 1 WHERE page = $1 AND recordings < $2")
        .bind(page)
        .bind(capacity)
        .or_nothing()
}

const ENTER_PAGE: &str = "INSERT INTO vault_page (page, client, wrapped, recordings) VALUES ($1, $2, $3, $4)";

pub(super) fn new_page(page: &str, client: &ClientId, wrapped: &[u8], recordings: i64) -> Statement {
    Statement::new(ENTER_PAGE).bind(page).bind(client.as_str()).bind(wrapped).bind(recordings)
}

pub(super) async fn insert_page(
    tx: &mut Transaction<'static, Any>,
    page: &str,
    client: &ClientId,
    wrapped: &[u8],
    recordings: i64,
) -> Result<(), VaultError> {
    sqlx::query(ENTER_PAGE)
        .bind(page)
        .bind(client.as_str())
        .bind(wrapped)
        .bind(recordings)
        .execute(&mut **tx)
        .await
        .map_err(sql("enter a page key"))?;
    Ok(())
}

/// False when it is gone already.
pub(super) async fn drop_page(tx: &mut Transaction<'static, Any>, page: &str) -> Result<bool, VaultError> {
    let dropped = sqlx::query("DELETE FROM vault_page WHERE page = $1").bind(page).execute(&mut **tx).await;
    Ok(dropped.map_err(sql("drop a page key"))?.rows_affected() == 1)
}

pub(super) async fn drop_escrow(
    tx: &mut Transaction<'static, Any>,
    name: &Name,
    page: &str,
) -> Result<(), VaultError> {
    drop_page(tx, page).await?;
    sqlx::query("DELETE FROM vault_escrow WHERE client = $1 AND recording = $2")
        .bind(name.0.as_str())
        .bind(name.1.to_string())
        .execute(&mut **tx)
        .await
        .map_err(sql("drop what was in escrow"))?;
    Ok(())
}

pub(super) async fn put_escrow(
    tx: &mut Transaction<'static, Any>,
    name: &Name,
    page: &str,
    sealed: Vec<u8>,
) -> Result<(), VaultError> {
    sqlx::query("INSERT INTO vault_escrow (client, recording, page, sealed) VALUES ($1, $2, $3, $4)")
        .bind(name.0.as_str())
        .bind(name.1.to_string())
        .bind(page)
        .bind(sealed)
        .execute(&mut **tx)
        .await
        .map_err(sql("put into escrow"))?;
    Ok(())
}

pub(super) async fn on_page(
    tx: &mut Transaction<'static, Any>,
    page: &str,
) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
    let rows = sqlx::query_as("SELECT recording, cover FROM vault_recording WHERE page = $1")
        .bind(page)
        .fetch_all(&mut **tx)
        .await;
    Ok(rows.map_err(sql("read a page"))?)
}

/// Puts recordings on a page, by their ids, each with its wrapped keys.
pub(super) async fn put_covers(
    tx: &mut Transaction<'static, Any>,
    client: &ClientId,
    page: &str,
    covers: &[(String, Vec<u8>)],
) -> Result<(), VaultError> {
    let mut rest = covers;
    for size in AT_ONCE {
        while let Some((some, more)) = rest.split_at_checked(size) {
            let row = |n| format!("(${}, ${})", 2 * n + 3, 2 * n + 4);
            let text = format!(
                "UPDATE vault_recording SET page = $1, cover = new.column2 FROM (VALUES {}) AS new
                 WHERE client = $2 AND recording = new.column1",
                (0..size).map(row).collect::<Vec<_>>().join(", ")
            );
            let update = sqlx::query(AssertSqlSafe(text)).bind(page).bind(client.as_str());
            let update = some.iter().fold(update, |update, (id, cover)| update.bind(id).bind(&cover[..]));
            update.execute(&mut **tx).await.map_err(sql("replace keys"))?;
            rest = more;
        }
    }
    Ok(())
}

/// A client keeps so many bytes more.
pub(super) fn keeps(client: &ClientId, bytes: i64) -> Statement {
    let add = "INSERT INTO vault_kept (client, bytes) VALUES ($1, $2)
               ON CONFLICT (client) DO UPDATE SET bytes = vault_kept.bytes + excluded.bytes";
    Statement::new(add).bind(client.as_str()).bind(bytes)
}

/// It keeps so many bytes less.
pub(super) async fn keeps_less(
    tx: &mut Transaction<'static, Any>,
    client: &ClientId,
    bytes: u64,
) -> Result<(), VaultError> {
    sqlx::query("UPDATE vault_kept SET bytes = bytes - $2 WHERE client = $1")
        .bind(client.as_str())
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .execute(&mut **tx)
        .await
        .map_err(sql("note that a client keeps less"))?;
    Ok(())
}

/// Whether a log has a recording open; whoever would take it over waits until the transaction has ended.
pub(super) async fn still_of(
    tx: &mut Transaction<'static, Any>,
    name: &Name,
    log: &str,
) -> Result<(), VaultError> {
    let text = "UPDATE vault_recording SET log = log
                WHERE client = $1 AND recording = $2 AND log = $3 AND state = 'open'";
    let ours = sqlx::query(text).bind(name.0.as_str()).bind(name.1.to_string()).bind(log);
    let ours = ours.execute(&mut **tx).await.map_err(sql("see whose a recording is"))?;
    if ours.rows_affected() == 0 { Err(VaultError::TakenOver) } else { Ok(()) }
}
