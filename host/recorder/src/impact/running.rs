//! What a swap would have changed, asked of a running host.

use std::sync::Arc;

use caveat_model::{ClientId, Mode};
use caveat_packs::{PackFile, load};
use serde_json::Value;

use super::{Impact, ImpactReport, Swap};
use crate::{History, Recorder, RecorderError, Window};

/// A pack that would take a place.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The pack.
    pub file: PackFile,
    /// Whose place it would take; none: that of its own name, or one beside the others.
    pub replaces: Option<String>,
    /// Its settings; none: those of the pack whose place it takes, else its defaults.
    pub settings: Option<Value>,
}

impl Recorder {
    /// History ruled again with a candidate in its place. Takes a second for some ten thousand events; `progress` is told
    /// how many entries of how many were looked at.
    ///
    /// # Errors
    /// The candidate or its settings; the rooms behind fail.
    pub async fn impact(
        &self,
        client: &ClientId,
        candidate: Candidate,
        window: Window,
        progress: impl FnMut(u64, u64),
    ) -> Result<ImpactReport, RecorderError> {
        let house = &self.house;
        let today = house.packs.snapshot(client);
        let today = today.ok_or_else(|| RecorderError::NoPacks { client: client.to_string() })?;
        let Candidate { file, replaces, settings } = candidate;
        let name = replaces.unwrap_or_else(|| file.manifest().pack.name.clone());
        let stands = today.packs.iter().find(|p| p.loaded.reference.name == name);
        let mode = stands.map_or(Mode::Active, |p| p.mode);
        let given = settings.or_else(|| stands.map(|p| p.loaded.settings.clone())).unwrap_or(Value::Null);
        let engine = house.engine.clone();
        let compiling = tokio::task::spawn_blocking({
            let engine = engine.clone();
            move || load(&engine, &file, &given)
        });
        let loaded = compiling.await.map_err(|e| RecorderError::Task(e.to_string()))??;
        let swaps = [Swap { name, with: Some(Arc::new(loaded)), mode }];
        let impact = Impact::new(engine, client, &today, &swaps);
        let opener = house.vault.opener().clone();
        let history = History::open(house.ledger.clone(), opener, client, window).await?;
        Ok(impact.take_history(history, progress).await?.report())
    }
}
