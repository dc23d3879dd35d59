//! A PostgreSQL cluster of one's own, on loopback, gone with the run that started it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    machine, run,
    suite::{self, Lane},
};

/// Tests that run on both databases: those of every room with tables, and some of the whole path. Left out is what the
/// database has no part in (`format`, `seek`, `tampering`: bytes of objects, logs and keyrings), what reads an SQLite file
/// (`looking_back`, `redaction`), and what would take minutes for the few statements that the others have already (`evidence`,
/// `kills`, `stores`).
const SUITES: [&str; 22] = [
    "leases",
    "scopes",
    "tails",
    "door",
    "enrolment",
    "people",
    "vault",
    "recover",
    "outage",
    "ledger",
    "swap",
    "time",
    "crash",
    "path",
    "duties",
    "use_of_recordings",
    "keeping",
    "cut_short",
    "history",
    "announced",
    "redact",
    "schedule",
];

/// Runs them on PostgreSQL, as a host's role.
pub(crate) fn suites(lane: Lane) -> Result<(), String> {
    machine::can_keep_state()?;
    let cluster = Cluster::start()?;
    let mut tests = suite::some(SUITES, &[]);
    tests.env("CAVEAT_TEST_POSTGRES", cluster.url("caveat_host"));
    tests.env("CAVEAT_TEST_POSTGRES_OWNER", cluster.url("caveat_owner"));
    suite::tests(tests, lane)
}

struct Cluster {
    dir: PathBuf,
    port: u16,
}

impl Cluster {
    fn start() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("caveat-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        drop(listener);
        let cluster = Self { dir, port };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&cluster.dir))?;
        }
        run(cluster
            .program("initdb")
            .args(["-A", "trust", "-U", "caveat", "--no-sync", "-D"])
            .arg(cluster.data()))?;
        // What is tested is what the statements mean, not the server's disk.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off -c max_connections=500"
        );
        let log = cluster.dir.join("log");
        run(cluster
            .program("pg_ctl")
            .arg("-D")
            .arg(cluster.data())
            .arg("-l")
            .arg(log)
            .args(["-w", "-o", &options, "start"]))?;
        // As operators have it: hosts come in by a role that owns nothing.
        let superuser = format!("postgres://caveat@127.0.0.1:{port}/postgres");
        for statement in [
            "CREATE ROLE caveat_host LOGIN",
            "CREATE ROLE caveat_owner LOGIN",
            "CREATE DATABASE calls OWNER caveat_owner",
        ] {
            run(cluster.program("psql").args([superuser.as_str(), "--quiet", "--command", statement]))?;
        }
        Ok(cluster)
    }

    fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/calls", self.port)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// A program of the newest server there is; as its own user, because it refuses root.
    fn program(&self, name: &str) -> Command {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut programs: Vec<_> =
            versions.map(|v| v.path().join("bin").join(name)).filter(|p| p.is_file()).collect();
        programs.sort();
        let program = programs.pop().unwrap_or_else(|| Path::new(name).to_owned());
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.stdout(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped =
            self.program("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]).status();
        if !stopped.is_ok_and(|s| s.success()) {
            eprintln!("xtask: the PostgreSQL cluster in {} may still run", self.dir.display());
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"))
}
