//! One host among several that share a database and a store: its leases, the hosts that die, the packs that others change.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use caveat_ledger::LogSigner;
use caveat_model::ClientId;
use caveat_recorder::{Among, HOST, PackKeeper, Recorder};
use caveat_state::{Db, Held, Lease, Statement};
use caveat_vault::TailLimits;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::config::{Config, Paths};

/// `[hosts]`: other hosts share the database and the store.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Hosts {
    /// Where the other hosts reach this one's API, to hand on what is asked about its calls; none: they say where a call is.
    url: Option<String>,
}

/// `[limits.hosts]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// A host that was not heard of for so long is taken for dead, in milliseconds.
    pub(crate) lease_ms: u64,
    /// How often packs that other hosts changed are looked for, in milliseconds.
    pub(crate) poll_ms: u64,
    /// How often what the log has taken goes into the shared store, in milliseconds.
    pub(crate) tail_ms: u64,
    /// What waits for a store that does not answer, in bytes of memory.
    pub(crate) tail_waiting_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lease_ms: 10_000, poll_ms: 300, tail_ms: 1_000, tail_waiting_bytes_max: 256 << 20 }
    }
}

/// A shorter lease would be lost to any pause.
const LEASE_MS_MIN: u64 = 1_000;

impl Limits {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.lease_ms < LEASE_MS_MIN {
            bail!("`lease_ms` of [limits.hosts] is {}: give it {LEASE_MS_MIN} or more", self.lease_ms);
        }
        for (name, ms) in [("poll_ms", self.poll_ms), ("tail_ms", self.tail_ms)] {
            if ms == 0 {
                bail!("`{name}` of [limits.hosts] is 0: give it 1 or more");
            }
        }
        Ok(())
    }

    pub(crate) fn tail(&self) -> TailLimits {
        TailLimits { every_ms: self.tail_ms, waiting_bytes_max: self.tail_waiting_bytes_max }
    }
}

impl Hosts {
    pub(crate) fn check(&self, paths: &Paths) -> anyhow::Result<()> {
        if let Some(url) =
            self.url.as_ref().filter(|u| !u.starts_with("http://") && !u.starts_with("https://"))
        {
            bail!("[hosts] `url` is {url}: it begins with http:// or https://");
        }
        if paths.database.starts_with("sqlite:") {
            bail!(
                "[hosts] needs a database that several hosts can share: give `database` of [host] one of PostgreSQL"
            );
        }
        if !paths.store.is_remote() {
            bail!(
                "[hosts] needs a store that several hosts can share: give `store` of [host] one, for example s3://BUCKET/PREFIX"
            );
        }
        Ok(())
    }
}

/// A lease of this name is held by who may write what is behind a log.
const LOG: &str = "log/";
/// A lease of this name is held by the host whose turn it is.
const TURN: &str = "turn/";
/// Who has signed a client's log once signs it for ever.
const FOR_EVER_MS: u64 = 1 << 50;
const AGAIN: Duration = Duration::from_millis(200);

/// This host's place among the others.
pub(crate) struct Membership {
    db: Db,
    host: Lease,
    log: Lease,
    log_name: String,
    pub(crate) among: Among,
    limits: Limits,
    /// Why this host is none of them any more.
    lost: watch::Sender<Option<&'static str>>,
}

impl Membership {
    /// Waits until this host may be one: until nobody else goes by its name, and nobody is taking its log over.
    pub(crate) async fn join(
        db: &Db,
        config: &Config,
        hosts: &Hosts,
        log: &str,
    ) -> anyhow::Result<Arc<Self>> {
        db.open_leases().await?;
        let limits = config.limits.hosts.clone();
        let (name, url) = (config.host.name.clone(), hosts.url.clone());
        let patience = Duration::from_millis(limits.lease_ms.saturating_mul(3));
        let noted = url.as_deref().unwrap_or_default();
        let lease = format!("{HOST}{name}");
        let host = take(db, (&lease, log, noted), &limits, patience).await?.with_context(|| {
            format!("another host goes by the name `{name}`: give this one another `name` under [host]")
        })?;
        let lease = format!("{LOG}{log}");
        // What lies in the log may be much.
        let log_lease = take(db, (&lease, &name, &name), &limits, patience * 20).await?;
        let log_lease =
            log_lease.context("another host is still taking over what this one has left: try again")?;
        let among = Among { name, url, lease_ms: limits.lease_ms };
        let (db, log_name, lost) = (db.clone(), log.to_owned(), watch::Sender::new(None));
        let member = Arc::new(Self { db, host, log: log_lease, log_name, among, limits, lost });
        tokio::spawn(member.clone().renew());
        Ok(member)
    }

    /// Stands before everything that this host appends to a ledger.
    pub(crate) fn fence(&self) -> Vec<Statement> {
        vec![self.host.guard(), self.log.guard()]
    }

    /// Takes, or keeps, this host's turn at what one host at a time does, for so long; none while another has it. What must
    /// not be done twice does not rest on it.
    pub(crate) async fn turn(&self, at: &str, lasts: Duration) -> Option<Lease> {
        let (name, lasts) = (format!("{TURN}{at}"), lasts.as_millis() as u64);
        match self.db.take_lease(&name, &self.among.name, "", lasts).await {
            Ok(turn) => turn,
            Err(error) => {
                tracing::warn!(%error, at, "whose turn it is cannot be found out: not this host's");
                None
            }
        }
    }

    /// Lets another host have the turn at once.
    pub(crate) async fn pass_on(turn: &Lease) {
        if let Err(error) = turn.release("").await {
            tracing::warn!(%error, turn = turn.name(), "a turn is not passed on: it lapses");
        }
    }

    /// All hosts sign a client's log with one key.
    pub(crate) async fn agree_on_keys(&self, config: &Config, signer: &LogSigner) -> anyhow::Result<()> {
        for client in &config.clients {
            let id: &ClientId = &client.profile.id;
            let (name, key) = (format!("ledger-key/{id}"), signer.vkey(id));
            if self.db.take_lease(&name, &key, "", FOR_EVER_MS).await?.is_none() {
                bail!(
                    "client `{id}`: other hosts sign its ledger with another key than {}: copy theirs there, or name it with `ledger-key` under [host]",
                    config.paths.ledger_key.display()
                );
            }
        }
        Ok(())
    }

    /// Follows the others, and takes over from those that die. Ends with the process.
    pub(crate) async fn follow(self: Arc<Self>, recorder: Recorder, packs: PackKeeper) {
        let member = self.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = packs.follow().await {
                    tracing::error!(%error, "packs that another host changed are not in force here; tried again");
                }
                sleep(Duration::from_millis(member.limits.poll_ms)).await;
            }
        });
        loop {
            sleep(Duration::from_millis(self.limits.lease_ms / 4)).await;
            if let Err(error) = self.look_for_the_dead(&recorder).await {
                tracing::error!(error = format!("{error:#}"), "what a dead host left waits; tried again");
            }
            if let Err(error) = recorder.take_news().await {
                tracing::error!(%error, "news that other hosts left wait; tried again");
            }
        }
    }

    /// Why this host is none of them any more, once it is so.
    pub(crate) async fn lost(&self) -> &'static str {
        let mut lost = self.lost.subscribe();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        why.unwrap_or("its leases are not kept any more")
    }

    /// Gives up what is held. Where not everything is sealed, the others see to it.
    pub(crate) async fn leave(&self, all_sealed: bool) {
        let left = if all_sealed { "" } else { &self.among.name };
        for (lease, note) in [(&self.log, left), (&self.host, "")] {
            if let Err(error) = lease.release(note).await {
                tracing::warn!(%error, "a lease is not given up: it lapses");
            }
        }
    }

    async fn renew(self: Arc<Self>) {
        let every = Duration::from_millis(self.limits.lease_ms / 4);
        loop {
            for lease in [&self.host, &self.log] {
                match timeout(every, lease.renew(self.limits.lease_ms)).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => {
                        self.lost.send_replace(Some("another host has taken over from this one"));
                        return;
                    }
                    Ok(Err(error)) => tracing::warn!(%error, lease = lease.name(), "a lease is not renewed"),
                    Err(_) => {
                        tracing::warn!(lease = lease.name(), "a lease is not renewed: the database is silent")
                    }
                }
            }
            sleep(every).await;
        }
    }

    async fn look_for_the_dead(&self, recorder: &Recorder) -> anyhow::Result<()> {
        for Held { name, note: dead, holds, .. } in self.db.leases(LOG).await? {
            // Who left in peace left no name.
            let Some(log) =
                name.strip_prefix(LOG).filter(|log| !holds && !dead.is_empty() && *log != self.log_name)
            else {
                continue;
            };
            let lease = self.db.take_lease(&name, &self.among.name, &dead, self.limits.lease_ms).await?;
            let Some(lease) = lease else { continue };
            let taken = tokio::select! {
                taken = recorder.take_over(log, &dead, &lease) => taken,
                () = kept(&lease, self.limits.lease_ms) => bail!("{dead}: somebody else is taking over from it"),
            };
            // Whoever tries again finds its name.
            lease.release(if taken.is_ok() { "" } else { &dead }).await?;
            taken.with_context(|| format!("taking over from `{dead}`"))?;
        }
        Ok(())
    }
}

/// Takes a lease (name, holder, note), and waits for it.
async fn take(
    db: &Db,
    (name, holder, note): (&str, &str, &str),
    limits: &Limits,
    patience: Duration,
) -> anyhow::Result<Option<Lease>> {
    let waited = timeout(patience, async {
        loop {
            if let Some(lease) = db.take_lease(name, holder, note, limits.lease_ms).await? {
                return anyhow::Ok(lease);
            }
            sleep(AGAIN).await;
        }
    });
    waited.await.ok().transpose()
}

/// Ends when the lease is somebody else's.
async fn kept(lease: &Lease, lease_ms: u64) {
    loop {
        sleep(Duration::from_millis(lease_ms / 4)).await;
        if matches!(lease.renew(lease_ms).await, Ok(false)) {
            return;
        }
    }
}
