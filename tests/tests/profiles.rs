//! The client profiles of `examples/`: each loads as it stands, and its packs, together and with its settings, answer the cases
//! beside it. Both by the program itself: `caveat check` and `caveat pack test --config`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use caveat_tests::host::{packs, program};
use serde_json::Value;

/// Every folder of `examples/` with a configuration and cases.
fn profiles() -> Vec<PathBuf> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let mut profiles: Vec<_> =
        folders.filter(|dir| dir.join("caveat.toml").exists() && dir.join("cases").is_dir()).collect();
    profiles.sort();
    assert!(profiles.len() >= 8, "only {profiles:?}");
    profiles
}

fn caveat(args: &[&str], config: &Path) -> Output {
    let mut command = Command::new(program().unwrap());
    command.args(["--log", "error"]).args(args).arg("--config").arg(config).output().unwrap()
}

fn name(profile: &Path) -> String {
    profile.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn each_loads_as_it_stands() {
    packs().unwrap();
    for profile in profiles() {
        let check = caveat(&["check"], &profile.join("caveat.toml"));
        assert!(check.status.success(), "{}: {}", name(&profile), String::from_utf8_lossy(&check.stderr));
    }
}

#[test]
fn its_packs_together_answer_its_cases() {
    packs().unwrap();
    let mut wrong = String::new();
    for profile in profiles() {
        let run = caveat(&["pack", "test"], &profile.join("caveat.toml"));
        if !run.status.success() {
            wrong += &format!("{}\n", name(&profile));
            wrong += &String::from_utf8_lossy(&run.stdout);
            wrong += &String::from_utf8_lossy(&run.stderr);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is at odds differs from trade to trade; between them they show each kind that the packs can come to.
#[test]
fn the_cases_show_what_is_at_odds() {
    let mut text = String::new();
    for profile in profiles() {
        for entry in fs::read_dir(profile.join("cases")).unwrap() {
            text += &fs::read_to_string(entry.unwrap().path()).unwrap();
        }
    }
    for kind in ["retain-past-destroy", "must-record-must-not", "destroy-under-hold"] {
        assert!(text.matches(kind).count() >= 3, "{kind} is shown in fewer than three cases");
    }
}

#[test]
fn a_case_that_disagrees_fails_with_what_was_said_instead() {
    packs().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases.toml");
    let case = |expect: &str| {
        format!(
            "[[case]]\nname = \"Florida\"\nevent = \"offered\"\nexpect = {{ {expect} }}\n\
             [case.facts]\nparties = [{{ role = \"agent\", on-file = \"NC\" }}, {{ role = \"customer\", on-file = \"FL\" }}]\n"
        )
    };
    let bank = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bank/caveat.toml");
    let run = |expect: &str| {
        fs::write(&cases, case(expect)).unwrap();
        caveat(&["pack", "test", "--json", &cases.to_string_lossy()], &bank)
    };
    let right = run("outcome = \"refuse\", decided-by = \"consent.all-party\", cites = [\"934.03\"]");
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stdout));

    let wrong = run(
        "outcome = \"refuse\", decided-by = \"pci.mask-pan\", cites = [\"632\"], without = [\"announce\"]",
    );
    assert_eq!(wrong.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    let case = &report["cases"][0];
    assert_eq!((&report["pack"], &case["line"]), (&"bank".into(), &1.into()));
    let keys: Vec<_> = case["problems"].as_array().unwrap().iter().map(|p| &p["what"]).collect();
    assert_eq!(keys, ["decided-by", "cites"]);

    let misspelt = run("decided-by = \"consent.all-partys\"");
    let said = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(said.contains("did you mean `consent.all-party`?") && said.contains("line 4"), "{said}");
}
