//! `caveat person` and `caveat token`.

use std::{io::Read, process::ExitCode};

use anyhow::{Context, bail};
use caveat_access::NewPerson;
use caveat_model::ClientId;

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
                let printed = serde_json::json!({
                    "totp_secret_base32": enrolment.totp_secret_base32,
                    "otpauth_url": enrolment.otpauth_url,
                });
                println!("{printed}");
            } else {
                println!("Second factor (shown once): {}", enrolment.totp_secret_base32);
                println!("For an authenticator app:   {}", enrolment.otpauth_url);
            }
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
