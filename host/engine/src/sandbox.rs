//! The walls: wasmtime's configuration, and what one instance may use up.

use std::sync::Arc;

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolConcurrencyLimitError, PoolingAllocationConfig,
    ResourceLimiter, Store, Trap, WasmBacktrace,
};

use crate::{Failure, Limits};

/// What a snapshot needs on top: each memory is read twice, and each reading adds one page to it.
const SNAPSHOT_PAGES: usize = 2;
const PAGE_BYTES: usize = 64 << 10;

/// What the lines of packs are filtered by (`RUST_LOG=pack=debug`).
const LOG_TARGET: &str = "pack";

/// A wasmtime that gives the same answer on any machine, and returns slots to the pool without leaving a trace.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<wasmtime::Engine> {
    let mut pool = PoolingAllocationConfig::new();
    let instances = limits.instances_max;
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
        .max_memory_size(limits.memory_bytes_max + SNAPSHOT_PAGES * PAGE_BYTES)
        .table_elements(limits.table_elements_max)
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
        .cranelift_nan_canonicalization(true)
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
}

/// A store with full tanks. `stage` names what it is for in the log.
pub(crate) fn store(
    engine: &wasmtime::Engine,
    limits: &Limits,
    pack: &Arc<str>,
    stage: &'static str,
    (fuel, deadline_us): (u64, u64),
) -> wasmtime::Result<Store<State>> {
    let log = Log {
        pack: pack.clone(),
        stage,
        lines_left: limits.log_lines_max,
        line_bytes_max: limits.log_line_bytes_max,
        dropped: 0,
        last_warning: None,
    };
    let bounds = Bounds {
        memory: Gauge { used: 0, asked: 0, max: limits.memory_bytes_max },
        table: Gauge { used: 0, asked: 0, max: limits.table_elements_max },
        cores: limits.modules_per_pack_max as usize + 1,
        memories: limits.memories_per_pack_max as usize,
        tables: limits.tables_per_pack_max as usize,
    };
    let mut store = Store::new(engine, State { log, bounds });
    store.limiter(|state| &mut state.bounds);
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(limits.ticks(deadline_us));
    store.set_hostcall_fuel(limits.result_bytes_max);
    Ok(store)
}

/// Takes the limits off, to read the memory of a pack that has stopped running. Only the host's own reader runs.
pub(crate) fn lift_limits(store: &mut Store<State>) -> wasmtime::Result<()> {
    store.set_fuel(u64::MAX)?;
    store.set_epoch_deadline(1 << 40);
    store.set_hostcall_fuel(usize::MAX);
    store.data_mut().bounds.memory.max = usize::MAX;
    Ok(())
}

/// The lines a pack writes. Bounded in number and length, so that logging is no way to fill a disk.
pub(crate) struct Log {
    pack: Arc<str>,
    stage: &'static str,
    lines_left: u32,
    line_bytes_max: usize,
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

    pub(crate) fn line(&mut self, level: tracing::Level, message: &str) {
        let message = &message[..message.floor_char_boundary(self.line_bytes_max)];
        let (pack, stage) = (&*self.pack, self.stage);
        match level {
            tracing::Level::WARN => {
                tracing::warn!(target: LOG_TARGET, pack, stage, "{message}");
                self.last_warning = Some(message.to_owned());
            }
            tracing::Level::INFO => tracing::info!(target: LOG_TARGET, pack, stage, "{message}"),
            _ => tracing::debug!(target: LOG_TARGET, pack, stage, "{message}"),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.dropped > 0 {
            let (pack, stage, dropped) = (&*self.pack, self.stage, self.dropped);
            tracing::warn!(target: LOG_TARGET, pack, stage, dropped, "the pack wrote more lines than `log_lines_max` allows");
        }
    }
}

/// One kind of thing that grows.
struct Gauge {
    used: usize,
    /// The last growth that was granted: given back when it then fails for another reason.
    asked: usize,
    max: usize,
}

impl Gauge {
    /// The new sum, or how much it would have been.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), usize> {
        let more = desired.saturating_sub(current);
        let sum = self.used.saturating_add(more);
        if sum > self.max {
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
        let limit_bytes = self.memory.max;
        let over = |wanted_bytes| Exceeded(Failure::Memory { wanted_bytes, limit_bytes });
        self.memory.grow(current, desired).map_err(over)?;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.table.max;
        let over = |wanted| Exceeded(Failure::Table { wanted, limit });
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

/// What an error of wasmtime means. `fuel` and `deadline_us` are what the call had.
pub(crate) fn failure(
    error: &wasmtime::Error,
    log: &Log,
    limits: &Limits,
    (fuel, deadline_us): (u64, u64),
) -> Failure {
    if let Some(Exceeded(failure)) = error.downcast_ref() {
        return failure.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Busy { limit: limits.instances_max };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Failure::OutOfFuel { limit: fuel },
        Some(Trap::Interrupt) => Failure::Deadline { limit_us: deadline_us },
        Some(Trap::StackOverflow) => Failure::Stack { limit_bytes: limits.stack_bytes_max },
        Some(trap) => Failure::Trapped {
            message: match &log.last_warning {
                Some(warning) => format!("{warning} ({trap})"),
                None => trap.to_string(),
            },
            backtrace: error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default(),
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
