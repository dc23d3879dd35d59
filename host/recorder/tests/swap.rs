//! Packs are changed while calls run: nothing goes unruled, nothing is ruled by two sets, and what fails changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "not every test needs all of it")]
mod house;
#[path = "../../packs/tests/support/mod.rs"]
mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use caveat_ledger::{EntryKind, Ledger};
use caveat_model::{Asker, ClientId, Digest, Mode};
use caveat_packs::{CaseText, Manifest, PackFile};
use caveat_recorder::{Change, Happening, NewCall, PackOrder};
use caveat_vault::SealReason;
use house::{House, Open};
use support::{Behavior, MANIFEST, component};

/// The first version of a pack names this rule, the second the other.
const RULES: [&str; 2] = ["house.disclosure", "house.silent"];
/// Exchanges of one set for another, and of them: how many with all that a swap is (archive, ledger, history), and how many
/// that bring in a pack that was never seen before (compiled, configured, held to its cases).
const SWAPS: usize = 10_000;
const WHOLE_EVERY: usize = 20;
const NEW_PACK_EVERY: usize = 200;
const CALLS: usize = 4;

/// A pack that suspends and names `rule`, with a case that expects `expected`.
fn pack(name: &str, rule: &'static str, case: &str, expected: &str) -> PackFile {
    let text = MANIFEST.replace("house-standard", name).replace("\"house\"", &format!("\"{name}-alias\""));
    let manifest = Manifest::parse(Path::new("pack.toml"), &text).unwrap();
    let text = format!(
        "[[case]]\nname = \"{case}\"\nevent = \"offered\"\nexpect = {{ outcome = \"suspend\", rules = [\"{expected}\"] }}\n"
    );
    let cases = [CaseText { name: "offered.toml".into(), text }];
    PackFile::assemble_with(manifest, None, &cases, &component(&Behavior::Says(1, rule))).unwrap()
}

fn good(name: &str, rule: &'static str) -> PackFile {
    pack(name, rule, "a call", rule)
}

fn put(file: &PackFile, mode: Mode) -> Change {
    Change::Put { file: file.clone(), replaces: None, settings: None, mode }
}

fn order() -> PackOrder {
    PackOrder { by: "kim".into(), why: "a test".into() }
}

fn digests(open: &Open, client: &ClientId) -> Vec<Digest> {
    open.keeper.in_force(client).unwrap().iter().map(|p| p.member.pack.digest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_swaps_under_load() {
    let house = House::new();
    let client = &house.client;
    let versions = |name| RULES.map(|rule| good(name, rule));
    let (alpha, beta) = (versions("alpha"), versions("beta"));
    let open = house.open(&[&alpha[0], &beta[0]]).await;
    open.keeper.swap(client, put(&alpha[1], Mode::Active), order()).await.unwrap();
    let first_set = open.keeper.history(client, 9).await.unwrap().pop().unwrap();
    let second_set = open.keeper.swap(client, put(&beta[1], Mode::Active), order()).await.unwrap();
    let of_second = open.sets.snapshot(client).unwrap();
    open.keeper.roll_back(client, Some(first_set.number), order()).await.unwrap();
    let exchanged = [open.sets.snapshot(client).unwrap(), of_second];
    let numbers = [first_set.number, second_set.number];

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let (recorder, client) = (open.recorder.clone(), client.clone());
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                let new = NewCall { external_id: format!("CA{n}"), ..NewCall::default() };
                let (call, _) = recorder.open(&client, new).await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
                while !stop.load(Ordering::Relaxed) {
                    // Whatever is not ruled is an error here.
                    call.happened(Happening::PauseAsked(Asker::Person)).await.unwrap();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                call.end(SealReason::Ended).await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();

    let (mut bare, mut warm, mut cold) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..SWAPS {
        let began = Instant::now();
        if n % NEW_PACK_EVERY == 0 {
            let fresh = pack("gamma", RULES[0], &format!("case {n}"), RULES[0]);
            open.keeper.swap(client, put(&fresh, Mode::Monitor), order()).await.unwrap();
            cold.push(began.elapsed());
        } else if n % WHOLE_EVERY == 0 {
            let to = numbers[n / WHOLE_EVERY % 2];
            open.keeper.roll_back(client, Some(to), order()).await.unwrap();
            warm.push(began.elapsed());
        } else {
            open.sets.replace(client, exchanged[n % 2].clone());
            bare.push(began.elapsed());
            // An exchange shows nothing unless calls run across it.
            let so_far = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) == so_far {
                tokio::task::yield_now().await;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for call in calls {
        call.await.unwrap();
    }
    report("the exchange alone", &mut bare);
    report("swap to a set that ruled before", &mut warm);
    report("swap to a new pack (compile, cases)", &mut cold);
    let ruled = check_ledger(&open.ledger, client).await;
    println!("{ruled} events ruled while {SWAPS} swaps were made");
    assert_eq!(ruled, answered.load(Ordering::Relaxed), "each event has one verdict");
}

/// Every verdict is of one set, and of one that the ledger had announced; how many verdicts there are.
async fn check_ledger(ledger: &Ledger, client: &ClientId) -> u64 {
    let (mut next, mut verdicts, mut announced) = (0, 0, std::collections::HashSet::new());
    loop {
        let entries = ledger.entries(client, next..u64::MAX).await.unwrap();
        let Some((last, ..)) = entries.last() else { return verdicts };
        next = last + 1;
        for (index, entry, _) in entries {
            match entry.event {
                EntryKind::PacksChanged { packs } => {
                    announced.insert(sorted(packs.into_iter().map(|p| (p.name, p.digest))));
                }
                EntryKind::Verdict { packs, .. } => {
                    verdicts += 1;
                    let obeyed = packs.iter().filter(|p| p.mode == Mode::Active);
                    let rules: Vec<&String> = obeyed.flat_map(|p| &p.rules).collect();
                    assert!(rules.len() == 2 && rules[0] == rules[1], "entry {index} straddles: {rules:?}");
                    let obeyed = packs.iter().filter(|p| p.mode == Mode::Active);
                    let of = sorted(obeyed.map(|p| (p.name.clone(), p.digest)));
                    let known = announced.iter().any(|set| of.iter().all(|pack| set.contains(pack)));
                    assert!(known, "entry {index} is ruled by packs that nothing before it announces");
                }
                _ => {}
            }
        }
    }
}

fn sorted(packs: impl Iterator<Item = (String, Digest)>) -> Vec<(String, Digest)> {
    let mut packs: Vec<_> = packs.collect();
    packs.sort();
    packs
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!("{what}: n {} p50 {:?} p99 {:?} max {:?}", times.len(), at(50), at(99), at(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_keeps_the_last_good_set_and_somebody_is_told() {
    let house = House::new();
    let client = &house.client;
    let declared = good("alpha", RULES[0]);
    let open = house.open(&[&declared]).await;
    let check = async |change: Change, wanted: &str| {
        let error = open.keeper.swap(client, change, order()).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\n(wanted: {wanted})");
        assert_eq!(digests(&open, client), [declared.digest()]);
        let alert = open.recorder.alerts(client, 1).await.unwrap().remove(0);
        assert!(alert.kind == "packs-not-changed" && alert.message.contains(wanted), "{alert:?}");
    };
    let wrong = pack("alpha", RULES[1], "the other rule", RULES[0]);
    check(put(&wrong, Mode::Active), "fails 1 of its own 1 cases: the other rule").await;
    let settings = Some(serde_json::json!({ "a": 1 }));
    let file = good("alpha", RULES[1]);
    let configured = Change::Put { file: file.clone(), replaces: None, settings, mode: Mode::Active };
    check(configured, "settings of pack `alpha`").await;
    let replaces = Some("alhpa".to_owned());
    let misspelt = Change::Put { file, replaces, settings: None, mode: Mode::Active };
    check(misspelt, "no pack `alhpa` is in force; there are: alpha").await;
    check(Change::Retire { name: "alpha".into() }, "no active pack would be left").await;
    let none = open.keeper.roll_back(client, None, order()).await.unwrap_err().to_string();
    assert!(none.contains("no earlier set of packs"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_stands_until_it_is_rolled_back_or_the_configuration_changes() {
    let house = House::new();
    let client = &house.client;
    let versions = RULES.map(|rule| good("alpha", rule));
    let third = pack("alpha", RULES[1], "a third", RULES[1]);
    let open = house.open(&[&versions[0]]).await;
    open.keeper.swap(client, put(&versions[1], Mode::Active), order()).await.unwrap();
    open.keeper.swap(client, put(&third, Mode::Active), order()).await.unwrap();
    drop(open);

    let open = house.open(&[&versions[0]]).await;
    assert_eq!(digests(&open, client), [third.digest()], "what was swapped in stands after a restart");
    for wanted in [&versions[1], &versions[0]] {
        open.keeper.roll_back(client, None, order()).await.unwrap();
        assert_eq!(digests(&open, client), [wanted.digest()], "one back, and one more");
    }
    let origins: Vec<u64> =
        open.keeper.history(client, 9).await.unwrap().iter().map(|set| set.origin).collect();
    assert_eq!(origins, [1, 2, 3, 2, 1]);
    open.keeper.swap(client, put(&third, Mode::Active), order()).await.unwrap();
    drop(open);

    let open = house.open(&[&versions[1]]).await;
    assert_eq!(digests(&open, client), [versions[1].digest()], "the configuration says something new");
}
