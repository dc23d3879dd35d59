//! What the tools say of a pack that is wrong, so that its author finds the place: a pack in Rust, begun with `pack new`, in
//! which something was broken, through the built program.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use caveat_tests::host::program;
use quick_xml::{Reader, events::Event};
use serde_json::Value;

/// Building a pack may take as long as this on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// One for each test.
const PACKS: [&str; 4] = ["failing", "careless", "watched-by-ci", "edited"];

/// New packs in one workspace, so that the SDK is compiled once for all of them.
fn workspace() -> &'static Path {
    static BEGUN: OnceLock<PathBuf> = OnceLock::new();
    BEGUN.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mending");
        let _ = fs::remove_dir_all(&dir);
        for name in PACKS {
            let pack = dir.join(name);
            let mut new = Command::new(program().unwrap());
            let begun = new.args(["pack", "new", name, "--dir"]).arg(&pack).output().unwrap();
            assert!(begun.status.success(), "{}", said(&begun));
            let manifest = fs::read_to_string(pack.join("Cargo.toml")).unwrap();
            let (of_crate, _) = manifest.split_once("# A workspace of its own").unwrap();
            fs::write(pack.join("Cargo.toml"), of_crate).unwrap();
        }
        fs::write(dir.join("Cargo.toml"), format!("[workspace]\nresolver = \"3\"\nmembers = {PACKS:?}\n"))
            .unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), dir.join("Cargo.lock"))
            .unwrap();
        dir
    })
}

/// A new pack's folder, and where it is built to.
struct Desk {
    dir: PathBuf,
    packs: PathBuf,
}

impl Desk {
    fn begin(name: &str) -> Self {
        let dir = workspace().join(name);
        // Not in the folder that is watched.
        Self { packs: workspace().join("built"), dir }
    }

    fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    fn caveat(&self, args: &[&str]) -> Command {
        let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut command = Command::new(program().unwrap());
        command.env("CARGO_TARGET_DIR", own.join("begun-target")).env("CAVEAT_PACKS", &self.packs);
        command.args(["--log", "error"]).args(args);
        command
    }

    fn test(&self, more: &[&str]) -> Output {
        self.caveat(&[&["pack", "test", self.path()], more].concat()).output().unwrap()
    }

    /// Has a file of the pack say something else.
    fn rewrite(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not say {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// That these stand in a text in this order.
fn in_order(text: &str, wanted: &[&str]) {
    let mut from = 0;
    for word in wanted {
        let at = text[from..].find(word).unwrap_or_else(|| panic!("no {word:?} from {from} on in\n{text}"));
        from += at + word.len();
    }
}

#[test]
fn a_failure_begins_with_what_the_pack_said_and_ends_with_where() {
    let desk = Desk::begin("failing");
    // A ruling that is not the one expected: the reason's words, then the rule and its citation.
    desk.rewrite("cases/conference.toml", "decision = \"allow\", rules = []", "outcome = \"refuse\"");
    desk.rewrite("src/lib.rs", "present > self.max_parties", "present >= self.max_parties");
    let run = desk.test(&[]);
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    in_order(
        &said(&run),
        &[
            "FAIL as many as are allowed",
            "- refuse expected",
            "+ suspend got",
            "the pack's reasons",
            "More people are on the call than the house rule allows. (conference.size, House rule 1)",
        ],
    );

    // A pack that breaks off: what it said last, the rule that stands in, then the stack in names of its source.
    desk.rewrite(
        "src/lib.rs",
        "let mut ruling = capture::Ruling::allow();",
        "let mut ruling = capture::Ruling::allow();\n        if facts.parties.len() > 4 {\n            count_them(facts.parties.len());\n        }",
    );
    desk.rewrite(
        "src/lib.rs",
        "caveat_sdk::pack!",
        "#[inline(never)]\nfn count_them(parties: usize) {\n    panic!(\"cannot count to {parties}\");\n}\n\ncaveat_sdk::pack!",
    );
    let run = desk.test(&[]);
    let text = said(&run);
    assert_eq!(run.status.code(), Some(1), "{text}");
    in_order(
        &text,
        &[
            "FAIL one more joins",
            "cannot count to 5",
            "(pack.failure",
            "in failing, innermost first:",
            "\n             0: pack_failing::count_them\n",
            "             1: caveat:policy/capture@0.1.0#rule\n",
        ],
    );
    let (_, trace) = text.split_once("innermost first:").unwrap();
    let mangled = ["_ZN", "_R", "17h"].into_iter().find(|mark| trace.contains(mark));
    assert_eq!(mangled, None, "{trace}");
}

#[test]
fn a_pack_that_traps_or_gets_laxer_is_found_by_random_events() {
    let desk = Desk::begin("careless");
    // It suspends whoever consented, and nobody else; and it has never thought of a call that is put on hold.
    desk.rewrite(
        "src/lib.rs",
        "if present > self.max_parties {",
        "if !facts.consents.is_empty() || present > self.max_parties {",
    );
    desk.rewrite(
        "src/lib.rs",
        "let mut ruling",
        "assert!(!matches!(_event, capture::Event::Held(_)), \"nobody holds the line\");\n        let mut ruling",
    );
    let random = ["--properties", "2000", "--seed", "7"];
    let run = desk.test(&[&random[..], &["--json"]].concat());
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["failed"], 0, "its own cases know nothing of it");
    let wrong = report["properties"]["wrong"].as_array().unwrap();
    let of = |start: &str| {
        let found = wrong.iter().find(|w| w["what"].as_str().unwrap().starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in {wrong:#?}"))
    };
    // Each is as small as it can be, and rules as was said when it is put to the pack again.
    let trap = of("it fails: ");
    assert!(trap["what"].as_str().unwrap().contains("nobody holds the line"), "{trap}");
    assert!(trap["event"]["event"]["capture"].get("held").is_some(), "{trap}");
    let count = |facts: &Value, key: &str| facts[key].as_array().map_or(0, Vec::len);
    let facts = &trap["event"]["facts"];
    for key in ["consents", "notices", "labels", "attributes", "holds"] {
        assert_eq!(count(facts, key), 0, "{key} have nothing to do with it: {trap}");
    }
    let lax = of("consent-removed: `suspend` becomes `allow`");
    assert_eq!(count(&lax["event"]["facts"], "consents"), 1, "{lax}");
    assert_eq!(count(&lax["worse"]["facts"], "consents"), 0, "{lax}");
    for key in ["notices", "labels", "attributes", "holds"] {
        assert_eq!(count(&lax["event"]["facts"], key), 0, "{key} have nothing to do with it: {lax}");
    }
    let decided = |event: &Value| {
        let path = desk.dir.join("event.json");
        fs::write(&path, event.to_string()).unwrap();
        let args = ["decide", "--pack", "careless", "--event", path.to_str().unwrap()];
        desk.caveat(&args).output().unwrap().status.code().unwrap()
    };
    assert_eq!((decided(&lax["event"]), decided(&lax["worse"])), (3, 0), "refused first, allowed then");
    // The same seed finds the same, and people are told too.
    let run = desk.test(&[&random[..], &["--no-build"]].concat());
    let text = said(&run);
    assert_eq!(run.status.code(), Some(1), "{text}");
    let event = lax["event"].to_string();
    in_order(
        &text,
        &[
            "FAIL careless: 2000 random events show that it fails, or is laxer",
            "consent-removed: `suspend` becomes `allow`",
            &event,
        ],
    );
}

/// A suite's name, its tests and its failures.
type Suite = (String, String, String);

/// The elements of a JUnit file: suites with their counts, and cases with whether they failed.
fn junit(xml: &str) -> (Vec<Suite>, Vec<(String, bool)>) {
    let mut reader = Reader::from_str(xml);
    let (mut suites, mut cases) = (vec![], vec![]);
    loop {
        let event = reader.read_event().unwrap();
        let (Event::Start(element) | Event::Empty(element)) = &event else {
            if matches!(event, Event::Eof) {
                return (suites, cases);
            }
            continue;
        };
        let attribute = |name: &str| {
            let found = element.try_get_attribute(name).unwrap();
            found.map(|a| a.value.into_owned()).unwrap_or_default()
        };
        match element.name().as_ref() {
            "testsuite" => suites.push((attribute("name"), attribute("tests"), attribute("failures"))),
            "testcase" => cases.push((attribute("name"), false)),
            "failure" => cases.last_mut().unwrap().1 = attribute("message").starts_with("decision: "),
            _ => {}
        }
    }
}

#[test]
fn continuous_integration_reads_cases_and_growing_fuel() {
    let desk = Desk::begin("watched-by-ci");
    desk.rewrite("cases/conference.toml", "decision = \"allow\", rules = []", "decision = \"deny\"");
    let file = desk.dir.join("report.xml");
    let run = desk.test(&["--junit", file.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let (suites, cases) = junit(&fs::read_to_string(&file).unwrap());
    assert_eq!(suites, [("watched-by-ci".to_owned(), "2".to_owned(), "1".to_owned())]);
    let wanted = [("as many as are allowed".to_owned(), true), ("one more joins".to_owned(), false)];
    assert_eq!(cases, wanted);
    desk.rewrite("cases/conference.toml", "decision = \"deny\"", "decision = \"allow\", rules = []");

    let bench = |more: &[&str]| {
        let args = ["pack", "bench", desk.path(), "--seconds", "0.2"];
        desk.caveat(&[&args, more].concat()).output().unwrap()
    };
    let before = bench(&["--json"]);
    assert!(before.status.success(), "{}", said(&before));
    let baseline = desk.dir.join("baseline.json");
    fs::write(&baseline, &before.stdout).unwrap();
    let against = ["--baseline", baseline.to_str().unwrap(), "--fail-over", "5"];
    assert_eq!(bench(&against).status.code(), Some(0), "the same pack takes the same fuel");
    desk.rewrite(
        "src/lib.rs",
        "let mut ruling",
        "for n in 0..1_000 {\n            std::hint::black_box(n);\n        }\n        let mut ruling",
    );
    let grown = bench(&against);
    assert_eq!(grown.status.code(), Some(1), "{}", said(&grown));
    assert!(said(&grown).contains("conference.size"), "{}", said(&grown));
    assert_eq!(bench(&against[..2]).status.code(), Some(0), "without --fail-over it only reports");
}

/// `pack test --watch`, and what it prints.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn begin(desk: &Desk) -> Self {
        let mut command = desk.caveat(&["pack", "test", desk.path(), "--watch"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let told = tell.clone();
        thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|l| told.send(l))
        });
        thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).try_for_each(|l| tell.send(l))
        });
        Self { child, lines }
    }

    /// What it says until it says all of these.
    fn until(&self, wanted: &[&str]) {
        let (deadline, mut text) = (Instant::now() + PATIENCE, String::new());
        while !wanted.iter().all(|w| text.contains(w)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => text += &(line + "\n"),
                Err(_) => panic!("{wanted:?} are not in\n{text}"),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_change_is_tried_as_soon_as_it_is_saved() {
    const WATCHING: &str = "watching for changes; Ctrl-C ends";
    let desk = Desk::begin("edited");
    let watch = Watch::begin(&desk);
    watch.until(&["edited: 2 passed, 0 failed", WATCHING]);
    desk.rewrite("cases/conference.toml", "decision = \"allow\", rules = []", "decision = \"deny\"");
    watch.until(&["FAIL as many as are allowed", "edited: 1 passed, 1 failed", WATCHING]);
    desk.rewrite("cases/conference.toml", "decision = \"deny\"", "decision = \"allow\"");
    watch.until(&["edited: 2 passed, 0 failed", WATCHING]);
    // A manifest with a misspelt key, a schema with a default that it does not allow: told with file and line, and it goes on.
    desk.rewrite("pack.toml", "summary = \"Large", "sumary = \"Large");
    watch.until(&["pack.toml", "line 6: `sumary`", "did you mean `summary`?", WATCHING]);
    desk.rewrite("pack.toml", "sumary", "summary");
    watch.until(&["edited: 2 passed, 0 failed", WATCHING]);
    desk.rewrite("settings.schema.json", "\"default\": 4", "\"default\": 1");
    watch.until(&["settings of pack `edited`", "`/max-parties`: 1 is less than the minimum of 2", WATCHING]);
}
