//! What an answer has that other operations take, for whoever follows the OpenAPI document from one to the next.

use serde_json::{Map, Value, json};

/// A place in the body of an answer, and the parameter of another operation that takes what stands there.
struct Link {
    /// The operation that answers, with which status, and where in its body.
    from: &'static str,
    status: u16,
    at: &'static str,
    /// The parameter.
    takes: &'static str,
    /// Of these operations.
    to: &'static [&'static str],
}

const fn link(
    from: &'static str,
    status: u16,
    at: &'static str,
    takes: &'static str,
    to: &'static [&'static str],
) -> Link {
    Link { from, status, at, takes, to }
}

/// What waits for a second person.
const OF_REQUEST: &[&str] = &["post-v1-requests-id-confirm", "delete-v1-requests-id"];
const OF_PERSON: &[&str] = &["post-v1-people-id", "post-v1-people-id-invitation"];
const OF_RECORDING: &[&str] = &[
    "get-v1-recordings-id",
    "get-v1-recordings-id-audio",
    "get-v1-recordings-id-transcript",
    "get-v1-recordings-id-timeline",
    "get-v1-recordings-id-waveform",
    "get-v1-recordings-id-evidence",
    "get-v1-recordings-id-masks",
];

static LINKS: [Link; 14] = [
    link("get-v1-recordings", 200, "/0/id", "id", OF_RECORDING),
    link("post-v1-recordings-id-redactions", 202, "/id", "id", OF_REQUEST),
    link("post-v1-recordings-id-unmask", 202, "/id", "id", OF_REQUEST),
    link("post-v1-recordings-id-disposal", 202, "/id", "id", OF_REQUEST),
    link("post-v1-holds", 201, "/id", "id", &["post-v1-holds-id-lift"]),
    link("post-v1-holds-id-lift", 202, "/id", "id", OF_REQUEST),
    link("post-v1-keys-destroy", 202, "/id", "id", OF_REQUEST),
    link("get-v1-requests", 200, "/0/id", "id", OF_REQUEST),
    link("get-v1-retention-reviews", 200, "/0/id", "id", &["post-v1-retention-reviews-id"]),
    link("post-v1-people", 201, "/person", "id", OF_PERSON),
    link("post-v1-tokens", 201, "/id", "id", &["delete-v1-tokens-id"]),
    link("get-v1-alerts", 200, "/0/id", "id", &["post-v1-alerts-id-confirm"]),
    link("get-v1-calls", 200, "/0", "call", &["get-v1-calls-call"]),
    link(
        "post-v1-packs-impact",
        202,
        "/id",
        "id",
        &["get-v1-packs-impact-id", "get-v1-packs-impact-id-progress"],
    ),
];

/// The links of an answer, by the name of the operation that each leads to.
pub(crate) fn of_answer(operation: &str, status: u16) -> Map<String, Value> {
    let of = LINKS.iter().filter(|link| link.from == operation && link.status == status);
    let told = of.flat_map(|link| {
        let parameters = json!({ (link.takes): format!("$response.body#{}", link.at) });
        let told = json!({ "parameters": parameters });
        link.to.iter().map(move |to| {
            let mut told = told.clone();
            told["operationId"] = json!(to);
            ((*to).to_owned(), told)
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    #[test]
    fn every_link_leads_from_one_operation_to_another() {
        let document = openapi::of_table(&Map::new());
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations: Vec<&Value> =
            paths.flat_map(|(_, item)| item.as_object().into_iter().flatten().map(|(_, of)| of)).collect();
        let named = |id: &str| operations.iter().find(|operation| operation["operationId"] == id);
        for link in &LINKS {
            let answers = named(link.from).map(|operation| &operation["responses"]);
            let told = answers.map(|answers| &answers[link.status.to_string()]["links"]);
            assert!(told.is_some_and(Value::is_object), "{} {}", link.from, link.status);
            for to in link.to {
                let takes = named(to).and_then(|operation| operation["parameters"].as_array());
                let is_taken = |parameter: &Value| parameter["name"] == link.takes;
                assert!(takes.is_some_and(|all| all.iter().any(is_taken)), "{} to {to}", link.from);
            }
        }
    }
}
