//! Caveat: from merged facts to a verdict, as `caveat-packs` has it done for a client. That crate itself would bring clients of
//! registries along.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use caveat_engine::{Engine, Limits, Needs, Pack, Question};
use caveat_model::{Digest, Event, Facts, Mode, Outcome, PackRef, PackRuling, Ruling, Verdict};
use caveat_sdk::{CaptureRules, capture};

/// The packs that ship, and the small one with the rule of all contenders.
pub(crate) struct Ours {
    /// Where the shipped packs are.
    pub(crate) packs: PathBuf,
    /// Where those are that are built here.
    pub(crate) built: PathBuf,
    engine: Engine,
    shipped: Vec<Loaded>,
    small: Loaded,
}

pub(crate) struct Loaded {
    pack: Pack,
    reference: PackRef,
    /// Declared in its manifest: a ruling that names another is nonsense.
    rules: HashSet<String>,
}

/// Where compiled packs are kept: the compiler is not optimized here.
pub(crate) const COMPILED: &str = "target/compiled";

/// Packs that are asked together.
pub(crate) type Set<'a> = Vec<&'a Loaded>;

pub(crate) const SHIPPED: [&str; 3] = ["state-consent", "pci-dss", "hipaa-hitech"];

impl Ours {
    /// The shipped packs have to be built; those of this folder are built now, like them.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let engine = Engine::new(Limits::default(), Some(here.join(COMPILED)))?;
        let root = here.join("../..");
        let (small, built) = (here.join("pack"), here.join("target/packs"));
        for dir in [&small, &here.join("hostile")] {
            let status = Command::new(root.join("target/debug/caveat"))
                .args(["pack", "build"])
                .args([Path::new("--out"), &built, dir])
                .stdout(Stdio::null())
                .status()
                .context("no target/debug/caveat: run `cargo xtask packs` first")?;
            ensure!(status.success(), "{} does not build", dir.display());
        }
        let packs = root.join("target/packs");
        let shipped =
            SHIPPED.iter().map(|name| Loaded::new(&engine, name, &root.join("policies").join(name), &packs));
        let shipped = shipped.collect::<Result<_, _>>()?;
        let small = Loaded::new(&engine, "all-party", &small, &built)?;
        Ok(Self { packs, built, engine, shipped, small })
    }

    pub(crate) fn three(&self) -> Set<'_> {
        self.shipped.iter().collect()
    }

    pub(crate) fn small(&self) -> Set<'_> {
        vec![&self.small]
    }

    pub(crate) fn one(&self, n: usize) -> Set<'_> {
        self.shipped.get(n).into_iter().collect()
    }

    /// Asks every pack of the set, each in a fresh instance, and merges what they say.
    pub(crate) fn judge(&self, set: &[&Loaded], event: &Event, facts: &Facts) -> anyhow::Result<Verdict> {
        let question = Question::new(event, facts);
        let rulings = set.iter().map(|loaded| loaded.ask(&self.engine, &question));
        let rulings = rulings.collect::<Result<_, _>>()?;
        Ok(Verdict::merge(event, facts, rulings))
    }

    /// Whether a native call of a pack's own code says what the sandboxed one said.
    pub(crate) fn agrees(verdict: &Verdict, native: &capture::Ruling) -> bool {
        let sandboxed: Vec<(&str, &str)> =
            verdict.reasons().map(|(_, r)| (r.citation.as_str(), r.message.as_str())).collect();
        let natively: Vec<(&str, &str)> =
            native.reasons.iter().map(|r| (r.citation.as_str(), r.message.as_str())).collect();
        verdict.outcome == Outcome::Refuse && sandboxed == natively
    }
}

impl Loaded {
    fn new(engine: &Engine, name: &str, dir: &Path, packs: &Path) -> anyhow::Result<Self> {
        let manifest = fs::read_to_string(dir.join("pack.toml"))?;
        let facts = manifest.split("[[fact]]").skip(1).filter_map(|fact| fact.split('"').nth(1));
        let pack = engine.load(name, &component(name, packs)?, "{}", &Needs::default())?;
        let pack = pack.reading(facts.map(str::to_owned));
        let ids = manifest.lines().filter_map(|line| line.strip_prefix("id = "));
        let rules = ids.map(|id| id.trim_matches('"').to_owned()).collect();
        let reference = PackRef {
            name: name.to_owned(),
            version: "0.1.0".into(),
            digest: pack.digest(),
            settings: Digest([0; 32]),
        };
        Ok(Self { pack, reference, rules })
    }

    fn ask(&self, engine: &Engine, question: &Question<'_>) -> anyhow::Result<PackRuling> {
        let answer = engine.ask(&self.pack, question)?;
        ensure!(
            self.undeclared(&answer.ruling).is_none(),
            "{} names a rule it never declared",
            self.pack.name()
        );
        let (pack, ruling, fuel) = (self.reference.clone(), answer.ruling, answer.fuel);
        Ok(PackRuling { pack, mode: Mode::Active, ruling, failure: None, fuel })
    }

    fn undeclared<'r>(&self, ruling: &'r Ruling) -> Option<&'r str> {
        let named = ruling.obligations.iter().map(|o| &o.rule).chain(ruling.remedies.iter().map(|r| &r.rule));
        let mut named = named.chain(ruling.reasons.iter().map(|r| &r.rule));
        named.find(|rule| !self.rules.contains(*rule)).map(String::as_str)
    }
}

/// The component of a built pack.
pub(crate) fn component(name: &str, packs: &Path) -> anyhow::Result<Vec<u8>> {
    let entries = fs::read_dir(packs).context("run `cargo xtask packs` first")?;
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with(&format!("{name}-")) && file.ends_with(".wasm")
    };
    let path = entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_it);
    let missing = || format!("no {name} in {}: run `cargo xtask packs`", packs.display());
    Ok(fs::read(path.with_context(missing)?)?)
}

/// Calls a pack's own code without any sandbox, and says whether it refuses for a reason.
pub(crate) fn call(pack: &impl CaptureRules, event: &capture::Event, facts: &caveat_sdk::Facts) -> bool {
    let ruling = pack.capture(std::hint::black_box(event), std::hint::black_box(facts));
    ruling.outcome == capture::Outcome::Refuse && !ruling.reasons.is_empty()
}
