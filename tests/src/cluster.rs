//! Several hosts on one real PostgreSQL and one real S3, each behind lines of its own that can be cut.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::{
    clock,
    host::Host,
    people::{Person, code},
    postgres::Postgres,
    proxy::{Line, Proxy},
};

#[path = "../../host/stores/tests/weed/mod.rs"]
mod weed;

use weed::{KEY_ID, PLAIN, SECRET, Weed};

/// What every host says beside its own name and lines.
const CONFIG: &str = r#"
[limits.hosts]
lease_ms = 5000
poll_ms = 200
tail_ms = 200

[limits.calls]
late_window_ms = 200
interim_every_ms = 300

[limits.media]
reconnect_ms = 100

[limits.people]
step_up_valid_s = 43200

[limits.store]
request_timeout_ms = 3000
retry_ms = 50
disk_free_bytes_warn = 0
disk_free_bytes_min = 0

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// A host and its lines.
pub struct Member {
    /// The host.
    pub host: Host,
    database: Proxy,
    store: Proxy,
    /// By what its clock is off, where it can be.
    clock: PathBuf,
}

impl Member {
    /// Its line to the database, from now on.
    pub fn database(&self, line: Line) {
        self.database.be(line);
    }

    /// Its line to the store, from now on.
    pub fn store(&self, line: Line) {
        self.store.be(line);
    }

    /// Its clock is off by so many seconds, in a cluster whose clocks can be.
    pub fn clock(&self, seconds: i64) -> anyhow::Result<()> {
        clock::set(&self.clock, seconds)
    }

    /// All lines carry again, and the clock is right.
    pub fn mend(&self) -> anyhow::Result<()> {
        self.database(Line::Open);
        self.store(Line::Open);
        self.clock(0)
    }
}

/// Hosts, stopped or running. All end with it, the servers last.
pub struct Cluster {
    /// In their order: `h0`, `h1` and so on.
    pub members: Vec<Member>,
    /// The phone system's token.
    pub token: String,
    secret: String,
    _keys: tempfile::TempDir,
    _store: Weed,
    database: Postgres,
}

impl Cluster {
    /// Starts the servers and so many hosts of the client `acme`; none where a server is not installed. `more` comes behind
    /// the configuration of each.
    pub async fn start(hosts: usize, more: &str) -> anyhow::Result<Option<Self>> {
        Self::prepared(hosts, more, |_, _| Ok(())).await
    }

    /// Likewise, with hosts whose clocks can be set: each runs on libfaketime.
    pub async fn with_clocks(hosts: usize, more: &str) -> anyhow::Result<Option<Self>> {
        Self::prepared(hosts, more, |host, file| {
            clock::set(file, 0)?;
            host.environment = clock::off_by_what_is_in(file)?;
            Ok(())
        })
        .await
    }

    /// Likewise, with hosts of another program, and tables that it made.
    pub async fn of(program: &Path, hosts: usize, more: &str) -> anyhow::Result<Option<Self>> {
        Self::prepared(hosts, more, |host, _| {
            host.program = Some(program.to_owned());
            Ok(())
        })
        .await
    }

    async fn prepared(
        hosts: usize,
        more: &str,
        prepare: impl Fn(&mut Host, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(postgres) = Postgres::start()? else { return Ok(None) };
        let Some(store) = Weed::start() else { return Ok(None) };
        let keys = tempfile::tempdir()?;
        std::fs::write(keys.path().join("id"), KEY_ID)?;
        std::fs::write(keys.path().join("secret"), SECRET)?;
        let store_port = store.url().rsplit(':').next().context("a port")?.parse()?;
        let mut members = Vec::with_capacity(hosts);
        for n in 0..hosts {
            let (to_database, to_store) = (Proxy::to(postgres.port).await?, Proxy::to(store_port).await?);
            let head = head(n, &keys.path().display().to_string(), to_database.port, to_store.port);
            let mut host = Host::prepare(&format!("{head}{CONFIG}{more}"))?;
            host.log_filter = Some("info,caveat::shared=trace".into());
            let clock = host.dir().join("clock");
            prepare(&mut host, &clock)?;
            members.push(Member { host, database: to_database, store: to_store, clock });
        }
        let first = &members.first().context("a host")?.host;
        postgres.migrate(first)?;
        let token = first.token("acme")?;
        let secret = first.enroll("acme", "kim", "supervisor", "")?;
        let mut cluster = Self { members, token, secret, _keys: keys, _store: store, database: postgres };
        for member in &mut cluster.members {
            member.host.start()?;
        }
        Ok(Some(cluster))
    }

    /// A supervisor, signed in at a host; once, because a code is good once.
    pub async fn kim(&self, host: usize) -> anyhow::Result<Person> {
        Person::sign_in(&self.host(host)?.url, "acme", "kim", &code(&self.secret, 0)?).await
    }

    /// Has the owner of the tables bring them to where a host's program has them; says what it did.
    pub fn migrate(&self, host: usize) -> anyhow::Result<String> {
        self.database.migrate(self.host(host)?)
    }

    /// What the database says to the owner of the tables, a line a row.
    pub fn ask(&self, statement: &str) -> anyhow::Result<Vec<String>> {
        self.database.ask("caveat_owner", statement)
    }

    /// A host.
    pub fn host(&self, n: usize) -> anyhow::Result<&Host> {
        Ok(&self.members.get(n).context("no such host")?.host)
    }

    /// The secret of the supervisor's second factor.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

fn head(n: usize, keys: &str, database: u16, store: u16) -> String {
    let database = Postgres::url_at(database);
    format!(
        "name = \"h{n}\"\ndatabase = \"{database}\"\nstore = \"s3://{PLAIN}\"\n\
         keyring = \"{keys}/keyring\"\nledger-key = \"{keys}/ledger\"\n\
         [hosts]\nurl = \"OWN_URL\"\n\
         [store]\nregion = \"us-east-1\"\nendpoint = \"http://127.0.0.1:{store}\"\nallow-http = true\n\
         key-id-file = \"{keys}/id\"\nsecret-file = \"{keys}/secret\"\n"
    )
}
