//! This API as an OpenAPI 3.1 document, made of the table of routes and the signatures of what answers them.

use std::sync::OnceLock;

use axum::{Json, extract::State, http::Method};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    Needs, Problem, Rooms,
    describe::{Described, Schemas},
    links,
    routes::{Row, table},
};

/// The document.
pub(crate) async fn document(State(rooms): State<Rooms>) -> Json<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(|| of_table(&rooms.documented)))
}

pub(crate) fn of_table(others: &Map<String, Value>) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for row in table() {
        let mut described = Described::new(&mut schemas);
        (row.describe)(&mut described);
        let operation = operation(&row, &described);
        let path = paths.entry(as_template(row.path)).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation;
    }
    paths.extend(others.clone());
    Described::new(&mut schemas).told::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Caveat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Calls, recordings and the rules they are under. Every error is a problem (RFC 9457); every \
                request is inside one client, that of the session or token.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.listed(),
            "responses": problems(),
            "securitySchemes": {
                "session": {
                    "type": "http", "scheme": "bearer",
                    "description": "Of a person, from `POST /v1/session`. A request with the header `x-caveat-unattended` is \
                        no use of it, and does not keep it from ending when nobody does anything.",
                },
                "cookie": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-caveat",
                    "description": "Of a person, for pages of the host itself, which send `x-caveat: console` with it.",
                },
                "machine": {
                    "type": "http", "scheme": "bearer",
                    "description": "Of a machine, from `caveat token create`; it begins with `cvt_`.",
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "Of a machine that `[[sidecar]]` names.",
                },
            },
        },
    })
}

/// `{*name}` is axum's; OpenAPI has no parameter with slashes in it.
fn as_template(path: &str) -> String {
    path.replace("{*", "{")
}

fn operation(row: &Row, described: &Described<'_>) -> Value {
    let (person, machine) = row.needs.in_words();
    let mut operation = json!({
        "operationId": id(row),
        "summary": row.says,
        "tags": [row.path.trim_start_matches("/v1/").split('/').next().unwrap_or_default()],
        "parameters": parameters(row, described),
        "responses": responses(row, described),
        "security": security(row.needs),
        "x-caveat-needs": { "person": person, "machine": machine },
    });
    if !described.body.is_empty() {
        let content: Map<String, Value> = described
            .body
            .iter()
            .map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema })))
            .collect();
        operation["requestBody"] = json!({ "required": !described.body_is_optional, "content": content });
    }
    operation
}

/// `post-v1-holds-id-lift`.
fn id(row: &Row) -> String {
    let path = row.path.replace(['/', '{', '}', '*'], "-").replace("--", "-");
    format!("{}{}", row.method.as_str().to_lowercase(), path.trim_end_matches('-'))
}

fn parameters(row: &Row, described: &Described<'_>) -> Vec<Value> {
    let names = row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Value> = names
        .map(|name| {
            let mut schema = described.in_path.clone().unwrap_or_else(|| json!({ "type": "string" }));
            if schema["type"] == "string" && schema["pattern"].is_null() && schema["format"].is_null() {
                schema["minLength"] = json!(1);
            }
            let name = name.trim_start_matches('*');
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    all.extend(described.query.iter().flat_map(of_query));
    let header = |(name, says): &(&str, &str)| json!({ "name": name, "in": "header", "description": says, "schema": { "type": "string" } });
    all.extend(described.headers.iter().map(header));
    if is_asked_once(row, described) {
        let says = "The same request under the same key is answered once, and told again.";
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "description": says,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    all
}

/// A parameter for each property of an object.
fn of_query(query: &Value) -> Vec<Value> {
    let is_required =
        |name: &String| query["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
    let properties = query["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = without_null(schema.clone());
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter =
            json!({ "name": name, "in": "query", "required": is_required(name), "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    properties.map(parameter).collect()
}

/// What is left out of a query is not there; it is never null.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Vec<_> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [kind] = kinds.as_slice() {
            schema["type"] = kind.clone();
        }
    }
    let Some(any) = schema.as_object_mut().and_then(|schema| schema.remove("anyOf")) else { return schema };
    let some = any.as_array().into_iter().flatten().find(|one| one["type"] != "null");
    if let (Some(Value::Object(some)), Some(schema)) = (some, schema.as_object_mut()) {
        for (key, value) in some {
            schema.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    schema
}

/// Whether `Idempotency-Key` means anything to it.
fn is_asked_once(row: &Row, described: &Described<'_>) -> bool {
    row.method == Method::POST && described.knows_caller
}

fn responses(row: &Row, described: &Described<'_>) -> Value {
    let mut all = Map::new();
    for answer in &described.answers {
        let mut told = json!({ "description": answer.says });
        let content = answer.content.iter();
        let content: Map<String, Value> =
            content.map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema }))).collect();
        if !content.is_empty() {
            told["content"] = Value::Object(content);
        }
        for (name, says) in &answer.headers {
            told["headers"][name] = json!({ "description": says, "schema": { "type": "string" } });
        }
        let links = links::of_answer(&id(row), answer.status);
        if !links.is_empty() {
            told["links"] = Value::Object(links);
        }
        all.insert(answer.status.to_string(), told);
    }
    for (status, ..) in PROBLEMS.iter().filter(|(status, ..)| can_be(*status, row, described)) {
        let name = json!({ "$ref": format!("#/components/responses/{status}") });
        all.entry(status.to_string()).or_insert(name);
    }
    Value::Object(all)
}

/// Status, and when it is told.
const PROBLEMS: [(u16, &str); 12] = [
    (400, "What was sent cannot be used."),
    (401, "Nobody has signed in, or the token is none of this host's."),
    (403, "The role, the scope or the rules say no; `decided` has the verdict, where there is one."),
    (404, "It is not here, or not this client's."),
    (409, "It does not go with what is there."),
    (410, "It was here, and is not kept any more."),
    (413, "More was sent than is taken."),
    (415, "The body is of another kind than is taken."),
    (429, "Too many requests: `Retry-After` says how many seconds to wait."),
    (500, "The host failed; its log says how."),
    (502, "An identity provider failed."),
    (503, "Others are being served; later."),
];

fn can_be(status: u16, row: &Row, described: &Described<'_>) -> bool {
    let is_door = row.path.starts_with("/v1/session") || row.path.starts_with("/v1/enrolment");
    let takes = described.in_path.is_some() || described.query.is_some() || !described.body.is_empty();
    let changes = row.method != Method::GET;
    let is_page = row.needs == Needs::Open && !row.path.starts_with("/v1/");
    match status {
        400 => takes || is_asked_once(row, described),
        401 | 403 => row.needs != Needs::Open || is_door && described.can_fail,
        404 => described.in_path.is_some() || described.can_fail && (takes || changes),
        409 => changes && described.can_fail,
        410 => row.path.starts_with("/v1/recordings/") || row.path.starts_with("/v1/requests/"),
        413 | 415 => !described.body.is_empty(),
        429 => !is_page,
        500 => described.can_fail || row.needs != Needs::Open,
        502 => row.path.starts_with("/v1/session/oidc/"),
        503 => described.can_fail && (changes || is_door),
        _ => false,
    }
}

fn problems() -> Map<String, Value> {
    let problem = |(status, says): (u16, &str)| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let mut told = json!({
            "description": says,
            "content": { "application/problem+json": { "schema": schema } },
        });
        if status == 429 {
            told["headers"]["Retry-After"] =
                json!({ "description": "Seconds.", "schema": { "type": "integer", "minimum": 0 } });
        }
        (status.to_string(), told)
    };
    PROBLEMS.into_iter().map(problem).collect()
}

fn security(needs: Needs) -> Value {
    match needs {
        Needs::Open => json!([]),
        Needs::Machine(_) => json!([{ "machine": [] }, { "certificate": [] }]),
        Needs::Either(..) | Needs::EitherOf(..) => {
            json!([{ "session": [] }, { "cookie": [] }, { "machine": [] }, { "certificate": [] }])
        }
        Needs::Session | Needs::Person(_) | Needs::OneOfTwo(_) | Needs::AnyOf(_) => {
            json!([{ "session": [] }, { "cookie": [] }])
        }
    }
}

/// How a value of an enum is spelled.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}
