//! Packs that behave: what goes in, what comes out, and that nothing stays.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use caveat_engine::{Engine, EngineError, Failure, Limits, Needs, Problem};
use caveat_model::{
    AccessRequest, CaptureEvent, Duty, Element, Event, LabelKind, Outcome, Score, Span, Stage, StorageEvent,
};
use common::{engine, facts, guest, offered};

fn request() -> AccessRequest {
    let person = serde_json::json!({"role": "trainer", "function": "coaching"});
    serde_json::from_value(serde_json::json!({"act": "play", "person": person})).unwrap()
}

#[test]
fn facts_go_in_and_a_ruling_comes_out() {
    let engine = engine(Limits::default());
    let pack = engine.load("good", &guest("good"), "{}", &Needs::default()).unwrap();
    assert_eq!(pack.stages().collect::<Vec<_>>(), [Stage::Capture]);
    assert!(pack.is_snapshotted());
    assert_eq!(engine.rule(&pack, &offered(), &facts()).unwrap().ruling, Default::default());

    let answer = engine.rule(&pack, &Event::Capture(CaptureEvent::Ended), &facts()).unwrap();
    let ruling = answer.ruling;
    assert_eq!(ruling.outcome, Outcome::Refuse);
    assert_eq!(ruling.obligations[0].duty, Duty::Alert("CA".into()));
    assert_eq!(ruling.obligations[0].rule, "rule-1");
    let reason = &ruling.reasons[0];
    assert_eq!(
        (&*reason.rule, &*reason.citation, &*reason.message),
        ("rule-1", "Cal. Penal Code 632(a)", "not everyone agreed")
    );
    assert!(answer.fuel > 0 && answer.fuel < engine.limits().fuel_per_ruling);
    assert_eq!(answer.memory_bytes, 2 * 65_536, "the two pages of the prelude");

    let access = engine.rule(&pack, &Event::Access(request()), &facts());
    assert_eq!(access, Err(Failure::NotAsked));
}

#[test]
fn each_stage_has_its_own_words() {
    let engine = engine(Limits::default());
    let pack = engine.load("all-stages", &guest("all-stages"), "{}", &Needs::default()).unwrap();
    assert_eq!(pack.stages().collect::<Vec<_>>(), Stage::ALL);
    let ask = |event| engine.rule(&pack, &event, &facts()).unwrap().ruling;

    let capture = ask(offered());
    let span = Some(Span { leg: Some(2), start: 100, end: 200 });
    assert_eq!(capture.scores, [Score { rule: "rule-1".into(), points: -3, out_of: 10, span }]);

    let storage = ask(Event::Storage(StorageEvent::Review(Element::Recording)));
    assert_eq!(storage.outcome, Outcome::Restrain);
    assert_eq!(storage.obligations[0].duty, Duty::PlaceIn(vec!["@DE".parse().unwrap()]));
    assert_eq!(storage.obligations[1].duty, Duty::RetainUntil(facts().now.plus_millis(1_000)));

    let access = ask(Event::Access(request()));
    assert_eq!(access.outcome, Outcome::Restrain);
    assert_eq!(access.obligations[0].duty, Duty::ServeRedacted(vec![LabelKind::CardCode]));
    assert_eq!(access.reasons[0].message, "coaching");
}

#[test]
fn every_ruling_starts_afresh_and_comes_out_the_same() {
    let engine = engine(Limits::default());
    let pack = engine.load("counts", &guest("counts"), "{}", &Needs::default()).unwrap();
    let first = engine.rule(&pack, &offered(), &facts()).unwrap();
    assert_eq!(first.ruling.obligations[0].duty, Duty::Beep(1));
    for _ in 0..100 {
        assert_eq!(engine.rule(&pack, &offered(), &facts()).unwrap(), first);
    }
    let elsewhere = self::engine(Limits::default());
    let again = elsewhere.load("counts", &guest("counts"), "{}", &Needs::default()).unwrap();
    assert_eq!(
        elsewhere.rule(&again, &offered(), &facts()).unwrap(),
        first,
        "ruling and fuel, in another engine"
    );
    let mixed_up = elsewhere.rule(&pack, &offered(), &facts()).unwrap_err();
    assert!(mixed_up.to_string().contains("another engine"));
}

#[test]
fn a_pack_is_told_the_attributes_that_it_declares_and_no_others() {
    let engine = engine(Limits::default());
    let load = || engine.load("attributes", &guest("attributes"), "{}", &Needs::default()).unwrap();
    let told = |pack| engine.rule(&pack, &offered(), &facts()).unwrap().ruling.obligations[0].duty.clone();
    assert_eq!(told(load()), Duty::Beep(1));
    assert_eq!(told(load().reading([])), Duty::Beep(0));
    assert_eq!(told(load().reading(["another".into()])), Duty::Beep(0));
    assert_eq!(told(load().reading(["retention.provider".into()])), Duty::Beep(1));
}

#[test]
fn a_pack_is_configured_once_where_it_can_be_snapshotted_and_each_time_where_not() {
    let settings = r#"{"region":"CA"}"#;
    let check = |name: &str, snapshotted: bool| {
        let dir = tempfile::tempdir().unwrap();
        let limits = || Limits { instances_max: 4, ..Limits::default() };
        let engine = || Engine::new(limits(), Some(dir.path().join("packs"))).unwrap();
        // The second comes from the cache and must not differ.
        for engine in [engine(), engine()] {
            let pack = engine.load(name, &guest(name), settings, &Needs::default()).unwrap();
            assert_eq!(pack.is_snapshotted(), snapshotted, "{name}");
            let duties = engine.rule(&pack, &offered(), &facts()).unwrap().ruling.obligations;
            assert_eq!(duties[0].duty, Duty::Alert(settings.into()), "{name}");
            assert_eq!(duties[1].duty, Duty::Beep(1), "{name}: times configured");
        }
    };
    check("tells-settings", true);
    check("fixed-memory", false);
}

/// One allocation for the settings, one for all that a ruling is told; so too when it is not compiled again.
#[test]
fn a_pack_that_frees_nothing_is_told_all_in_one_piece() {
    let dir = tempfile::tempdir().unwrap();
    let limits = || Limits { instances_max: 4, ..Limits::default() };
    for _ in 0..2 {
        let engine = Engine::new(limits(), Some(dir.path().join("packs"))).unwrap();
        let guest = guest("counts-allocations");
        let pack = engine.load("counts-allocations", &guest, "{}", &Needs::default()).unwrap();
        let duties = engine.rule(&pack, &offered(), &facts()).unwrap().ruling.obligations;
        assert_eq!(duties[0].duty, Duty::Beep(2));
    }
}

#[test]
fn a_snapshot_that_gets_too_large_is_not_kept() {
    let engine = engine(Limits { snapshot_bytes_max: 100, ..Limits::default() });
    let pack = engine.load("large", &guest("tells-settings"), "{}", &Needs::default()).unwrap();
    assert!(!pack.is_snapshotted());
    let duties = engine.rule(&pack, &offered(), &facts()).unwrap().ruling.obligations;
    assert_eq!(duties[0].duty, Duty::Alert("{}".into()));
}

#[test]
fn settings_are_refused_in_the_packs_words() {
    let refused = engine(Limits::default())
        .load("picky", &guest("refuses-settings"), "{}", &Needs::default())
        .unwrap_err();
    assert_eq!(refused.to_string(), "pack `picky` refuses its settings: /options: not a choice");
    let EngineError::Settings { problems, .. } = refused else { panic!("{refused}") };
    assert_eq!(problems, [Problem { at: "/options".into(), message: "not a choice".into() }]);
}

#[test]
fn a_compiled_pack_is_used_again_and_a_damaged_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("packs");
    let load = |settings: &str| {
        let limits = Limits { instances_max: 4, ..Limits::default() };
        let engine = Engine::new(limits, Some(cache.clone())).unwrap();
        let pack =
            engine.load("tells-settings", &guest("tells-settings"), settings, &Needs::default()).unwrap();
        let answer = engine.rule(&pack, &offered(), &facts()).unwrap();
        assert_eq!(answer.ruling.obligations[0].duty, Duty::Alert(settings.into()));
        pack.digest()
    };
    let files = || {
        let mut files: Vec<_> = fs::read_dir(&cache).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        files
    };
    let written = |path| fs::metadata(path).unwrap().modified().unwrap();

    let digest = load("{}");
    let [file] = files().try_into().unwrap();
    let (first, good) = (written(&file), fs::read(&file).unwrap());
    assert_eq!(load("{}"), digest);
    assert_eq!(written(&file), first, "nothing was compiled");

    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&file, &bad).unwrap();
    load("{}");
    assert_eq!(fs::read(&file).unwrap().len(), good.len());
    assert_ne!(fs::read(&file).unwrap(), bad, "it was compiled anew");

    assert_eq!(load(r#"{"other":1}"#), digest, "the digest is of the component alone");
    assert_eq!(files().len(), 2, "other settings are another snapshot");
}

#[test]
fn lines_reach_the_log_with_pack_and_event_and_not_without_end() {
    let engine = engine(Limits { log_lines_max: 7, log_line_bytes_max: 100, ..Limits::default() });
    let pack = engine.load("chatty", &guest("log-flood"), "{}", &Needs::default()).unwrap();
    let lines = Lines::default();
    let sink = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || sink.clone()).finish();
    tracing::subscriber::with_default(subscriber, || engine.rule(&pack, &offered(), &facts())).unwrap();

    let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of_pack: Vec<_> = written.lines().filter(|l| l.contains("xxx")).collect();
    assert_eq!(of_pack.len(), 7);
    for line in of_pack {
        assert!(line.contains("pack=\"chatty\"") && line.contains("stage=\"capture\""), "{line}");
        assert!(line.contains("event=\"offered\""), "{line}");
        assert_eq!(line.matches('x').count(), 100, "{line}");
    }
    assert!(written.contains("dropped=9993") && written.contains("log_lines_max"), "{written}");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
