//! What can be said on the command line.

use std::path::PathBuf;

use crate::{
    commands::{
        assurance::AssuranceCommand,
        backup,
        database::DatabaseCommand,
        decide, disclosures, doctor,
        erase::{RecordingCommand, RequestCommand},
        evidence::{EvidenceCommand, Time},
        impact,
        keeping::{HoldCommand, RetentionCommand},
        key::KeyCommand,
        pack::PackCommand,
        replay,
        running::Running,
    },
    config::Config,
    telemetry::Asked,
};
use caveat_access::Scope;
use caveat_model::{ClientId, PersonId, Role};
use clap::{Args, Parser, Subcommand};
use serde::Deserialize;

/// A call recorder that asks before it acts.
#[derive(Debug, Parser)]
#[command(name = "caveat", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log: `error`, `warn`, `info`, `debug`, or per room (`caveat_vault=debug`).
    /// `info` if neither this nor a host's configuration says.
    #[arg(long, global = true, env = "CAVEAT_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Log as JSON lines.
    #[arg(long, global = true, env = "CAVEAT_LOG_JSON")]
    log_json: bool,
}

/// The configuration file.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration; examples/quickstart/caveat.toml documents every key.
    #[arg(short, long, env = "CAVEAT_CONFIG", default_value = "caveat.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the host: record calls, answer people.
    Serve(ConfigFile),
    /// Look a deployment over: configuration, keys, store, clock, certificates, packs, database, disk, ports; what is wrong,
    /// where, and what to do. Exit code 0: nothing, 1: something, 2: it cannot run so.
    Doctor(doctor::Args),
    /// The tables on a PostgreSQL server.
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Copy everything that a host has into a new folder, while it runs or not.
    Backup(backup::BackupArgs),
    /// Put a backup into an empty place.
    Restore(backup::RestoreArgs),
    /// Check the configuration and load every pack with its settings; start nothing.
    Check(ConfigFile),
    /// Put one event to packs and print their verdict with reasons. Exit code 0: allowed, 3: denied.
    Decide(decide::Args),
    /// Write, build, test and ship packs.
    #[command(subcommand)]
    Pack(PackCommand),
    /// People of a client.
    #[command(subcommand)]
    Person(PersonCommand),
    /// Tokens for machines: phone systems, recognizers, desktops.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The log that proves what was done.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Files that prove a recording, or all of a case, to whoever has the public key.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// The key of a client: new versions of it, and the end of old ones.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Whether the calls that should have been recorded were, and sound as they should.
    #[command(subcommand)]
    Assurance(AssuranceCommand),
    /// Redact, bring back, destroy: recordings of a running host.
    #[command(subcommand)]
    Recording(RecordingCommand),
    /// What takes two people: what one asked for, confirmed by another.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Preserve recordings for a matter.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Who was given what of a recorded person, and why: the accounting of disclosures.
    Disclosures(disclosures::Args),
    /// What is destroyed when and why, what waits for a decision, what is gone.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Rule recorded decisions again with the packs that ruled, bit for bit. Exit code 1 if anything differs.
    Replay(replay::Args),
    /// Rule history again with another pack or other settings, and say what would change.
    Impact(impact::Args),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Enrol a person. The password is read from standard input; the secret of the second factor is printed once.
    Add {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose person.
        #[arg(long)]
        client: ClientId,
        /// Unique within the client.
        #[arg(long)]
        id: PersonId,
        /// As colleagues know them.
        #[arg(long, default_value = "")]
        name: String,
        /// agent, supervisor, trainer, compliance, auditor, integrator, admin.
        #[arg(long, value_parser = by_name::<Role>)]
        role: Role,
        /// Job or relation, in the client's words ("disputes", "billing").
        #[arg(long, default_value = "")]
        function: String,
        /// Print the enrolment as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Invite a person: they choose a password and confirm a second factor themselves. This is how the first administrator
    /// of a client begins. The invitation is printed once.
    Invite {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose person.
        #[arg(long)]
        client: ClientId,
        /// Unique within the client.
        #[arg(long)]
        id: PersonId,
        /// As colleagues know them.
        #[arg(long, default_value = "")]
        name: String,
        /// agent, supervisor, trainer, compliance, auditor, integrator, admin.
        #[arg(long, value_parser = by_name::<Role>, required_unless_present = "again")]
        role: Option<Role>,
        /// Job or relation, in the client's words ("disputes", "billing").
        #[arg(long, default_value = "")]
        function: String,
        /// Somebody who is there already: takes from them all that they sign in with, for who has lost it.
        #[arg(long, conflicts_with_all = ["name", "role", "function"])]
        again: bool,
        /// Print the invitation as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Answer an invitation at a running host. Reads the invitation from standard input, shows the secret for the
    /// authenticator, then reads the new password and a code of it, a line each; prints the recovery codes.
    Enroll {
        /// The running host.
        #[arg(long, env = "CAVEAT_URL", default_value = "http://127.0.0.1:8480")]
        url: String,
    },
    /// Change a person at a running host, as an administrator who has just stepped up.
    Change {
        #[command(flatten)]
        at: Running,
        /// Who.
        id: PersonId,
        /// As colleagues know them.
        #[arg(long)]
        name: Option<String>,
        /// agent, supervisor, trainer, compliance, auditor, integrator, admin.
        #[arg(long)]
        role: Option<String>,
        /// Job or relation, in the client's words.
        #[arg(long)]
        function: Option<String>,
        /// active, suspended, terminated: anything but active ends their sessions.
        #[arg(long)]
        standing: Option<String>,
    },
    /// Take from a person all that they sign in with, and invite them anew, at a running host. Check first who they are.
    Reset {
        #[command(flatten)]
        at: Running,
        /// Who.
        id: PersonId,
    },
    /// Sign in at a running host. Password and code are read from standard input, a line each; the session is printed, for
    /// `CAVEAT_TOKEN`.
    SignIn {
        /// The running host.
        #[arg(long, env = "CAVEAT_URL", default_value = "http://127.0.0.1:8480")]
        url: String,
        /// Whose person.
        #[arg(long)]
        client: ClientId,
        /// Who.
        #[arg(long)]
        id: PersonId,
    },
    /// End the session at a running host.
    SignOut {
        #[command(flatten)]
        host: Running,
    },
    /// List the people of a client.
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose people.
        #[arg(long)]
        client: ClientId,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it once.
    Create {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose machine.
        #[arg(long)]
        client: ClientId,
        /// What it is for.
        #[arg(long)]
        name: String,
        /// capture, call-events, read-api, admin.
        #[arg(long, value_delimiter = ',', required = true, value_parser = by_name::<Scope>)]
        scopes: Vec<Scope>,
        /// How long it is good for.
        #[arg(long, default_value_t = 90)]
        valid_days: u32,
    },
    /// List the tokens of a client.
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose.
        #[arg(long)]
        client: ClientId,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a token good for nothing, for good.
    Revoke {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose.
        #[arg(long)]
        client: ClientId,
        /// Which, as `list` has it.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Print the public key that a client's checkpoints are signed with.
    Key {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose ledger.
        #[arg(long)]
        client: ClientId,
    },
    /// Write a bundle that can be verified anywhere.
    Export {
        #[command(flatten)]
        config: ConfigFile,
        /// Whose ledger.
        #[arg(long)]
        client: ClientId,
        /// Folder to write, new or empty.
        dir: PathBuf,
    },
    /// Verify a bundle offline, with the public key only. Exit code 1 if anything is wrong.
    Verify {
        /// The bundle.
        dir: PathBuf,
        /// The public key, as you got it from the client by another way; a file or the key itself.
        #[arg(long)]
        key: String,
        #[command(flatten)]
        time: Time,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// The configuration of a host that is to run; none for every other command.
    pub(crate) fn host(&self) -> anyhow::Result<Option<Config>> {
        match &self.command {
            Command::Serve(file) => Config::read(&file.config).map(Some),
            _ => Ok(None),
        }
    }

    /// What is said of logs.
    pub(crate) fn asked(&self) -> Asked {
        Asked { filter: self.log.clone(), json: self.log_json }
    }
}

/// Parses a word as the model's JSON form has it, so that the command line and the files say the same.
pub(crate) fn by_name<T: for<'de> Deserialize<'de>>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|e| e.to_string())
}
