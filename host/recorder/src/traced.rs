//! Spans of the path, for whoever has traces sent somewhere (`[telemetry]` of `caveat.toml`). They have a target of their own,
//! which no log shows; where nobody takes it, a span costs a comparison. No attribute holds anything of a person: clients,
//! events, packs, and the ids of recordings.

/// A span of the path: a name and its fields.
macro_rules! traced {
    (parent: $parent:expr, $name:literal) => {
        tracing::trace_span!(target: "caveat_trace", parent: $parent, $name)
    };
    ($name:literal $(, $($field:tt)+)?) => {
        tracing::trace_span!(target: "caveat_trace", $name $(, $($field)+)?)
    };
}
