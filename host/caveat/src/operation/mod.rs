//! A host in operation: what it needs to be ready, reading its configuration again, telling systemd, its end.

mod database;
pub(crate) mod notify;
mod readiness;
mod reload;

use std::sync::Arc;

use anyhow::bail;
use caveat_api::{Operated, Readiness, Reloading};
use serde::Deserialize;

pub(crate) use database::{Database, is_server};
pub(crate) use readiness::{Checks, Needs, Store};
pub(crate) use reload::{Live, Reloader};

/// `[limits.host]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Calls that are not sealed so long after the host was asked to stop are left to the next start, in milliseconds.
    /// Whatever of them was acknowledged is safe by then.
    pub(crate) drain_ms_max: u64,
    /// The checks behind `/readyz` are made this often, in milliseconds.
    pub(crate) check_every_ms: u64,
    /// A check that takes longer counts as bad.
    pub(crate) check_ms_max: u64,
    /// The clock may be off by so many milliseconds.
    pub(crate) clock_skew_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { drain_ms_max: 60_000, check_every_ms: 2_000, check_ms_max: 1_500, clock_skew_ms_max: 5_000 }
    }
}

impl Limits {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for (name, value) in [
            ("drain_ms_max", self.drain_ms_max),
            ("check_every_ms", self.check_every_ms),
            ("check_ms_max", self.check_ms_max),
            ("clock_skew_ms_max", self.clock_skew_ms_max),
        ] {
            if value == 0 {
                bail!("`{name}` of [limits.host] is 0: give it 1 or more");
            }
        }
        Ok(())
    }
}

/// What the API asks of the host.
pub(crate) struct Operation {
    pub(crate) checks: Arc<Checks>,
    pub(crate) reloader: Arc<Reloader>,
}

impl Operated for Operation {
    fn readiness(&self) -> Readiness {
        self.checks.now()
    }

    fn reload(&self) -> Reloading {
        let reloader = self.reloader.clone();
        let done = tokio::spawn(async move { reloader.reload().await });
        Box::pin(async move { done.await.unwrap_or_else(|error| Err(error.to_string())) })
    }
}
