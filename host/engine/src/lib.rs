//! Runs rule packs: WebAssembly components behind the contract in `wit/`, each ruling in a fresh, bounded instance.
//!
//! The only crate that names wasmtime. It never gives a pack a clock, randomness, a file or a socket, never reuses an
//! instance, and never lets a pack's failure become anything but a [`Failure`] with the limit's name on it.
//! Start at [`Engine::load`], then [`Engine::rule`]; what may be raised or lowered is in [`Limits`].

mod allowance;
mod backtrace;
mod cache;
mod engine;
mod error;
mod limits;
mod load;
mod meters;
mod sandbox;
mod snapshot;
mod ticker;
mod v0_1;

pub use allowance::Needs;
pub use engine::{Answer, Engine, Pack, Question};
pub use error::{EngineError, Failure, Problem};
pub use limits::Limits;
pub use sandbox::NAN_IS_CANONICAL;
