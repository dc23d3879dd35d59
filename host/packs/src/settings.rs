//! Settings of a pack: completed from its schema's defaults, checked by it, and given one canonical text.

use caveat_model::Digest;
use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{Problem, document};

/// Compiles a schema, or says why it is none.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| format!("at `{}`: {error}", error.instance_path()))
}

/// Fills in what the schema has defaults for, then checks the whole.
pub(crate) fn complete(schema: Option<&Value>, given: &Value) -> Result<Value, Vec<Problem>> {
    let mut settings = if given.is_null() { Value::Object(Map::new()) } else { given.clone() };
    let Some(schema) = schema else {
        return match settings.as_object() {
            Some(all) if all.is_empty() => Ok(settings),
            _ => Err(vec![Problem::new("", "this pack has no settings: remove them")]),
        };
    };
    fill(schema, &mut settings);
    let validator = validator(schema)
        .map_err(|message| vec![Problem::new("", format!("the schema is none: {message}"))])?;
    let problems: Vec<Problem> = validator
        .iter_errors(&settings)
        .flat_map(|error| match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unknown(schema, error.instance_path().as_str(), unexpected)
            }
            _ => vec![Problem::new(error.instance_path().as_str(), error.to_string())],
        })
        .collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// The SHA-256 of the canonical text.
pub(crate) fn digest(settings: &Value) -> Digest {
    Digest(Sha256::digest(canonical(settings)).into())
}

/// JSON with sorted keys and no spaces: the same settings are the same text.
pub(crate) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (n, (key, item)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// `default` of each missing property; a property with properties of its own is filled in turn.
fn fill(schema: &Value, settings: &mut Value) {
    let (Some(properties), Some(settings)) = (schema["properties"].as_object(), settings.as_object_mut())
    else {
        return;
    };
    for (name, property) in properties {
        if let Some(present) = settings.get_mut(name) {
            fill(property, present);
        } else if let Some(default) = property.get("default") {
            let mut value = default.clone();
            fill(property, &mut value);
            settings.insert(name.clone(), value);
        }
    }
}

/// What is wrong with keys in the object at this pointer that the schema does not know.
fn unknown(schema: &Value, at: &str, keys: &[String]) -> Vec<Problem> {
    let mut object = schema;
    for step in at.split('/').skip(1) {
        object = &object["properties"][step];
    }
    let known: Vec<&str> =
        object["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let problem = |key: &String| {
        let wanted = match document::nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "there is none here".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        Problem::new(pointer, format!("there is no such setting; {wanted}"))
    };
    keys.iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "options": { "type": "array", "items": { "enum": ["a", "b"] }, "default": [] },
                "limits": {
                    "type": "object",
                    "default": {},
                    "additionalProperties": false,
                    "properties": { "pause-s": { "type": "integer", "minimum": 1, "default": 300 } }
                }
            }
        })
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let full = json!({ "options": [], "limits": { "pause-s": 300 } });
        assert_eq!(complete(Some(&schema()), &json!({})), Ok(full.clone()));
        assert_eq!(complete(Some(&schema()), &Value::Null), Ok(full));
        let own = json!({ "options": ["a"], "limits": { "pause-s": 5 } });
        assert_eq!(complete(Some(&schema()), &own), Ok(own));
    }

    #[test]
    fn each_problem_has_its_pointer() {
        let check = |settings: Value, at: &str, wanted: &str| {
            let problems = complete(Some(&schema()), &settings).unwrap_err();
            assert_eq!(problems[0].at, at, "{problems:?}");
            assert!(problems[0].message.contains(wanted), "{problems:?}");
        };
        check(json!({ "options": ["a", "c"] }), "/options/1", "\"c\"");
        check(json!({ "limits": { "pause-s": 0 } }), "/limits/pause-s", "minimum");
        check(json!({ "option": [] }), "/option", "did you mean `options`?");
        check(json!({ "limits": { "x/y": 0 } }), "/limits/x~1y", "there are: pause-s");
        let both =
            complete(Some(&schema()), &json!({ "options": 1, "limits": { "pause-s": "x" } })).unwrap_err();
        assert_eq!(both.len(), 2);
        assert!(complete(None, &json!({ "a": 1 })).unwrap_err()[0].message.contains("no settings"));
    }

    #[test]
    fn the_same_settings_have_the_same_digest() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, {"d": null, "c": "\u00e9"}], "a": true}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":true,"b":[1,{"c":"é","d":null}]}"#);
        assert_ne!(digest(&one), digest(&json!({})));
    }
}
