//! Guests that mean harm. Each is stopped by the one limit that is there for it, and the next ruling is as if nothing had
//! been.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use caveat_engine::{Engine, EngineError, Failure, Limits, Needs};
use caveat_model::{CaptureEvent, Event, Outcome, Ruling};
use common::{engine, facts, generous, guest, offered};
use metrics_exporter_prometheus::PrometheusBuilder;

/// What comes of a guest under these limits. The same engine answers for a good pack before and after, alike.
fn run(name: &str, limits: Limits) -> Result<Ruling, Failure> {
    let engine = engine(limits);
    let good = engine.load("good", &guest("good"), "{}", &Needs::default()).unwrap();
    let ask_good = || engine.rule(&good, &Event::Capture(CaptureEvent::NoticePlayed), &facts()).unwrap();
    let before = ask_good();
    let pack = engine.load(name, &guest(name), "{}", &Needs::default()).unwrap();
    let answer = engine.rule(&pack, &offered(), &facts());
    assert_eq!(ask_good(), before, "ruling and fuel of another pack after {name}");
    answer.map(|answer| answer.ruling)
}

fn still_serves(engine: &Engine) {
    let good = engine.load("good", &guest("good"), "{}", &Needs::default()).unwrap();
    let event = Event::Capture(CaptureEvent::NoticePlayed);
    let ruling = engine.rule(&good, &event, &facts()).unwrap().ruling;
    assert_eq!((ruling.outcome, ruling.reasons.len()), (Outcome::Refuse, 1));
}

/// What the meters say after `work`.
fn metered(work: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, work);
    recorder.handle().render()
}

/// The guest is stopped under `tight` for `reason`, and under [`generous`] limits it answers.
#[track_caller]
fn only(name: &str, reason: &str, tight: Limits) {
    let failure = run(name, tight).unwrap_err();
    assert_eq!(failure.limit(), reason, "{name}: {failure}");
    let ruling = run(name, generous()).unwrap_or_else(|f| panic!("{name}, with room: {f}"));
    assert_eq!(ruling.outcome, Outcome::Allow);
}

#[test]
fn a_long_loop_is_stopped_by_fuel_alone_or_by_time_alone() {
    only("long-loop", "fuel", Limits { fuel_per_ruling: 1_000_000, ..generous() });
    only("long-loop", "deadline", Limits { deadline_ms: 2, epoch_tick_us: 100, ..generous() });
}

#[test]
fn an_infinite_loop_is_stopped_by_whichever_is_left() {
    let by_fuel = run("infinite-loop", Limits { fuel_per_ruling: 1_000_000, ..generous() });
    assert_eq!(by_fuel, Err(Failure::OutOfFuel { field: "fuel_per_ruling", limit: 1_000_000 }));
    let by_time = run("infinite-loop", Limits { deadline_ms: 2, epoch_tick_us: 100, ..generous() });
    assert_eq!(by_time, Err(Failure::Deadline { field: "deadline_ms", limit_ms: 2 }));
    assert_eq!(run("infinite-loop", Limits::default()).unwrap_err().limit(), "fuel");
}

/// One instruction can fill a mebibyte: each byte of it counts.
#[test]
fn much_work_for_few_instructions_is_stopped_by_fuel() {
    assert_eq!(run("bulk-fill", Limits::default()).unwrap_err().limit(), "fuel");
    let few = Limits { fuel_per_ruling: 3 << 20, ..generous() };
    let by_fuel = Failure::OutOfFuel { field: "fuel_per_ruling", limit: 3 << 20 };
    assert_eq!(run("bulk-fill", few), Err(by_fuel));
}

/// Whether a pack is in a loop, fills memory, or floods the log: with the host's own limits fuel ends it, in far less than
/// the guard of wall time, so that every machine says the same.
#[test]
fn nothing_that_a_pack_does_ends_by_time() {
    for name in ["infinite-loop", "bulk-fill", "log-forever", "piece-forever"] {
        let engine = engine(Limits::default());
        let pack = engine.load(name, &guest(name), "{}", &Needs::default()).unwrap();
        let ends = [(); 2].map(|()| engine.rule(&pack, &offered(), &facts()).unwrap_err());
        let limit = Limits::default().fuel_per_ruling;
        assert_eq!(ends, [(); 2].map(|()| Failure::OutOfFuel { field: "fuel_per_ruling", limit }), "{name}");
    }
}

/// How long each lasts under the host's own limits, for whoever wants to know (`--nocapture`): the quickest and the slowest
/// of some rulings, in which a machine that does other things shows. A guest that nothing stops would never end.
#[test]
fn each_is_stopped_within_its_time() {
    const ROUNDS: usize = 5;
    const ONLY_A_HANG_LASTS_SO_LONG: Duration = Duration::from_secs(60);
    let own = Limits::default;
    // Two guests that end by themselves where the host's own limits leave them room.
    let tables = || Limits { table_elements_max: 1_000, ..own() };
    let stack = || Limits { stack_bytes_max: 64 << 10, ..own() };
    let guests = [
        ("infinite-loop", own()),
        ("bulk-fill", own()),
        ("memory-bomb", own()),
        ("table-growth", tables()),
        ("deep-recursion", stack()),
        ("many-obligations", own()),
        ("many-remedies", own()),
        ("long-text", own()),
        ("log-forever", own()),
        ("piece-forever", own()),
        ("list-out-of-bounds", own()),
        ("list-overflows", own()),
        ("invalid-utf8", own()),
        ("trap", own()),
        ("panic", own()),
    ];
    println!("{:<20} {:<16} {:>12} {:>12}", "guest", "stopped by", "quickest us", "slowest us");
    for (name, limits) in guests {
        let engine = engine(limits);
        let pack = engine.load(name, &guest(name), "{}", &Needs::default()).unwrap();
        let mut times = [(); ROUNDS].map(|()| {
            let began = Instant::now();
            let failure = engine.rule(&pack, &offered(), &facts()).unwrap_err();
            (began.elapsed(), failure.limit())
        });
        times.sort_unstable();
        let ((quickest, limit), (slowest, _)) = (times[0], times[ROUNDS - 1]);
        println!("{name:<20} {limit:<16} {:>12} {:>12}", quickest.as_micros(), slowest.as_micros());
        assert!(slowest < ONLY_A_HANG_LASTS_SO_LONG, "{name} went on for {slowest:?}");
        still_serves(&engine);
    }
}

#[test]
fn a_memory_bomb_is_stopped_by_memory() {
    only("memory-bomb", "memory", Limits { memory_bytes_max: 4 << 20, ..generous() });
}

#[test]
fn growth_of_a_table_is_stopped_by_table() {
    only("table-growth", "table", Limits { table_elements_max: 1_000, ..generous() });
}

#[test]
fn deep_recursion_is_stopped_by_stack() {
    only("deep-recursion", "stack", Limits { stack_bytes_max: 64 << 10, ..generous() });
}

#[test]
fn a_giant_ruling_is_stopped_by_each_cap_on_results() {
    let field = |name: &str, limits| match run(name, limits).unwrap_err() {
        Failure::ResultTooLarge { field, .. } => field,
        other => panic!("{name}: {other}"),
    };
    let bytes = Limits { result_bytes_max: 256 << 10, ..generous() };
    assert_eq!(field("many-obligations", bytes), "result_bytes_max");
    let obligations = Limits { obligations_max: 19_999, ..generous() };
    assert_eq!(field("many-obligations", obligations), "obligations_max");
    assert_eq!(run("many-obligations", generous()).unwrap().obligations.len(), 20_000);

    assert_eq!(field("many-remedies", Limits { entries_max: 299, ..generous() }), "entries_max");
    assert_eq!(run("many-remedies", generous()).unwrap().remedies.len(), 300);

    assert_eq!(field("long-text", Limits { text_bytes_max: 49_999, ..generous() }), "text_bytes_max");
    assert_eq!(run("long-text", generous()).unwrap().obligations.len(), 1);
}

#[test]
fn answers_that_mean_nothing_are_invalid() {
    let check = |name: &str, words: &str| {
        let failure = run(name, generous()).unwrap_err();
        assert!(matches!(&failure, Failure::Invalid { what } if what.contains(words)), "{name}: {failure}");
    };
    check("list-out-of-bounds", "out of bounds");
    check("answer-out-of-bounds", "out of bounds");
    check("frees-nothing-out-of-bounds", "beyond end of memory");
    check("list-overflows", "out of bounds");
    check("invalid-outcome", "discriminant");
    check("invalid-utf8", "utf-8");
    check("span-backwards", "ends before it begins");
    check("log-out-of-bounds", "out of bounds");
}

#[test]
fn a_trap_says_what_the_pack_said_last_and_where() {
    let trapped = |name| match run(name, Limits::default()).unwrap_err() {
        Failure::Trapped { message, backtrace } => (message, backtrace),
        other => panic!("{name}: {other}"),
    };
    let (message, backtrace) = trapped("trap");
    assert!(message.contains("unreachable") && backtrace[0].contains("rule"), "{message} {backtrace:?}");
    let (message, _) = trapped("panic");
    assert!(message.starts_with("index 3 of 2 (wasm trap"), "{message}");
    let (message, _) = trapped("panic-in-pieces");
    let whole = format!("{}e end (wasm trap", ["a good b", &"y and th".repeat(7)].concat());
    assert!(message.starts_with(&whole), "{message}");
}

#[test]
fn too_many_at_once_are_told_so() {
    let limits = Limits { deadline_ms: 500, instances_max: 1, ..generous() };
    let engine = Engine::new(limits, None).unwrap();
    let slow = engine.load("slow", &guest("infinite-loop"), "{}", &Needs::default()).unwrap();
    let good = engine.load("good", &guest("good"), "{}", &Needs::default()).unwrap();
    let refused = std::thread::scope(|scope| {
        // Each keeps trying until the other has the only instance.
        let running = scope
            .spawn(|| while engine.rule(&slow, &offered(), &facts()) == Err(Failure::Busy { limit: 1 }) {});
        let mut refused = false;
        while !running.is_finished() && !refused {
            refused = engine.rule(&good, &offered(), &facts()) == Err(Failure::Busy { limit: 1 });
        }
        refused
    });
    assert!(refused);
    still_serves(&engine);
}

/// What [`Engine::load`] says of these bytes.
fn refusal(bytes: &[u8], limits: Limits) -> EngineError {
    let engine = engine(limits);
    let refused = engine.load("pack-x", bytes, "{}", &Needs::default()).unwrap_err();
    assert!(refused.to_string().contains("pack-x"), "{refused}");
    still_serves(&engine);
    refused
}

#[test]
fn what_is_no_pack_is_refused_at_load() {
    let check = |bytes: &[u8], words: &str| {
        let refused = refusal(bytes, Limits::default()).to_string();
        assert!(refused.contains(words), "{refused}");
    };
    check(b"", "is empty");
    check(b"#!/bin/sh\n", "no WebAssembly at all");
    check(&wat::parse_str("(module)").unwrap(), "a core WebAssembly module");
    check(&guest("undeclared-import"), "imports `wasi:cli/environment@0.2.0`");
    check(
        &guest("next-contract"),
        "`caveat:policy/capture@0.2.0` (contract 0.2.0), and this host serves 0.1.0",
    );
    check(&guest("next-log"), "contract 0.2.0");
    check(&guest("another-configure"), "`caveat:policy/settings@0.1.0#configure` is of another type");
    check(&guest("no-stage"), "a pack rules on one at least");
    check(&guest("huge-at-start"), "memory");
    check(&wat::parse_str("(component)").unwrap(), "`caveat:policy/settings@0.1.0` is missing");
}

#[test]
fn every_truncation_is_refused() {
    let whole = guest("good");
    let engine = engine(Limits::default());
    for cut in (0..whole.len()).step_by(97) {
        let refused = engine.load("cut", &whole[..cut], "{}", &Needs::default()).unwrap_err();
        let told = matches!(
            refused,
            EngineError::NotAComponent { .. } | EngineError::Component { .. } | EngineError::Export { .. }
        );
        assert!(told, "cut to {cut}: {refused}");
    }
    still_serves(&engine);
}

#[test]
fn components_and_settings_have_a_size() {
    let small = || Limits { component_bytes_max: 4_000, settings_bytes_max: 10, ..Limits::default() };
    let big = [guest("good"), vec![0; 4_000]].concat();
    assert!(matches!(
        self::engine(small()).load("big", &big, "{}", &Needs::default()).unwrap_err(),
        EngineError::TooLarge { what: "component", limit: "component_bytes_max", .. }
    ));
    let limits = Limits { component_bytes_max: 1 << 20, ..small() };
    assert!(matches!(
        self::engine(limits)
            .load("good", &guest("good"), r#"{"a":"bcdefgh"}"#, &Needs::default())
            .unwrap_err(),
        EngineError::TooLarge { what: "settings", bytes: 15, .. }
    ));
}

#[test]
fn configure_is_bounded_too() {
    let failure = |name: &str, limits| match refusal(&guest(name), limits) {
        EngineError::Configure { failure, .. } => failure,
        other => panic!("{name}: {other}"),
    };
    let panicked = failure("panic-in-configure", Limits::default());
    assert!(panicked.to_string().contains("bad day today"), "{panicked}");
    let by_fuel = failure("loop-in-configure", Limits { configure_fuel: 1_000_000, ..generous() });
    assert_eq!(by_fuel, Failure::OutOfFuel { field: "configure_fuel", limit: 1_000_000 });
    let at_start = failure("loop-at-start", Limits { configure_fuel: 1_000_000, ..generous() });
    assert_eq!(at_start, by_fuel);
    assert_eq!(failure("memory-bomb-in-configure", Limits::default()).limit(), "memory");
    assert_eq!(failure("table-growth-in-configure", Limits::default()).limit(), "table");
    assert_eq!(failure("recursion-in-configure", Limits::default()).limit(), "stack");
    assert_eq!(failure("trap-at-start", Limits::default()).limit(), "trap");
    let too_much = failure("giant-refusal", Limits::default());
    assert!(matches!(too_much, Failure::ResultTooLarge { field: "result_bytes_max", .. }), "{too_much}");
    assert_eq!(failure("refusal-out-of-bounds", Limits::default()).limit(), "invalid");
    let by_time = Limits { configure_fuel: u64::MAX >> 1, configure_deadline_ms: 2, ..generous() };
    assert_eq!(
        failure("loop-in-configure", by_time),
        Failure::Deadline { field: "configure_deadline_ms", limit_ms: 2 }
    );
    let no_room = failure("realloc-out-of-bounds", Limits::default());
    assert_eq!(no_room.limit(), "invalid");
}

#[test]
fn a_pack_that_asks_gets_more_and_is_held_to_it() {
    let engine = engine(Limits::default());
    let run = |name, needs| {
        let pack = engine.load(name, &guest(name), "{}", &needs).unwrap();
        engine.rule(&pack, &offered(), &facts()).map(|answer| answer.ruling.outcome)
    };
    let memory = |bytes| Needs { memory_bytes: Some(bytes), ..Needs::default() };
    assert_eq!(run("memory-bomb", memory(16 << 20)), Ok(Outcome::Allow));
    let over = run("memory-bomb", memory(5 << 20)).unwrap_err();
    assert!(over.to_string().contains("raise `needs.memory-bytes`"), "{over}");

    let table = |elements| Needs { table_elements: Some(elements), ..Needs::default() };
    assert_eq!(run("table-growth", table(100_000)), Ok(Outcome::Allow));
    let over = run("table-growth", table(1_000)).unwrap_err();
    assert!(over.to_string().contains("raise `needs.table-elements`"), "{over}");

    let fuel = Needs { fuel_per_ruling: Some(20_000_000), ..Needs::default() };
    let over = Failure::OutOfFuel { field: "needs.fuel-per-ruling", limit: 20_000_000 };
    assert_eq!(run("infinite-loop", fuel), Err(over));

    let greedy = engine.load("greedy", &guest("good"), "{}", &memory(1 << 30)).unwrap_err();
    assert!(greedy.to_string().contains("`memory_bytes_ceiling`"), "{greedy}");
    still_serves(&engine);
}

#[test]
fn whatever_stops_a_pack_is_counted_under_its_name() {
    let by_time = || Limits { deadline_ms: 2, epoch_tick_us: 100, ..generous() };
    let stopped = [
        ("infinite-loop", "fuel", Limits::default()),
        ("long-loop", "deadline", by_time()),
        ("memory-bomb", "memory", Limits::default()),
        ("table-growth", "table", Limits { table_elements_max: 1_000, ..Limits::default() }),
        ("deep-recursion", "stack", Limits { stack_bytes_max: 64 << 10, ..generous() }),
        ("many-obligations", "result-size", Limits::default()),
        ("long-line", "result-size", Limits::default()),
        ("log-forever", "fuel", Limits::default()),
        ("piece-forever", "fuel", Limits::default()),
        ("list-out-of-bounds", "invalid", Limits::default()),
        ("log-out-of-bounds", "invalid", Limits::default()),
        ("bulk-fill", "fuel", Limits::default()),
        ("trap", "trap", Limits::default()),
        ("panic", "trap", Limits::default()),
    ];
    for (name, limit, limits) in stopped {
        let seen = metered(|| drop(run(name, limits).unwrap_err()));
        let count = |line: &str| assert!(seen.lines().any(|l| l == line), "{line}\n{seen}");
        count(&format!("caveat_pack_failures_total{{pack=\"{name}\",limit=\"{limit}\"}} 1"));
        count(&format!(
            "caveat_pack_rulings_total{{pack=\"{name}\",stage=\"capture\",outcome=\"failed\"}} 1"
        ));
        count("caveat_pack_rulings_total{pack=\"good\",stage=\"capture\",outcome=\"refuse\"} 2");
        count("caveat_pack_rulings_total{pack=\"good\",stage=\"capture\",outcome=\"failed\"} 0");
    }
    let in_configure = [
        ("panic-in-configure", "trap"),
        ("trap-at-start", "trap"),
        ("loop-in-configure", "fuel"),
        ("loop-at-start", "fuel"),
        ("memory-bomb-in-configure", "memory"),
        ("table-growth-in-configure", "table"),
        ("recursion-in-configure", "stack"),
        ("giant-refusal", "result-size"),
        ("refusal-out-of-bounds", "invalid"),
    ];
    for (name, limit) in in_configure {
        let limits = Limits { configure_fuel: 1_000_000, ..Limits::default() };
        let seen = metered(|| drop(refusal(&guest(name), limits)));
        let line = format!("caveat_pack_failures_total{{pack=\"pack-x\",limit=\"{limit}\"}} 1");
        assert!(seen.contains(&line), "{name}: {line}\n{seen}");
    }
}

#[test]
fn a_flood_of_lines_ends_at_the_limit_and_the_rest_is_counted() {
    let limits = Limits { log_lines_max: 7, ..Limits::default() };
    let seen = metered(|| assert_eq!(run("log-flood", limits).unwrap().outcome, Outcome::Allow));
    assert!(seen.contains("caveat_pack_log_lines_dropped_total{pack=\"log-flood\"} 9993"), "{seen}");
    assert!(seen.contains("caveat_pack_fuel_total{pack=\"log-flood\"}"), "{seen}");
    assert!(seen.contains("caveat_pack_ruling_seconds_count{pack=\"log-flood\"} 1"), "{seen}");
    let limits = Limits { log_lines_max: 7, ..Limits::default() };
    let seen = metered(|| assert_eq!(run("log-flood-in-configure", limits).unwrap().outcome, Outcome::Allow));
    assert!(
        seen.contains("caveat_pack_log_lines_dropped_total{pack=\"log-flood-in-configure\"} 993"),
        "{seen}"
    );
}
