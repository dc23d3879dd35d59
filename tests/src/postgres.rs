//! A PostgreSQL server of one's own, on loopback; stopped, and its folder removed, when dropped. As in an operator's house it has
//! an owner of the database, who may make roles, and hosts come in by another role, which `caveat database migrate` makes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::host::{Host, free_port};

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
        server.run("CREATE ROLE caveat_owner LOGIN CREATEROLE")?;
        server.run("CREATE DATABASE calls OWNER caveat_owner")?;
        Ok(Some(server))
    }

    /// The database as hosts have it, once [`Postgres::migrate`] has made their role.
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The database as somebody else has it: `caveat_owner`, `caveat`, who is a superuser, or whom a test has made.
    pub fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/calls", self.port)
    }

    /// Has the owner make the tables, and the role that the host's configuration names.
    pub fn migrate(&self, host: &Host) -> anyhow::Result<String> {
        host.command(&["database", "migrate", "--owner", &self.url_of("caveat_owner")], "")
    }

    /// Runs a statement as a superuser.
    pub fn run(&self, statement: &str) -> anyhow::Result<()> {
        let url = format!("postgres://caveat@127.0.0.1:{}/postgres", self.port);
        done(Command::new("psql").args([&url, "--quiet", "--command", statement]))
    }

    /// What statements say to a role, a line a row, with `|` between columns; an error is what the server answers.
    pub fn ask(&self, role: &str, statements: &str) -> anyhow::Result<Vec<String>> {
        let mut asked = Command::new("psql");
        asked.args([&self.url_of(role), "--quiet", "--no-align", "--tuples-only", "--no-psqlrc"]);
        let output = asked.args(["--set", "ON_ERROR_STOP=1", "--command", statements]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) -> anyhow::Result<()> {
        let data = self.data();
        done(self.command("pg_ctl")?.arg("-D").arg(data).args(["-m", "immediate", "-w", "stop"]))
    }

    /// Its database, by way of another port.
    pub fn url_at(port: u16) -> String {
        format!("postgres://caveat_host@127.0.0.1:{port}/calls")
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
