//! The console: pages, styles and modules, in the program itself. They ask for nothing that is not on this host.

use std::fmt::Write;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Problem, Rooms,
    describe::{Described, Given, bytes},
    extract::Path,
};

/// How the console is served.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Console {
    /// Origins whose pages may show the agent's view in a frame ("https://desk.example.com"); none: no page may.
    pub agent_frame_ancestors: Vec<String>,
}

impl Console {
    /// # Errors
    /// An origin that cannot stand in a policy.
    pub fn check(&self) -> Result<(), String> {
        let is_origin = |text: &str| {
            let host = text.strip_prefix("https://").or(text.strip_prefix("http://"));
            host.is_some_and(|host| {
                !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:*".contains(c))
            })
        };
        match self.agent_frame_ancestors.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(bad) => Err(format!(
                "console.agent-frame-ancestors: `{bad}` is no origin: write it as https://desk.example.com"
            )),
        }
    }
}

struct File {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal)+) => {
        &[$(File { name: $name, bytes: include_bytes!(concat!("../console/", $name)) }),+]
    };
}

static FILES: &[File] = files![
    "agent.html"
    "css/base.css"
    "css/pages.css"
    "css/parts.css"
    "css/shell.css"
    "css/tokens.css"
    "index.html"
    "js/agent.js"
    "js/dom.js"
    "js/format.js"
    "js/main.js"
    "js/pages/account.js"
    "js/pages/disclosures.js"
    "js/pages/health.js"
    "js/pages/holds.js"
    "js/pages/ledger.js"
    "js/pages/live.js"
    "js/pages/packs.js"
    "js/pages/people.js"
    "js/pages/recording.js"
    "js/pages/recordings.js"
    "js/pages/requests.js"
    "js/pages/retention.js"
    "js/pages/scorecards.js"
    "js/pages/sign-in.js"
    "js/parts/chart.js"
    "js/parts/dialog.js"
    "js/parts/impact.js"
    "js/parts/player.js"
    "js/parts/purpose.js"
    "js/parts/settings.js"
    "js/parts/timeline.js"
    "js/parts/transcript.js"
    "js/parts/view.js"
    "js/parts/waveform.js"
    "js/session.js"
    "js/theme.js"
    "js/ways.js"
    "mark.svg"
];

/// One page.
pub(crate) struct Page(Response);

/// A style, a module, a picture.
pub(crate) struct Part(Response);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Given for Page {
    fn describe(to: &mut Described<'_>) {
        to.gives(200, "A page.", vec![("text/html", serde_json::json!({ "type": "string" }))]);
        to.gives(304, "The same page as before.", vec![]);
    }
}

impl IntoResponse for Part {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Given for Part {
    fn describe(to: &mut Described<'_>) {
        let kinds = ["text/css", "text/javascript", "image/svg+xml", "text/html"];
        to.gives(200, "A part.", kinds.map(|kind| (kind, bytes())).to_vec());
        to.gives(304, "The same part as before.", vec![]);
    }
}

/// The console.
pub(crate) async fn index(headers: HeaderMap) -> Page {
    Page(page("index.html", &headers, "'none'"))
}

/// One call, for a frame in an agent's desktop.
pub(crate) async fn agent(State(rooms): State<Rooms>, headers: HeaderMap) -> Page {
    Page(match rooms.console.agent_frame_ancestors.join(" ") {
        none if none.is_empty() => page("agent.html", &headers, "'none'"),
        origins => page("agent.html", &headers, &origins),
    })
}

/// What pages are made of.
pub(crate) async fn part(Path(name): Path<String>, headers: HeaderMap) -> Result<Part, Problem> {
    match read(&name) {
        Some(bytes) => Ok(Part(file(&name, &bytes, &headers))),
        None => Err(Problem::not_found("the console has no such file")),
    }
}

/// No script and no style but the host's own, and no other host. Sound may come from memory, where a page has no cookie.
fn page(name: &str, asked: &HeaderMap, frames: &str) -> Response {
    let Some(bytes) = read(name) else { return Problem::failed().into_response() };
    let mut response = file(name, &bytes, asked);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn file(name: &str, bytes: &[u8], asked: &HeaderMap) -> Response {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let tag = tag(bytes);
    // Asked for each time, and sent when it is another: a new host never meets the old one's pages.
    let head = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if asked.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(header::CONTENT_TYPE, kind)], bytes.to_vec()).into_response()
}

fn tag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..12] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}

/// A file of the console; while one works on it, from the folder that `CAVEAT_CONSOLE_DIR` names.
fn read(name: &str) -> Option<Vec<u8>> {
    let file = FILES.iter().find(|file| file.name == name)?;
    #[cfg(debug_assertions)]
    {
        static DIR: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
        if let Some(dir) = DIR.get_or_init(|| std::env::var_os("CAVEAT_CONSOLE_DIR")) {
            return std::fs::read(std::path::Path::new(dir).join(file.name)).ok();
        }
    }
    Some(file.bytes.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_file_of_the_console_is_in_the_program() {
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/console"));
        let (mut folders, mut found) = (vec![root.to_owned()], vec![]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        let listed: Vec<_> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn no_page_has_a_script_or_a_style_of_its_own() {
        for file in FILES.iter().filter(|file| file.name.ends_with(".html")) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            assert!(
                !text.contains("<style") && !text.contains(" style=") && !text.contains("http"),
                "{}",
                file.name
            );
            assert_eq!(
                text.matches("<script").count(),
                text.matches("<script src=").count() + text.matches("<script type=\"module\" src=").count(),
                "{}",
                file.name
            );
        }
    }
}
