//! A host as its users run it: the built binary, a configuration, a folder of its own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;

/// A running host. Stopped, and its folder removed, when dropped.
pub struct Host {
    child: Option<Child>,
    dir: PathBuf,
    temporary: Option<tempfile::TempDir>,
    /// What it logs, if not what it does by itself.
    pub log_filter: Option<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Another program than the one that was built beside the tests.
    pub program: Option<PathBuf>,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Who makes the tables of its database, until they are made; the configuration is whole by then.
    owner: Mutex<Option<String>>,
}

/// The program under test, built beside this one.
pub fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).take(3).map(|dir| dir.join("caveat")).find(|p| p.is_file());
    found.context("the caveat binary is not built: run `cargo xtask test`, which builds everything once")
}

/// Where packs were built to.
pub fn packs() -> anyhow::Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/packs").canonicalize();
    let dir = dir.context("no packs are built: run `cargo xtask packs`")?;
    Ok(dir)
}

/// Two test programs may run at a time, each with ports and folders of its own: whether this is the second.
pub fn runs_beside() -> bool {
    std::env::var_os("CAVEAT_TEST_BESIDE").is_some()
}

/// A port that nobody listens on and that no other test was given. It lies below the ports that the kernel hands out
/// itself, or else an outgoing connection could take it before the host does.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = if runs_beside() { 20_000 } else { 12_000 } + (std::process::id() % 500) as u16 * 16;
    for _ in 0..1_000 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free above {first}")
}

/// A database of a host's own on the server that `CAVEAT_TEST_POSTGRES` names, as the host has it and as its owner; none: it
/// keeps an SQLite file.
fn database(dir: &Path) -> anyhow::Result<Option<[String; 2]>> {
    let Ok(server) = std::env::var("CAVEAT_TEST_POSTGRES") else { return Ok(None) };
    let owner = std::env::var("CAVEAT_TEST_POSTGRES_OWNER").context("the owner of the database")?;
    let name = dir.file_name().and_then(|n| n.to_str()).context("a folder with a name")?;
    let schema: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let schema = format!("host_{}", schema.to_lowercase());
    let statement = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    let done = Command::new("psql").args([&owner, "--quiet", "--command", &statement]).status()?;
    anyhow::ensure!(done.success(), "psql cannot create a schema at {owner}");
    Ok(Some([server, owner].map(|url| format!("{url}?options=-csearch_path%3D{schema}"))))
}

impl Host {
    /// Writes a configuration into a new folder. `PACKS` in it stands for the folder of built packs, `OWN_URL` for where the
    /// host will be reached.
    pub fn prepare(config: &str) -> anyhow::Result<Self> {
        let temporary = tempfile::tempdir()?;
        let dir = temporary.path().to_owned();
        let port = free_port()?;
        let urls = database(&dir)?;
        let database = urls.as_ref().map_or(String::new(), |[url, _]| format!("database = \"{url}\"\n"));
        // Whether the machine's disk is nearly full is for the tests to ask that are about it.
        let room = "\n[limits.store]\ndisk_free_bytes_warn = 0\ndisk_free_bytes_min = 0\n";
        let room = if config.contains("[limits.store]") { "" } else { room };
        let host = format!("[host]\nlisten = \"127.0.0.1:{port}\"\ndata-dir = \"data\"\n{database}");
        let (packs, url) = (packs()?.display().to_string(), format!("http://127.0.0.1:{port}"));
        let config = config.replace("PACKS", &packs).replace("OWN_URL", &url);
        std::fs::write(dir.join("caveat.toml"), host + &config + room)?;
        let temporary = Some(temporary);
        let owner = Mutex::new(urls.map(|[_, owner]| owner));
        Ok(Self {
            child: None,
            dir,
            temporary,
            log_filter: None,
            environment: vec![],
            program: None,
            url,
            owner,
        })
    }

    /// A host whose folder is there already, restored from elsewhere; it stays when the host is gone.
    pub fn of_folder(dir: &Path, url: &str) -> Self {
        let (dir, url) = (dir.to_owned(), url.to_owned());
        let owner = Mutex::default();
        Self {
            child: None,
            dir,
            temporary: None,
            log_filter: None,
            environment: vec![],
            program: None,
            url,
            owner,
        }
    }

    /// Has the configuration say something else.
    pub fn rewrite(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let file = self.dir.join("caveat.toml");
        let text = std::fs::read_to_string(&file)?;
        anyhow::ensure!(text.contains(from), "the configuration does not say {from}");
        Ok(std::fs::write(file, text.replacen(from, to, 1))?)
    }

    /// Sends it a signal: `HUP`, `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().context("it does not run")?;
        let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status()?;
        anyhow::ensure!(sent.success(), "no signal could be sent");
        Ok(())
    }

    /// Waits until it has ended by itself; its exit code.
    pub fn ended(&mut self) -> anyhow::Result<i32> {
        let mut child = self.child.take().context("it does not run")?;
        Ok(child.wait()?.code().unwrap_or(-1))
    }

    /// The folder that holds the configuration and everything the host writes.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps the folder when the host is gone.
    pub fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            self.dir = temporary.keep();
        }
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.spawn()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        let (_, address) = self.url.split_once("://").context("an address of the host")?;
        let address = address.parse()?;
        while std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if let Some(status) = self.child.as_mut().context("a child")?.try_wait()? {
                bail!("the host ended at once ({status}):\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the host does not answer after a minute:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Has the tables made, where it is not the host who makes them.
    fn has_tables(&self) -> anyhow::Result<()> {
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        match owner {
            Some(owner) => self.command(&["database", "migrate", "--owner", &owner], "").map(drop),
            None => Ok(()),
        }
    }

    fn program(&self) -> anyhow::Result<PathBuf> {
        self.program.clone().map_or_else(program, Ok)
    }

    /// Starts it.
    pub fn spawn(&mut self) -> anyhow::Result<()> {
        self.has_tables()?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("host.log"))?;
        let mut command = Command::new(self.program()?);
        command.args(["serve", "--config"]).arg(self.dir.join("caveat.toml"));
        if let Some(filter) = &self.log_filter {
            command.env("CAVEAT_LOG", filter);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn()?);
        Ok(())
    }

    /// The id of its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("host.log")).unwrap_or_default()
    }

    /// Whether its process is there.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_none(),
            None => false,
        })
    }

    /// Asks it to stop (SIGTERM) and waits until it has; its exit code.
    pub fn stop(&mut self) -> anyhow::Result<i32> {
        let Some(mut child) = self.child.take() else { return Ok(0) };
        Command::new("kill").arg(child.id().to_string()).status()?;
        Ok(child.wait()?.code().unwrap_or(-1))
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Runs a command of the program with this host's configuration; its standard output.
    pub fn command(&self, args: &[&str], input: &str) -> anyhow::Result<String> {
        self.has_tables()?;
        let mut child = Command::new(self.program()?)
            .args(["--log", "error"])
            .args(args)
            .env("CAVEAT_CONFIG", self.dir.join("caveat.toml"))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("caveat {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs such a command whatever comes of it: its exit code, and all that it printed.
    pub fn outcome(&self, args: &[&str]) -> anyhow::Result<(i32, String)> {
        let output = Command::new(self.program()?)
            .args(["--log", "error"])
            .args(args)
            .env("CAVEAT_CONFIG", self.dir.join("caveat.toml"))
            .envs(self.environment.iter().cloned())
            .output()?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(printed)?))
    }

    /// Runs a command that works through the running host, as whoever has this token: its exit code, and all that it printed.
    pub fn through(&self, token: &str, args: &[&str]) -> anyhow::Result<(i32, String)> {
        let output = Command::new(self.program()?)
            .args(["--log", "error"])
            .args(args)
            .env("CAVEAT_URL", &self.url)
            .env("CAVEAT_TOKEN", token)
            .output()?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(printed)?))
    }

    /// What `/metrics` says now.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(reqwest::get(format!("{}/metrics", self.url)).await?.error_for_status()?.text().await?)
    }

    /// Enrols a person; the secret of their second factor. The host must not run.
    pub fn enroll(&self, client: &str, id: &str, role: &str, function: &str) -> anyhow::Result<String> {
        let args = [
            "person",
            "add",
            "--client",
            client,
            "--id",
            id,
            "--role",
            role,
            "--function",
            function,
            "--json",
        ];
        let printed: Value = serde_json::from_str(&self.command(&args, crate::people::PASSWORD)?)?;
        Ok(printed["totp_secret_base32"].as_str().context("a secret")?.to_owned())
    }

    /// A machine token with every scope that a phone system needs. The host must not run.
    pub fn token(&self, client: &str) -> anyhow::Result<String> {
        let scopes = "capture,call-events,read-api";
        let args = ["token", "create", "--client", client, "--name", "phones", "--scopes", scopes];
        Ok(self.command(&args, "")?.trim().to_owned())
    }

    /// Exports a client's ledger as an auditor would and verifies it with the public key only; the entries, as text.
    pub fn audit(&self, client: &str, bundle: &str) -> anyhow::Result<String> {
        let bundle = self.dir.join(bundle);
        let path = bundle.to_str().context("a path of text")?;
        let key = self.command(&["ledger", "key", "--client", client], "")?;
        self.command(&["ledger", "export", "--client", client, path], "")?;
        self.command(&["ledger", "verify", path, "--key", key.trim()], "")?;
        let mut text = String::new();
        for (file, bytes) in self.written()? {
            if file.starts_with(bundle.join("tile/entries")) {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(text)
    }

    /// Every file that the host has written, with its bytes.
    pub fn written(&self) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut files = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    // A file may go away between listing and reading; then it holds nothing any more.
                    files.push((path, bytes));
                }
            }
        }
        Ok(files)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
