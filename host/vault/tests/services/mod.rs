//! Services that keep keys, on loopback: OpenBao, and a stand-in for AWS. `cargo xtask test` installs them; where they are
//! not, a test says that it was skipped.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Opens every door of [`Bao`].
pub const TOKEN: &str = "root";

/// Makes a user who may do anything in KMS, and prints the two halves of an access key.
const MAKE_USER: &str = r#"
import boto3, json, sys
at = dict(region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none", endpoint_url=sys.argv[1])
iam = boto3.client("iam", **at)
iam.create_user(UserName="caveat")
allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
iam.put_user_policy(UserName="caveat", PolicyName="keys", PolicyDocument=json.dumps(allow))
key = iam.create_access_key(UserName="caveat")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
"#;
/// So many requests does that take; all later ones have to be signed, and moto checks that they are.
const BEFORE_SIGNED: &str = "3";

/// A stand-in for AWS, which checks requests, signatures and permissions as AWS does.
pub struct Moto {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Of a user who may do anything with keys.
    pub access_key: String,
    pub secret: String,
}

impl Moto {
    pub fn start() -> Option<Self> {
        let program = tools()?.join("moto/bin/moto_server");
        if !program.is_file() {
            eprintln!("SKIPPED: moto is not in target/tools: `cargo xtask test` puts it there");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&program);
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.env("INITIAL_NO_AUTH_ACTION_COUNT", BEFORE_SIGNED).spawn().unwrap();
        let (access_key, secret) = Default::default();
        let mut moto = Self { child, url: format!("http://127.0.0.1:{port}"), access_key, secret };
        let deadline = Instant::now() + Duration::from_secs(120);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        let python = program.with_file_name("python");
        let made = Command::new(python).args(["-c", MAKE_USER, &moto.url]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let printed = String::from_utf8(made.stdout).unwrap();
        let (access_key, secret) = printed.trim().split_once(' ').unwrap();
        (moto.access_key, moto.secret) = (access_key.to_owned(), secret.to_owned());
        Some(moto)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An OpenBao in development mode: in memory, on loopback, for as long as this lives.
pub struct Bao {
    child: Child,
    /// `http://127.0.0.1:PORT`; the token is [`TOKEN`].
    pub url: String,
    _home: tempfile::TempDir,
}

impl Bao {
    pub fn start() -> Option<Self> {
        let program = tools()?.join("openbao/bin/bao");
        if !program.is_file() {
            eprintln!("SKIPPED: OpenBao is not in target/tools: `cargo xtask test` puts it there");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
        let child = Command::new(&program)
            .args(["server", "-dev", &format!("-dev-root-token-id={TOKEN}"), "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bao = Self { child, url, _home: home };
        let enable = || {
            let mut command = Command::new(&program);
            command.args(["secrets", "enable", "transit"]).env("BAO_ADDR", &bao.url).env("BAO_TOKEN", TOKEN);
            command.env("HOME", bao._home.path()).output().unwrap()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut enabled = enable();
        while !enabled.status.success() {
            assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&enabled.stderr));
            std::thread::sleep(Duration::from_millis(200));
            enabled = enable();
        }
        Some(bao)
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where servers for tests are installed.
fn tools() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_workspace = here.ancestors().map(|dir| dir.join("target/tools")).find(|dir| dir.is_dir());
    fs::canonicalize(env::var_os("CAVEAT_TOOLS").map(PathBuf::from).or(of_workspace)?).ok()
}
