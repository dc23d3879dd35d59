//! A PgBouncer of one's own before a server, on loopback; gone when dropped.

use std::{
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{host::free_port, postgres::Postgres};

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/pgbouncer";
const PATIENCE: Duration = Duration::from_secs(10);

/// A running pooler.
pub struct Pooler {
    child: Child,
    /// On loopback.
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Pooler {
    /// Starts one that pools by `mode` (`session`, `transaction`, `statement`); none where it is not installed.
    pub fn start(server: &Postgres, mode: &str) -> anyhow::Result<Option<Self>> {
        if !Path::new(PROGRAM).is_file() {
            println!("skipped: no PgBouncer is installed; run `cargo xtask test`");
            return Ok(None);
        }
        let (dir, port) = (tempfile::tempdir()?, free_port()?);
        // It refuses root, and whom it runs as instead has to read this.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        let users = dir.path().join("users");
        std::fs::write(&users, "\"caveat_host\" \"\"\n\"caveat_owner\" \"\"\n")?;
        let config = dir.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\ncalls = host=127.0.0.1 port={} dbname=calls\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.port,
            users.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(PROGRAM);
        if Command::new("id").arg("-u").output()?.stdout == b"0\n" {
            command.args(["-u", "nobody"]);
        }
        let child = command.arg("-q").arg(&config).stdout(Stdio::null()).spawn().context("pgbouncer")?;
        let mut pooler = Self { child, port, _dir: dir };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = pooler.child.try_wait()? {
                bail!("pgbouncer ended: {status}");
            }
            if began.elapsed() > PATIENCE {
                bail!("pgbouncer does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(pooler))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
