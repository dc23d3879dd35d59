//! A real OCI registry, Debian's `docker-registry`, on a port and a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// A running registry. Stopped, and its folder removed, when dropped.
pub struct Registry {
    child: Child,
    dir: tempfile::TempDir,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Registry {
    /// Starts one that anybody may use, and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("")
    }

    /// Starts one that knows these users only (lines of htpasswd, bcrypt); none: anybody.
    pub fn start_with(users: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{}", crate::host::free_port()?);
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            dir.path().join("store").display()
        );
        let htpasswd = dir.path().join("htpasswd");
        std::fs::write(&htpasswd, users)?;
        let auth = format!("auth: {{htpasswd: {{realm: packs, path: {}}}}}\n", htpasswd.display());
        let path = dir.path().join("config.yml");
        std::fs::write(&path, if users.is_empty() { config } else { config + &auth })?;
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("no registry: run `cargo xtask test`, or `apt-get install docker-registry`")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let socket = address.parse()?;
        while std::net::TcpStream::connect_timeout(&socket, Duration::from_millis(200)).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("the registry ended at once ({status})");
            }
            if Instant::now() > deadline {
                child.kill()?;
                bail!("the registry does not answer after 20 s");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { child, dir, address })
    }

    /// Where it keeps the blob with this digest (`sha256:...`).
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = Path::new("store/docker/registry/v2/blobs/sha256");
        self.dir.path().join(blobs).join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
