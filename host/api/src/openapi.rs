//! This API as an OpenAPI 3.1 document, made of the table of routes.

use std::sync::OnceLock;

use axum::{Json, http::Method};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    Needs,
    describe::Described,
    routes::{Row, table},
};

/// The document.
pub(crate) async fn document() -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(of_table))
}

fn of_table() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for row in table() {
        let mut described = Described::default();
        (row.takes)(&mut described);
        let operation = operation(&row, &described);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Caveat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Calls, recordings and the rules they are under. Every error is a problem (RFC 9457); every \
                request is inside one client, that of the session or token.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem() },
            "securitySchemes": {
                "session": {
                    "type": "http", "scheme": "bearer",
                    "description": "Of a person, from `POST /v1/session`.",
                },
                "machine": {
                    "type": "http", "scheme": "bearer",
                    "description": "Of a machine, from `caveat token create`; it begins with `cvt_`.",
                },
            },
        },
    })
}

fn operation(row: &Row, described: &Described) -> Value {
    let (person, machine) = row.needs.in_words();
    let in_path = row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(
        |name| json!({ "name": name, "in": "path", "required": true, "schema": described.in_path.clone() }),
    );
    let mut operation = json!({
        "operationId": format!("{} {}", row.method.as_str().to_lowercase(), row.path),
        "summary": row.says,
        "tags": [row.path.trim_start_matches("/v1/").split('/').next().unwrap_or_default()],
        "parameters": in_path.collect::<Vec<_>>(),
        "responses": {
            "2XX": { "description": "Done." },
            "default": {
                "description": "What is wrong, and what to do.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            },
        },
        "security": security(row.needs),
        "x-caveat-needs": { "person": person, "machine": machine },
    });
    if described.body {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": {} } });
    } else if described.bytes && row.method != Method::GET {
        operation["requestBody"] = json!({ "content": { "application/octet-stream": {} } });
    }
    operation
}

fn security(needs: Needs) -> Value {
    match needs {
        Needs::Open => json!([]),
        Needs::Machine(_) => json!([{ "machine": [] }]),
        Needs::Either(..) | Needs::EitherOf(..) => json!([{ "session": [] }, { "machine": [] }]),
        Needs::Session | Needs::Person(_) | Needs::OneOfTwo(_) | Needs::AnyOf(_) => {
            json!([{ "session": [] }])
        }
    }
}

/// As [`crate::Problem`] leaves the host.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["status", "title", "detail"],
        "properties": {
            "status": { "type": "integer" },
            "title": { "type": "string", "description": "The same for every case of the kind." },
            "detail": { "type": "string", "description": "What is wrong here, and what to do." },
            "decided": { "type": "object", "description": "The verdict of the packs, where they said no." },
        },
    })
}

/// How a value of an enum is spelled.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
