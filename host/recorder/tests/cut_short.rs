//! Acts that are cut short: destroying by schedule and by two people, shredding, masking, bringing back, and what is done
//! to keys. Each is dropped at the first place where it waits, then at the second, and so on until it comes to its end;
//! what it had sent by then is done, as by a host that is killed there. Then another start finds what is left, or the same
//! host does at its next look at the schedule: an act is done whole, with one result and one receipt, or it is told as not
//! done and can be asked for again.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "not every test needs all of it")]
mod house;
#[path = "../../packs/tests/support/mod.rs"]
mod support;

use std::{collections::BTreeMap, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use caveat_access::{Access, NewPerson, SecretBox, SignedIn};
use caveat_audio::Segment;
use caveat_ledger::{EntryKind, KeyAct, verify_bundle};
use caveat_model::{Basis, ClientId, Clock, ManualClock, Moment, Purpose, RecordingId, Role, Span};
use caveat_recorder::{Frame, NewCall, NewParty, NewRedaction, Practice, RedactionMode, Wanted};
use caveat_retention::Limits;
use caveat_vault::{Kind, SealReason, VaultError};
use house::{House, Open};
use support::{Behavior, pack};

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;
/// More places than any of these acts waits at.
const PLACES_MAX: usize = 400;
/// How often they are gone through at most.
const ROUNDS_MAX: usize = 20;
/// It begins and ends within a second.
const SPAN: Span = Span { leg: Some(0), start: 500, end: 1_500 };

/// A host, its people, and what is left of it.
struct Bench {
    house: House,
    clock: Arc<ManualClock>,
    open: Option<Open>,
    ann: SignedIn,
    ben: SignedIn,
    calls: u64,
}

/// What is sealed here is nobody's secret.
struct Open_;

impl SecretBox for Open_ {
    fn seal(&self, _: &ClientId, _: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
        Ok(plain.to_vec())
    }
    fn open(&self, _: &ClientId, _: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        Ok(sealed.to_vec())
    }
}

/// Polls an act until it has waited `n` times, then drops it: none. What it gave, where it came to its end before.
async fn cut_after<T>(n: usize, act: impl Future<Output = T>) -> Option<T> {
    let (mut act, mut left) = (pin!(act), n);
    poll_fn(|context| match act.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

impl Bench {
    async fn new(dispose_after_days: Option<u32>) -> Self {
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_795_000_000_000)));
        let practice = Practice { dispose_after_days, ..Practice::default() };
        let keeping = Limits { sweep_every_ms: u64::MAX, off_days_max: 100, ..Limits::default() };
        let house = House { clock: clock.clone(), practice, keeping, ..House::new() };
        let open = house.open(&[&pack("house", &Behavior::Says(0, "house.disclosure"), None)]).await;
        let [ann, ben] = [signed_in(&house, &open, "ann").await, signed_in(&house, &open, "ben").await];
        Self { house, clock, open: Some(open), ann, ben, calls: 0 }
    }

    fn open(&self) -> &Open {
        self.open.as_ref().unwrap()
    }

    /// Another start of the host; or, every other time, the same host's next look at its schedule.
    async fn goes_on(&mut self, n: usize) {
        if n.is_multiple_of(2) {
            drop(self.open.take());
            let allows = pack("house", &Behavior::Says(0, "house.disclosure"), None);
            self.open = Some(self.house.open(&[&allows]).await);
        } else {
            self.open().recorder.sweep().await.unwrap();
        }
        let left: i64 = self.count("SELECT COUNT(*) FROM begun").await;
        assert_eq!(left, 0, "place {n}: everything has its result");
    }

    /// Waits until what an act had sent to the ledger and to the database is done.
    async fn quiet(&self) {
        let Open { ledger, db, .. } = self.open();
        ledger.append(&self.house.client, EntryKind::Note { text: "cut".into() }).await.unwrap();
        db.quiet().await.unwrap();
    }

    async fn count(&self, select: &'static str) -> i64 {
        sqlx::query_scalar(select).fetch_one(self.open().db.of(&self.house.client)).await.unwrap()
    }

    /// A recording of two seconds.
    async fn record(&mut self) -> RecordingId {
        self.calls += 1;
        let party = NewParty { leg: Some(0), ..NewParty::default() };
        let (external_id, began) = (format!("CA{}", self.calls), Some(self.clock.now()));
        let call = NewCall { external_id, began, parties: vec![party], ..NewCall::default() };
        let (call, answer) = self.open().recorder.open(&self.house.client, call).await.unwrap();
        for second in 0..2 {
            call.feed(Frame::at_ms(0, second * 1_000, vec![5_000; 8_000])).await.unwrap();
        }
        call.passed(2_000).await.unwrap();
        call.end(SealReason::Ended).await.unwrap();
        call.sealed().await;
        answer.recording
    }

    async fn request(&self, wanted: Wanted) -> u64 {
        let asked = self.open().recorder.request(&self.ann, wanted, "a test".into()).await.unwrap();
        asked.unwrap().id
    }

    async fn requests(&self) -> Vec<u64> {
        self.open().recorder.requests(&self.house.client).await.unwrap().iter().map(|r| r.id).collect()
    }

    /// Whether the ledger says, since an entry, that it was done; every intent has one result.
    async fn told_since(&self, from: u64) -> Option<u64> {
        let entries = self.open().ledger.entries(&self.house.client, from..u64::MAX).await.unwrap();
        let (mut results, mut done) = (BTreeMap::new(), vec![]);
        for (index, entry, _) in entries {
            match entry.event {
                EntryKind::DisposalIntent { .. } | EntryKind::MaskIntent { .. } => {
                    results.insert(index, 0);
                }
                EntryKind::DisposalResult { intent, ok } | EntryKind::MaskResult { intent, ok, .. } => {
                    *results.get_mut(&intent).unwrap() += 1;
                    done.extend(ok.then_some(index));
                }
                _ => {}
            }
        }
        assert!(results.values().all(|n| *n == 1), "intents and how many results they have: {results:?}");
        assert!(done.len() <= 1, "{done:?}");
        done.pop()
    }

    /// How many receipts a recording has; one is for the result at `done`.
    async fn receipts(&self, id: RecordingId, done: Option<u64>) -> usize {
        let all = self.open().recorder.receipts(&self.house.client, 1_000).await.unwrap();
        let of_it: Vec<_> = all.iter().filter(|receipt| receipt.recording == id.to_string()).collect();
        assert_eq!(of_it.iter().map(|r| r.result).collect::<Vec<_>>(), Vec::from_iter(done), "{id}");
        of_it.len()
    }

    /// Whether nothing is left of a recording; if not, all of it is.
    async fn is_gone(&self, id: RecordingId) -> bool {
        let Open { vault, recorder, .. } = self.open();
        let client = &self.house.client;
        let gone = matches!(vault.reader(client, id).await, Err(VaultError::Gone { .. }));
        let state = recorder.state_of(client, id).await.unwrap();
        assert_eq!(state, if gone { "destroyed" } else { "sealed" });
        let facts: Vec<u8> = sqlx::query_scalar("SELECT facts FROM recording WHERE id = $1")
            .bind(id.to_string())
            .fetch_one(self.open().db.of(&self.house.client))
            .await
            .unwrap();
        assert_eq!(facts.is_empty(), gone, "what describes its call");
        let name = vault.commitment(client, "recording", id.0.as_bytes()).await.unwrap();
        let details: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM ledger_detail WHERE client = $1 AND recording = $2 AND of_access = 0",
        )
        .bind(client.as_str())
        .bind(name.to_string())
        .fetch_one(self.open().db.of(&self.house.client))
        .await
        .unwrap();
        assert_eq!(details == 0, gone, "what lies beside the decisions on it");
        gone
    }

    /// Whether the stretch is taken out of a recording; if not, all of it is there.
    async fn is_redacted(&self, id: RecordingId) -> bool {
        let reader = self.open().vault.reader(&self.house.client, id).await.unwrap();
        let mut redacted = vec![];
        for second in 0..2 {
            let plain = reader.read(0, second, Kind::Audio).await.unwrap();
            let gaps = Segment::decode(&plain).unwrap().gaps;
            redacted.push(gaps.iter().any(|gap| usize::from(gap.end - gap.start) == 4_000));
        }
        assert_eq!(redacted[0], redacted[1], "all of it or nothing");
        redacted[0]
    }

    /// A request that was confirmed is used up where its act was done; else it is open again, and somebody knows.
    async fn used_up(&self, request: u64, was_confirmed: bool, done: bool) {
        assert_eq!(self.requests().await.contains(&request), !done, "request {request}");
        let alerts = self.open().recorder.alerts(&self.house.client, 1_000).await.unwrap();
        let told = alerts.iter().any(|a| a.message.starts_with(&format!("Request {request} was confirmed")));
        assert_eq!(told, was_confirmed && !done, "request {request}");
    }

    async fn size(&self) -> u64 {
        self.open().ledger.size(&self.house.client).await.unwrap()
    }

    /// What an auditor finds.
    async fn verified(&self) {
        let Open { ledger, .. } = self.open();
        let dir = self.house.dir.path().join("bundle");
        ledger.export(&self.house.client, &dir).await.unwrap();
        let report = verify_bundle(&dir, &ledger.vkey(&self.house.client)).unwrap();
        assert!(report.problems.is_empty(), "{report}");
    }
}

async fn signed_in(house: &House, open: &Open, id: &str) -> SignedIn {
    let limits = caveat_access::Limits {
        argon2_memory_kib: 64,
        argon2_passes: 1,
        step_up_valid_s: 86_400,
        ..Default::default()
    };
    let access = Access::open(open.db.clone(), house.clock.clone(), Arc::new(Open_), limits).await.unwrap();
    let (client, password) = (house.client.clone(), "correct-horse-42");
    let person = NewPerson {
        client: client.clone(),
        id: id.parse().unwrap(),
        name: id.into(),
        role: Role::Compliance,
        function: String::new(),
        password: password.into(),
    };
    let enrolment = access.add_person(person).await.unwrap();
    let secret = totp_rs::Secret::try_from_base32(&enrolment.totp_secret_base32).unwrap();
    let code = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = code.generate(house.clock.now().as_millis() / 1_000).to_string();
    access.sign_in(&client, &id.parse().unwrap(), password, &code, "").await.unwrap().signed_in
}

/// Whether a confirmation had begun: whoever does not get that far leaves the request as it was.
async fn was_confirmed(bench: &Bench, request: u64) -> bool {
    let state: String = sqlx::query_scalar("SELECT closed FROM request WHERE id = $1")
        .bind(request as i64)
        .fetch_one(bench.open().db.of(&bench.house.client))
        .await
        .unwrap();
    !state.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schedule_destroys_is_destroyed_whole() {
    let mut bench = Bench::new(Some(1)).await;
    let (mut places, mut rounds, mut cut_with_keys_gone) = (0, 1, 0);
    loop {
        let id = bench.record().await;
        bench.clock.advance_millis(DAY_MS + HOUR_MS);
        let from = bench.size().await;
        let whole = cut_after(places, bench.open().recorder.sweep()).await.is_some();
        bench.quiet().await;
        let gone =
            matches!(bench.open().vault.reader(&bench.house.client, id).await, Err(VaultError::Gone { .. }));
        bench.goes_on(places).await;
        let done = bench.told_since(from).await;
        if gone && bench.receipts(id, done).await == 1 && !whole {
            cut_with_keys_gone += 1;
        }
        assert_eq!(bench.is_gone(id).await, done.is_some());
        // What was not done is due.
        bench.clock.advance_millis(DAY_MS + HOUR_MS);
        bench.open().recorder.sweep().await.unwrap();
        assert!(bench.is_gone(id).await, "place {places}");
        assert_eq!(bench.receipts(id, bench.told_since(from).await).await, 1);
        // How often a sweep waits is for the database to say: where none was cut with its keys gone, it is gone through again.
        if whole && (cut_with_keys_gone > 0 || rounds == ROUNDS_MAX) {
            break;
        }
        (places, rounds) = if whole { (0, rounds + 1) } else { (places + 1, rounds) };
        assert!(places < PLACES_MAX);
    }
    println!("a sweep waits at {places} places, at {cut_with_keys_gone} of them without keys");
    assert!(cut_with_keys_gone > 0);
    bench.verified().await;
}

/// Cuts the confirmation of a request at every place; then, where it was not done, confirms it again.
async fn by_two(
    bench: &mut Bench,
    wanted: impl Fn(RecordingId) -> Wanted,
    before: impl AsyncFn(&Bench, RecordingId),
) {
    let mut places = 0;
    loop {
        let id = bench.record().await;
        before(bench, id).await;
        let request = bench.request(wanted(id)).await;
        let from = bench.size().await;
        let whole = cut_after(places, bench.open().recorder.confirm(&bench.ben, request)).await;
        let was_whole = whole.is_some();
        if let Some(done) = whole {
            done.unwrap().unwrap();
        }
        bench.quiet().await;
        let confirmed = was_confirmed(bench, request).await;
        bench.goes_on(places).await;
        let done = bench.told_since(from).await;
        bench.used_up(request, confirmed, done.is_some()).await;
        assert_eq!(is_done(bench, &wanted(id), id).await, done.is_some(), "place {places}");
        let owes = !matches!(wanted(id), Wanted::Unmask { .. });
        bench.receipts(id, done.filter(|_| owes)).await;
        if done.is_none() {
            bench.open().recorder.confirm(&bench.ben, request).await.unwrap().unwrap();
            assert!(is_done(bench, &wanted(id), id).await, "place {places}");
            let done = bench.told_since(from).await;
            assert!(done.is_some());
            bench.receipts(id, done.filter(|_| owes)).await;
        }
        assert!(bench.requests().await.is_empty(), "place {places}");
        if was_whole {
            break;
        }
        places += 1;
        assert!(places < PLACES_MAX);
    }
    println!("the act waits at {places} places");
    bench.verified().await;
}

async fn is_done(bench: &Bench, wanted: &Wanted, id: RecordingId) -> bool {
    match wanted {
        Wanted::Dispose { .. } => bench.is_gone(id).await,
        Wanted::Shred { .. } => bench.is_redacted(id).await,
        Wanted::Unmask { .. } => {
            let masks = bench.open().recorder.masks(&bench.house.client, id).await.unwrap();
            let redacted = bench.is_redacted(id).await;
            assert_eq!(redacted, masks.len() == 1);
            !redacted
        }
        _ => unreachable!("not cut here"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_people_destroy_is_destroyed_whole() {
    let mut bench = Bench::new(None).await;
    let wanted =
        |recording| Wanted::Dispose { recording, basis: Basis::ErasureRequest, purpose: Purpose::Operations };
    by_two(&mut bench, wanted, async |_, _| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_people_shred_is_shredded_whole() {
    let mut bench = Bench::new(None).await;
    let wanted = |recording| Wanted::Shred { recording, span: SPAN, purpose: Purpose::Operations };
    by_two(&mut bench, wanted, async |_, _| {}).await;
}

fn to_mask() -> NewRedaction {
    NewRedaction {
        span: SPAN,
        mode: RedactionMode::Mask,
        purpose: Purpose::Operations,
        reason: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_people_bring_back_is_brought_back_whole() {
    let mut bench = Bench::new(None).await;
    let wanted = |recording| Wanted::Unmask { recording, mask: 1, purpose: Purpose::Operations };
    by_two(&mut bench, wanted, async |bench, id| {
        bench.open().recorder.mask(&bench.ann, id, &to_mask()).await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_masked_is_masked_whole_and_its_number_is_told() {
    let mut bench = Bench::new(None).await;
    let mut places = 0;
    loop {
        let id = bench.record().await;
        let from = bench.size().await;
        let whole = cut_after(places, bench.open().recorder.mask(&bench.ann, id, &to_mask())).await.is_some();
        bench.quiet().await;
        bench.goes_on(places).await;
        let done = bench.told_since(from).await;
        assert_eq!(bench.is_redacted(id).await, done.is_some(), "place {places}");
        let masks = bench.open().recorder.masks(&bench.house.client, id).await.unwrap();
        if let Some(index) = done {
            let entries = bench.open().ledger.entries(&bench.house.client, index..index + 1).await.unwrap();
            let EntryKind::MaskResult { number, .. } = entries[0].1.event else { panic!("{entries:?}") };
            assert_eq!(masks.iter().map(|m| Some(m.mask)).collect::<Vec<_>>(), [number]);
        } else {
            assert_eq!(masks, []);
            bench.open().recorder.mask(&bench.ann, id, &to_mask()).await.unwrap().unwrap();
        }
        if whole {
            break;
        }
        places += 1;
        assert!(places < PLACES_MAX);
    }
    println!("masking waits at {places} places");
    bench.verified().await;
}

/// What the log says was done to the client's key.
async fn of_keys(bench: &Bench, from: u64) -> Vec<(KeyAct, u32)> {
    let entries = bench.open().ledger.entries(&bench.house.client, from..u64::MAX).await.unwrap();
    let of_keys = entries.iter().filter_map(|(_, entry, _)| match entry.event {
        EntryKind::Keys { act, version, .. } => Some((act, version)),
        _ => None,
    });
    of_keys.collect()
}

/// Waits until everything is wrapped under the newest version, and nothing waits for that any more.
async fn rewrapped(bench: &Bench) -> u32 {
    loop {
        let status = bench.open().recorder.key_status(&bench.house.client).await.unwrap();
        let newest = status.newest().unwrap();
        if status.wrapped.keys().all(|version| *version == newest)
            && bench.count("SELECT COUNT(*) FROM begun").await == 0
        {
            return newest;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_and_the_end_of_old_versions_are_done_or_told() {
    let mut bench = Bench::new(None).await;
    let id = bench.record().await;
    let (mut places, mut destroying) = (0, 0);
    let mut newest = rewrapped(&bench).await;
    loop {
        let from = bench.size().await;
        let whole = cut_after(places, bench.open().recorder.rotate_key(&bench.ann)).await.is_some();
        bench.quiet().await;
        // What the host ended before is gone on with at a start, in the background.
        drop(bench.open.take());
        let allows = pack("house", &Behavior::Says(0, "house.disclosure"), None);
        bench.open = Some(bench.house.open(&[&allows]).await);
        let now = rewrapped(&bench).await;
        let told = of_keys(&bench, from).await;
        match now - newest {
            0 => assert!(told.is_empty() || told == [(KeyAct::Rotate, now + 1)], "{told:?}"),
            _ => assert_eq!(told, [(KeyAct::Rotate, now), (KeyAct::Rewrapped, now)], "place {places}"),
        }
        newest = now;
        if whole {
            break;
        }
        places += 1;
        assert!(places < PLACES_MAX);
    }
    loop {
        let before = rewrapped(&bench).await;
        let request = bench.request(Wanted::DestroyKeys { before }).await;
        let from = bench.size().await;
        let whole = cut_after(destroying, bench.open().recorder.confirm(&bench.ben, request)).await.is_some();
        bench.quiet().await;
        let confirmed = was_confirmed(&bench, request).await;
        bench.goes_on(destroying).await;
        let told = of_keys(&bench, from).await;
        let done = told == [(KeyAct::Destroy, before), (KeyAct::Destroyed, before)];
        assert!(done || told.is_empty() || told == [(KeyAct::Destroy, before)], "{told:?}");
        bench.used_up(request, confirmed, done).await;
        let versions = bench.open().recorder.key_status(&bench.house.client).await.unwrap().versions;
        assert_eq!(versions == [before], done, "place {destroying}: {versions:?}");
        if !done {
            bench.open().recorder.confirm(&bench.ben, request).await.unwrap().unwrap();
        }
        bench.open().recorder.rotate_key(&bench.ann).await.unwrap();
        if whole {
            break;
        }
        destroying += 1;
        assert!(destroying < PLACES_MAX);
    }
    println!("a rotation waits at {places} places, the end of versions at {destroying}");
    assert!(!bench.is_redacted(id).await, "it opens");
    bench.verified().await;
}
