//! Where in a pack it happened, in words its author knows.

use wasmtime::WasmBacktrace;

/// Functions through which every panic goes; they say nothing about the pack.
const PANICKING: [&str; 9] = [
    "__rust",
    "__rustc",
    "_rust",
    "rust_",
    "core::panicking",
    "core::option::expect",
    "core::result::unwrap",
    "core::option::unwrap",
    "std::",
];

/// The functions on the pack's stack, innermost first, from where the pack's own code begins. A pack that was stripped
/// of names has numbers instead.
pub(crate) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let named = trace.frames().iter().map(|frame| match frame.func_name() {
        // The alternate form leaves out the hash.
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("<function {}>", frame.func_index()),
    });
    own(named.collect())
}

/// Leaves out the panic machinery on top, unless there is nothing else.
fn own(mut frames: Vec<String>) -> Vec<String> {
    let machinery = |frame: &String| {
        let plain = frame.trim_start_matches('<');
        PANICKING.iter().any(|prefix| plain.starts_with(prefix))
    };
    let first = frames.iter().position(|frame| !machinery(frame)).unwrap_or(0);
    frames.drain(..first);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_begins_with_the_packs_own_code() {
        let check = |given: &[&str], wanted: &[&str]| {
            assert_eq!(own(given.iter().map(|f| (*f).to_owned()).collect()), wanted);
        };
        check(
            &["__rustc::rust_panic", "std::panicking::begin", "core::panicking::panic_fmt", "house::rule"],
            &["house::rule"],
        );
        check(&["house::rule", "std::iter::go"], &["house::rule", "std::iter::go"]);
        check(&["core::panicking::panic"], &["core::panicking::panic"]);
        check(&[], &[]);
    }
}
