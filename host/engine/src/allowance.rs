//! What one pack gets: the host's defaults, or what its manifest asks for, up to the host's ceilings.

use serde::{Deserialize, Serialize};

use crate::{EngineError, Limits};

/// What a pack asks for instead of the host's defaults: the table `[needs]` of its `pack.toml`. What it leaves out, the
/// host decides; asking for less than the default is kept to as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Needs {
    /// All memories of one instance together, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<usize>,
    /// All tables of one instance together, in elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_elements: Option<usize>,
    /// Instructions of one ruling, in units of fuel. Its wall time is in proportion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_per_ruling: Option<u64>,
}

impl Needs {
    /// Whether it asks for nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each need that no host can meet: its key, and what is wrong with it.
    pub fn problems(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let page = "less than one page of 64 KiB (65536) would stop the pack";
        let zero = "zero would stop the pack";
        [
            ("memory-bytes", page, self.memory_bytes.is_some_and(|bytes| bytes < 64 << 10)),
            ("fuel-per-ruling", zero, self.fuel_per_ruling == Some(0)),
        ]
        .into_iter()
        .filter_map(|(key, why, wrong)| wrong.then_some((key, why)))
    }
}

/// A number that a pack is held to, and the name under which somebody can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound<T> {
    pub(crate) max: T,
    /// A field of [`Limits`], or `needs.KEY` of the pack's manifest.
    pub(crate) field: &'static str,
}

/// All that one call into a pack may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) memory_bytes: Bound<usize>,
    pub(crate) table_elements: Bound<usize>,
    pub(crate) fuel: Bound<u64>,
    pub(crate) deadline_ms: Bound<u64>,
}

impl Allowance {
    /// For one ruling of a pack with these needs.
    pub(crate) fn of(pack: &str, needs: &Needs, limits: &Limits) -> Result<Self, EngineError> {
        let fuel = Claim {
            key: "needs.fuel-per-ruling",
            wanted: needs.fuel_per_ruling,
            default: Bound { max: limits.fuel_per_ruling, field: "fuel_per_ruling" },
            ceiling: Bound { max: limits.fuel_per_ruling_ceiling, field: "fuel_per_ruling_ceiling" },
        }
        .settle(pack)?;
        Ok(Self {
            memory_bytes: Claim {
                key: "needs.memory-bytes",
                wanted: needs.memory_bytes,
                default: Bound { max: limits.memory_bytes_max, field: "memory_bytes_max" },
                ceiling: Bound { max: limits.memory_bytes_ceiling, field: "memory_bytes_ceiling" },
            }
            .settle(pack)?,
            table_elements: Claim {
                key: "needs.table-elements",
                wanted: needs.table_elements,
                default: Bound { max: limits.table_elements_max, field: "table_elements_max" },
                ceiling: Bound { max: limits.table_elements_ceiling, field: "table_elements_ceiling" },
            }
            .settle(pack)?,
            fuel,
            deadline_ms: Bound { max: limits.deadline_ms(fuel.max), field: "deadline_ms" },
        })
    }

    /// The same room, with the tanks of `configure`.
    pub(crate) fn to_configure(self, limits: &Limits) -> Self {
        Self {
            fuel: Bound { max: limits.configure_fuel, field: "configure_fuel" },
            deadline_ms: Bound { max: limits.configure_deadline_ms, field: "configure_deadline_ms" },
            ..self
        }
    }
}

/// One need beside what the host says to it.
struct Claim<T> {
    key: &'static str,
    wanted: Option<T>,
    default: Bound<T>,
    ceiling: Bound<T>,
}

impl<T: Ord + Copy + std::fmt::Display> Claim<T> {
    fn settle(self, pack: &str) -> Result<Bound<T>, EngineError> {
        let Some(wanted) = self.wanted else { return Ok(self.default) };
        let most = self.ceiling.max.max(self.default.max);
        if wanted > most {
            return Err(EngineError::Needs {
                pack: pack.to_owned(),
                need: self.key,
                wanted: wanted.to_string(),
                most: most.to_string(),
                limit: self.ceiling.field,
            });
        }
        Ok(Bound { max: wanted, field: self.key })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn asks_for(memory_bytes: usize) -> Needs {
        Needs { memory_bytes: Some(memory_bytes), ..Needs::default() }
    }

    #[test]
    fn a_pack_gets_what_it_asks_for_up_to_the_ceiling() {
        let limits = Limits { memory_bytes_max: 100, memory_bytes_ceiling: 300, ..Limits::default() };
        let memory = |needs| Allowance::of("p", &needs, &limits).map(|a| a.memory_bytes);
        let bound = |max, field| Bound { max, field };
        assert_eq!(memory(Needs::default()).unwrap(), bound(100, "memory_bytes_max"));
        assert_eq!(memory(asks_for(300)).unwrap(), bound(300, "needs.memory-bytes"));
        assert_eq!(memory(asks_for(50)).unwrap(), bound(50, "needs.memory-bytes"));
        let refused = memory(asks_for(301)).unwrap_err().to_string();
        for word in ["`p`", "`needs.memory-bytes`", "301", "300", "`memory_bytes_ceiling`"] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
    }

    #[test]
    fn a_ceiling_below_the_default_counts_as_the_default() {
        let limits = Limits { memory_bytes_max: 400, memory_bytes_ceiling: 300, ..Limits::default() };
        assert_eq!(Allowance::of("p", &asks_for(400), &limits).unwrap().memory_bytes.max, 400);
        assert!(Allowance::of("p", &asks_for(401), &limits).is_err());
    }
}
