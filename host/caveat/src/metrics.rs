//! `GET /metrics`: what the host counts of itself, in Prometheus' text format. [`METRICS`] lists everything there is.
//!
//! The rooms count through the `metrics` facade; only `serve` installs a recorder, so that for any other command counting
//! costs nothing. The answer names clients and packs, and nothing about a call or a person.

use std::{future::ready, time::Duration};

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use anyhow::Context;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// Of seconds.
    Histogram,
}

/// Every metric: its name, its kind, and what it counts by which labels.
pub(crate) const METRICS: [(&str, Kind, &str); 49] = [
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
    (
        "caveat_calls_over_quota_total",
        Kind::Counter,
        "Calls that were not taken because their client has as many, or keeps as much, as its quota allows, by client.",
    ),
    (
        "caveat_rulings_over_quota_total",
        Kind::Counter,
        "Rulings that waited because their client's packs had taken the ruling time that its quota allows, by client.",
    ),
    ("caveat_spool_objects", Kind::Gauge, "Objects that the remote store does not have for certain."),
    ("caveat_spool_bytes", Kind::Gauge, "Their size."),
    ("caveat_spool_failing", Kind::Gauge, "Objects whose last attempt to reach the store failed."),
    ("caveat_spool_brought_total", Kind::Counter, "Objects that were brought to the store and read back."),
    ("caveat_spool_failures_total", Kind::Counter, "Attempts that failed; each is made again."),
    ("caveat_rtp_keys_total", Kind::Counter, "Keys that came as telephone events (RFC 4733)."),
    ("caveat_calls", Kind::Gauge, "Calls that run."),
    ("caveat_calls_total", Kind::Counter, "Calls that began, recorded or not, by client."),
    ("caveat_verdicts_total", Kind::Counter, "Verdicts in the ledger, by client, stage and outcome."),
    (
        "caveat_verdict_rules_total",
        Kind::Counter,
        "Reasons in those verdicts, by client, rule and the verdict's outcome.",
    ),
    (
        "caveat_gap_milliseconds_total",
        Kind::Counter,
        "Time that recordings leave out, all legs together, by the kind of the gap.",
    ),
    (
        "caveat_unsealed_recordings",
        Kind::Gauge,
        "Recordings of calls that are over and could not be sealed yet.",
    ),
    ("caveat_ledger_entries", Kind::Gauge, "Entries in the log, by client."),
    ("caveat_sessions", Kind::Gauge, "Sessions of people that are kept, idle ones among them."),
    ("caveat_sign_ins_refused_total", Kind::Counter, "Proofs of who somebody is that were refused."),
    ("caveat_webhooks_waiting", Kind::Gauge, "News that wait for the webhooks of a client, by client."),
    ("caveat_webhooks_lost_total", Kind::Counter, "News that a full queue took no more, by client."),
    ("caveat_ready", Kind::Gauge, "1 while `/readyz` says that calls may be sent here, else 0."),
    ("caveat_check_standing", Kind::Gauge, "The checks behind it, by check: 0 good, 1 strained, 2 bad."),
    (
        "caveat_config_reloads_total",
        Kind::Counter,
        "Times the configuration was read again, by result: `done`, `failed`.",
    ),
    (
        "caveat_config_stale",
        Kind::Gauge,
        "1 while the file is one that the host could not take up, and goes on with the one before.",
    ),
    ("caveat_start_seconds", Kind::Gauge, "From the beginning of the process until it was ready."),
    ("process_resident_memory_bytes", Kind::Gauge, "Memory of the host that is in use."),
    ("process_cpu_seconds_total", Kind::Gauge, "Processor time that the host has used."),
    ("process_open_fds", Kind::Gauge, "Files and sockets that it has open."),
];

/// The table in Markdown, as it stands in `examples/metrics.md`.
#[cfg(test)]
fn as_markdown() -> String {
    let row = |(name, kind, what): &(&str, Kind, &str)| {
        let kind = format!("{kind:?}").to_lowercase();
        format!("| `{name}` | {kind} | {what} |\n")
    };
    format!("| metric | kind | counts |\n|---|---|---|\n{}", METRICS.iter().map(row).collect::<String>())
}

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

/// The path item of `/metrics`.
pub(crate) fn documented() -> Value {
    json!({ "get": {
        "operationId": "get-metrics",
        "summary": "What is counted, for Prometheus",
        "tags": ["metrics"],
        "responses": { "200": {
            "description": "The text format, version 0.0.4.",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        } },
        "security": [],
    } })
}

fn routes(handle: PrometheusHandle) -> Router {
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || ready((text, handle.render()))))
}

/// In which `/proc` counts processor time on Linux (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// Memory, processor time and files of this process (proc(5)).
pub(crate) fn count_process() {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (status, stat) = (read("/proc/self/status"), read("/proc/self/stat"));
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
    // The name of the process, which stands in parentheses, may hold anything; the 14th and 15th fields count.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    gauge!("process_resident_memory_bytes").set(resident.unwrap_or(0.0) * 1024.0);
    gauge!("process_cpu_seconds_total").set(ticks / TICKS_PER_S);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    gauge!("process_open_fds").set(open as f64);
}

async fn sort_samples(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(SORTED_EVERY);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_documented_table_is_the_table() {
        let documented = include_str!("../../../examples/metrics.md");
        let (_, table) = documented.split_once("\n\n").unwrap();
        let table = table.rsplit_once("\n\n").unwrap().1;
        assert_eq!(table, as_markdown(), "copy the right-hand side to the end of examples/metrics.md");
    }
}
