//! Which packs rule for a client, changed while calls run.
//!
//! A change is made ready beside the set in force: admitted (signature, lock), compiled, configured, held to its cases. Only then, in this
//! order: its bytes and settings are archived, [`EntryKind::PacksChanged`] is durable in the ledger and with it the set in
//! the history, and one atomic exchange puts it in force. So every verdict of the new set stands after its entry in the
//! ledger; a verdict of the old set may too, when its event had begun, or on another host that has not followed yet
//! ([`PackKeeper::follow`]). What fails changes nothing: the set in force stays, and the log, an alert and the metrics say why.
//!
//! `caveat.toml` declares the set that a client begins with. A set that was swapped in stands across restarts for as long
//! as the file declares the same as when it was swapped in; once the file declares something else, the file wins.

mod change;
mod history;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use caveat_engine::Engine;
use caveat_ledger::{EntryKind, Ledger};
use caveat_model::{ClientId, Clock, Mode};
use caveat_packs::{ActiveSet, ActiveSets, Archive, PackFile, Trust};
use caveat_state::{Db, StateError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{RecorderError, Watch, alerts::Alerts};
use history::{History, members};

pub use change::Change;
pub use history::{Member, PackSet};

/// Who is named for a set that the configuration declares.
const CONFIGURATION: &str = "caveat.toml";
/// How often a start is tried while other hosts start, too.
const BEGINNINGS: u32 = 16;
/// An alert says this much of why a swap failed; the log has it all.
const ALERT_CHARS_MAX: usize = 600;

/// The packs of every client; cheap to clone. What one host changes, the others follow.
#[derive(Clone)]
pub struct PackKeeper(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    sets: Arc<ActiveSets>,
    archive: Archive,
    trust: ArcSwap<Trust>,
    ledger: Ledger,
    history: History,
    alerts: Alerts,
    clock: Arc<dyn Clock>,
    turns: Mutex<HashMap<ClientId, Turn>>,
    /// Which of the client's sets is in force here.
    numbers: Mutex<HashMap<ClientId, u64>>,
}

/// Changes of one client's packs come one after the other. Whoever has the turn has the set before the one in force: it
/// stays loaded, so that going back to it takes no compiler.
type Turn = Arc<tokio::sync::Mutex<Arc<ActiveSet>>>;

/// On whose word a set is put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// A person's or a token's name.
    pub by: String,
    /// Their reason.
    pub why: String,
}

/// A pack in force, for people.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PackInForce {
    /// Which.
    #[serde(flatten)]
    pub member: Member,
    /// What it is called.
    pub title: String,
    /// Its settings, defaults filled in; `settings` is their digest.
    pub configured: Value,
    /// What its settings may be, as JSON Schema; none: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
    History::migrate(db).await
}

impl PackKeeper {
    /// Opens the history. `sets` is what the recorder asks; it is changed here and nowhere else. `trust` is asked about
    /// every pack that a swap, a rollback or a restart brings in.
    ///
    /// # Errors
    /// [`RecorderError::State`].
    pub async fn open(
        engine: Arc<Engine>,
        sets: Arc<ActiveSets>,
        archive: Archive,
        trust: Trust,
        ledger: Ledger,
        db: Db,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RecorderError> {
        let history = History::open(db.clone()).await?;
        // Whoever watches calls is not told of packs; the alert is there to be read.
        let alerts = Alerts::open(db, Watch::default()).await?;
        let (turns, numbers) = Default::default();
        Ok(Self(Arc::new(Inner {
            engine,
            sets,
            archive,
            trust: ArcSwap::from_pointee(trust),
            ledger,
            history,
            alerts,
            clock,
            turns,
            numbers,
        })))
    }

    /// Puts a client's set in force when the host starts: the one that stood last, unless the configuration declares
    /// another than it did then.
    ///
    /// # Errors
    /// The set that stood last cannot be loaded any more; the rooms behind fail. Nothing is in force then.
    pub async fn begin(&self, client: &ClientId, declared: ActiveSet) -> Result<PackSet, RecorderError> {
        let mut tries = 0..BEGINNINGS;
        loop {
            match self.begin_once(client, declared.clone()).await {
                // Another host begins, too.
                Err(RecorderError::PacksMovedOn { .. }) if tries.next().is_some() => {}
                begun => return begun,
            }
        }
    }

    async fn begin_once(&self, client: &ClientId, declared: ActiveSet) -> Result<PackSet, RecorderError> {
        let turn = self.turn(client);
        let mut before = turn.lock().await;
        let declared_members = members(&declared);
        let newest = self.0.history.list(client, u64::MAX, 1).await?.pop();
        let number = newest.as_ref().map_or(1, |set| set.number + 1);
        let fresh = |packs, declared| PackSet {
            number,
            origin: number,
            at: self.0.clock.now(),
            by: CONFIGURATION.to_owned(),
            why: "declared".to_owned(),
            packs,
            declared,
        };
        let (set, record, is_new) = match newest {
            Some(newest) if newest.declared == declared_members => {
                let set = self.assemble(client, &newest.packs, [Arc::new(declared), Arc::default()]).await?;
                (set, newest, false)
            }
            _ => (declared, fresh(declared_members.clone(), declared_members), true),
        };
        *before = self.put_in_force(client, set, &record, is_new).await?;
        Ok(record)
    }

    /// The configuration of a running host declares this set now. It is put in force if that is another than it declared
    /// before; else what stands stays, swapped in or not. Gives back the new set, if there is one.
    ///
    /// # Errors
    /// The rooms behind fail. The set in force stays.
    pub async fn declare(
        &self,
        client: &ClientId,
        declared: ActiveSet,
    ) -> Result<Option<PackSet>, RecorderError> {
        let turn = self.turn(client);
        let mut before = turn.lock().await;
        let newest = self.newest(client).await?;
        let packs = members(&declared);
        if newest.declared == packs {
            return Ok(None);
        }
        let (number, at) = (newest.number + 1, self.0.clock.now());
        let (by, why) = (CONFIGURATION.to_owned(), "declared".to_owned());
        let record = PackSet { number, origin: number, at, by, why, packs: packs.clone(), declared: packs };
        *before = self.put_in_force(client, declared, &record, true).await?;
        Ok(Some(record))
    }

    /// From now on packs are admitted by this.
    pub fn trust(&self, trust: Trust) {
        self.0.trust.store(Arc::new(trust));
    }

    /// Changes a client's packs. It goes on to its end when whoever asked no longer waits.
    ///
    /// # Errors
    /// What is wrong with the pack, its settings or its cases; the rooms behind fail. The set in force stays.
    pub async fn swap(
        &self,
        client: &ClientId,
        change: Change,
        order: Order,
    ) -> Result<PackSet, RecorderError> {
        let (keeper, client) = (self.clone(), client.clone());
        finish(tokio::spawn(async move {
            let began = Instant::now();
            let result = keeper.swap_now(&client, change, order).await;
            keeper.tell(&client, "swap", began, result.as_ref()).await;
            result
        }))
        .await
    }

    /// What was sent to be swapped in is no pack: told as any swap that failed is. Gives the error back.
    pub async fn no_pack(&self, client: &ClientId, error: RecorderError) -> RecorderError {
        self.tell(client, "swap", Instant::now(), Err(&error)).await;
        error
    }

    /// Puts an earlier set in force again: number `to`, or the one before the one in force. Going back twice goes back
    /// two sets: what was rolled back is never what is gone back to.
    ///
    /// # Errors
    /// As [`PackKeeper::swap`], and [`RecorderError::NoEarlierPacks`].
    pub async fn roll_back(
        &self,
        client: &ClientId,
        to: Option<u64>,
        order: Order,
    ) -> Result<PackSet, RecorderError> {
        let (keeper, client) = (self.clone(), client.clone());
        finish(tokio::spawn(async move {
            let began = Instant::now();
            let result = keeper.roll_back_now(&client, to, order).await;
            keeper.tell(&client, "rollback", began, result.as_ref()).await;
            result
        }))
        .await
    }

    /// The packs in force.
    ///
    /// # Errors
    /// [`RecorderError::NoPacks`].
    pub fn in_force(&self, client: &ClientId) -> Result<Vec<PackInForce>, RecorderError> {
        let shown = |p: &caveat_packs::Active| PackInForce {
            member: Member { pack: p.loaded.reference.clone(), mode: p.mode },
            title: p.loaded.manifest.pack.title.clone(),
            configured: p.loaded.settings.clone(),
            schema: p.loaded.file.schema().cloned(),
        };
        Ok(self.set(client)?.packs.iter().map(shown).collect())
    }

    /// The file of a pack in force, an obeyed one before a monitored one.
    ///
    /// # Errors
    /// [`RecorderError::NoPacks`], [`RecorderError::NoSuchPack`].
    pub fn file_in_force(&self, client: &ClientId, name: &str) -> Result<PackFile, RecorderError> {
        let set = self.set(client)?;
        let named = || set.packs.iter().filter(|p| p.loaded.reference.name == name);
        let found = named().find(|p| p.mode == Mode::Active).or_else(|| named().next());
        found.map(|p| p.loaded.file.clone()).ok_or_else(|| {
            let names: Vec<&str> = set.packs.iter().map(|p| p.loaded.reference.name.as_str()).collect();
            RecorderError::NoSuchPack { name: name.chars().take(80).collect(), there_are: names.join(", ") }
        })
    }

    /// The newest sets, newest first.
    ///
    /// # Errors
    /// [`RecorderError::State`].
    pub async fn history(&self, client: &ClientId, limit: u32) -> Result<Vec<PackSet>, RecorderError> {
        self.0.history.list(client, u64::MAX, limit).await
    }

    async fn swap_now(
        &self,
        client: &ClientId,
        change: Change,
        order: Order,
    ) -> Result<PackSet, RecorderError> {
        let turn = self.turn(client);
        let mut before = turn.lock().await;
        let newest = self.catch_up(client, &mut before).await?;
        let (engine, current) = (self.0.engine.clone(), self.set(client)?);
        let (trust, owner) = (self.0.trust.load_full(), client.clone());
        let set = blocking(move || {
            if let Change::Put { file, .. } = &change {
                trust.admit(&owner, file)?;
            }
            change.apply(&engine, &current)
        });
        let set = set.await?;
        let number = newest.number + 1;
        let record = self.record(number, number, order, &set, newest);
        *before = self.put_in_force(client, set, &record, true).await?;
        Ok(record)
    }

    async fn roll_back_now(
        &self,
        client: &ClientId,
        to: Option<u64>,
        order: Order,
    ) -> Result<PackSet, RecorderError> {
        let turn = self.turn(client);
        let mut before = turn.lock().await;
        let newest = self.catch_up(client, &mut before).await?;
        let current = self.set(client)?;
        let none = || RecorderError::NoEarlierPacks { client: client.to_string(), to };
        let below = to.map_or(newest.origin, |number| number.saturating_add(1));
        let target = self.0.history.list(client, below, 1).await?.pop().ok_or_else(none)?;
        if to.is_some_and(|number| number != target.number) {
            return Err(none());
        }
        let set = self.assemble(client, &target.packs, [before.clone(), current]).await?;
        let record = self.record(newest.number + 1, target.origin, order, &set, newest);
        *before = self.put_in_force(client, set, &record, true).await?;
        Ok(record)
    }

    fn record(&self, number: u64, origin: u64, order: Order, set: &ActiveSet, newest: PackSet) -> PackSet {
        let Order { by, why } = order;
        let (at, packs, declared) = (self.0.clock.now(), members(set), newest.declared);
        PackSet { number, origin, at, by, why, packs, declared }
    }

    /// Archive, ledger, history, exchange; gives back the set that was in force.
    async fn put_in_force(
        &self,
        client: &ClientId,
        set: ActiveSet,
        record: &PackSet,
        is_new: bool,
    ) -> Result<Arc<ActiveSet>, RecorderError> {
        let inner = &self.0;
        let current = inner.sets.snapshot(client).unwrap_or_default();
        let known = current.references();
        for pack in set.packs.iter().filter(|p| !known.contains(&p.loaded.reference)) {
            inner.archive.put(&pack.loaded.file, &pack.loaded.settings).await?;
        }
        for pack in &set.packs {
            inner.archive.put_signatures(&pack.loaded.file).await?;
        }
        // With the entry in one commit: no host ever rules by a set that the ledger does not know, and of two that change
        // them at once, one is told to look again.
        let (packs, mut beside) = (set.references(), vec![]);
        if is_new {
            beside.push(inner.history.add(client, record)?);
        }
        let told = inner.ledger.append_beside(client, EntryKind::PacksChanged { packs }, beside).await?;
        if told.is_none() {
            return Err(RecorderError::PacksMovedOn { client: client.to_string() });
        }
        self.numbers().insert(client.clone(), record.number);
        inner.sets.replace(client, set);
        Ok(current)
    }

    /// The set of these packs, if the client still takes each: those that are loaded already as they are, the others from
    /// the archive.
    async fn assemble(
        &self,
        client: &ClientId,
        wanted: &[Member],
        loaded: [Arc<ActiveSet>; 2],
    ) -> Result<ActiveSet, RecorderError> {
        let mut set = ActiveSet::default();
        for Member { pack, mode } in wanted {
            let mut at_hand = loaded.iter().flat_map(|set| &set.packs).map(|p| &p.loaded);
            let loaded = match at_hand.find(|loaded| loaded.reference == *pack) {
                Some(loaded) => loaded.clone(),
                None => {
                    let file = self.0.archive.get_pack(pack.digest).await?;
                    let settings = self.0.archive.get_settings(pack.settings).await?;
                    let engine = self.0.engine.clone();
                    blocking(move || Ok(Arc::new(caveat_packs::load(&engine, &file, &settings)?))).await?
                }
            };
            let (trust, owner, file) = (self.0.trust.load_full(), client.clone(), loaded.file.clone());
            blocking(move || Ok(trust.admit(&owner, &file)?)).await?;
            set.packs.push(caveat_packs::Active { loaded, mode: *mode });
        }
        Ok(set)
    }

    fn set(&self, client: &ClientId) -> Result<Arc<ActiveSet>, RecorderError> {
        self.0.sets.snapshot(client).ok_or_else(|| RecorderError::NoPacks { client: client.to_string() })
    }

    async fn newest(&self, client: &ClientId) -> Result<PackSet, RecorderError> {
        let newest = self.0.history.list(client, u64::MAX, 1).await?.pop();
        newest.ok_or_else(|| RecorderError::NoPacks { client: client.to_string() })
    }

    /// Puts in force what other hosts have changed since. Calls go on; every event from now on is ruled on by it.
    ///
    /// # Errors
    /// The rooms behind fail, or a pack cannot be loaded here: the set in force stays, and this is to be tried again.
    pub async fn follow(&self) -> Result<(), RecorderError> {
        for (client, number) in self.0.history.newest().await? {
            // A client that is not configured here has no set here.
            let behind = self.numbers().get(&client).is_some_and(|here| *here < number);
            if behind {
                let turn = self.turn(&client);
                self.catch_up(&client, &mut *turn.lock().await).await?;
            }
        }
        Ok(())
    }

    /// Puts the newest set in force, if it is not; whoever calls has the turn. Gives back the newest.
    async fn catch_up(
        &self,
        client: &ClientId,
        before: &mut Arc<ActiveSet>,
    ) -> Result<PackSet, RecorderError> {
        let newest = self.newest(client).await?;
        let current = self.set(client)?;
        if self.numbers().get(client).is_some_and(|here| *here < newest.number) {
            let set = self.assemble(client, &newest.packs, [before.clone(), current.clone()]).await?;
            self.0.sets.replace(client, set);
            *before = current;
            self.numbers().insert(client.clone(), newest.number);
            tracing::info!(%client, number = newest.number, by = newest.by, "another host changed the packs");
        }
        Ok(newest)
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<ClientId, u64>> {
        self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, client: &ClientId) -> Turn {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(client.clone()).or_default().clone()
    }

    /// Log, metrics, and an alert when the last good set had to stay.
    async fn tell(
        &self,
        client: &ClientId,
        what: &'static str,
        began: Instant,
        result: Result<&PackSet, &RecorderError>,
    ) {
        let seconds = began.elapsed().as_secs_f64();
        let word = if result.is_ok() { "done" } else { "failed" };
        metrics::counter!("caveat_pack_swaps_total", "client" => client.to_string(), "kind" => what, "result" => word)
            .increment(1);
        metrics::histogram!("caveat_pack_swap_seconds", "client" => client.to_string(), "kind" => what)
            .record(seconds);
        match result {
            Ok(set) => {
                let packs: Vec<String> = set.packs.iter().map(Member::to_string).collect();
                let (number, by, packs) = (set.number, &set.by, packs.join(", "));
                tracing::info!(%client, what, number, by, packs, seconds, "packs changed");
            }
            Err(error) => {
                tracing::error!(%client, what, %error, "packs not changed; the set in force stays");
                let mut message = format!("The packs were not changed, those in force stay: {error}");
                if let Some((end, _)) = message.char_indices().nth(ALERT_CHARS_MAX) {
                    message.truncate(end);
                }
                let alert = ("host.packs", "", message.as_str());
                let now = self.0.clock.now();
                if let Err(error) = self.0.alerts.raise(client, now, None, "packs-not-changed", alert).await {
                    tracing::error!(%client, %error, "nobody could be told");
                }
            }
        }
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mode = if self.mode == Mode::Monitor { " (monitor)" } else { "" };
        write!(f, "{} {}{mode}", self.pack.name, self.pack.version)
    }
}

/// Compiling takes tens of milliseconds, which no call should wait for.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecorderError> + Send + 'static,
) -> Result<T, RecorderError> {
    finish(tokio::task::spawn_blocking(work)).await
}

async fn finish<T>(task: tokio::task::JoinHandle<Result<T, RecorderError>>) -> Result<T, RecorderError> {
    task.await.unwrap_or_else(|error| Err(RecorderError::Task(error.to_string())))
}
