//! Which compiler builds packs: rustup's, when it has the wasm32 target, else Debian's, which builds `std` from source.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::PackError;

/// The only target: it has no WASI, so there is no ambient power to take away.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Stack, data and heap of one ruling fit into one page of 64 KiB, which the host restores for each: another page costs as
/// much again.
const STACK_BYTES: u32 = 12_288;

/// Where Debian's `lld-NN` puts `wasm-ld-NN`.
const DEBIAN_BIN: &str = "/usr/bin";

/// What an outer cargo leaves in the environment and an inner one must not see.
const INHERITED: [&str; 11] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "MAKEFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

/// The profile of a pack, so that one outside this workspace is built alike. Names of functions stay, for
/// the backtrace of a pack that breaks off.
const PROFILE: [&str; 8] = [
    "inherits=\"release\"",
    // Code lies outside the page: speed before size.
    "opt-level=3",
    // These bring 16 KB of tables for numbers otherwise, which lie in it.
    "package.zmij.opt-level=\"s\"",
    "package.serde_json.opt-level=\"s\"",
    "lto=true",
    "codegen-units=1",
    "panic=\"abort\"",
    "strip=\"debuginfo\"",
];

/// A compiler that can build packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The active `cargo`, with the target's `std` installed.
    Installed,
    /// Debian's `rustc-web`, `cargo-web`, `rust-web-src` and `lld-NN`.
    Debian {
        /// `wasm-ld-NN`, the newest there is.
        linker: String,
    },
}

impl Toolchain {
    /// Looks for one, as seen from `dir` (which may pin a version).
    ///
    /// # Errors
    /// [`PackError::Toolchain`] with what to install.
    pub fn find(dir: &Path) -> Result<Self, PackError> {
        if sysroot("rustc".as_ref(), dir)
            .is_some_and(|root| root.join("lib/rustlib").join(TARGET).join("lib").is_dir())
        {
            return Ok(Self::Installed);
        }
        let missing = |problem: &str| PackError::Toolchain { problem: problem.to_owned() };
        let bin = Path::new(DEBIAN_BIN);
        let root = sysroot(bin.join("rustc").as_os_str(), dir)
            .ok_or_else(|| missing("the active rustc has no wasm32 std, and there is no /usr/bin/rustc"))?;
        if !bin.join("cargo").is_file() {
            return Err(missing("there is no /usr/bin/cargo"));
        }
        if !root.join("lib/rustlib/src/rust/library/std").is_dir() {
            return Err(missing("the sources of std are not installed"));
        }
        let names = fs::read_dir(bin).map_err(PackError::io("list", bin))?;
        let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        match newest_linker(names) {
            Some(linker) => Ok(Self::Debian { linker }),
            None => Err(missing("there is no wasm-ld")),
        }
    }

    /// For people: which one it is.
    pub fn describe(&self) -> String {
        match self {
            Self::Installed => format!("the active toolchain's {TARGET}"),
            Self::Debian { linker } => format!("Debian's compiler, std from source, {linker}"),
        }
    }

    /// `cargo` in `dir`, free of what an outer cargo left behind.
    pub(crate) fn cargo(&self, dir: &Path) -> Command {
        let mut cargo = match self {
            Self::Installed => clean("cargo".as_ref()),
            Self::Debian { linker } => {
                let bin = Path::new(DEBIAN_BIN);
                let mut cargo = clean(bin.join("cargo").as_os_str());
                cargo
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env("RUSTC", bin.join("rustc"))
                    // `-Zbuild-std` is not stable yet; this lets a stable compiler take it.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        cargo.current_dir(dir);
        cargo
    }

    /// `cargo build` of the pack in `dir`: artifacts as JSON on stdout, the rest on stderr.
    pub(crate) fn cargo_build(&self, dir: &Path, target_dir: &Path, roots: &[PathBuf]) -> Command {
        let mut cargo = self.cargo(dir);
        // Flags are separated by 0x1f, so that a path with a space stays one flag.
        let mut flags = format!("-Clink-arg=-zstack-size={STACK_BYTES}");
        for root in roots {
            flags.push_str(&format!("\u{1f}--remap-path-prefix={}=.", root.display()));
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
        cargo.args(["build", "--lib", "--profile", "pack", "--target", TARGET]);
        cargo.arg("--message-format=json-render-diagnostics").arg("--target-dir").arg(target_dir);
        for line in PROFILE {
            cargo.arg("--config").arg(format!("profile.pack.{line}"));
        }
        if matches!(self, Self::Debian { .. }) {
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
        cargo
    }
}

/// The installation folder of a compiler; none when it does not run.
fn sysroot(rustc: &OsStr, dir: &Path) -> Option<PathBuf> {
    let output = clean(rustc).args(["--print", "sysroot"]).current_dir(dir).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| PathBuf::from(text.trim()))
}

fn clean(program: &OsStr) -> Command {
    let mut command = Command::new(program);
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

/// `wasm-ld-22` before `wasm-ld-9` before plain `wasm-ld`.
fn newest_linker(names: impl Iterator<Item = String>) -> Option<String> {
    let version = |name: &str| match name.strip_prefix("wasm-ld")? {
        "" => Some(0_u32),
        rest => rest.strip_prefix('-')?.parse().ok(),
    };
    names.filter_map(|name| Some((version(&name)?, name))).max().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_linker_is_taken() {
        let check = |names: &[&str], wanted: Option<&str>| {
            let found = newest_linker(names.iter().map(|n| (*n).to_owned()));
            assert_eq!(found.as_deref(), wanted);
        };
        check(&["wasm-ld-9", "wasm-ld-22", "ld", "wasm-ld-foo"], Some("wasm-ld-22"));
        check(&["wasm-ld"], Some("wasm-ld"));
        check(&["ld", "lld-22"], None);
    }
}
