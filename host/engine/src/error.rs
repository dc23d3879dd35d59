//! Why a pack could not be loaded, and why it gave no ruling.

use std::path::PathBuf;

/// Why an engine could not start, or a pack could not be loaded. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A limit makes no sense.
    #[error("limit `{field}`: {why}; raise or lower it")]
    Limits {
        /// Its name in [`crate::Limits`].
        field: &'static str,
        /// What is wrong with the number.
        why: &'static str,
    },
    /// wasmtime refused the configuration, or the epoch thread could not start.
    #[error("the WebAssembly engine could not start: {why}")]
    Setup {
        /// What it said.
        why: String,
    },
    /// The cache of compiled packs cannot be used safely.
    #[error("cache of compiled packs {}: {why}", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// More bytes than allowed.
    #[error(
        "pack `{pack}`: its {what} has {bytes} bytes, and `{limit}` allows {allowed}; shrink it or raise the limit"
    )]
    TooLarge {
        /// The pack.
        pack: String,
        /// Component or settings.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What the limit is.
        allowed: usize,
        /// Name of the limit.
        limit: &'static str,
    },
    /// Its manifest asks for more than this host gives to any pack.
    #[error(
        "pack `{pack}` asks for `{need}` = {wanted}, and this host gives {most} at most; use a leaner pack, or raise \
         `{limit}`"
    )]
    Needs {
        /// The pack.
        pack: String,
        /// The key in its manifest.
        need: &'static str,
        /// What it asks for.
        wanted: String,
        /// What it can have.
        most: String,
        /// Name of the limit.
        limit: &'static str,
    },
    /// The bytes are something else.
    #[error("pack `{pack}` is {what}, not a WebAssembly component; build it with `caveat pack build`")]
    NotAComponent {
        /// The pack.
        pack: String,
        /// What it seems to be.
        what: &'static str,
    },
    /// A component that is broken, or that asks for more than the limits allow.
    #[error("pack `{pack}` cannot be used: {why}; build it anew, or raise the limit that is named")]
    Component {
        /// The pack.
        pack: String,
        /// What the compiler or the instance said.
        why: String,
    },
    /// It wants something that no pack gets.
    #[error(
        "pack `{pack}` imports `{import}`, and a pack gets nothing but `{offered}`: no clock, no randomness, no files, \
         no network. Build it for wasm32-unknown-unknown, or stub WASI out"
    )]
    Import {
        /// The pack.
        pack: String,
        /// What it wants.
        import: String,
        /// What there is.
        offered: &'static str,
    },
    /// It is written for a contract that this host does not serve.
    #[error(
        "pack `{pack}` is built for `{item}` (contract {found}), and this host serves {served}; build it against \
         {served}, or run a host that serves {found}"
    )]
    Version {
        /// The pack.
        pack: String,
        /// Import or export, with its version.
        item: String,
        /// The version it wants.
        found: String,
        /// The version served here.
        served: &'static str,
    },
    /// Something the contract demands is missing or of another type.
    #[error(
        "pack `{pack}` does not keep the contract: `{export}` {why}; build it against `wit/` of this host"
    )]
    Export {
        /// The pack.
        pack: String,
        /// Which export.
        export: String,
        /// What is wrong with it.
        why: String,
    },
    /// It looked at its settings and refused them.
    #[error("pack `{pack}` refuses its settings: {}", list(problems))]
    Settings {
        /// The pack.
        pack: String,
        /// Each thing that is wrong.
        problems: Vec<Problem>,
    },
    /// It failed while it was being configured.
    #[error("pack `{pack}` failed in `configure`: {failure}")]
    Configure {
        /// The pack.
        pack: String,
        /// How.
        failure: Failure,
    },
}

/// Something wrong with a pack's settings, in the pack's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the settings (RFC 6901); empty for the whole.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

fn list(problems: &[Problem]) -> String {
    let one = |p: &Problem| match p.at.as_str() {
        "" => p.message.clone(),
        at => format!("{at}: {}", p.message),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Why a pack gave no ruling. The caller applies the pack's declared safe ruling; it never skips the pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It panicked or did something that WebAssembly forbids.
    #[error("the pack broke off: {message}; report it to the pack's author with the event")]
    Trapped {
        /// The pack's last warning before, if any, and the trap.
        message: String,
        /// Functions of the pack, innermost first; for the pack's author.
        backtrace: Vec<String>,
    },
    /// It used up its instructions.
    #[error("the pack used all of its {limit} units of fuel; mend the pack, or raise `{field}`")]
    OutOfFuel {
        /// Name of the limit: a field of [`crate::Limits`], or `needs.KEY` of the pack's manifest.
        field: &'static str,
        /// Units it had.
        limit: u64,
    },
    /// It used up its time.
    #[error("the pack took longer than {limit_ms} milliseconds; mend the pack, or raise `{field}`")]
    Deadline {
        /// Name of the limit.
        field: &'static str,
        /// Milliseconds it had.
        limit_ms: u64,
    },
    /// It wanted more memory than allowed.
    #[error("the pack wanted {wanted_bytes} bytes of memory and may have {limit_bytes}; raise `{field}`")]
    Memory {
        /// Name of the limit.
        field: &'static str,
        /// What it wanted, together.
        wanted_bytes: usize,
        /// What it may have.
        limit_bytes: usize,
    },
    /// It wanted a larger table than allowed.
    #[error("the pack wanted {wanted} table elements and may have {limit}; raise `{field}`")]
    Table {
        /// Name of the limit.
        field: &'static str,
        /// What it wanted, together.
        wanted: usize,
        /// What it may have.
        limit: usize,
    },
    /// It called itself too deep.
    #[error("the pack's call stack grew over {limit_bytes} bytes; mend the pack, or raise `stack_bytes_max`")]
    Stack {
        /// What it may use.
        limit_bytes: usize,
    },
    /// It answered with too much.
    #[error("the ruling is too large: {what}, and `{field}` is {limit}; mend the pack, or raise the limit")]
    ResultTooLarge {
        /// What there was too much of.
        what: String,
        /// Name of the limit.
        field: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It answered with something that means nothing.
    #[error("the ruling is not valid: {what}; report it to the pack's author with the event")]
    Invalid {
        /// What was wrong.
        what: String,
    },
    /// More rulings at once than the host has room for.
    #[error("all {limit} instances are in use; ask fewer at once, or raise `instances_max`")]
    Busy {
        /// Instances there are.
        limit: u32,
    },
    /// The pack does not answer for this stage. The caller should have looked at [`crate::Pack::stages`].
    #[error("the pack has no rules for this stage; ask only for the stages it exports")]
    NotAsked,
}

impl Failure {
    /// Functions of the pack that were running when it broke off, innermost first; empty where that says nothing.
    pub fn backtrace(&self) -> &[String] {
        match self {
            Self::Trapped { backtrace, .. } => backtrace,
            _ => &[],
        }
    }

    /// Every name that [`Failure::limit`] gives to one that was asked.
    pub(crate) const LIMITS: [&str; 9] =
        ["trap", "fuel", "deadline", "memory", "table", "stack", "result-size", "invalid", "instances"];

    /// A short, stable name of what stopped it, for metrics.
    pub fn limit(&self) -> &'static str {
        match self {
            Self::Trapped { .. } => "trap",
            Self::OutOfFuel { .. } => "fuel",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Table { .. } => "table",
            Self::Stack { .. } => "stack",
            Self::ResultTooLarge { .. } => "result-size",
            Self::Invalid { .. } => "invalid",
            Self::Busy { .. } => "instances",
            Self::NotAsked => "not-asked",
        }
    }
}
