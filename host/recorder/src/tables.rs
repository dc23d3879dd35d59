//! The tables of this room, all of them: each module has its own.

use caveat_state::{Db, StateError};

use crate::{
    alerts::Alerts, announced::Announced, answers::Answers, assurance::Assurance, begun::Begun,
    bounds::Bounds, catalog::Catalog, hosts::Places, late::Late, outbox::Outbox, packs, requests::Requests,
};

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`StateError`].
pub async fn migrate(db: &Db) -> Result<(), StateError> {
    Catalog::migrate(db).await?;
    Alerts::migrate(db).await?;
    Late::migrate(db).await?;
    Begun::migrate(db).await?;
    Bounds::migrate(db).await?;
    Answers::migrate(db).await?;
    Outbox::migrate(db).await?;
    Announced::migrate(db).await?;
    Requests::migrate(db).await?;
    Places::migrate(db).await?;
    Assurance::migrate(db).await?;
    packs::migrate(db).await
}
