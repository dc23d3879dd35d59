//! What systemd is told (sd_notify(3)), where it started the host as `Type=notify-reload`. Elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState::{self, MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog};

/// Calls can come.
pub(crate) fn ready(status: &str) {
    tell(&[Ready, Status(status)]);
}

/// The configuration is read again; [`ready`] says that it has been.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(MonotonicUsec(now)) => tell(&[Reloading, MonotonicUsec(now)]),
        _ => tell(&[Reloading]),
    }
}

/// What runs is sealed, and then the host ends.
pub(crate) fn stopping() {
    tell(&[Stopping, Status("sealing what is running")]);
}

/// Says that the host lives, twice in each span in which the service has to, where it has `WatchdogSec=`.
pub(crate) fn keep_watchdog() {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let pause = (within / 2).max(Duration::from_millis(10));
    tokio::spawn(async move {
        let mut every = tokio::time::interval(pause);
        loop {
            every.tick().await;
            tell(&[Watchdog]);
        }
    });
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told how the host is doing");
    }
}
