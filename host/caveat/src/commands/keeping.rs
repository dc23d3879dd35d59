//! `caveat hold`, `caveat retention`: what is preserved, what goes when and why, what waits for a decision, what is gone.

use std::process::ExitCode;

use caveat_model::{Moment, RecordingId};
use caveat_retention::{Decision, Scope};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    erase::waits,
    running::{Running, lines, text},
};

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Preserve recordings for a matter: those there are, and those to come.
    Set {
        #[command(flatten)]
        host: Running,
        /// What for, in the client's words ("Smith v. Acme").
        #[arg(long)]
        matter: String,
        #[command(flatten)]
        of: Of,
        /// Why; kept sealed.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Ask for a hold to be lifted. A second person confirms.
    Lift {
        #[command(flatten)]
        host: Running,
        /// Its number.
        id: u64,
        /// Why; kept sealed.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// List the holds in force.
    List {
        #[command(flatten)]
        host: Running,
        /// Those that were lifted too.
        #[arg(long)]
        all: bool,
    },
}

/// What a hold takes in.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false, args = ["recording", "call", "person", "case", "from", "everything"])]
pub(crate) struct Of {
    /// One recording.
    #[arg(long)]
    recording: Option<RecordingId>,
    /// The recordings of a call, by the phone system's id.
    #[arg(long)]
    call: Option<String>,
    /// Calls that somebody is on: a number, or an id given with the call (agent.id, customer.id, person.id).
    #[arg(long)]
    person: Option<String>,
    /// Calls that belong to a case, by the id given with them (case.id).
    #[arg(long)]
    case: Option<String>,
    /// Calls that began then or later (and before --until).
    #[arg(long, value_name = "DATE")]
    from: Option<Moment>,
    /// Calls that began before then.
    #[arg(long, value_name = "DATE", requires = "from")]
    until: Option<Moment>,
    /// All that the client has and will have.
    #[arg(long)]
    everything: bool,
}

impl Of {
    fn scope(self) -> Scope {
        let of_recording = self.recording.map(Scope::Recording);
        let of_call = self.call.map(Scope::Call);
        let of_person = self.person.map(Scope::Person);
        let of_case = self.case.map(Scope::Case);
        let of_dates = self.from.map(|from| Scope::Dates { from, until: self.until });
        of_recording.or(of_call).or(of_person).or(of_case).or(of_dates).unwrap_or(Scope::Everything)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show what will be destroyed when, and by which rule, before it is.
    Plan {
        #[command(flatten)]
        host: Running,
        /// Up to then; a year from now if left out.
        #[arg(long, value_name = "DATE")]
        until: Option<Moment>,
    },
    /// List what waits for a person to decide.
    Reviews {
        #[command(flatten)]
        host: Running,
        /// What was decided too.
        #[arg(long)]
        all: bool,
    },
    /// Decide what the rules could not.
    Decide {
        #[command(flatten)]
        host: Running,
        /// Its number in `reviews`.
        id: u64,
        #[command(flatten)]
        what: What,
    },
    /// List what was destroyed, with the ledger entries that say so.
    Receipts {
        #[command(flatten)]
        host: Running,
        /// How many rows to show.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Say that the host's clock is right, after it jumped.
    ConfirmClock {
        #[command(flatten)]
        host: Running,
    },
}

/// What is decided.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct What {
    /// It is kept at least until then.
    #[arg(long, value_name = "DATE")]
    keep_until: Option<Moment>,
    /// It goes as soon as nothing stands against it any more.
    #[arg(long)]
    destroy: bool,
    /// Nothing changes: the order of duties stands.
    #[arg(long)]
    leave: bool,
}

impl What {
    fn decision(&self) -> Decision {
        match self.keep_until {
            Some(until) => Decision::KeepUntil(until),
            None if self.destroy => Decision::Destroy,
            None => Decision::LeaveAsIs,
        }
    }
}

pub(crate) async fn hold(command: HoldCommand) -> anyhow::Result<ExitCode> {
    match command {
        HoldCommand::Set { host, matter, of, reason } => {
            let body = json!({"matter": matter, "scope": of.scope(), "reason": reason});
            let answer = host.post("/v1/holds", &body).await?;
            host.print(&answer, |a| format!("hold {} is in force: {} recordings\n", a["id"], a["recordings"]))
        }
        HoldCommand::Lift { host, id, reason } => {
            let answer = host.post(&format!("/v1/holds/{id}/lift"), &json!({"reason": reason})).await?;
            host.print(&answer, waits)
        }
        HoldCommand::List { host, all } => {
            let answer = host.get("/v1/holds", &[("all", Some(all.to_string()))]).await?;
            host.print(&answer, |a| lines(a, "no hold is in force", order))
        }
    }
}

pub(crate) async fn retention(command: RetentionCommand) -> anyhow::Result<ExitCode> {
    match command {
        RetentionCommand::Plan { host, until } => {
            let until = until.map(|m| m.to_string());
            let answer = host.get("/v1/retention/plan", &[("until", until)]).await?;
            host.print(&answer, |a| lines(a, "nothing goes until then", planned))
        }
        RetentionCommand::Reviews { host, all } => {
            let answer = host.get("/v1/retention/reviews", &[("all", Some(all.to_string()))]).await?;
            host.print(&answer, |a| lines(a, "nothing waits for a decision", review))
        }
        RetentionCommand::Decide { host, id, what } => {
            let body = json!({"decision": what.decision()});
            let answer = host.post(&format!("/v1/retention/reviews/{id}"), &body).await?;
            host.print(&answer, |a| format!("{}\n", review(a)))
        }
        RetentionCommand::Receipts { host, limit } => {
            let answer = host.get("/v1/retention/receipts", &[("limit", Some(limit.to_string()))]).await?;
            host.print(&answer, |a| lines(a, "nothing was destroyed", receipt))
        }
        RetentionCommand::ConfirmClock { host } => {
            let answer = host.post("/v1/retention/confirm-clock", &json!({})).await?;
            host.print(&answer, |a| format!("the clock is taken to be right: {}\n", text(&a["now"])))
        }
    }
}

/// `   3  Smith v. Acme  person  12 recordings  set by kim at 2026-01-05T15:00:00.000Z`
fn order(row: &Value) -> String {
    let scope = match &row["scope"] {
        Value::String(word) => word.clone(),
        scope => scope.as_object().and_then(|o| o.iter().next()).map_or_else(String::new, |(kind, of)| {
            format!("{kind} {}", of.as_str().map_or_else(|| of.to_string(), str::to_owned))
        }),
    };
    let lifted = row["lifted"].as_str().map_or_else(String::new, |at| format!("  lifted at {at}"));
    format!(
        "{:>4}  {}  {scope}  {} recordings  set by {} at {}{lifted}",
        row["id"],
        text(&row["matter"]),
        row["recordings"],
        text(&row["set-by"]),
        text(&row["since"])
    )
}

/// `2026-01-05  RECORDING  began 2020-01-05  rule (citation)  held by Smith v. Acme`
fn planned(row: &Value) -> String {
    let date = |key: &str| text(&row[key]).get(..10).unwrap_or_default().to_owned();
    let matters: Vec<&str> = row["held-by"].as_array().into_iter().flatten().map(text).collect();
    let held = if matters.is_empty() { String::new() } else { format!("  held by {}", matters.join(", ")) };
    let odd = if row["at-odds"] == true { "  should be gone before it may be" } else { "" };
    format!(
        "{}  {}  began {}  {}{held}{odd}",
        date("due"),
        text(&row["recording"]),
        date("began"),
        text(&row["why"])
    )
}

fn review(row: &Value) -> String {
    let decided = match (row["decision"].as_str(), row["decided-by"].as_str()) {
        (Some(decision), Some(by)) => format!("  decided by {by}: {decision}"),
        _ => String::new(),
    };
    format!(
        "{:>4}  {}  {}  {}  {}{decided}",
        row["id"],
        text(&row["recording"]),
        text(&row["kind"]),
        text(&row["what"]),
        text(&row["rule"])
    )
}

fn receipt(row: &Value) -> String {
    let object = if row["object-gone"] == true { "object deleted" } else { "keys destroyed" };
    format!(
        "{:>4}  {}  {}  {}  {}  {}  {object}  ledger entries {}, {}, {}",
        row["id"],
        text(&row["at"]),
        text(&row["recording"]),
        text(&row["what"]),
        text(&row["basis"]),
        text(&row["rule"]),
        row["verdict"],
        row["intent"],
        row["result"]
    )
}
