//! The walk that `examples/first-pack/` shows, as its readers run it: a pack is begun, tested, signed, and swapped while calls
//! run, after a look at what that would change.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use caveat_tests::host::{free_port, program};

/// It takes a minute or so where the SDK was compiled before.
const BOUND: Duration = Duration::from_secs(900);

#[test]
fn a_first_pack_from_its_folder_to_a_swap_under_load() {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let work = own.join("first-pack");
    let _ = fs::remove_dir_all(&work);
    let printed = own.join("first-pack.log");
    let out = File::create(&printed).unwrap();
    let mut walk = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/first-pack/walk.sh"))
        .arg(&work)
        .env("CAVEAT", program().unwrap())
        .env("CARGO_TARGET_DIR", own.join("begun-target"))
        .env("PORT", free_port().unwrap().to_string())
        .env("AUDIO_PORT", free_port().unwrap().to_string())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let ended_well = within(&mut walk, BOUND);
    let said = fs::read_to_string(&printed).unwrap();
    let log = |name: &str| fs::read_to_string(work.join(name)).unwrap_or_default();
    assert!(ended_well, "{said}\n{}\n{}", log("building.log"), log("host.log"));

    // What is wrong with a pack or its cases shows before anybody runs it.
    for wanted in ["1 passed, 1 failed", "- allow expected", "+ deny got", "signed by acme.example/packs+"] {
        assert!(said.contains(wanted), "no {wanted:?} in\n{said}");
    }
    // Of the six calls the two conferences would have been recorded no longer.
    let (_, impact) = said.split_once("caveat impact").unwrap();
    for wanted in
        ["  2 recordings: allow -> suspend", "conference.size  GA+TX", "e.g. party-joined", "(exit code 3)"]
    {
        assert!(impact.contains(wanted), "no {wanted:?} in\n{impact}");
    }
    // The calls went on, and were ruled on by whichever pack was in force.
    for wanted in [
        "house-rules 0.2.0: allow, would be suspend",
        "first-06: recording -> suspended",
        "6 calls are over;",
        " 0 lost",
        "expected 6, of these captured 6",
        "nothing is wrong with them",
        "everything agrees",
        ": good; ",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in\n{said}");
    }
}

/// Whether it ends by itself, and well. Asked to end if not: it stops what it started.
fn within(walk: &mut Child, bound: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < bound {
        if let Some(status) = walk.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Command::new("kill").arg(walk.id().to_string()).status().unwrap();
    walk.wait().unwrap();
    false
}
