//! Reading the configuration again while calls run (`SIGHUP`, `POST /v1/reload`).
//!
//! Everything of the new file is read, checked and loaded before anything changes, packs and the secrets of webhooks
//! included. A file that is refused changes nothing: the answer, the log and `caveat_config_reloads_total` say so. A call that
//! runs goes on under the profile that it began with; packs change for its next event, as by a swap.
//!
//! | taken up | where |
//! |---|---|
//! | packs, their modes and settings, `trusted-pack-keys` | `[[client]]` |
//! | what a client's calls and recordings are (`purposes`, `can-pause`, `attributes`, `announcement`, ...), `cipher` | `[[client]]` |
//! | webhooks, with their secrets | `[[client.webhook]]` |
//! | trunks | `[[siprec.trunk]]` |
//! | certificates and keys of the listening socket, by their files | `[http.tls]` |
//! | what is logged | `log` of `[telemetry]` |
//!
//! Everything else needs a restart, new clients too; the answer names the keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use anyhow::{Context, bail};
use caveat_api::{Reloaded, Webhooks};
use caveat_capture::SiprecServer;
use caveat_engine::Engine;
use caveat_model::ClientId;
use caveat_packs::ActiveSet;
use caveat_recorder::{PackKeeper, Recorder};
use caveat_vault::Vault;
use toml::{Table, Value};

use super::notify;
use crate::{
    config::{Client, Config},
    house::load_set,
    http::Renewal,
    telemetry::LogFilter,
};

/// Keys below a client that are taken up.
const OF_CLIENT: [&str; 17] = [
    "recorder-region",
    "purposes",
    "can-pause",
    "medical-record",
    "full-need",
    "pause-keys",
    "resume-keys",
    "after-call",
    "dispose-after-days",
    "quota",
    "trusted-pack-keys",
    "cipher",
    "placement",
    "attributes",
    "pack",
    "webhook",
    "announcement",
];

/// What is changed while it runs.
pub(crate) struct Live {
    pub(crate) engine: Arc<Engine>,
    pub(crate) packs: PackKeeper,
    pub(crate) recorder: Recorder,
    pub(crate) vault: Vault,
    pub(crate) webhooks: Webhooks,
    pub(crate) siprec: Option<SiprecServer>,
    pub(crate) certificates: Renewal,
    pub(crate) log: LogFilter,
}

/// Reads the configuration again.
pub(crate) struct Reloader {
    file: PathBuf,
    live: Live,
    /// The keys of the file as they are in force; held while it is read again.
    in_force: tokio::sync::Mutex<Keys>,
    status: std::sync::Mutex<String>,
}

/// Every key of a file with its value.
type Keys = BTreeMap<String, Value>;

impl Reloader {
    /// `file` is what the host began with.
    pub(crate) fn new(file: PathBuf, live: Live, status: String) -> anyhow::Result<Self> {
        let in_force = tokio::sync::Mutex::new(keys_of(&file)?);
        Ok(Self { file, live, in_force, status: status.into() })
    }

    /// Once; else why everything stays as it is.
    pub(crate) async fn reload(&self) -> Result<Reloaded, String> {
        let mut in_force = self.in_force.lock().await;
        notify::reloading();
        let done = self.take_up(&mut in_force).await;
        let result = if done.is_ok() { "done" } else { "failed" };
        metrics::counter!("caveat_config_reloads_total", "result" => result).increment(1);
        metrics::gauge!("caveat_config_stale").set(u8::from(done.is_err()));
        notify::ready(&self.status.lock().unwrap_or_else(PoisonError::into_inner));
        match done {
            Ok(reloaded) => {
                let (taken, waiting) = (reloaded.in_force.join(", "), reloaded.needs_restart.join(", "));
                tracing::info!(in_force = taken, needs_restart = waiting, "the configuration was read again");
                Ok(reloaded)
            }
            Err(error) => {
                let why = crate::explained(&error);
                tracing::error!(why, "the configuration that the host has is kept: the file cannot be used");
                Err(why)
            }
        }
    }

    /// The running SIPREC server, for the end of the host.
    pub(crate) fn siprec(&self) -> Option<&SiprecServer> {
        self.live.siprec.as_ref()
    }

    /// Those who are told, for the end of the host.
    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.live.webhooks
    }

    async fn take_up(&self, in_force: &mut Keys) -> anyhow::Result<Reloaded> {
        let (config, keys) = (Config::read(&self.file)?, keys_of(&self.file)?);
        let live = &self.live;
        let clients: Vec<&Client> = config
            .clients
            .iter()
            .filter(|client| live.recorder.clients().get(&client.profile.id).is_some())
            .collect();
        let hooks = clients.iter().flat_map(|client| client.hooks()).collect::<anyhow::Result<_>>()?;
        let sets = self.load(&config)?;
        live.certificates.check()?;

        // From here on it is taken up.
        live.packs.trust(config.trust());
        for (client, set) in sets {
            live.packs.declare(&client, set).await.with_context(|| {
                format!("client `{client}`: its packs; what comes before in the file is in force already")
            })?;
        }
        for client in &clients {
            live.vault.prefer(&client.profile.id, client.cipher);
        }
        live.recorder.clients().renew(clients.iter().map(|client| client.profile.clone()));
        live.webhooks.renew(hooks).await.context("webhooks; what comes before is in force already")?;
        if let Some(siprec) = &live.siprec {
            siprec.take_trunks(&config.siprec.trunk);
        }
        live.certificates.renew()?;
        live.log.renew(&config.telemetry)?;
        Ok(compare(in_force, keys, |client| live.recorder.clients().get(client).is_some()))
    }

    /// The packs of every client that is here, as the file has them.
    fn load(&self, config: &Config) -> anyhow::Result<Vec<(ClientId, ActiveSet)>> {
        let trust = config.trust();
        let here = |client: &&Client| self.live.recorder.clients().get(&client.profile.id).is_some();
        tokio::task::block_in_place(|| {
            let load = |client: &Client| {
                let set = load_set(&self.live.engine, client, &trust)?;
                Ok((client.profile.id.clone(), set))
            };
            config.clients.iter().filter(here).map(load).collect()
        })
    }
}

/// What differs from what is in force; what is taken up is in force from then on.
fn compare(in_force: &mut Keys, new: Keys, is_here: impl Fn(&ClientId) -> bool) -> Reloaded {
    let names: BTreeSet<String> = in_force.keys().chain(new.keys()).cloned().collect();
    let mut reloaded = Reloaded::default();
    for name in names {
        if in_force.get(&name) == new.get(&name) {
            continue;
        }
        if !is_live(&name, &is_here) {
            reloaded.needs_restart.push(name);
            continue;
        }
        match new.get(&name) {
            Some(value) => in_force.insert(name.clone(), value.clone()),
            None => in_force.remove(&name),
        };
        reloaded.in_force.push(name);
    }
    reloaded
}

/// Whether a key is taken up by a running host.
fn is_live(name: &str, is_here: &impl Fn(&ClientId) -> bool) -> bool {
    if name == "siprec.trunk" || name == "telemetry.log" {
        return true;
    }
    let Some((client, key)) = name.strip_prefix("client `").and_then(|rest| rest.split_once("`: ")) else {
        return false;
    };
    let is_here = serde_json::from_value::<ClientId>(client.into()).is_ok_and(|client| is_here(&client));
    is_here && key != "placement.lock-days" && OF_CLIENT.contains(&key.split('.').next().unwrap_or(key))
}

/// The keys of a file: of tables down to two names, of each client by its id; lists as they are.
fn keys_of(file: &PathBuf) -> anyhow::Result<Keys> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let table: Table = text.parse().with_context(|| file.display().to_string())?;
    let mut keys = Keys::new();
    for (section, value) in table {
        match value {
            Value::Array(clients) if section == "client" => {
                for client in clients {
                    let Value::Table(client) = client else { bail!("a client is no table") };
                    let id = client.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                    enter(&mut keys, &format!("client `{id}`: "), client);
                }
            }
            Value::Table(table) => enter(&mut keys, &format!("{section}."), table),
            other => drop(keys.insert(section, other)),
        }
    }
    Ok(keys)
}

fn enter(keys: &mut Keys, before: &str, table: Table) {
    for (name, value) in table {
        match value {
            Value::Table(inner) if name != "attributes" => {
                let inner = inner.into_iter().map(|(key, value)| (format!("{before}{name}.{key}"), value));
                keys.extend(inner);
            }
            other => drop(keys.insert(format!("{before}{name}"), other)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn keys(text: &str) -> Keys {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("caveat.toml");
        fs::write(&file, text).unwrap();
        keys_of(&file).unwrap()
    }

    #[test]
    fn what_changed_is_named_and_what_waits_for_a_restart_is_told_apart() {
        let check = |before: &str, after: &str, taken: &[&str], waiting: &[&str]| {
            let mut in_force = keys(before);
            let told = compare(&mut in_force, keys(after), |client| client.as_str() == "acme");
            assert_eq!(
                (told.in_force, told.needs_restart),
                (texts(taken), texts(waiting)),
                "{before} {after}"
            );
            // What waits is told again.
            let again = compare(&mut in_force, keys(after), |client| client.as_str() == "acme");
            assert_eq!((again.in_force, again.needs_restart), (vec![], texts(waiting)));
        };
        let client = |rest: &str| format!("[[client]]\nid = \"acme\"\n{rest}\n");
        check("[host]\nname = \"a\"", "[host]\nname = \"a\"", &[], &[]);
        check("[host]\nname = \"a\"", "[host]\nname = \"b\"", &[], &["host.name"]);
        check("", "[telemetry]\nlog = \"debug\"", &["telemetry.log"], &[]);
        check("", "[telemetry]\nlog-format = \"json\"", &[], &["telemetry.log-format"]);
        check("", "[limits.calls]\nlegs_max = 3", &[], &["limits.calls.legs_max"]);
        check(&client(""), &client("can-pause = true"), &["client `acme`: can-pause"], &[]);
        check(
            &client("[[client.pack]]\nfile = \"a\""),
            &client("[[client.pack]]\nfile = \"b\""),
            &["client `acme`: pack"],
            &[],
        );
        check(
            &client(""),
            &client("[client.placement]\nlock-days = 3"),
            &[],
            &["client `acme`: placement.lock-days"],
        );
        check(
            &client(""),
            &client("[client.twilio]\npublic-url = \"wss://a\""),
            &[],
            &["client `acme`: twilio.public-url"],
        );
        check("", "[[client]]\nid = \"new\"", &[], &["client `new`: id"]);
    }

    fn texts(of: &[&str]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }
}
