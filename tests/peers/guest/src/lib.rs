//! The rule of `pack/`, in the shape of a Kubewarden policy: a `validate` that takes a request with settings as JSON and
//! answers with a response as JSON. What it does not need of the request, it does not even keep.

use serde::{Deserialize, Serialize};
use wapc_guest::prelude::{CallResult, register_function};

const STATUTES: [(&str, &str); 13] = [
    ("CA", "Cal. Penal Code 632(a)"),
    ("CT", "Conn. Gen. Stat. 52-570d(a)"),
    ("DE", "Del. Code tit. 11, 1335(a)(4)"),
    ("FL", "Fla. Stat. 934.03(2)(d)"),
    ("IL", "720 ILCS 5/14-2(a)"),
    ("MA", "Mass. Gen. Laws ch. 272, 99(B)(4)"),
    ("MD", "Md. Code, Cts. & Jud. Proc. 10-402(c)(3)"),
    ("MI", "Mich. Comp. Laws 750.539c"),
    ("MT", "Mont. Code 45-8-213(1)(c)"),
    ("NH", "N.H. Rev. Stat. 570-A:2(I)"),
    ("NV", "Nev. Rev. Stat. 200.620"),
    ("PA", "18 Pa. Cons. Stat. 5704(4)"),
    ("WA", "Wash. Rev. Code 9.73.030(1)"),
];

#[derive(Deserialize)]
struct Validation {
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    facts: Facts,
}

#[derive(Deserialize)]
struct Facts {
    parties: Vec<Party>,
    #[serde(default)]
    notices: Vec<Notice>,
    #[serde(default)]
    consents: Vec<Consent>,
}

#[derive(Deserialize)]
struct Party {
    id: u8,
    role: String,
    #[serde(default)]
    regions: Vec<Evidence>,
    #[serde(default)]
    traits: Traits,
}

#[derive(Deserialize)]
struct Evidence {
    region: String,
}

#[derive(Deserialize, Default)]
struct Traits {
    #[serde(default)]
    present: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Notice {
    kind: String,
    #[serde(default)]
    heard_by: Vec<u8>,
}

#[derive(Deserialize)]
struct Consent {
    party: u8,
    given: bool,
}

#[derive(Serialize)]
struct Response {
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

fn validate(payload: &[u8]) -> CallResult {
    let Validation { request: Request { facts } } = serde_json::from_slice(payload)?;
    let mut citations: Vec<&str> = Vec::new();
    let is_outsider =
        |p: &&Party| matches!(&*p.role, "customer" | "other-party" | "unknown") && p.traits.present;
    let agrees = |p: &Party| {
        facts.notices.iter().any(|n| n.kind == "spoken" && n.heard_by.contains(&p.id))
            || facts.consents.iter().any(|c| c.party == p.id && c.given)
    };
    for party in facts.parties.iter().filter(is_outsider).filter(|p| !agrees(p)) {
        for evidence in &party.regions {
            if let Ok(at) = STATUTES.binary_search_by(|(code, _)| (*code).cmp(&evidence.region)) {
                citations.push(STATUTES[at].1);
            }
        }
    }
    let message = (!citations.is_empty()).then(|| {
        let why = "The consent of all parties is required, and a party has not been told.";
        format!("consent.all-party: {why} ({}); play-announcement", citations.join("; "))
    });
    Ok(serde_json::to_vec(&Response { accepted: message.is_none(), message })?)
}

/// Called once by the host when an instance begins.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
}
