//! What is counted of RTP, for `GET /metrics`.

use metrics::{counter, gauge};

use super::Stats;

const PACKETS: &str = "caveat_rtp_packets_total";
const UNHEARD: &str = "caveat_rtp_frames_unheard_total";

/// An m-line began.
pub(super) fn began() {
    gauge!("caveat_rtp_streams").increment(1.0);
    // Whoever watches for an increase would miss the first of a counter that was not there.
    counter!(UNHEARD).increment(0);
}

/// An m-line ended.
pub(super) fn ended() {
    gauge!("caveat_rtp_streams").decrement(1.0);
}

/// What came since it was counted last.
pub(super) fn add(before: &Stats, now: &Stats) {
    let packets = [
        ("taken", before.packets, now.packets),
        ("lost", before.lost, now.lost),
        ("late", before.late, now.late),
        ("duplicate", before.duplicate, now.duplicate),
        ("reordered", before.reordered, now.reordered),
        ("inactive", before.inactive, now.inactive),
        ("bad", before.bad, now.bad),
        ("stray", before.stray, now.stray),
    ];
    for (what, before, now) in packets {
        if now > before {
            counter!(PACKETS, "what" => what).increment(now - before);
        }
    }
    for (name, before, now) in [
        ("caveat_rtp_bytes_total", before.bytes, now.bytes),
        (UNHEARD, before.unheard, now.unheard),
        ("caveat_rtp_keys_total", before.keys, now.keys),
    ] {
        if now > before {
            counter!(name).increment(now - before);
        }
    }
}
