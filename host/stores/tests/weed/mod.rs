//! A real S3: SeaweedFS, on loopback, with a bucket that locks and one that does not. `cargo xtask tools` installs it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

pub const KEY_ID: &str = "caveat";
pub const SECRET: &str = "a-secret-of-tests";
/// Its objects can be locked; it keeps versions.
pub const LOCKED: &str = "locked";
pub const PLAIN: &str = "plain";

/// Who may do what; anybody may read, so that tests can look without signing.
const PEOPLE: &str = r#"{"identities":[
  {"name":"caveat","credentials":[{"accessKey":"caveat","secretKey":"a-secret-of-tests"}],"actions":["Admin"]},
  {"name":"anonymous","actions":["Read","List","GetObjectRetention"]}]}"#;

/// A running server. Killed, and its folder removed, when dropped.
pub struct Weed {
    child: Option<Child>,
    dir: tempfile::TempDir,
    /// Master, its gRPC, volume, its gRPC, filer, its gRPC, S3, its gRPC.
    ports: [u16; 8],
}

impl Weed {
    /// Starts one with both buckets; none where it is not installed.
    pub fn start() -> Option<Self> {
        if !program().is_file() {
            println!("skipped: no S3 server is installed; run `cargo xtask tools`");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("s3.json"), PEOPLE).unwrap();
        let mut weed = Self { child: None, dir, ports: std::array::from_fn(|_| free_port()) };
        weed.up();
        weed.shell(&format!("s3.bucket.create -name {LOCKED} -withLock\ns3.bucket.create -name {PLAIN}\n"));
        Some(weed)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[6])
    }

    /// Starts it again.
    pub fn up(&mut self) {
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] =
            self.ports.map(|p| p.to_string());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let args = [
            ("-dir", "data"),
            ("-ip", "127.0.0.1"),
            ("-ip.bind", "127.0.0.1"),
            ("-master.port", &master),
            ("-master.port.grpc", &master_grpc),
            ("-master.volumeSizeLimitMB", "64"),
            ("-master.telemetry", "false"),
            ("-volume.port", &volume),
            ("-volume.port.grpc", &volume_grpc),
            ("-filer", "true"),
            ("-filer.port", &filer),
            ("-filer.port.grpc", &filer_grpc),
            ("-s3", "true"),
            ("-s3.port", &s3),
            ("-s3.port.grpc", &s3_grpc),
            ("-s3.config", "s3.json"),
            ("-s3.iam", "false"),
            ("-s3.port.iceberg", "0"),
            ("-s3.port.lance", "0"),
        ];
        let child = Command::new(program())
            .current_dir(self.dir.path())
            .args(["-logtostderr=true", "server"])
            .args(args.map(|(name, value)| format!("{name}={value}")))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.ports[6])).is_err() {
            assert!(
                child.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "no S3: {}",
                log_of(&self.dir)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it: it does not listen to SIGTERM.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn shell(&self, commands: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut shell = Command::new(program())
                .current_dir(self.dir.path())
                .args(["shell", &format!("-master=127.0.0.1:{}.{}", self.ports[0], self.ports[1])])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            shell.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
            // It waits for ever for a server that has gone.
            let patience = Instant::now() + Duration::from_secs(20);
            while shell.try_wait().unwrap().is_none() {
                if Instant::now() > patience {
                    shell.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let said = String::from_utf8_lossy(&shell.wait_with_output().unwrap().stdout).into_owned();
            if said.matches("created bucket").count() == commands.lines().count() {
                return;
            }
            assert!(Instant::now() < deadline, "no buckets: {said}{}", log_of(&self.dir));
        }
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        self.down();
    }
}

fn program() -> PathBuf {
    let tools =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|dir| dir.join("Cargo.lock").is_file());
    tools.unwrap().join("target/tools/seaweedfs/bin/weed")
}

fn log_of(dir: &tempfile::TempDir) -> String {
    fs::read_to_string(dir.path().join("log")).unwrap_or_default()
}

/// Below the ports that the kernel hands out itself, and apart from those that hosts under test are given.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 29_000 + (std::process::id() % 100) as u16 * 32;
    (0..1_000)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
