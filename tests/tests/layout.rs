//! The walls of the house: who may see whom, and where some dependencies stay.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path};

/// Rooms from left to right; a room sees those in columns before its own.
const COLUMNS: [&[&str]; 7] = [
    &["model"],
    &["audio", "engine", "notes", "state", "stores"],
    &["access", "vault", "ledger"],
    &["packs", "retention"],
    &["recorder"],
    &["capture", "api"],
    &["caveat"],
];

/// A dependency and the only room that may name it.
const CONFINED: [(&str, &str); 11] = [
    ("wasmtime", "engine"),
    ("wasmtime-wizer", "engine"),
    ("chacha20poly1305", "vault"),
    ("aws-lc-rs", "vault"),
    ("aws-sigv4", "vault"),
    ("tlog_tiles", "ledger"),
    ("cms", "ledger"),
    ("x509-tsp", "ledger"),
    ("signed_note", "notes"),
    ("ed25519-dalek", "notes"),
    ("oci-client", "packs"),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn manifests() -> BTreeMap<String, toml::Table> {
    let folders = fs::read_dir(root().join("host")).unwrap().map(|e| e.unwrap().path());
    folders
        .filter(|dir| dir.is_dir())
        .map(|dir| {
            let text = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
            (dir.file_name().unwrap().to_str().unwrap().to_owned(), text.parse().unwrap())
        })
        .collect()
}

fn names(manifest: &toml::Table, section: &str) -> Vec<String> {
    manifest.get(section).and_then(|t| t.as_table()).map(|t| t.keys().cloned().collect()).unwrap_or_default()
}

fn column(room: &str) -> usize {
    COLUMNS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("{room} has no place in the house"))
}

#[test]
fn rooms_see_only_rooms_to_their_left() {
    let manifests = manifests();
    assert_eq!(manifests.len(), COLUMNS.iter().map(|c| c.len()).sum::<usize>(), "a room is missing");
    for (room, manifest) in &manifests {
        for seen in names(manifest, "dependencies").iter().filter_map(|d| d.strip_prefix("caveat-")) {
            assert!(column(seen) < column(room), "{room} may not see {seen}");
        }
    }
}

#[test]
fn confined_dependencies_stay_where_they_are() {
    for (room, manifest) in manifests() {
        for (dependency, home) in CONFINED {
            let named = names(&manifest, "dependencies").contains(&dependency.to_owned());
            assert!(!named || room == home, "{dependency} is {home}'s, and {room} names it");
        }
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    let mut folders = ["host", "sdk", "policies", "tests"].map(|d| root().join(d)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What other workspaces build is nobody's source.
                if !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 700, "{} has {lines} lines: find its seam", path.display());
            }
        }
    }
}

#[test]
fn no_room_is_a_heap() {
    let rooms = manifests();
    for name in ["common", "utils", "ports", "core", "shared"] {
        assert!(!rooms.contains_key(name), "{name} says nothing of what is in it");
    }
}
