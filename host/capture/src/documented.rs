//! What takes in calls over HTTP, as the OpenAPI document of the host has it (<https://spec.openapis.org/oas/v3.1.0>).

use caveat_recorder::{Answer, NewCall};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::upload::Event;

/// Path items of [`crate::routes`], by their paths. They name the schema `Problem`, which the document has.
pub fn documented() -> Map<String, Value> {
    let stream = |id: &str, says: &str, parameters: Value, security: Value| {
        let answers = json!({
            "101": { "description": "The stream begins." },
            "400": { "description": "It is no WebSocket handshake, or names what there is not." },
            "401": problem("The proof of who sends is missing or wrong."),
            "426": { "description": "It is no WebSocket handshake." },
            "503": problem("As many streams are open as may be."),
        });
        json!({ "get": {
            "operationId": id, "summary": says, "tags": ["capture"],
            "description": "A WebSocket (RFC 6455).",
            "parameters": parameters, "responses": answers, "security": security,
        } })
    };
    let client = json!([{ "name": "client", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }]);
    let header = |name: &str| json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" } });
    let signed = json!([header("X-API-KEY"), header("Signature"), header("Signature-Input")]);
    let items = [
        ("/v1/uploads", json!({ "post": upload() })),
        (
            "/v1/twilio/media",
            stream(
                "get-v1-twilio-media",
                "Twilio Media Streams, with a machine token among the parameters",
                json!([]),
                json!([]),
            ),
        ),
        (
            "/v1/twilio/media/{client}",
            stream("get-v1-twilio-media-client", "The same, with Twilio's signature", client, json!([])),
        ),
        ("/v1/audiohook", stream("get-v1-audiohook", "Genesys AudioHook, version 2", signed, json!([]))),
    ];
    items.into_iter().map(|(path, item)| (path.to_owned(), item)).collect()
}

fn upload() -> Value {
    let (mut asked, mut told) =
        (schemas(SchemaSettings::for_deserialize), schemas(SchemaSettings::for_serialize));
    let parts = json!({
        "type": "object",
        "required": ["call", "audio"],
        "additionalProperties": false,
        "properties": {
            "call": asked.subschema_for::<NewCall>(),
            "audio": {
                "type": "string", "format": "binary",
                "description": "A WAV: 16-bit PCM or mu-law, 8,000 Hz; mono is leg 0, of stereo left is leg 0 and right is leg 1.",
            },
            "events": asked.subschema_for::<Vec<Event>>(),
        },
    });
    let taken = json!({
        "type": "object",
        "required": ["id", "lasts-ms", "answer"],
        "properties": {
            "id": { "type": "string", "description": "The call's own id, as given." },
            "lasts-ms": { "type": "integer", "minimum": 0, "description": "How long it lasts, in milliseconds." },
            "answer": told.subschema_for::<Answer>(),
        },
    });
    json!({
        "operationId": "post-v1-uploads",
        "summary": "A call that is over, recorded elsewhere",
        "tags": ["capture"],
        "parameters": [],
        "requestBody": {
            "required": true,
            "content": { "multipart/form-data": {
                "schema": parts,
                "encoding": {
                    "call": { "contentType": "application/json" },
                    "audio": { "contentType": "audio/wav" },
                    "events": { "contentType": "application/json" },
                },
            } },
        },
        "responses": {
            "202": {
                "description": "The verdict on its beginning is durable; the rest is taken in.",
                "content": { "application/json": { "schema": taken } },
            },
            "400": problem("A part is missing, unknown, or cannot be used."),
            "401": problem("There is no machine token, or none of this host's."),
            "403": problem("The token is not for the scope `capture`."),
            "408": problem("It did not end in time."),
            "409": problem("A call of this id runs."),
            "413": problem("A part is larger than is taken."),
            "500": problem("The host failed; its log says how."),
            "503": problem("As many are taken in as may be at once."),
        },
        "security": [{ "machine": [] }, { "certificate": [] }],
        "x-caveat-needs": { "person": "", "machine": "capture" },
    })
}

/// Each description whole, since the document has no others of this room.
fn schemas(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = contract(SchemaSettings::draft2020_12()).with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

fn problem(says: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": says, "content": { "application/problem+json": { "schema": schema } } })
}
