//! A PostgreSQL server of one's own, on loopback; stopped, and its folder removed, when dropped.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::host::free_port;

/// A running server.
pub struct Postgres {
    dir: PathBuf,
    /// On loopback.
    pub port: u16,
}

impl Postgres {
    /// Starts one; none where it is not installed.
    pub fn start() -> anyhow::Result<Option<Self>> {
        if program("initdb").is_none() {
            println!("skipped: no PostgreSQL is installed; run `cargo xtask test`");
            return Ok(None);
        }
        let dir = tempfile::tempdir()?.keep();
        let server = Self { dir, port: free_port()? };
        if is_root()? {
            done(Command::new("chown").arg("postgres").arg(&server.dir))?;
        }
        let data = server.data();
        done(server.command("initdb")?.args(["-A", "trust", "-U", "caveat", "--no-sync", "-D"]).arg(&data))?;
        // A killed host loses nothing that a server had, whatever the server's disk does.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories= -c fsync=off -c max_connections=200",
            server.port
        );
        let log = server.dir.join("log");
        let mut start = server.command("pg_ctl")?;
        done(start.arg("-D").arg(&data).arg("-l").arg(log).args(["-w", "-o", &options, "start"]))?;
        Ok(Some(server))
    }

    /// Its address. The role is a superuser: who tests roles makes another.
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// Runs a statement.
    pub fn run(&self, statement: &str) -> anyhow::Result<()> {
        done(Command::new("psql").args([&self.url(), "--quiet", "--command", statement]))
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) -> anyhow::Result<()> {
        let data = self.data();
        done(self.command("pg_ctl")?.arg("-D").arg(data).args(["-m", "immediate", "-w", "stop"]))
    }

    /// Its database, by way of another port.
    pub fn url_at(port: u16) -> String {
        format!("postgres://caveat@127.0.0.1:{port}/postgres")
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// A program of the server; as its own user, because it refuses root.
    fn command(&self, name: &str) -> anyhow::Result<Command> {
        let program = program(name).with_context(|| format!("no {name}"))?;
        let mut command = if is_root()? {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.stdout(Stdio::null());
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data();
        let stop = self.command("pg_ctl").and_then(|mut stop| {
            Ok(stop.arg("-D").arg(data).args(["-m", "immediate", "stop"]).status()?.success())
        });
        if !stop.unwrap_or(false) {
            eprintln!("the PostgreSQL server in {} may still run", self.dir.display());
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A program of the newest server there is.
fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    let mut programs: Vec<_> = versions.map(|v| v.path().join("bin").join(name)).collect();
    programs.retain(|program| program.is_file());
    programs.sort();
    programs.pop()
}

fn is_root() -> anyhow::Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.starts_with(b"0\n"))
}

fn done(command: &mut Command) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    ensure!(command.status()?.success(), "{shown} failed");
    Ok(())
}
