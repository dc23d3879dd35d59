//! `caveat disclosures`: the accounting of disclosures, from a running host.

use std::process::ExitCode;

use caveat_model::Moment;

use super::running::{Running, lines, text};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Running,
    /// Of calls that this person was on: a number, or an id given with the call. None: of everybody.
    #[arg(long)]
    person: Option<String>,
    /// Granted at or after this date or time (RFC 3339); none: six years back.
    #[arg(long)]
    since: Option<Moment>,
    /// Granted before this date or time.
    #[arg(long)]
    until: Option<Moment>,
    /// Only what the person recorded has a right to be told of (45 CFR 164.528(a)(1)).
    #[arg(long)]
    owed: bool,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let asked = [
        ("person", args.person.clone()),
        ("since", args.since.map(|at| at.to_string())),
        ("until", args.until.map(|at| at.to_string())),
        ("owed", args.owed.then(|| "true".to_owned())),
    ];
    let found = args.at.get("/v1/disclosures", &asked).await?;
    args.at.print(&found, |found| {
        lines(found, "nothing was disclosed", |one| {
            let owed = text(&one["owed"][1]);
            let name = text(&one["to-name"]);
            let to = if name.is_empty() {
                text(&one["to"]).to_owned()
            } else {
                format!("{name} ({})", text(&one["to"]))
            };
            format!(
                "{} {} {:8} {:14} {to}  {}  {owed}",
                text(&one["at"]),
                text(&one["recording"]),
                text(&one["act"]),
                text(&one["purpose"]),
                text(&one["reason"]),
            )
        })
    })
}
