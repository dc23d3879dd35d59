//! What a handler takes, told by its own signature, so that the OpenAPI document cannot say anything else.

use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Uri},
};
use caveat_model::{PersonId, RecordingId};
use serde_json::{Value, json};

use crate::{
    extract::{Body, Path, Query},
    gate::{Caller, Client, Person, Token},
};

/// A description in the making.
#[derive(Default)]
pub(crate) struct Described {
    /// Schema of what stands in the path.
    pub(crate) in_path: Value,
    /// It takes a body of JSON.
    pub(crate) body: bool,
    /// The body is bytes of some other kind.
    pub(crate) bytes: bool,
}

/// The arguments of a handler, as axum counts them.
pub(crate) trait Takes {
    fn describe(to: &mut Described);
}

/// One argument of a handler.
pub(crate) trait Taken {
    fn describe(_: &mut Described) {}
}

impl Takes for ((),) {
    fn describe(_: &mut Described) {}
}

macro_rules! takes {
    ($($arg:ident)+) => {
        impl<M, $($arg: Taken),+> Takes for (M, $($arg,)+) {
            fn describe(to: &mut Described) {
                $($arg::describe(to);)+
            }
        }
    };
}
takes!(A);
takes!(A B);
takes!(A B C);
takes!(A B C D);
takes!(A B C D E);
takes!(A B C D E F);

impl<T> Taken for State<T> {}
impl<T> Taken for ConnectInfo<T> {}
impl<T> Taken for Extension<T> {}
impl Taken for HeaderMap {}
impl Taken for Uri {}
impl Taken for Caller {}
impl Taken for Client {}
impl Taken for Person {}
impl Taken for Token {}

impl Taken for Bytes {
    fn describe(to: &mut Described) {
        to.bytes = true;
    }
}

impl Taken for Request {
    fn describe(to: &mut Described) {
        to.bytes = true;
    }
}

impl<T> Taken for Body<T> {
    fn describe(to: &mut Described) {
        to.body = true;
    }
}

impl<T> Taken for Query<T> {}

impl<T: InPath> Taken for Path<T> {
    fn describe(to: &mut Described) {
        to.in_path = T::schema();
    }
}

/// What can stand in a path.
pub(crate) trait InPath {
    fn schema() -> Value;
}

impl InPath for String {
    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }
}

impl InPath for PersonId {
    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,39}$"})
    }
}

impl InPath for u64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
    }
}

impl InPath for i64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX})
    }
}

impl InPath for RecordingId {
    fn schema() -> Value {
        json!({"type": "string", "format": "uuid"})
    }
}
