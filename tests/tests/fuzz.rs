//! The fuzz targets without a fuzzer: their seeds, what once went wrong, and some mutations of both.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, panic, path::Path};

use caveat_fuzz::{TARGETS, mutations, seeds};

/// What once went wrong with a target.
fn regressions(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
    let Ok(files) = fs::read_dir(folder) else { return vec![] };
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn nothing_that_is_read_does_harm() {
    let mut tried = 0;
    for target in &TARGETS {
        let known = [seeds(target.name), regressions(target.name)].concat();
        assert!(!known.is_empty(), "{} has no seed", target.name);
        for input in known {
            (target.run)(&input);
            for changed in mutations(&input, target.tried_in_tests) {
                tried += 1;
                let harmless = panic::catch_unwind(|| (target.run)(&changed));
                assert!(harmless.is_ok(), "{}: put this into fuzz/regressions: {changed:?}", target.name);
            }
        }
    }
    assert!(tried > 5_000);
}

#[test]
fn every_target_has_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
    let mut files: Vec<String> = fs::read_dir(folder).unwrap().map(|f| name(&f.unwrap().path())).collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|target| target.name));
}
