//! What the industry packs share, so that each of them is data and the few decisions that are its own.
//!
//! Law is rows in a pack's `data/`: periods, numbers, words, each with its citation and how sure we are of it. `build` turns
//! them, and the rules of `pack.toml`, into statics when a pack is built: a guest carries no parser, and a bad row stops the
//! build with its name. [`Period`] and [`Number`] are those rows; `keeping` is what follows from periods for storage, `keeper`
//! the order in which a pack is asked there, `known` asks for attributes, `phrase` listens. No pack has to use any of it.

#[cfg(feature = "build")]
pub mod build;
#[cfg(feature = "rules")]
pub mod keeper;
#[cfg(feature = "rules")]
pub mod keeping;
#[cfg(feature = "rules")]
pub mod known;
#[cfg(feature = "rules")]
pub mod phrase;
#[cfg(feature = "rules")]
mod row;

#[cfg(feature = "rules")]
pub use row::{Length, Number, Period, Sure, confirmed, is_listed, tell_doubt};
