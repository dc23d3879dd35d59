//! Packs as files: what a manifest says, how source becomes one `.wasm` file, who vouches for it, what loads, who is asked.
//!
//! Never runs WebAssembly itself (the engine does) and never merges rulings (the model does). A pack that fails is never
//! skipped: its declared safe outcome stands in for it. Start at [`Manifest`], then [`build`], [`PackFile`], [`load`] and
//! [`ActiveSet`]; [`run_cases`], [`run_scenarios`] and [`decide`] put events to packs without a call.

mod active;
mod admission;
mod archive;
mod bench;
mod builder;
mod cases;
mod check;
mod decide;
mod docs;
mod document;
mod error;
mod file;
#[doc(hidden)]
pub mod fuzz;
mod language;
mod loaded;
mod lock;
mod manifest;
pub mod plain;
mod properties;
mod registry;
mod report;
mod scaffold;
mod scenarios;
mod settings;
mod signature;
mod surface;
mod toolchain;
mod trace;
mod written;

pub use active::{Active, ActiveSet, ActiveSets, FAILURE_RULE};
pub use admission::{Trust, admit};
pub use archive::Archive;
pub use bench::{
    Baseline, BenchOptions, BenchReport, Comparison, Figures, FuelChange, Load, RuleFigures, StageFigures,
    bench,
};
pub use builder::{Built, build, component};
pub use cases::{
    CaseOptions, CaseReport, CaseResult, ClientOfCases, Difference, RuleCoverage, play_cases,
    play_client_cases, run_cases, run_own_cases,
};
pub use check::{CheckReport, Finding, Lint, Severity, check};
pub use decide::{decide, event_from_line};
pub use docs::{
    Answer as DocsAnswer, CasePage, DataRow, DataTable, DocsFormat, Page, RulePage, Said, SettingRow,
    StagePage, StepPage, Why, Word,
};
pub use document::{parse as parse_toml, read_toml};
pub use error::{NotAdmitted, PackError, Problem};
pub use file::{CASES_SECTION, CaseText, FileLimits, MANIFEST_SECTION, PackFile};
pub use language::Language;
pub use loaded::{Library, LoadedPack, load};
pub use lock::{Lock, Pin};
pub use manifest::{
    About, Action, Confidence, FactNeed, FactType, MANIFEST_FILE, Manifest, NotMonotone, OnFailure, Rule,
    SUPPORTED_CONTRACTS,
};
pub use properties::{ChangeReport, Counterexample, PropertyReport, Worse, check_properties};
pub use registry::{CONFIG_TYPE, LAYER_TYPE, Place, Registry, RegistryOptions, SIGNATURE_ANNOTATION};
pub use scaffold::scaffold;
pub use scenarios::{Answer, Expected, ScenarioReport, ScenarioResult, Status, Tally, Totals, run_scenarios};
pub use signature::{SignatureProblem, claimed_signers, sign, signature_path, statement, verify};
pub use toolchain::Toolchain;
pub use trace::Trace;
pub use written::WrittenSettings;
