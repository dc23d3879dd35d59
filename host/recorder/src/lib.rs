//! THE PATH: event, ruling, verdict, audio, seal, ledger, acknowledgement.
//!
//! Every capture, storage and access event goes through here and nowhere else. Nothing is acknowledged, played or
//! destroyed before its ledger entry is durable; audio that the rules did not allow leaves memory unwritten; a call is
//! never dropped for our sake. Start at [`Recorder::open`] (a call begins) and [`Recorder::play`] (somebody asks).

#[macro_use]
mod traced;

mod alerts;
mod announced;
mod answers;
mod assurance;
mod begun;
mod bounds;
mod breach;
mod call;
mod call_clock;
mod call_facts;
mod catalog;
mod client;
mod counted;
mod cues;
mod disclosures;
mod disposal;
mod duties;
mod entries;
mod error;
mod evidence;
mod health;
mod history;
mod hosts;
mod house;
mod impact;
mod keep;
mod keys;
mod late;
mod limits;
mod listen;
mod live;
mod monitor;
mod outbox;
mod packs;
mod pauses;
mod playback;
mod record;
mod recovery;
mod redaction;
mod replay;
mod requests;
mod scores;
mod search;
mod session;
mod storage;
mod tables;
mod tape;
mod timeline;
mod transcript;
mod turns;
mod waveform;
mod why;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use caveat_engine::Engine;
use caveat_ledger::Ledger;
use caveat_model::{ClientId, Clock, Moment, Offset, RecordingId};
use caveat_packs::ActiveSets;
use caveat_retention::Retention;
use caveat_state::Db;
use caveat_vault::{SealReason, Vault};
use futures::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};

pub use alerts::Alert;
pub use announced::{Announced, AnnouncedStream, Arrived};
pub use answers::Before;
pub use assurance::{Assurance, AssuranceLimits, AssuranceReport, BadExpected, ExpectedCall, Finding, Flaw};
pub use breach::{BreachReport, BreachRuling, BreachTask};
pub use call::{
    Answer, Frame, Happening, NewCall, NewNotice, NewParty, RecordingState, Running as RunningCall,
};
pub use catalog::Listed;
pub use client::{ClientProfile, Clients, Practice, Quota};
pub use cues::{Announcement, Cue};
pub use disclosures::{Disclosure, Disclosures};
pub use disposal::Swept;
pub use duties::{Doer, DutyState, OpenDuty};
pub use error::RecorderError;
pub use evidence::{
    EvidenceProblem, EvidenceReport, EvidenceTime, RecordingEvidence, Ruled, verify_evidence,
};
pub use health::{Health, WaitingObjects};
pub use history::{Decision, Gone, History, Recorded, Window};
pub use hosts::{Among, Elsewhere, HOST};
pub use impact::{
    AccessTransition, Candidate, Changed, Direction, Effect, Example, Group, Impact, ImpactReport, Past,
    Swap, Transition,
};
pub use limits::Limits;
pub use listen::{Asked, Decided, Heard, Play};
pub use live::{DutyNews, Live, News, Numbered, PackSaid, Watch};
pub use monitor::Difference;
pub use outbox::{Outbox, Outgoing};
pub use packs::{Change, Member, Order as PackOrder, PackInForce, PackKeeper, PackSet};
pub use pauses::{AskedPause, Who};
pub use playback::Format;
pub use redaction::{AfterCall, MaskInForce, NewRedaction, Redacted, RedactionMode};
pub use replay::{Mismatch, ReplayReport, replay};
pub use requests::{Done, Request, Wanted};
pub use scores::{RuleScore, Scorecard};
pub use search::{After, Found, FoundPage, SearchFor};
pub use storage::Storage;
pub use tables::migrate;
pub use timeline::{Timeline, TimelineDuty, TimelineEvent, TimelineReason};
pub use transcript::{Said, Transcript};
pub use waveform::{LegPeaks, Waveform, WaveformGap};

use call_clock::CallClock;
use call_facts::CallFacts;
use house::House;
use session::{Order, Session};

/// The rooms that the path leads through, opened by the binary.
pub struct Rooms {
    /// Runs packs.
    pub engine: Arc<Engine>,
    /// Which packs are active, by client.
    pub packs: Arc<ActiveSets>,
    /// Seals.
    pub vault: Vault,
    /// Logs.
    pub ledger: Ledger,
    /// Keeps and destroys.
    pub retention: Retention,
    /// Compares calls with what was expected.
    pub assurance: Assurance,
    /// Disks and stores behind the vault.
    pub storage: Storage,
    /// What this host is among others that share database and store; none: it is the only one.
    pub among: Option<Among>,
    /// Holds the lists.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The recorder of a host; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    house: Arc<House>,
    clients: Clients,
    running: Arc<Mutex<Running>>,
    announced: Announced,
    outbox: Outbox,
    /// Nothing new is begun.
    stopping: Arc<AtomicBool>,
}

type Running = HashMap<(ClientId, String), Call>;

/// A running call; cheap to clone.
#[derive(Debug, Clone)]
pub struct Call {
    client: ClientId,
    id: String,
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<RecordingState>,
}

impl Recorder {
    /// Opens the recorder. Recordings that a crash cut short are sealed first, as interrupted.
    pub async fn start(rooms: Rooms, clients: Clients, limits: Limits) -> Result<Self, RecorderError> {
        let Rooms { engine, packs, vault, ledger, retention, assurance, storage, among, db, clock } = rooms;
        let catalog = catalog::Catalog::open(db.clone(), vault.clone()).await?;
        let watch = Watch::default();
        let alerts = alerts::Alerts::open(db.clone(), watch.clone()).await?;
        let late = late::Late::open(db.clone()).await?;
        let begun = begun::Begun::open(db.clone(), vault.log()).await?;
        let bounds = bounds::Bounds::open(db.clone()).await?;
        let answers = answers::Answers::open(db.clone(), vault.clone()).await?;
        let outbox = Outbox::open(db.clone(), vault.clone()).await?;
        let announced = Announced::open(db.clone(), vault.clone(), &limits, clock.clone()).await?;
        let requests = requests::Requests::open(db.clone(), vault.clone()).await?;
        let places = hosts::Places::open(db.clone(), vault.clone()).await?;
        let house = House {
            engine,
            packs,
            vault,
            ledger,
            retention,
            catalog,
            alerts,
            assurance,
            late,
            begun,
            bounds,
            answers,
            requests,
            clients: clients.clone(),
            turns: turns::Turns::default(),
            rewraps: keys::Rewraps::default(),
            sweeping: Default::default(),
            sweeps: Default::default(),
            watch,
            monitor: monitor::Monitor::default(),
            storage,
            among,
            places,
            db,
            clock,
            limits,
        };
        let (running, stopping) = (Arc::default(), Arc::default());
        let recorder = Self { house: Arc::new(house), clients, running, announced, outbox, stopping };
        recorder.house.finish_what_was_left().await?;
        recorder.house.assurance.nothing_runs(recorder.house.vault.log()).await?;
        recorder.house.nobody_is_here().await?;
        match recorder.house.among {
            Some(_) => recorder.outbox.take_what_was_left().await?,
            None => recorder.outbox.take_all().await?,
        }
        for client in recorder.clients.iter() {
            counted::from_zero(&client.id);
            recorder.rewrap_in_the_background(client.id.clone(), None);
        }
        tokio::spawn(look_for_expected_calls(Arc::downgrade(&recorder.house)));
        tokio::spawn(storage::look_after(Arc::downgrade(&recorder.house), recorder.clients.clone()));
        tokio::spawn(disposal::keep_schedule(Arc::downgrade(&recorder.house)));
        Ok(recorder)
    }

    /// A call begins: the packs are asked, and the answer says whether it is recorded. It runs until it is ended.
    ///
    /// # Errors
    /// An unknown client, an id in use, a limit; or the host failed, and the call is not recorded.
    pub async fn open(&self, client: &ClientId, call: NewCall) -> Result<(Call, Answer), RecorderError> {
        let profile =
            self.clients.get(client).ok_or_else(|| RecorderError::NoSuchClient { id: client.to_string() })?;
        if self.stopping.load(Ordering::Relaxed) {
            return Err(RecorderError::Stopping);
        }
        let id = call.external_id.clone();
        let limits = &self.house.limits;
        if id.is_empty() || id.len() > limits.text_bytes_max {
            let (bytes, limit) = (id.len(), limits.text_bytes_max);
            return Err(RecorderError::TooLong { what: "call id", bytes, limit });
        }
        let (orders, inbox) = mpsc::channel(limits.frames_waiting_max);
        let (shown, state) = watch::channel(RecordingState::NotRecorded);
        let handle = Call { client: client.clone(), id: id.clone(), orders, state };
        self.keeps_within(client, profile.practice.quota).await?;
        let admitted = self.admit(&handle, profile.practice.quota)?;
        let place = self.house.take_place(client, &id).await?;
        let (began, clock) = self.clock_of(&call)?;
        let known = CallFacts::new(call, &profile, began, limits)?;
        let (session, answer) = Session::begin(self.house.clone(), profile, id, clock, known, shown).await?;
        metrics::counter!("caveat_calls_total", "client" => client.to_string()).increment(1);
        tracing::info!(client = %session.client(), recording = %session.recording(), "call began");
        // The table holds a sender too, so the task must not wait for all senders to go.
        tokio::spawn(async move {
            session.run(inbox).await;
            drop(place);
            drop(admitted);
        });
        Ok((handle, answer))
    }

    /// The running call with this id.
    pub fn call(&self, client: &ClientId, id: &str) -> Result<Call, RecorderError> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .get(&(client.clone(), id.to_owned()))
            .cloned()
            .ok_or_else(|| RecorderError::NoSuchCall { id: id.chars().take(80).collect() })
    }

    /// Ids of a client's running calls.
    pub fn calls(&self, client: &ClientId) -> Vec<String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = running.keys().filter(|(c, _)| c == client).map(|(_, id)| id.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// How many calls run, of all clients.
    pub fn calls_running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// No call begins any more; those that run go on.
    pub fn refuse_new(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Ends every call and waits until all are sealed.
    pub async fn drain(&self) {
        let calls: Vec<Call> =
            self.running.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        // A call that is over already cannot be ended again. All of them end, and none that is slow keeps another waiting.
        join_all(calls.iter().map(Call::stop)).await;
        join_all(calls.iter().map(|call| call.orders.closed())).await;
    }

    /// What happens, as it happens.
    pub fn watch(&self) -> &Watch {
        &self.house.watch
    }

    /// Calls that were announced, and have not come yet.
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// News that wait to be told.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Expected and captured calls.
    pub fn assurance(&self) -> &Assurance {
        &self.house.assurance
    }

    /// How a recording is listed now: `recording`, `sealed`, `interrupted`, `discarded`, `destroyed`.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRecording`]; the host failed.
    pub async fn state_of(&self, client: &ClientId, id: RecordingId) -> Result<String, RecorderError> {
        self.house.catalog.state_of(client, id).await
    }

    /// The clients of this host.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// What monitored packs would have done otherwise, newest first; what a host has seen since it started.
    pub fn monitored(&self, client: &ClientId, limit: u32) -> Vec<Difference> {
        self.house.monitor.newest(client, limit as usize)
    }

    /// What somebody still has to see to, newest first.
    pub async fn alerts(&self, client: &ClientId, limit: u32) -> Result<Vec<Alert>, RecorderError> {
        Ok(self.house.alerts.unconfirmed(client, limit).await?)
    }

    /// Confirms an alert; false if no such one is open.
    pub async fn confirm_alert(&self, client: &ClientId, id: i64, by: &str) -> Result<bool, RecorderError> {
        Ok(self.house.alerts.confirm(client, id, by).await?)
    }

    /// Raises an alert about the host's own dealings with a client.
    pub async fn raise_alert(
        &self,
        client: &ClientId,
        kind: &str,
        rule: &str,
        message: &str,
    ) -> Result<(), RecorderError> {
        let now = self.house.clock.now();
        Ok(self.house.alerts.raise(client, now, None, kind, (rule, "", message)).await?)
    }

    /// When the call began, and what tells how much time has passed on it.
    fn clock_of(&self, call: &NewCall) -> Result<(Moment, CallClock), RecorderError> {
        let clock = self.house.clock.clone();
        let now = clock.now();
        match call.began {
            None => Ok((now, CallClock::live(clock))),
            Some(began) if began <= now => Ok((began, CallClock::Told { passed: 0 })),
            Some(began) => Err(RecorderError::NotYet { began }),
        }
    }

    /// Refuses a call of a client that keeps as much as its quota allows, and lets somebody know.
    async fn keeps_within(&self, client: &ClientId, quota: Quota) -> Result<(), RecorderError> {
        let Some(limit) = quota.kept_bytes_max else { return Ok(()) };
        let kept = self.house.vault.kept_bytes(client).await?;
        if kept < limit {
            return Ok(());
        }
        metrics::counter!("caveat_calls_over_quota_total", "client" => client.to_string()).increment(1);
        let message = "Calls are not taken: what is kept has reached `kept-bytes-max` of the client's quota. Raise it, or have \
                       recordings disposed of.";
        let alert = ("host.quota", "", message);
        self.house.alerts.raise(client, self.house.clock.now(), None, "not-recorded", alert).await?;
        Err(RecorderError::QuotaUsedUp { kept, limit })
    }

    fn admit(&self, call: &Call, quota: Quota) -> Result<Admitted, RecorderError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.house.limits.calls_max;
        if running.len() >= limit {
            return Err(RecorderError::TooMany { what: "running calls", limit });
        }
        if let Some(limit) = quota.calls_at_once_max
            && running.keys().filter(|(client, _)| *client == call.client).count() >= limit
        {
            let client = call.client.to_string();
            tracing::warn!(client, limit, "a call was not taken: its client has as many as its quota allows");
            metrics::counter!("caveat_calls_over_quota_total", "client" => client).increment(1);
            return Err(RecorderError::TooMany { what: "running calls", limit });
        }
        let key = (call.client.clone(), call.id.clone());
        if running.contains_key(&key) {
            return Err(RecorderError::CallExists { id: call.id.clone() });
        }
        running.insert(key.clone(), call.clone());
        Ok(Admitted { running: self.running.clone(), key })
    }
}

/// A place among the running calls. It is given up when dropped, whichever way the call came to its end: refused,
/// sealed, given up by whoever opened it, or by a fault of ours.
struct Admitted {
    running: Arc<Mutex<Running>>,
    key: (ClientId, String),
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Until the recorder is gone.
async fn look_for_expected_calls(house: Weak<House>) {
    while let Some(house) = house.upgrade() {
        if let Err(error) = house.look_for_expected_calls().await {
            tracing::error!(%error, "expected calls could not be looked for");
        }
        let pause = Duration::from_millis(house.assurance.limits.sweep_every_ms.max(1));
        drop(house);
        tokio::time::sleep(pause).await;
    }
}

impl Call {
    /// Something happens on the call; the answer comes when its verdict is durable.
    ///
    /// # Errors
    /// [`RecorderError::CallOver`]; what happened cannot be, or exceeds a limit; or the host failed.
    pub async fn happened(&self, happening: Happening) -> Result<Answer, RecorderError> {
        self.happened_by(happening, Who::phone_system()).await
    }

    /// As [`Call::happened`], with who is behind it: it is kept with the verdict and shown.
    pub async fn happened_by(&self, happening: Happening, who: Who) -> Result<Answer, RecorderError> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Happened(happening, who, answer);
        self.orders.send(order).await.map_err(|_| RecorderError::CallOver)?;
        answered.await.map_err(|_| RecorderError::CallOver)?
    }

    /// How the call stands: what is kept, why not if not, and who paused it.
    ///
    /// # Errors
    /// [`RecorderError::CallOver`].
    pub async fn look(&self) -> Result<RunningCall, RecorderError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Look(answer)).await.map_err(|_| RecorderError::CallOver)?;
        answered.await.map_err(|_| RecorderError::CallOver)
    }

    /// What is to be played to the people on the call, from now on. Only a protocol that can play asks for it: what the
    /// host has the sound for is then its own to do, not the phone system's.
    ///
    /// # Errors
    /// [`RecorderError::CallOver`].
    pub async fn cues(&self) -> Result<watch::Receiver<Vec<Cue>>, RecorderError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Plays(answer)).await.map_err(|_| RecorderError::CallOver)?;
        answered.await.map_err(|_| RecorderError::CallOver)
    }

    /// The host stops. A call that is over already is over.
    async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.orders.send(Order::Stop(done)).await.is_ok() {
            // An error says that it is over.
            let _ = stopped.await;
        }
    }

    /// Audio arrives. Never waits: where the call is behind, the frame is lost and becomes a gap; false says so.
    pub fn hear(&self, frame: Frame) -> bool {
        self.orders.try_send(Order::Frame(frame)).is_ok()
    }

    /// Nobody spoke on a leg in this stretch, in samples since the call began, and so nothing was sent: it is a gap, but no
    /// loss. Where its end is not known yet it is `u64::MAX`, and told later with the same beginning. Never waits, either.
    pub fn quiet(&self, leg: u8, stretch: Range<u64>) {
        // A call that is behind shows a loss there.
        let _ = self.orders.try_send(Order::Quiet(leg, stretch));
    }

    /// Audio of a call that is over already: waits for its turn, so that none of it is lost.
    ///
    /// # Errors
    /// [`RecorderError::CallOver`].
    pub async fn feed(&self, frame: Frame) -> Result<(), RecorderError> {
        self.orders.send(Order::Frame(frame)).await.map_err(|_| RecorderError::CallOver)
    }

    /// A call that is over already has been read this far: its time is now that. Nothing to a live call.
    ///
    /// # Errors
    /// [`RecorderError::CallOver`].
    pub async fn passed(&self, at: Offset) -> Result<(), RecorderError> {
        self.orders.send(Order::Passed(at)).await.map_err(|_| RecorderError::CallOver)
    }

    /// The call is over. What is left in memory is sealed when its window has passed.
    pub async fn end(&self, reason: SealReason) -> Result<(), RecorderError> {
        let (done, over) = oneshot::channel();
        self.orders.send(Order::End(reason, done)).await.map_err(|_| RecorderError::CallOver)?;
        over.await.map_err(|_| RecorderError::CallOver)?
    }

    /// Waits until the call is over and sealed.
    pub async fn sealed(&self) {
        self.orders.closed().await;
    }

    /// What is being done with its audio, as it changes.
    pub fn states(&self) -> watch::Receiver<RecordingState> {
        self.state.clone()
    }

    /// The phone system's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose call it is.
    pub fn client(&self) -> &ClientId {
        &self.client
    }
}
