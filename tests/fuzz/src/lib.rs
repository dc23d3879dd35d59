//! What untrusted bytes meet, each as a function of bytes that panics when something is wrong: it is fuzzed
//! (`cargo xtask fuzz`), and the tests put its seeds, its regressions and some mutations to it. See `README.md`.

mod edits;
mod guests;
mod mutate;
mod packs;
mod parsers;
mod sealed;
mod seeds;
mod telephony;

pub use mutate::mutations;
pub use packs::{let_the_snapshotter_give_up, pack_file, pack_load, ruling};
pub use parsers::{case_file, event_line, lock_file, manifest, note, settings, wav};
pub use sealed::{ledger_bundle, vault};
pub use seeds::seeds;
pub use telephony::{audiohook, audiosocket, metadata, rtp, sdp, sip_body, sip_message, sip_unknown, twilio};

/// A function of bytes under a name.
pub struct Target {
    /// As in `fuzz_targets/`, with hyphens.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
    /// How many mutations of each seed the tests try: what compiles WebAssembly takes long.
    pub tried_in_tests: usize,
}

/// All of them.
pub const TARGETS: [Target; 21] = [
    Target { name: "audiohook", run: audiohook, tried_in_tests: 500 },
    Target { name: "audiosocket", run: audiosocket, tried_in_tests: 500 },
    Target { name: "case-file", run: case_file, tried_in_tests: 20 },
    Target { name: "event-line", run: event_line, tried_in_tests: 500 },
    Target { name: "ledger-bundle", run: ledger_bundle, tried_in_tests: 500 },
    Target { name: "lock-file", run: lock_file, tried_in_tests: 500 },
    Target { name: "manifest", run: manifest, tried_in_tests: 20 },
    Target { name: "metadata", run: metadata, tried_in_tests: 200 },
    Target { name: "note", run: note, tried_in_tests: 200 },
    Target { name: "pack-file", run: pack_file, tried_in_tests: 200 },
    Target { name: "pack-load", run: pack_load, tried_in_tests: 2 },
    Target { name: "rtp", run: rtp, tried_in_tests: 100 },
    Target { name: "ruling", run: ruling, tried_in_tests: 500 },
    Target { name: "sdp", run: sdp, tried_in_tests: 500 },
    Target { name: "settings", run: settings, tried_in_tests: 20 },
    Target { name: "sip-body", run: sip_body, tried_in_tests: 500 },
    Target { name: "sip-message", run: sip_message, tried_in_tests: 500 },
    Target { name: "sip-unknown", run: sip_unknown, tried_in_tests: 500 },
    Target { name: "twilio", run: twilio, tried_in_tests: 500 },
    Target { name: "vault", run: vault, tried_in_tests: 500 },
    Target { name: "wav", run: wav, tried_in_tests: 500 },
];
