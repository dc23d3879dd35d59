//! Whether new calls may be sent here. The checks are made in the background, each within a limit, so that `/readyz` answers
//! at once whatever hangs behind it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use caveat_api::{Check, Readiness, Standing};
use caveat_ledger::Ledger;
use caveat_model::{ClientId, Clock, Mode, Moment};
use caveat_recorder::{PackKeeper, Recorder};
use caveat_stores::{Disk, Room, Spool};
use nix::unistd::{AccessFlags, access};
use object_store::{Error, ObjectStore, ObjectStoreExt, path::Path};
use tokio::{sync::Semaphore, time::timeout};

use super::{Database, Limits};

/// The logs of so many clients are looked at in one round; those of others in the next.
const LOGS_AT_ONCE: usize = 32;
/// The last entries of a log that are looked at.
const LAST_ENTRIES: u64 = 64;
/// An object that nobody ever writes.
const NO_OBJECT: &str = "readiness/none";

/// What the host needs.
pub(crate) struct Needs {
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) packs: PackKeeper,
    pub(crate) recorder: Recorder,
    pub(crate) access: caveat_access::Access,
    /// The recordings that wait to be sealed.
    pub(crate) vault: caveat_vault::Vault,
    pub(crate) store: Store,
    pub(crate) disk: Option<Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clients: Vec<ClientId>,
    pub(crate) limits: Limits,
}

/// Where recordings go in the end.
pub(crate) enum Store {
    Folder(PathBuf),
    Remote { store: Arc<dyn ObjectStore>, spool: Spool },
}

/// How the checks stand.
pub(crate) struct Checks {
    standing: ArcSwap<Readiness>,
    draining: AtomicBool,
}

/// What a check came to: how it stands, and why if not well.
type Found = (Standing, String);

impl Checks {
    /// Makes the checks once, and then again and again.
    pub(crate) async fn start(needs: Needs) -> Arc<Self> {
        let nothing = Readiness { ready: false, checked: needs.clock.now(), checks: vec![] };
        let checks = Arc::new(Self { standing: ArcSwap::from_pointee(nothing), draining: false.into() });
        let round = Round {
            folder: Arc::new(Semaphore::new(1)),
            began: (needs.clock.now(), Instant::now()),
            turn: 0,
            newest_ms: 0.into(),
            needs,
        };
        let (weak, every) =
            (Arc::downgrade(&checks), Duration::from_millis(round.needs.limits.check_every_ms));
        let mut round = round;
        let found = round.make().await;
        checks.take(&round.needs, found);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(checks) = weak.upgrade() else { return };
                let found = round.make().await;
                checks.take(&round.needs, found);
                round.count().await;
            }
        });
        checks
    }

    /// Calls should go elsewhere from now on.
    pub(crate) fn drain(&self, now: Moment) {
        self.draining.store(true, Ordering::SeqCst);
        let mut readiness = Readiness::clone(&self.standing.load());
        readiness.ready = false;
        readiness.checks.push(draining(now));
        self.standing.store(Arc::new(readiness));
    }

    pub(crate) fn now(&self) -> Readiness {
        Readiness::clone(&self.standing.load())
    }

    fn take(&self, needs: &Needs, found: Vec<(&'static str, Found)>) {
        let (now, before) = (needs.clock.now(), self.standing.load());
        let mut checks: Vec<Check> = found
            .into_iter()
            .map(|(name, (standing, why))| {
                let same = before.checks.iter().find(|c| c.name == name && c.standing == standing);
                if same.is_none() && standing != Standing::Good {
                    tracing::warn!(check = name, ?standing, why, "the host is not as it should be");
                } else if same.is_none() && before.checks.iter().any(|c| c.name == name) {
                    tracing::info!(check = name, "the host is as it should be again");
                }
                metrics::gauge!("caveat_check_standing", "check" => name).set(standing as u8);
                Check { name, standing, since: same.map_or(now, |c| c.since), why }
            })
            .collect();
        if self.draining.load(Ordering::SeqCst) {
            checks.extend(before.checks.iter().find(|c| c.name == DRAINING).cloned());
        }
        let ready = checks.iter().all(|c| c.standing != Standing::Bad);
        metrics::gauge!("caveat_ready").set(u8::from(ready));
        self.standing.store(Arc::new(Readiness { ready, checked: now, checks }));
    }
}

const DRAINING: &str = "draining";

fn draining(since: Moment) -> Check {
    let why = "the host was asked to stop: send calls to another".to_owned();
    Check { name: DRAINING, standing: Standing::Bad, since, why }
}

/// The checks as they are made.
struct Round {
    needs: Needs,
    /// Held while the folder is looked at: one that hangs is not looked at twice.
    folder: Arc<Semaphore>,
    /// Both clocks when the host began.
    began: (Moment, Instant),
    turn: usize,
    /// The latest time that a log has named.
    newest_ms: AtomicU64,
}

impl Round {
    async fn make(&mut self) -> Vec<(&'static str, Found)> {
        let (database, ledger, store, clock) = tokio::join!(
            self.within(self.database()),
            self.within(self.ledger()),
            self.within(self.store()),
            self.within(self.clock()),
        );
        self.turn = self.turn.wrapping_add(LOGS_AT_ONCE);
        let (disk, packs) = (self.disk(), self.packs());
        vec![
            ("database", database),
            ("ledger", ledger),
            ("store", store),
            ("disk", disk),
            ("packs", packs),
            ("clock", clock),
        ]
    }

    async fn within(&self, check: impl Future<Output = Found>) -> Found {
        let ms = self.needs.limits.check_ms_max;
        let late = || bad(format!("no answer within `check_ms_max` = {ms} ms"));
        timeout(Duration::from_millis(ms), check).await.unwrap_or_else(|_| late())
    }

    async fn database(&self) -> Found {
        match self.needs.database.answers().await {
            Ok(()) => good(),
            // Its words may name machines: the log has them.
            Err(error) => {
                tracing::debug!(%error, "the database does not answer");
                bad("the database does not answer; see that it runs and takes connections")
            }
        }
    }

    /// Heads can be read, with the last entry under each.
    async fn ledger(&self) -> Found {
        for client in self.looked_at() {
            let read = async {
                let size = self.needs.ledger.size(client).await?;
                self.needs.ledger.entries(client, size.saturating_sub(1)..size).await
            };
            if let Err(error) = read.await {
                tracing::debug!(%client, %error, "the head of a log cannot be read");
                return bad("the head of a client's log cannot be read; the log of the host says whose");
            }
        }
        good()
    }

    fn looked_at(&self) -> impl Iterator<Item = &ClientId> {
        let clients = &self.needs.clients;
        let first = self.turn % clients.len().max(1);
        clients.iter().cycle().skip(first).take(LOGS_AT_ONCE.min(clients.len()))
    }

    async fn store(&self) -> Found {
        match &self.needs.store {
            Store::Folder(folder) => {
                let Ok(permit) = self.folder.clone().try_acquire_owned() else {
                    return bad("the store's folder hangs");
                };
                let folder = folder.clone();
                let looked = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    folder.is_dir()
                        && access(&folder, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
                });
                match looked.await {
                    Ok(true) => good(),
                    _ => bad("the store's folder is not there or may not be written to"),
                }
            }
            Store::Remote { store, spool } => {
                let failing = spool.backlog().failing;
                match store.head(&Path::from(NO_OBJECT)).await {
                    Ok(_) | Err(Error::NotFound { .. }) if failing == 0 => good(),
                    Ok(_) | Err(Error::NotFound { .. }) => strained(format!(
                        "{failing} objects could not be brought to the store; they wait on the disk"
                    )),
                    // Calls do not need it: what is sealed waits in the spool.
                    Err(_) => strained("the store does not answer; recordings wait on the disk"),
                }
            }
        }
    }

    fn disk(&self) -> Found {
        match self.needs.disk.as_ref().map(Disk::room) {
            None | Some(Room::Enough) => good(),
            Some(Room::Low { free }) => {
                strained(format!("{free} bytes are free, below `disk_free_bytes_warn`"))
            }
            Some(Room::Full { free }) => {
                bad(format!("{free} bytes are free, below `disk_free_bytes_min`: nothing new is recorded"))
            }
        }
    }

    fn packs(&self) -> Found {
        let rules = |client: &ClientId| {
            let packs = self.needs.packs.in_force(client).unwrap_or_default();
            packs.iter().any(|pack| pack.member.mode == Mode::Active)
        };
        match self.needs.clients.iter().filter(|client| !rules(client)).count() {
            0 => good(),
            some => bad(format!("{some} clients have no pack in force: nothing of theirs is recorded")),
        }
    }

    /// By what went before (the last entries of a log), by the database's own clock, and by the machine's count since the start.
    async fn clock(&self) -> Found {
        let (clock, most) = (&self.needs.clock, self.needs.limits.clock_skew_ms_max);
        for client in self.looked_at() {
            let Ok(size) = self.needs.ledger.size(client).await else { continue };
            // Of these, the newest by its own time: the first of a host whose clock was set back are older than what they
            // follow.
            let last = self.needs.ledger.entries(client, size.saturating_sub(LAST_ENTRIES)..size).await;
            let times = last.iter().flatten().map(|(_, entry, _)| entry.at.as_millis());
            let newest = times.max().unwrap_or(0);
            let newest = newest.max(self.newest_ms.fetch_max(newest, Ordering::Relaxed));
            let ahead = newest.saturating_sub(clock.now().as_millis());
            if ahead > most {
                return bad(format!(
                    "the clock is {ahead} ms before the last entries of a log: set it right"
                ));
            }
        }
        if let Ok(Some(theirs)) = self.needs.database.clock_ms().await {
            let off = theirs.abs_diff(clock.now().as_millis());
            if off > most {
                return bad(format!("the clock is {off} ms off the database's: set both by NTP"));
            }
        }
        let (began, since) = &self.began;
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let moved = clock.now().as_millis().abs_diff(began.as_millis().saturating_add(passed));
        if moved > most {
            return strained(format!("the clock was moved by {moved} ms since the host began"));
        }
        good()
    }

    /// What is counted by looking.
    async fn count(&self) {
        let needs = &self.needs;
        crate::metrics::count_process();
        metrics::gauge!("caveat_calls").set(needs.recorder.calls_running() as f64);
        metrics::gauge!("caveat_unsealed_recordings").set(needs.vault.unsealed() as f64);
        if let Ok(sessions) = needs.access.sessions_kept().await {
            metrics::gauge!("caveat_sessions").set(sessions as f64);
        }
        for client in self.looked_at() {
            if let Ok(size) = needs.ledger.size(client).await {
                metrics::gauge!("caveat_ledger_entries", "client" => client.to_string()).set(size as f64);
            }
        }
    }
}

fn good() -> Found {
    (Standing::Good, String::new())
}

fn strained(why: impl Into<String>) -> Found {
    (Standing::Strained, why.into())
}

fn bad(why: impl Into<String>) -> Found {
    (Standing::Bad, why.into())
}
