//! `caveat person` and `caveat token`.

use std::{
    io::{Lines, Read, StdinLock},
    process::ExitCode,
};

use anyhow::{Context, bail};
use caveat_access::{Access, Invited, NewPerson};
use caveat_model::ClientId;
use reqwest::Client;
use serde_json::{Value, json};

use super::running::{Running, text};
use crate::{
    cli::{ConfigFile, PersonCommand, TokenCommand},
    config::Config,
    house::Looking,
};

pub(crate) async fn person(command: PersonCommand) -> anyhow::Result<ExitCode> {
    match command {
        PersonCommand::Add { config, client, id, name, role, function, json } => {
            let (access, _) = open(&config, &client).await?;
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password).context("reading the password")?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let name = if name.is_empty() { id.to_string() } else { name };
            let new = NewPerson { client, id, name, role, function, password };
            let enrolment = access.add_person(new).await?;
            if json {
                let printed = json!({
                    "totp_secret_base32": enrolment.totp_secret_base32,
                    "otpauth_url": enrolment.otpauth_url,
                });
                println!("{printed}");
            } else {
                println!("Second factor (shown once): {}", enrolment.totp_secret_base32);
                println!("For an authenticator app:   {}", enrolment.otpauth_url);
            }
        }
        PersonCommand::Invite { config, client, id, name, role, function, again, json } => {
            let (access, public_url) = open(&config, &client).await?;
            let invitation = match role {
                Some(role) if !again => {
                    let name = if name.is_empty() { id.to_string() } else { name };
                    access.invite(&Invited { client, id, name, role, function }).await?
                }
                _ => access.invite_again(&client, &id).await?,
            };
            let token = invitation.as_str();
            let link = public_url.map(|url| format!("{}/#invitation={token}", url.trim_end_matches('/')));
            if json {
                println!("{}", json!({"invitation": token, "link": link, "expires": invitation.expires}));
            } else {
                println!("Invitation (shown once, until {}): {token}", invitation.expires);
                if let Some(link) = link {
                    println!("In a browser: {link}");
                }
                println!("Without one:  caveat person enroll");
            }
        }
        PersonCommand::Enroll { url } => enroll(&url).await?,
        PersonCommand::Change { at, id, name, role, function, standing } => {
            let asked = [("name", name), ("role", role), ("function", function), ("standing", standing)];
            let change: serde_json::Map<String, Value> =
                asked.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect();
            if change.is_empty() {
                bail!("nothing is to be changed: name some of --name, --role, --function, --standing");
            }
            let changed = at.post(&format!("/v1/people/{id}"), &change).await?;
            return at.print(&changed, line);
        }
        PersonCommand::Reset { at, id } => return reset(&at, id.as_str()).await,
        PersonCommand::SignIn { url, client, id } => {
            let mut lines = std::io::stdin().lines();
            let (password, code) = (next(&mut lines, "password")?, next(&mut lines, "code")?);
            let body = json!({"client": client, "person": id, "password": password, "code": code.trim()});
            let answer = post(&url, "/v1/session", &body).await?;
            println!("{}", answer["token"].as_str().context("the host gave no session")?);
        }
        PersonCommand::SignOut { host } => {
            let answer = host.delete("/v1/session").await?;
            return host.print(&answer, |_| "the session is over\n".to_owned());
        }
        PersonCommand::List { config, client, json } => {
            let people = open(&config, &client).await?.0.list_people(&client).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&people)?);
            } else {
                for person in people {
                    print!("{}", line(&serde_json::to_value(person)?));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn token(command: TokenCommand) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Create { config, client, name, scopes, valid_days } => {
            let (access, _) = open(&config, &client).await?;
            let token = access.create_token(&client, &name, scopes.into_iter().collect(), valid_days).await?;
            println!("{}", token.as_str());
        }
        TokenCommand::List { config, client, json } => {
            let tokens = open(&config, &client).await?.0.list_tokens(&client).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&tokens)?);
            } else {
                for token in tokens {
                    let scopes: Vec<String> = token.scopes.iter().map(|s| format!("{s:?}")).collect();
                    let state = if token.revoked.is_some() { "revoked" } else { "" };
                    println!(
                        "{} {:20} {} until {} {state}",
                        token.id,
                        token.name,
                        scopes.join(","),
                        token.expires
                    );
                }
            }
        }
        TokenCommand::Revoke { config, client, id } => {
            open(&config, &client).await?.0.revoke_token(&client, &id).await?;
            println!("{id} is good for nothing now");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn enroll(url: &str) -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lines();
    eprintln!("The invitation:");
    let invitation = next(&mut lines, "invitation")?;
    let invitation = invitation.rsplit('=').next().unwrap_or_default().trim();
    let shown = post(url, "/v1/enrolment", &json!({ "invitation": invitation })).await?;
    println!("{} of {}", text(&shown["name"]), text(&shown["client"]));
    println!("Secret for an authenticator (shown once): {}", text(&shown["totp_secret_base32"]));
    println!("The same to be scanned as a QR code:      {}", text(&shown["otpauth_url"]));
    eprintln!(
        "A password of 12 characters or more with letters and digits, then a code of the authenticator, a line each:"
    );
    let (password, code) = (next(&mut lines, "password")?, next(&mut lines, "code")?);
    let body = json!({"invitation": invitation, "password": password, "code": code.trim()});
    let done = post(url, "/v1/enrolment/confirm", &body).await?;
    println!("Recovery codes (shown once; each is good once, where the authenticator is lost):");
    for code in done["recovery_codes"].as_array().into_iter().flatten() {
        println!("  {}", text(code));
    }
    Ok(())
}

async fn reset(at: &Running, id: &str) -> anyhow::Result<ExitCode> {
    let made = at.post(&format!("/v1/people/{id}/invitation"), &json!({})).await?;
    at.print(&made, |made| {
        let link = made["link"].as_str().map_or(String::new(), |link| format!("In a browser: {link}\n"));
        format!(
            "Invitation (shown once, until {}): {}\n{link}",
            text(&made["expires"]),
            text(&made["invitation"])
        )
    })
}

/// A line of standard input.
fn next(lines: &mut Lines<StdinLock<'static>>, what: &str) -> anyhow::Result<String> {
    let line = lines.next().with_context(|| format!("no {what} on standard input"))?;
    Ok(line.with_context(|| format!("reading the {what}"))?.trim_end_matches('\r').to_owned())
}

/// Asks a host as nobody in particular; its answer, or what it says is wrong.
async fn post(url: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let request = Client::new().post(format!("{}{path}", url.trim_end_matches('/'))).json(body);
    let answer = request.send().await.with_context(|| format!("no host answers at {url}"))?;
    let status = answer.status();
    let answer: Value = answer.json().await.with_context(|| format!("{url} is no Caveat host"))?;
    if !status.is_success() {
        let detail = answer["detail"].as_str().unwrap_or("the host did not say why");
        bail!("{detail} ({status})");
    }
    Ok(answer)
}

fn line(person: &Value) -> String {
    let state = if person["password_changed"].is_null() { "invited" } else { text(&person["standing"]) };
    format!("{:20} {:12} {state:12} {}\n", text(&person["id"]), text(&person["role"]), text(&person["name"]))
}

/// People and tokens, and where browsers reach the host.
async fn open(file: &ConfigFile, client: &ClientId) -> anyhow::Result<(Access, Option<String>)> {
    let config = Config::read(&file.config)?;
    if !config.clients.iter().any(|c| c.profile.id == *client) {
        bail!("{} has no client `{client}`", file.config.display());
    }
    let access = Looking::open(&config).await?.access(&config).await?;
    Ok((access, config.http.public_url(config.host.listen)))
}
