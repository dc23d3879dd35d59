//! A person at a running host: what only people may do is done by the host, under their name.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail};
use caveat_model::{ClientId, PersonId};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde_json::{Value, json};

/// Which host, and who asks. Password and code are read from standard input, one a line.
#[derive(Debug, clap::Args)]
pub(crate) struct Asker {
    /// Whose person.
    #[arg(long)]
    pub(crate) client: ClientId,
    /// Who asks.
    #[arg(long = "as", value_name = "PERSON")]
    person: PersonId,
    /// The running host.
    #[arg(long, env = "CAVEAT_URL", default_value = "http://127.0.0.1:8480")]
    url: String,
    /// Environment variable with the token of a session, if there is one already; then nothing is read.
    #[arg(long, default_value = "CAVEAT_SESSION", value_name = "NAME")]
    session_env: String,
}

/// Somebody signed in. [`Session::end`] signs out what was signed in here.
pub(crate) struct Session {
    http: Client,
    url: Url,
    token: String,
    ours: bool,
}

impl Asker {
    /// Signs in, unless a session was given.
    pub(crate) async fn sign_in(&self) -> anyhow::Result<Session> {
        let url = Url::parse(&self.url).with_context(|| format!("--url {} is no address", self.url))?;
        let http = Client::new();
        if let Ok(token) = std::env::var(&self.session_env) {
            return Ok(Session { http, url, token: token.trim().to_owned(), ours: false });
        }
        let (password, code) = both_factors(&self.person)?;
        let body = json!({"client": self.client, "person": self.person, "password": password, "code": code});
        let request = http.post(at(&url, &["v1", "session"])?).json(&body);
        let answer: Value = answered(request, &url).await?.json().await.context("the host's answer")?;
        let token = answer["token"].as_str().context("the host gave no session")?.to_owned();
        Ok(Session { http, url, token, ours: true })
    }
}

impl Session {
    /// A request of this person; `path` is given in parts, so that none of them can be more than one.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &[&str],
        asked: &[(&str, String)],
    ) -> anyhow::Result<RequestBuilder> {
        let mut url = at(&self.url, path)?;
        if !asked.is_empty() {
            url.query_pairs_mut().extend_pairs(asked);
        }
        Ok(self.http.request(method, url).bearer_auth(&self.token))
    }

    /// The answer, if it is not a refusal; that is an error with its reasons.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        answered(request, &self.url).await
    }

    /// Signs out.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        if self.ours {
            self.ask(self.request(Method::DELETE, &["v1", "session"], &[])?).await?;
        }
        Ok(())
    }
}

fn both_factors(person: &PersonId) -> anyhow::Result<(String, String)> {
    if std::io::stdin().is_terminal() {
        eprintln!("Password of {person}, then the code of the second factor, one a line; end with Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().take(4_096).read_to_string(&mut text).context("reading password and code")?;
    let mut lines = text.lines().map(str::to_owned);
    match (lines.next(), lines.next()) {
        (Some(password), Some(code)) => Ok((password, code.trim().to_owned())),
        _ => bail!("two lines are wanted on standard input: the password of {person}, and the code"),
    }
}

fn at(url: &Url, path: &[&str]) -> anyhow::Result<Url> {
    let mut url = url.clone();
    url.path_segments_mut().map_err(|()| anyhow::anyhow!("--url has no path"))?.pop_if_empty().extend(path);
    Ok(url)
}

async fn answered(request: RequestBuilder, url: &Url) -> anyhow::Result<Response> {
    let answer = request.send().await.with_context(|| format!("no host answers at {url}"))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("it did not say why");
    bail!("the host says no ({status}): {detail}")
}
