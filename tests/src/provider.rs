//! An identity provider that nobody here wrote: npm's `oidc-provider`, with a person in front of it who does as the test says.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context;
use reqwest::Client;
use serde_json::json;

/// What it and the host know of each other.
pub const SECRET: &str = "a secret of this test and of nothing else";

/// A running provider, ended with the value.
pub struct Provider {
    child: Child,
    url: String,
}

impl Provider {
    /// Starts one that sends browsers back to `redirect`.
    pub fn start(port: u16, redirect: &str) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = here.join("../target/tools/oidc-provider/node_modules/oidc-provider/lib/index.js");
        let library = library.canonicalize().context("no oidc-provider: `cargo xtask test` installs it")?;
        let mut child = Command::new("node")
            .arg(here.join("src/provider.mjs"))
            .arg(library)
            .args([&port.to_string(), redirect])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let provider = Self { child, url: format!("http://127.0.0.1:{port}") };
        // Warnings about what no production may do come first.
        for line in lines {
            if line?.ends_with("ready") {
                return Ok(provider);
            }
        }
        anyhow::bail!("the provider ended at once")
    }

    /// The tables of a client's `caveat.toml` that name it.
    pub fn config(port: u16) -> String {
        format!(
            r#"
[[client.oidc]]
name = "corp"
label = "Corporate account"
issuer = "http://127.0.0.1:{port}"
client-id = "caveat"
secret-file = "provider-secret"
scopes = ["profile"]
second-factor-amr = ["mfa", "otp"]
second-factor-acr = ["urn:example:two"]
"#
        )
    }

    /// Who signs in there next, and by what.
    pub async fn next(&self, account: &str, amr: &[&str], acr: Option<&str>) -> anyhow::Result<()> {
        let body = json!({"account": account, "amr": amr, "acr": acr}).to_string();
        Client::new().post(format!("{}/next", self.url)).body(body).send().await?;
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
