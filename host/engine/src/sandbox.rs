//! The walls: wasmtime's configuration, and what one instance may use up.

use std::sync::Arc;

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolConcurrencyLimitError, PoolingAllocationConfig,
    ResourceLimiter, Store, Trap,
};

use crate::{
    Failure, Limits,
    allowance::{Allowance, Bound},
    backtrace, meters,
};

/// Whether every NaN that a pack computes has the same bits on any machine. What a processor puts there otherwise is its
/// own choice, and a pack could tell.
pub const NAN_IS_CANONICAL: bool = true;

/// What a snapshot needs on top: each memory is read twice, and each reading adds one page to it.
const SNAPSHOT_PAGES: usize = 2;
const PAGE_BYTES: usize = 64 << 10;

/// What the lines of packs are filtered by (`RUST_LOG=pack=debug`).
const LOG_TARGET: &str = "pack";

/// A wasmtime that gives the same answer on any machine, and returns slots to the pool without leaving a trace.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<wasmtime::Engine> {
    let mut pool = PoolingAllocationConfig::new();
    let instances = limits.instances_max;
    let memory_bytes = limits.memory_bytes_max.max(limits.memory_bytes_ceiling);
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(limits.modules_per_pack_max))
        .total_memories(instances.saturating_mul(limits.memories_per_pack_max))
        .total_tables(instances.saturating_mul(limits.tables_per_pack_max))
        // Nothing runs on a stack of its own and nothing collects garbage.
        .total_stacks(0)
        .total_gc_heaps(0)
        // One more for the reader that a snapshot adds.
        .max_core_instances_per_component(limits.modules_per_pack_max.saturating_add(1))
        .max_memories_per_component(limits.memories_per_pack_max)
        .max_tables_per_component(limits.tables_per_pack_max)
        .max_tables_per_module(limits.tables_per_pack_max)
        .max_memories_per_module(limits.memories_per_pack_max)
        .max_memory_size(memory_bytes.saturating_add(SNAPSHOT_PAGES * PAGE_BYTES))
        .table_elements(limits.table_elements_max.max(limits.table_elements_ceiling))
        .table_keep_resident(limits.table_keep_resident_bytes)
        .linear_memory_keep_resident(limits.memory_keep_resident_bytes)
        // Faster for most, but one guest that dirties its initial memory would slow its slot down for good.
        .pagemap_scan(Enabled::No);

    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        .async_stack_size(limits.stack_bytes_max + (1 << 20))
        // Costs half a microsecond a ruling, and a ruling waits for nothing.
        .concurrency_support(false)
        // Determinism: every bit of a result follows from the inputs.
        .cranelift_nan_canonicalization(NAN_IS_CANONICAL)
        .relaxed_simd_deterministic(true)
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_component_model(true);
    wasmtime::Engine::new(&config)
}

/// What the host keeps for one instance.
pub(crate) struct State {
    pub(crate) log: Log,
    bounds: Bounds,
    allowance: Allowance,
}

impl State {
    /// All memories of the instance together, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bounds.memory.used
    }
}

/// What a pack is called for; its log lines say so.
pub(crate) struct Occasion {
    pub(crate) pack: Arc<str>,
    /// A stage, or `configure`.
    pub(crate) stage: &'static str,
    /// None while it is configured.
    pub(crate) event: Option<&'static str>,
}

/// A store with full tanks.
pub(crate) fn store(
    engine: &wasmtime::Engine,
    limits: &Limits,
    allowance: Allowance,
    occasion: Occasion,
) -> wasmtime::Result<Store<State>> {
    let log = Log {
        occasion,
        lines_left: limits.log_lines_max,
        line_bytes_max: limits.log_line_bytes_max,
        begun: Vec::new(),
        dropped: 0,
        last_warning: None,
    };
    let bounds = Bounds {
        memory: Gauge { used: 0, asked: 0, bound: allowance.memory_bytes },
        table: Gauge { used: 0, asked: 0, bound: allowance.table_elements },
        cores: limits.modules_per_pack_max as usize + 1,
        memories: limits.memories_per_pack_max as usize,
        tables: limits.tables_per_pack_max as usize,
    };
    let mut store = Store::new(engine, State { log, bounds, allowance });
    store.limiter(|state| &mut state.bounds);
    store.set_fuel(allowance.fuel.max)?;
    store.set_epoch_deadline(limits.ticks(allowance.deadline_ms.max));
    store.set_hostcall_fuel(limits.result_bytes_max);
    Ok(store)
}

/// Takes the limits off, to read the memory of a pack that has stopped running. Only the host's own reader runs.
pub(crate) fn lift_limits(store: &mut Store<State>) -> wasmtime::Result<()> {
    store.set_fuel(u64::MAX)?;
    store.set_epoch_deadline(1 << 40);
    store.set_hostcall_fuel(usize::MAX);
    store.data_mut().bounds.memory.bound.max = usize::MAX;
    Ok(())
}

/// The lines a pack writes. Bounded in number and length, so that logging is no way to fill a disk.
pub(crate) struct Log {
    occasion: Occasion,
    lines_left: u32,
    line_bytes_max: usize,
    /// The pieces so far of a line that comes in pieces.
    begun: Vec<u8>,
    dropped: u64,
    /// A pack's panic message arrives as its last warning, before the trap that says nothing.
    last_warning: Option<String>,
}

impl Log {
    /// Whether another line would be kept; if not, the caller need not read it.
    pub(crate) fn wants_line(&mut self) -> bool {
        let wants = self.lines_left > 0;
        match wants {
            true => self.lines_left -= 1,
            false => self.dropped += 1,
        }
        wants
    }

    /// A piece of a line; the line is kept once it is whole. What is beyond its greatest length is not.
    pub(crate) fn piece(&mut self, level: tracing::Level, piece: &[u8], more: bool) {
        let room = self.line_bytes_max.saturating_sub(self.begun.len());
        self.begun.extend(piece.iter().take(room));
        if !more {
            let line = std::mem::take(&mut self.begun);
            if self.wants_line() {
                self.line(level, String::from_utf8_lossy(&line).trim_end_matches('\0'));
            }
        }
    }

    pub(crate) fn line(&mut self, level: tracing::Level, message: &str) {
        let message = &message[..message.floor_char_boundary(self.line_bytes_max)];
        let Occasion { pack, stage, event } = &self.occasion;
        let pack = &**pack;
        match level {
            tracing::Level::WARN => {
                tracing::warn!(target: LOG_TARGET, pack, stage, event, "{message}");
                self.last_warning = Some(message.to_owned());
            }
            tracing::Level::INFO => tracing::info!(target: LOG_TARGET, pack, stage, event, "{message}"),
            _ => tracing::debug!(target: LOG_TARGET, pack, stage, event, "{message}"),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.dropped > 0 {
            let Occasion { pack, stage, event } = &self.occasion;
            let (pack, dropped) = (&**pack, self.dropped);
            meters::lines_dropped(pack, dropped);
            tracing::warn!(target: LOG_TARGET, pack, stage, event, dropped, "the pack wrote more lines than `log_lines_max` allows");
        }
    }
}

/// One kind of thing that grows.
struct Gauge {
    used: usize,
    /// The last growth that was granted: given back when it then fails for another reason.
    asked: usize,
    bound: Bound<usize>,
}

impl Gauge {
    /// The new sum, or how much it would have been.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), usize> {
        let more = desired.saturating_sub(current);
        let sum = self.used.saturating_add(more);
        if sum > self.bound.max {
            return Err(sum);
        }
        (self.used, self.asked) = (sum, more);
        Ok(())
    }

    fn give_back(&mut self) {
        self.used -= std::mem::take(&mut self.asked);
    }
}

/// Counts all memories and all tables of an instance together. What goes over traps: a pack that were told "no" would
/// only break off with a message that names no limit.
struct Bounds {
    memory: Gauge,
    table: Gauge,
    cores: usize,
    memories: usize,
    tables: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Exceeded(Failure);

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let Bound { max: limit_bytes, field } = self.memory.bound;
        let over = |wanted_bytes| Exceeded(Failure::Memory { field, wanted_bytes, limit_bytes });
        self.memory.grow(current, desired).map_err(over)?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let Bound { max: limit, field } = self.table.bound;
        let over = |wanted| Exceeded(Failure::Table { field, wanted, limit });
        self.table.grow(current, desired).map_err(over)?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.give_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.cores
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}

/// What an error of wasmtime means for the call that had this state.
pub(crate) fn failure(error: &wasmtime::Error, state: &State, limits: &Limits) -> Failure {
    let Allowance { fuel, deadline_ms, .. } = state.allowance;
    if let Some(Exceeded(failure)) = error.downcast_ref() {
        return failure.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Busy { limit: limits.instances_max };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Failure::OutOfFuel { field: fuel.field, limit: fuel.max },
        Some(Trap::Interrupt) => Failure::Deadline { field: deadline_ms.field, limit_ms: deadline_ms.max },
        Some(Trap::StackOverflow) => Failure::Stack { limit_bytes: limits.stack_bytes_max },
        // Tools of other languages give a pack stubs for these, which it cannot call (`packs/src/builder/flat.rs`).
        Some(Trap::CannotEnterComponent) => Failure::Trapped {
            message: "it called what no pack has: a clock, randomness, files, standard streams, or a module \
                      that was not built in"
                .into(),
            backtrace: backtrace::frames(error),
        },
        Some(trap) => Failure::Trapped {
            message: match &state.log.last_warning {
                Some(warning) => format!("{warning} ({trap})"),
                None => trap.to_string(),
            },
            backtrace: backtrace::frames(error),
        },
        // wasmtime keeps this type to itself; the hostile guests notice when its words change.
        None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
            Failure::ResultTooLarge {
                what: "more bytes than may be copied".into(),
                field: "result_bytes_max",
                limit: limits.result_bytes_max,
            }
        }
        None => Failure::Invalid { what: error.root_cause().to_string() },
    }
}
