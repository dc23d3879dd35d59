//! The rules, as `pack.toml` declares them.

use caveat_sdk::Rule;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));
