//! The front door.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Instant};

use caveat_model::{Digest, Event, Facts, Ruling, Stage};
use wasmtime::{Store, component::Linker};

use crate::{
    EngineError, Failure, Limits, Needs,
    allowance::Allowance,
    cache::Cache,
    load::{self, Loaded, Loader},
    meters::Meters,
    sandbox::{self, Occasion, State},
    ticker::Ticker,
    v0_1,
};

/// Loads packs and has them rule. One serves a whole host; share it by reference or [`Arc`].
pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    limits: Limits,
    cache: Option<Cache>,
    _ticker: Ticker,
}

/// A pack that was checked and configured, ready to rule. Belongs to the engine that loaded it.
pub struct Pack {
    name: Arc<str>,
    loaded: Loaded,
    allowance: Allowance,
    reads: Option<Reads>,
    meters: Meters,
}

/// Names of attributes.
pub(crate) type Reads = HashSet<String>;

/// An event with what is known at it, made ready once for all packs that are asked.
pub struct Question<'a> {
    event: &'a Event,
    lowered: v0_1::Question<'a>,
}

impl<'a> Question<'a> {
    /// Copies no text.
    pub fn new(event: &'a Event, facts: &'a Facts) -> Self {
        Self { event, lowered: v0_1::Question::new(event, facts) }
    }
}

/// A ruling and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the pack says.
    pub ruling: Ruling,
    /// Units of fuel: the same event, facts and pack take the same on any machine.
    pub fuel: u64,
    /// All memories of the instance together when it ended, in bytes. They never shrink, so it never had more.
    pub memory_bytes: usize,
}

impl Engine {
    /// Starts an engine and the thread that watches its deadlines; both end when it is dropped.
    ///
    /// `cache_dir` keeps compiled packs. It is made when missing, and refused when other users can read or write it:
    /// what lies there is run as machine code.
    pub fn new(limits: Limits, cache_dir: Option<PathBuf>) -> Result<Self, EngineError> {
        limits.check()?;
        let setup = |why: String| EngineError::Setup { why };
        let cache = cache_dir.map(Cache::open).transpose()?;
        let wasmtime = sandbox::engine(&limits).map_err(|e| setup(format!("{e:#}")))?;
        let linker = v0_1::linker(&wasmtime).map_err(|e| setup(format!("{e:#}")))?;
        let ticker =
            Ticker::start(wasmtime.clone(), limits.epoch_tick()).map_err(|e| setup(e.to_string()))?;
        Ok(Self { wasmtime, linker, limits, cache, _ticker: ticker })
    }

    /// Loads a component: checks it against the contract, configures it with `settings_json`, and keeps a snapshot of
    /// the configured instance. Takes 10 to 50 ms a pack, or well under 1 ms when the cache has it.
    ///
    /// `name` stands in errors and in the log. `settings_json` has to satisfy the schema in the pack's manifest already.
    /// `needs` is what its manifest asks for.
    pub fn load(
        &self,
        name: &str,
        component: &[u8],
        settings_json: &str,
        needs: &Needs,
    ) -> Result<Pack, EngineError> {
        let allowance = Allowance::of(name, needs, &self.limits)?;
        let name: Arc<str> = name.into();
        let loader = Loader {
            engine: &self.wasmtime,
            linker: &self.linker,
            limits: &self.limits,
            cache: self.cache.as_ref(),
            name: &name,
            allowance: allowance.to_configure(&self.limits),
        };
        let loaded = loader.load(component, settings_json)?;
        let meters = Meters::register(&name, |stage| loaded.exports.answers(stage));
        Ok(Pack { name, loaded, allowance, reads: None, meters })
    }

    /// Puts one event to one pack, in a fresh instance that ends with the call. It blocks for microseconds as a rule,
    /// and for its deadline at worst. Where several packs are asked, [`Self::ask`] does what they share once.
    pub fn rule(&self, pack: &Pack, event: &Event, facts: &Facts) -> Result<Answer, Failure> {
        self.ask(pack, &Question::new(event, facts))
    }

    /// As [`Self::rule`].
    pub fn ask(&self, pack: &Pack, question: &Question<'_>) -> Result<Answer, Failure> {
        let stage = question.event.stage();
        if !pack.loaded.exports.answers(stage) {
            return Err(Failure::NotAsked);
        }
        if !wasmtime::Engine::same(&self.wasmtime, pack.loaded.pre.engine()) {
            return Err(Failure::Invalid { what: "the pack was loaded by another engine".into() });
        }
        let began = Instant::now();
        let (result, fuel) = self.ask_now(pack, question);
        pack.meters.ruled(stage, &result, fuel, began.elapsed());
        result
    }

    /// What came of it, and the fuel it took either way.
    fn ask_now(&self, pack: &Pack, question: &Question<'_>) -> (Result<Answer, Failure>, u64) {
        let invalid = |e: wasmtime::Error| Failure::Invalid { what: e.to_string() };
        let event = question.event;
        let occasion =
            Occasion { pack: pack.name.clone(), stage: word(event.stage()), event: Some(event.name()) };
        let mut store = match sandbox::store(&self.wasmtime, &self.limits, pack.allowance, occasion) {
            Ok(store) => store,
            Err(e) => return (Err(invalid(e)), 0),
        };
        let ruling = match self.ask_instance(pack, &mut store, question) {
            Ok(ruling) => ruling,
            Err(e) => Err(sandbox::failure(&e, store.data(), &self.limits)),
        };
        let fuel = store.get_fuel().map(|left| pack.allowance.fuel.max.saturating_sub(left));
        match (ruling, fuel) {
            (Ok(ruling), Ok(fuel)) => {
                let memory_bytes = store.data().memory_bytes();
                (Ok(Answer { ruling, fuel, memory_bytes }), fuel)
            }
            (Ok(_), Err(e)) => (Err(invalid(e)), 0),
            (Err(failure), fuel) => (Err(failure), fuel.unwrap_or_default()),
        }
    }

    /// The outer error is wasmtime's and still has to be understood; the inner is ours.
    fn ask_instance(
        &self,
        pack: &Pack,
        store: &mut Store<State>,
        question: &Question<'_>,
    ) -> wasmtime::Result<Result<Ruling, Failure>> {
        let instance = pack.loaded.pre.instantiate(&mut *store)?;
        if let Err(failure) = load::configure_again(&pack.loaded, store, &instance)? {
            return Ok(Err(failure));
        }
        let reads = pack.reads.as_ref();
        v0_1::ask(&pack.loaded.exports, store, &instance, &question.lowered, reads, &self.limits)
    }

    /// The limits it was started with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Pack {
    /// From now on it is told no other attributes than these: what its manifest declares that it reads. What it has no
    /// need for it does not get, and need not be copied to it.
    pub fn reading(mut self, attributes: impl IntoIterator<Item = String>) -> Self {
        self.reads = Some(attributes.into_iter().collect());
        self
    }

    /// As given to [`Engine::load`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of the component's bytes as they were given, not of what was compiled from them.
    pub fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// What it may be asked about.
    pub fn stages(&self) -> impl Iterator<Item = Stage> + '_ {
        Stage::ALL.into_iter().filter(|stage| self.loaded.exports.answers(*stage))
    }

    /// Whether instances start from a snapshot with the settings in it. If not, each ruling pays for `configure`.
    pub fn is_snapshotted(&self) -> bool {
        self.loaded.configure_each.is_none()
    }

    /// Machine code and memory image that this pack keeps mapped, in bytes.
    pub fn resident_bytes(&self) -> usize {
        let image = self.loaded.pre.component().image_range();
        image.end as usize - image.start as usize
    }
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Capture => "capture",
        Stage::Storage => "storage",
        Stage::Access => "access",
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pack")
            .field("name", &self.name)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}
