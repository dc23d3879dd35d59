//! `caveat person` and `caveat token`.

use std::{io::Read, process::ExitCode};

use anyhow::{Context, bail};
use caveat_access::NewPerson;
use caveat_model::ClientId;
use serde_json::{Value, json};

use crate::{
    cli::{ConfigFile, PersonCommand, TokenCommand},
    config::Config,
    house::House,
};

pub(crate) async fn person(command: PersonCommand) -> anyhow::Result<ExitCode> {
    match command {
        PersonCommand::Add { config, client, id, name, role, function, json } => {
            let house = open(&config, &client).await?;
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password).context("reading the password")?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let name = if name.is_empty() { id.to_string() } else { name };
            let new = NewPerson { client, id, name, role, function, password };
            let enrolment = house.access.add_person(new).await?;
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
        PersonCommand::SignIn { url, client, id } => {
            let mut lines = std::io::stdin().lines();
            let mut line = |what: &str| -> anyhow::Result<String> {
                let line = lines.next().with_context(|| format!("no {what} on standard input"))?;
                Ok(line.with_context(|| format!("reading the {what}"))?.trim_end_matches('\r').to_owned())
            };
            let (password, code) = (line("password")?, line("code")?);
            let body = json!({"client": client, "person": id, "password": password, "code": code.trim()});
            let request = reqwest::Client::new().post(format!("{}/v1/session", url.trim_end_matches('/')));
            let answer =
                request.json(&body).send().await.with_context(|| format!("no host answers at {url}"))?;
            let status = answer.status();
            let answer: Value = answer.json().await.with_context(|| format!("{url} is no Caveat host"))?;
            let Some(token) = answer["token"].as_str() else {
                let detail = answer["detail"].as_str().unwrap_or("the host did not say why");
                bail!("{detail} ({status})");
            };
            println!("{token}");
        }
        PersonCommand::List { config, client, json } => {
            let people = open(&config, &client).await?.access.list_people(&client).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&people)?);
            } else {
                for p in people {
                    println!("{:20} {:?} {:?} {}", p.id, p.role, p.standing, p.name);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn token(command: TokenCommand) -> anyhow::Result<ExitCode> {
    let TokenCommand::Create { config, client, name, scopes, valid_days } = command;
    let house = open(&config, &client).await?;
    let token = house.access.create_token(&client, &name, scopes.into_iter().collect(), valid_days).await?;
    println!("{}", token.as_str());
    Ok(ExitCode::SUCCESS)
}

async fn open(file: &ConfigFile, client: &ClientId) -> anyhow::Result<House> {
    let config = Config::read(&file.config)?;
    if !config.clients.iter().any(|c| c.profile.id == *client) {
        bail!("{} has no client `{client}`", file.config.display());
    }
    House::open(&config).await
}
