//! The files of `examples/` that run a host somewhere, put to programs that nobody here wrote, and to the host.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use caveat_tests::host::{packs, program};

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Where `cargo xtask test` puts what is needed here.
pub(crate) fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(name)
}

/// Its output; it must not fail.
fn passes(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; `cargo xtask test` installs it"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said.into_owned()
}

#[test]
fn the_pod_is_valid_and_what_it_configures_too() {
    let validate = tool("kubernetes-validate/bin/kubernetes-validate");
    let said = passes(Command::new(validate).arg("--strict").arg(file("kubernetes/sidecar.yaml")));
    assert_eq!(said.matches(" passed ").count(), 7, "{said}");

    // The host's own configuration is a text in it, indented.
    let whole = text("kubernetes/sidecar.yaml");
    let (_, after) = whole.split_once("  caveat.toml: |\n").unwrap();
    let config: Vec<&str> = after.lines().map_while(|line| line.strip_prefix("    ")).collect();
    let dir = tempfile::tempdir().unwrap();
    let here = |path: &Path| path.display().to_string();
    let config = config
        .join("\n")
        .replace("/usr/share/caveat/packs", &here(&packs().unwrap()))
        .replace("/var/lib/caveat", &here(dir.path()));
    let config_file = dir.path().join("caveat.toml");
    std::fs::write(&config_file, config).unwrap();
    passes(Command::new(program().unwrap()).args(["check", "--config"]).arg(&config_file));
}

#[test]
fn the_unit_is_valid_and_closed() {
    // Whoever checks it wants to see its programs.
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("caveat.service");
    let program = program().unwrap().canonicalize().unwrap();
    let installed =
        text("systemd/caveat.service").replace("/usr/local/bin/caveat", &program.display().to_string());
    std::fs::write(&unit, installed).unwrap();
    let said = passes(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    assert_eq!(said.trim(), "", "warnings");
    // Of 10; units without any of it have 9.6.
    let mut security = Command::new("systemd-analyze");
    passes(security.args(["security", "--no-pager", "--offline=true", "--threshold=20"]).arg(&unit));
}

#[test]
fn alert_rules_are_valid() {
    let promtool = tool("prometheus/usr/bin/promtool");
    passes(Command::new(&promtool).args(["check", "config"]).arg(file("monitoring/prometheus.yaml")));
}

/// Names of metrics in an expression.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("caveat_") || word.starts_with("process_"))
        .map(|word| {
            ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word)
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn dashboard_and_alerts_name_no_metric_that_is_not_there() {
    let documented = metrics_in(&text("metrics.md"));
    let board: serde_json::Value = serde_json::from_str(&text("monitoring/grafana.json")).unwrap();
    let targets = board["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    let shown: BTreeSet<String> =
        targets.flatten().flat_map(|target| metrics_in(target["expr"].as_str().unwrap())).collect();
    assert!(shown.len() > 20, "{shown:?}");
    assert_eq!(shown.difference(&documented).collect::<Vec<_>>(), [""; 0], "in the dashboard");
    let rules = text("monitoring/alerts.yaml");
    let watched: BTreeSet<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(metrics_in).collect();
    assert!(watched.len() > 10, "{watched:?}");
    assert_eq!(watched.difference(&documented).collect::<Vec<_>>(), [""; 0], "in the alert rules");
}
