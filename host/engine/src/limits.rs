//! Every bound on a pack, as a number.

use std::time::Duration;

use serde::Deserialize;

use crate::EngineError;

/// What a pack may use. The defaults suit packs written in Rust. A pack in Python or JavaScript brings an interpreter and
/// asks for more in its manifest ([`crate::Needs`]); it gets that up to the ceilings here. A ceiling below the default
/// counts as the default.
///
/// Fuel decides: it counts instructions, bytes that one instruction moves, and lines of log, so that the same ruling stops
/// at the same place on any machine. The deadline is wall time, which no two machines share: a guard for the case that
/// something was not counted, set so far above what the fuel takes that no ruling of an honest pack ends by it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Size of a pack's component, in bytes.
    pub component_bytes_max: usize,
    /// Size of a pack's settings, in bytes of JSON.
    pub settings_bytes_max: usize,
    /// Rulings, and packs being loaded, at the same time. Each reserves address space, not memory.
    pub instances_max: u32,
    /// Core modules that one pack may consist of.
    pub modules_per_pack_max: u32,
    /// Memories that one pack may have.
    pub memories_per_pack_max: u32,
    /// Tables that one pack may have.
    pub tables_per_pack_max: u32,
    /// All memories of one instance together, in bytes, for a pack that asks for nothing.
    pub memory_bytes_max: usize,
    /// The same, in bytes, for a pack that asks. Reserves address space, not memory.
    pub memory_bytes_ceiling: usize,
    /// All tables of one instance together, in elements, for a pack that asks for nothing.
    pub table_elements_max: usize,
    /// The same, in elements, for a pack that asks.
    pub table_elements_ceiling: usize,
    /// Call stack of a pack, in bytes. It lies on the caller's thread, which must have that much and 256 KiB to spare.
    pub stack_bytes_max: usize,
    /// Instructions of one ruling, in wasmtime's fuel: about one each. For a pack that asks for nothing.
    pub fuel_per_ruling: u64,
    /// The same, for a pack that asks.
    pub fuel_per_ruling_ceiling: u64,
    /// Wall time of one ruling with `fuel_per_ruling`, in milliseconds; it is noticed at the next tick. A pack with more
    /// fuel has as many times more.
    pub deadline_ms: u64,
    /// How often the deadline is looked at, in microseconds.
    pub epoch_tick_us: u64,
    /// Instructions of `configure`, once at load.
    pub configure_fuel: u64,
    /// Wall time of `configure`, in milliseconds.
    pub configure_deadline_ms: u64,
    /// Size of a pack once its configured memory is in it, in bytes. One that gets larger is configured for each ruling
    /// instead; zero has every pack do so.
    pub snapshot_bytes_max: usize,
    /// What one ruling takes up in the host while it is copied out of the pack, in bytes.
    pub result_bytes_max: usize,
    /// Obligations in one ruling.
    pub obligations_max: usize,
    /// Entries in any other list of a ruling.
    pub entries_max: usize,
    /// Any one text in a ruling, in bytes.
    pub text_bytes_max: usize,
    /// Log lines that are kept of one ruling; the rest is counted.
    pub log_lines_max: u32,
    /// One log line, in bytes; the rest of it is cut off.
    pub log_line_bytes_max: usize,
    /// How much of a table stays in memory between instances, in bytes. Resetting it is cheaper than mapping it anew.
    pub table_keep_resident_bytes: usize,
    /// How much of a memory stays between instances, in bytes (zeroed or restored from the pack's image in between).
    pub memory_keep_resident_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes_max: 64 << 20,
            settings_bytes_max: 1 << 20,
            instances_max: 256,
            modules_per_pack_max: 64,
            memories_per_pack_max: 8,
            tables_per_pack_max: 32,
            memory_bytes_max: 4 << 20,
            memory_bytes_ceiling: 256 << 20,
            table_elements_max: 10_000,
            table_elements_ceiling: 100_000,
            stack_bytes_max: 512 << 10,
            fuel_per_ruling: 10_000_000,
            fuel_per_ruling_ceiling: 1_000_000_000,
            deadline_ms: 1_000,
            epoch_tick_us: 1_000,
            configure_fuel: 1_000_000_000,
            configure_deadline_ms: 60_000,
            snapshot_bytes_max: 256 << 20,
            result_bytes_max: 256 << 10,
            obligations_max: 256,
            entries_max: 256,
            text_bytes_max: 4_096,
            log_lines_max: 32,
            log_line_bytes_max: 1_024,
            table_keep_resident_bytes: 16 << 10,
            memory_keep_resident_bytes: 128 << 10,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let positive = [
            ("component_bytes_max", self.component_bytes_max as u64),
            ("instances_max", self.instances_max.into()),
            ("modules_per_pack_max", self.modules_per_pack_max.into()),
            ("memories_per_pack_max", self.memories_per_pack_max.into()),
            ("tables_per_pack_max", self.tables_per_pack_max.into()),
            ("stack_bytes_max", self.stack_bytes_max as u64),
            ("fuel_per_ruling", self.fuel_per_ruling),
            ("deadline_ms", self.deadline_ms),
            ("epoch_tick_us", self.epoch_tick_us),
            ("configure_fuel", self.configure_fuel),
            ("configure_deadline_ms", self.configure_deadline_ms),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(EngineError::Limits { field, why: "zero would stop every pack" });
        }
        if self.memory_bytes_max < 64 << 10 {
            let why = "less than one page of 64 KiB (65536) would stop every pack";
            return Err(EngineError::Limits { field: "memory_bytes_max", why });
        }
        if self.stack_bytes_max > 1 << 20 {
            let why = "more than 1 MiB (1048576) may not fit on the threads that rule";
            return Err(EngineError::Limits { field: "stack_bytes_max", why });
        }
        Ok(())
    }

    pub(crate) fn epoch_tick(&self) -> Duration {
        Duration::from_micros(self.epoch_tick_us)
    }

    /// Wall time of one ruling of a pack with this much fuel, in milliseconds.
    pub(crate) fn deadline_ms(&self, fuel: u64) -> u64 {
        self.deadline_ms.saturating_mul(fuel.div_ceil(self.fuel_per_ruling.max(1)).max(1))
    }

    /// Ticks that surely take `ms` milliseconds: the first may come at once.
    pub(crate) fn ticks(&self, ms: u64) -> u64 {
        ms.saturating_mul(1_000).div_ceil(self.epoch_tick_us).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn defaults_hold_and_a_misspelt_limit_is_refused() {
        Limits::default().check().unwrap();
        let read = |json| serde_json::from_str::<Limits>(json);
        assert_eq!(read(r#"{"deadline_ms": 7}"#).unwrap().deadline_ms, 7);
        assert!(read(r#"{"deadline_us": 7}"#).unwrap_err().to_string().contains("deadline_us"));
    }

    #[test]
    fn a_limit_that_would_stop_every_pack_is_refused_by_name() {
        let limits = Limits { epoch_tick_us: 0, ..Limits::default() };
        assert!(limits.check().unwrap_err().to_string().contains("epoch_tick_us"));
    }

    #[test]
    fn a_deadline_is_never_early() {
        let limits = Limits { epoch_tick_us: 1_500, ..Limits::default() };
        assert_eq!([0, 1, 2, 3, 4].map(|ms| limits.ticks(ms)), [1, 2, 3, 3, 4]);
        assert_eq!(limits.ticks(u64::MAX), u64::MAX / 1_500 + 2);
    }

    #[test]
    fn who_has_more_fuel_has_more_time() {
        let limits = Limits { deadline_ms: 10, fuel_per_ruling: 100, ..Limits::default() };
        let deadlines = [0, 1, 100, 101, 1_000].map(|fuel| limits.deadline_ms(fuel));
        assert_eq!(deadlines, [10, 10, 10, 20, 100]);
    }
}
