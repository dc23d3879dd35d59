//! What a handler takes and what it gives, told by its own signature, so that the OpenAPI document cannot say anything else.

use std::future::Future;

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, Uri},
    response::sse::Sse,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Problem,
    extract::{Body, Path, Query},
    gate::{Caller, Client, Person, Token},
};

/// Descriptions of all routes in the making.
pub(crate) struct Schemas {
    /// What is asked with, each description whole.
    asked: SchemaGenerator,
    /// What is answered, by names that the document lists.
    told: SchemaGenerator,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let asked = SchemaSettings::draft2020_12().for_deserialize().with(|s| {
            s.inline_subschemas = true;
            s.meta_schema = None;
        });
        let told = SchemaSettings::draft2020_12().for_serialize().with(|s| {
            s.definitions_path = "/components/schemas".into();
            s.meta_schema = None;
        });
        Self { asked: asked.into_generator(), told: told.into_generator() }
    }

    /// What the document lists under `components/schemas`.
    pub(crate) fn listed(mut self) -> Map<String, Value> {
        self.told.take_definitions(true)
    }
}

/// Something that can be sent: its media type, and its schema.
pub(crate) type Content = (&'static str, Value);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) says: &'static str,
    /// In one of these forms; none: it has no body.
    pub(crate) content: Vec<Content>,
    /// Names of headers, and what they say.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// A description of one route in the making.
pub(crate) struct Described<'s> {
    schemas: &'s mut Schemas,
    /// Schema of what stands in the path.
    pub(crate) in_path: Option<Value>,
    /// Schema of an object with what stands behind the question mark.
    pub(crate) query: Option<Value>,
    /// Headers that are read: names, and what they say.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// Forms of the body; none: it takes none.
    pub(crate) body: Vec<Content>,
    /// It can do without the body.
    pub(crate) body_is_optional: bool,
    /// The handler asks who called.
    pub(crate) knows_caller: bool,
    /// Answers that are no problem.
    pub(crate) answers: Vec<Answer>,
    /// It can come to nothing.
    pub(crate) can_fail: bool,
}

impl<'s> Described<'s> {
    pub(crate) fn new(schemas: &'s mut Schemas) -> Self {
        Self {
            schemas,
            in_path: None,
            query: None,
            headers: vec![],
            body: vec![],
            body_is_optional: false,
            knows_caller: false,
            answers: vec![],
            can_fail: false,
        }
    }

    fn asked<T: JsonSchema>(&mut self) -> Value {
        let mut schema = self.schemas.asked.subschema_for::<T>().to_value();
        say_bounds(&mut schema);
        schema
    }

    /// The schema of something that is answered with.
    pub(crate) fn told<T: JsonSchema>(&mut self) -> Value {
        self.schemas.told.subschema_for::<T>().to_value()
    }

    /// It takes a body of this kind.
    pub(crate) fn takes(&mut self, kind: &'static str, schema: Value) {
        self.body.push((kind, schema));
    }

    /// It takes a body of this kind, as `T` is read from JSON.
    pub(crate) fn takes_json<T: JsonSchema>(&mut self) {
        let schema = self.asked::<T>();
        self.takes("application/json", schema);
    }

    /// It answers so.
    pub(crate) fn gives(&mut self, status: u16, says: &'static str, content: Vec<Content>) -> &mut Answer {
        let at = self.answers.len();
        self.answers.push(Answer { status, says, content, headers: vec![] });
        &mut self.answers[at]
    }

    /// It answers with `T` as JSON.
    pub(crate) fn gives_json<T: JsonSchema>(&mut self, status: u16, says: &'static str) -> &mut Answer {
        let schema = self.told::<T>();
        self.gives(status, says, vec![("application/json", schema)])
    }
}

/// Says in the schema's own words what Rust's types cannot hold: `format` is for people.
fn say_bounds(schema: &mut Value) {
    let bounds = match schema["format"].as_str() {
        Some("uint8") => Some((0, u64::from(u8::MAX))),
        Some("uint16") => Some((0, u64::from(u16::MAX))),
        Some("uint32") => Some((0, u64::from(u32::MAX))),
        Some("uint64" | "uint") => Some((0, u64::MAX)),
        Some("int64" | "int") => Some((i64::MIN, i64::MAX.unsigned_abs())),
        _ => None,
    };
    let is_moment = schema["format"] == "date-time";
    match schema {
        Value::Object(all) => {
            if let Some((least, most)) = bounds {
                all.entry("minimum").or_insert(least.into());
                all.entry("maximum").or_insert(most.into());
            }
            if is_moment {
                // Nothing here was before 1970.
                all.entry("pattern").or_insert("^(19[7-9][0-9]|[2-9][0-9]{3})-".into());
            }
            all.values_mut().for_each(say_bounds);
        }
        Value::Array(all) => all.iter_mut().for_each(say_bounds),
        _ => {}
    }
}

/// Bytes that are no text.
pub(crate) fn bytes() -> Value {
    json!({ "type": "string", "format": "binary" })
}

/// A handler, by its arguments as axum counts them.
pub(crate) trait Signature<T> {
    fn describe(to: &mut Described<'_>);
}

/// One argument of a handler.
pub(crate) trait Taken {
    fn describe(_: &mut Described<'_>) {}
}

/// What a handler answers with.
pub(crate) trait Given {
    fn describe(to: &mut Described<'_>);
}

impl<F, Fut> Signature<((),)> for F
where
    F: FnOnce() -> Fut,
    Fut: Future<Output: Given>,
{
    fn describe(to: &mut Described<'_>) {
        Fut::Output::describe(to);
    }
}

macro_rules! signature {
    ($($arg:ident)+) => {
        impl<F, Fut, M, $($arg: Taken),+> Signature<(M, $($arg,)+)> for F
        where
            F: FnOnce($($arg),+) -> Fut,
            Fut: Future<Output: Given>,
        {
            fn describe(to: &mut Described<'_>) {
                $($arg::describe(to);)+
                Fut::Output::describe(to);
            }
        }
    };
}
signature!(A);
signature!(A B);
signature!(A B C);
signature!(A B C D);
signature!(A B C D E);
signature!(A B C D E G);
signature!(A B C D E G H);

impl<T> Taken for State<T> {}
impl<T> Taken for ConnectInfo<T> {}
impl<T> Taken for Extension<T> {}
impl Taken for Uri {}
impl Taken for HeaderMap {}

impl<A: Taken, B: Taken> Taken for (A, B) {
    fn describe(to: &mut Described<'_>) {
        A::describe(to);
        B::describe(to);
    }
}

macro_rules! knows_caller {
    ($($kind:ty)+) => {
        $(impl Taken for $kind {
            fn describe(to: &mut Described<'_>) {
                to.knows_caller = true;
            }
        })+
    };
}
knows_caller!(Caller Client Person Token);

impl<T: JsonSchema> Taken for Body<T> {
    fn describe(to: &mut Described<'_>) {
        to.takes_json::<T>();
    }
}

impl<T: JsonSchema> Taken for Query<T> {
    fn describe(to: &mut Described<'_>) {
        to.query = Some(to.asked::<T>());
    }
}

impl<T: JsonSchema> Taken for Path<T> {
    fn describe(to: &mut Described<'_>) {
        to.in_path = Some(to.asked::<T>());
    }
}

impl<T: Given> Given for Result<T, Problem> {
    fn describe(to: &mut Described<'_>) {
        to.can_fail = true;
        T::describe(to);
    }
}

impl<T: JsonSchema> Given for Json<T> {
    fn describe(to: &mut Described<'_>) {
        to.gives_json::<T>(200, "Done.");
    }
}

macro_rules! text {
    ($($kind:ty)+) => {
        $(impl Given for $kind {
            fn describe(to: &mut Described<'_>) {
                to.gives(200, "Done.", vec![("text/plain", json!({ "type": "string" }))]);
            }
        })+
    };
}
text!(String &'static str);

impl<S> Given for Sse<S> {
    fn describe(to: &mut Described<'_>) {
        to.gives(
            200,
            "Events, as they happen.",
            vec![(
                "text/event-stream",
                json!({ "description": "Server-sent events, each with JSON as its data." }),
            )],
        );
    }
}
