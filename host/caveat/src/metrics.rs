//! `GET /metrics`: what the host counts of itself, in Prometheus' text format. [`METRICS`] lists everything there is.
//!
//! The rooms count through the `metrics` facade; only `serve` installs a recorder, so that for any other command counting
//! costs nothing. The answer names clients and packs, and nothing about a call or a person.

use std::{future::ready, time::Duration};

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use anyhow::Context;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

enum Kind {
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// Of seconds.
    Histogram,
}

/// Every metric: its name, its kind, and what it counts by which labels.
const METRICS: [(&str, Kind, &str); 28] = [
    (
        "caveat_assurance_flaws_total",
        Kind::Counter,
        "Flaws that were found in captured calls, and calls that are missing, by client and flaw.",
    ),
    (
        "caveat_pack_rulings_total",
        Kind::Counter,
        "Events put to a pack, by pack, stage and outcome in the contract's words; `failed` where it gave none.",
    ),
    (
        "caveat_pack_failures_total",
        Kind::Counter,
        "Rulings and configurations that broke off, by pack and by the limit that stopped them.",
    ),
    ("caveat_pack_ruling_seconds", Kind::Histogram, "Wall time of a ruling, by pack."),
    ("caveat_pack_fuel_total", Kind::Counter, "Units of fuel that rulings used, by pack."),
    (
        "caveat_pack_log_lines_dropped_total",
        Kind::Counter,
        "Log lines that a pack wrote beyond `log_lines_max`, by pack.",
    ),
    (
        "caveat_pack_swaps_total",
        Kind::Counter,
        "Changes of the packs of a running client, by client, kind and result.",
    ),
    ("caveat_pack_swap_seconds", Kind::Histogram, "Wall time of such a change, by client and kind."),
    (
        "caveat_monitor_rulings_total",
        Kind::Counter,
        "Events that packs which are only watched ruled on too, by client and pack.",
    ),
    (
        "caveat_monitor_differences_total",
        Kind::Counter,
        "Those that would have come out otherwise had they been obeyed, by client, pack and kind.",
    ),
    ("caveat_siprec_requests_total", Kind::Counter, "SIP requests that were answered, by method and status."),
    (
        "caveat_siprec_sessions_total",
        Kind::Counter,
        "Recording sessions that are over, by client and by how they ended.",
    ),
    (
        "caveat_siprec_metadata_total",
        Kind::Counter,
        "Metadata of recording sessions, by result: `ok`, `broken`, `missing`.",
    ),
    (
        "caveat_siprec_lines_refused_total",
        Kind::Counter,
        "Media lines that came later and found no leg left.",
    ),
    ("caveat_siprec_strangers_total", Kind::Counter, "SIP requests that came by no trunk."),
    (
        "caveat_siprec_strangers_dropped_total",
        Kind::Counter,
        "Packets and connections from no trunk's address beyond `strangers_per_s`, dropped unread.",
    ),
    ("caveat_rtp_streams", Kind::Gauge, "Media lines that are received now."),
    (
        "caveat_rtp_packets_total",
        Kind::Counter,
        "RTP packets, by what became of them: `taken`, `lost`, `late`, `duplicate`, `reordered`, `inactive`, `bad`, `stray`.",
    ),
    ("caveat_rtp_bytes_total", Kind::Counter, "Bytes of the RTP packets that were taken."),
    (
        "caveat_rtp_frames_unheard_total",
        Kind::Counter,
        "Frames of sound that a call had no room for; they are gaps.",
    ),
    (
        "caveat_disk_free_bytes",
        Kind::Gauge,
        "What is left on the fullest of the disks that the host writes to.",
    ),
    (
        "caveat_calls_without_room_total",
        Kind::Counter,
        "Times a call was not recorded because the disk is full, by client.",
    ),
    ("caveat_spool_objects", Kind::Gauge, "Objects that the remote store does not have for certain."),
    ("caveat_spool_bytes", Kind::Gauge, "Their size."),
    ("caveat_spool_failing", Kind::Gauge, "Objects whose last attempt to reach the store failed."),
    ("caveat_spool_brought_total", Kind::Counter, "Objects that were brought to the store and read back."),
    ("caveat_spool_failures_total", Kind::Counter, "Attempts that failed; each is made again."),
    ("caveat_rtp_keys_total", Kind::Counter, "Keys that came as telephone events (RFC 4733)."),
];

/// Upper bounds of the buckets of every [`Kind::Histogram`], in seconds: from a small pack's ruling to a slow swap.
const BUCKETS_S: [f64; 14] =
    [5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2, 5e-2, 0.2, 1.0, 5.0];

/// Samples wait in memory until they are sorted into buckets.
const SORTED_EVERY: Duration = Duration::from_secs(5);

/// From now on everything is counted; packs that were loaded earlier are not. The router answers `GET /metrics`.
pub(crate) fn install() -> anyhow::Result<Router> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS_S)?;
    let handle = builder.install_recorder().context("cannot count")?;
    for (name, kind, what) in METRICS {
        match kind {
            Kind::Counter => describe_counter!(name, what),
            Kind::Gauge => describe_gauge!(name, what),
            Kind::Histogram => describe_histogram!(name, Unit::Seconds, what),
        }
    }
    tokio::spawn(sort_samples(handle.clone()));
    Ok(routes(handle))
}

fn routes(handle: PrometheusHandle) -> Router {
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || ready((text, handle.render()))))
}

async fn sort_samples(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(SORTED_EVERY);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}
