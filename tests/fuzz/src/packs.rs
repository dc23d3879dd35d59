//! Packs that mean harm: files, components, and what they answer.

use std::{panic, path::Path, sync::OnceLock};

use caveat_engine::{Answer, Engine, Failure, Limits, Needs, Pack};
use caveat_model::{
    Act, Attribute, AttributeValue, CaptureEvent, Digest, Event, Facts, Form, Mode, Moment, Outcome, PackRef,
    PackRuling, Purpose, Ruling, StorageEvent, Verdict,
};
use caveat_packs::{CaseText, FileLimits, Manifest, PackFile};

use crate::{
    edits::edited,
    guests::{RULING_AT, random, says, spelled},
};

/// Of the pack that files are made from.
pub(crate) const MANIFEST: &str = include_str!("../../../examples/house-standard-rust/pack.toml");

/// A pack file: of these bytes, or a good one changed here and there (an odd first byte).
pub fn pack_file(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let bytes = if mode % 2 == 0 { rest.to_vec() } else { edited(good_file(), rest) };
    match PackFile::read("fuzzed", bytes.clone(), &FileLimits::default()) {
        Ok(file) => {
            assert_eq!(file.bytes(), bytes);
            let _ = file.cases();
            let _ = caveat_packs::statement(&file);
        }
        Err(refused) => assert!(refused.to_string().contains("fuzzed"), "{refused}"),
    }
}

/// A file with everything in it that a pack file can have.
pub(crate) fn good_file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let manifest =
            MANIFEST.replace("stages = [\"capture\"]", "stages = [\"capture\", \"storage\", \"access\"]");
        let manifest =
            manifest.replace("[on-failure]", "[on-failure]\nstorage = \"ask\"\naccess = \"refuse\"");
        let manifest = Manifest::parse(Path::new("pack.toml"), &manifest).expect("a manifest");
        let schema = serde_json::json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
        let cases =
            [CaseText { name: "a.toml".into(), text: "[[case]]\nname = \"a\"\nevent = \"offered\"".into() }];
        let file = PackFile::assemble_with(manifest, Some(schema), &cases, &says()).expect("a pack");
        file.bytes().to_vec()
    })
}

/// A component, loaded and asked about every stage: of these bytes, a good one changed here and there, or random code
/// behind the right exports, by the first byte.
pub fn pack_load(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let bench = Bench::get();
    let component = match mode % 4 {
        0 => rest.to_vec(),
        1 => edited(&bench.component, rest),
        _ => match random(rest) {
            Some(component) => component,
            None => return,
        },
    };
    match bench.engine.load("fuzzed", &component, "{}", &Needs::default()) {
        Ok(pack) => {
            for stage in pack.stages() {
                let event = event_of(stage as u8);
                bench.check(bench.engine.rule(&pack, &event, &facts("")), &event);
            }
        }
        Err(refused) => assert!(refused.to_string().contains("fuzzed"), "{refused}"),
    }
    bench.still_serves();
}

/// A ruling of any bytes: of which stage (one byte), where in memory (four, little-endian), and what lies at
/// [`RULING_AT`] (the rest).
pub fn ruling(data: &[u8]) {
    let Some((stage, said)) = data.split_first() else { return };
    // What is longer would run into the guest's heap.
    let said = &said[..said.len().min(16 << 10)];
    if said.len() < 4 {
        return;
    }
    let bench = Bench::get();
    let (event, facts) = (event_of(*stage), facts(&spelled(said)));
    let answer = bench.engine.rule(&bench.says, &event, &facts);
    assert_eq!(answer, bench.engine.rule(&bench.says, &event, &facts), "the same facts give the same ruling");
    bench.check(answer, &event);
}

/// A ruling of the target [`ruling`]: at its usual place.
pub(crate) fn told(stage: u8, ruling: &[u8]) -> Vec<u8> {
    [&[stage], &RULING_AT.to_le_bytes()[..], ruling].concat()
}

/// An engine with tight limits, and the pack that says what it is told.
struct Bench {
    engine: Engine,
    component: Vec<u8>,
    says: Pack,
}

impl Bench {
    fn get() -> &'static Self {
        static BENCH: OnceLock<Bench> = OnceLock::new();
        BENCH.get_or_init(|| {
            let limits = Limits {
                component_bytes_max: 1 << 20,
                instances_max: 8,
                memory_bytes_max: 1 << 20,
                memory_bytes_ceiling: 1 << 20,
                fuel_per_ruling: 2_000_000,
                deadline_ms: 10_000,
                configure_fuel: 2_000_000,
                ..Limits::default()
            };
            let engine = Engine::new(limits, None).expect("an engine");
            let component = says();
            let says = engine.load("says", &component, "{}", &Needs::default()).expect("a pack");
            Self { engine, component, says }
        })
    }

    /// What came out keeps to the limits, merges, and is the same after it was written down.
    fn check(&self, answer: Result<Answer, Failure>, event: &Event) {
        let ruling = match answer {
            Ok(answer) => answer.ruling,
            Err(Failure::NotAsked | Failure::Busy { .. }) => panic!("asked for a stage that is there, alone"),
            Err(failure) => {
                assert!(!failure.to_string().is_empty() && !failure.limit().is_empty());
                return;
            }
        };
        let limits = self.engine.limits();
        assert!(ruling.obligations.len() <= limits.obligations_max);
        assert!(ruling.reasons.len().max(ruling.remedies.len()) <= limits.entries_max);
        assert!(ruling.labels.len().max(ruling.scores.len()) <= limits.entries_max);
        assert!(ruling.reasons.iter().all(|r| r.message.len() <= limits.text_bytes_max));
        assert!(ruling.labels.iter().all(|l| l.confidence <= 100 && l.span.start <= l.span.end));
        let text = serde_json::to_string(&ruling).expect("a ruling can be written");
        assert_eq!(serde_json::from_str::<Ruling>(&text).expect("and read"), ruling);
        let (outcome, digest) = (ruling.outcome, Digest([0; 32]));
        let pack = PackRef { name: "says".into(), version: "1.0.0".into(), digest, settings: digest };
        let part = PackRuling { pack, mode: Mode::Active, ruling, failure: None, fuel: 0 };
        assert!(Verdict::merge(event, &facts(""), vec![part]).outcome >= outcome, "a merge is never laxer");
    }

    fn still_serves(&self) {
        let allow = [&RULING_AT.to_le_bytes()[..], &[0; 64]].concat();
        let answer = self.engine.rule(&self.says, &event_of(0), &facts(&spelled(&allow)));
        assert_eq!(
            answer.expect("another pack rules as before").ruling,
            Ruling { outcome: Outcome::Allow, ..Ruling::default() }
        );
    }
}

fn event_of(stage: u8) -> Event {
    match stage % 3 {
        0 => Event::Capture(CaptureEvent::Offered),
        1 => Event::Storage(StorageEvent::BreachFound),
        _ => Event::Access(caveat_model::AccessRequest {
            act: Act::Play,
            purpose: Purpose::Quality,
            form: Form::Original,
            span: None,
            person: serde_json::from_value(serde_json::json!({ "role": "agent" })).expect("a person"),
        }),
    }
}

/// Facts whose longest text is this one.
fn facts(text: &str) -> Facts {
    let now = Moment::from_millis(1_767_571_200_000);
    let told = Attribute { name: String::new(), value: AttributeValue::Text(text.to_owned()) };
    Facts { now, began: now, attributes: vec![told], ..Facts::default() }
}

/// The snapshotter asserts on odd components, and the engine takes that for "no snapshot". libFuzzer ends the process at
/// every panic, so that those have to be told apart by where they come from.
pub fn let_the_snapshotter_give_up() {
    let end = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let from_the_snapshotter = info.location().is_some_and(|at| at.file().contains("wasmtime-wizer"));
        if !from_the_snapshotter {
            end(info);
        }
    }));
}
