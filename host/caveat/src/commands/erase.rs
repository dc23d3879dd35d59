//! `caveat recording`, `caveat request`: stretches redacted and brought back, recordings destroyed, breaches reported, and the
//! second person.

use std::process::ExitCode;

use caveat_model::{Basis, Offset, Purpose, RecordingId};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    breach::{Breach, report},
    running::{Running, lines, text},
};
use crate::cli::by_name;

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingCommand {
    /// Redact a stretch. `mask` hides it until two people bring it back; `shred` destroys its keys once a second person
    /// has confirmed. Exit code 3: the rules refuse.
    Redact {
        #[command(flatten)]
        host: Running,
        /// Which recording.
        id: RecordingId,
        /// From when to when, as 00:01:12-00:01:31 or 00:01:12.250-00:01:31.
        #[arg(long, value_parser = span)]
        span: (Offset, Offset),
        /// Of this leg only.
        #[arg(long)]
        leg: Option<u8>,
        /// `shred` or `mask`.
        #[arg(long, value_parser = ["shred", "mask"])]
        mode: String,
        #[command(flatten)]
        why: Why,
    },
    /// List the masks of a recording that can be lifted.
    Masks {
        #[command(flatten)]
        host: Running,
        /// Which recording.
        id: RecordingId,
    },
    /// Ask for what a mask hides to be brought back. A second person confirms.
    Unmask {
        #[command(flatten)]
        host: Running,
        /// Which recording.
        id: RecordingId,
        /// The mask's number.
        #[arg(long)]
        mask: u32,
        #[command(flatten)]
        why: Why,
    },
    /// Ask for a recording to be destroyed before its schedule does. A second person confirms.
    Destroy {
        #[command(flatten)]
        host: Running,
        /// Which recording.
        id: RecordingId,
        /// person-asks, erasure-request, contract-end.
        #[arg(long, value_parser = by_name::<Basis>)]
        basis: Basis,
        #[command(flatten)]
        why: Why,
    },
    /// Enter that a recording may have reached somebody it should not have. The rules say whom to tell, and by when.
    Breach(Breach),
}

/// Why somebody does it.
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// What for, as the rules know it: operations, own-request, legal, ...
    #[arg(long, default_value = "operations", value_parser = by_name::<Purpose>)]
    purpose: Purpose,
    /// In your own words; kept sealed.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// List what waits for a second person.
    List {
        #[command(flatten)]
        host: Running,
    },
    /// Confirm what another person asked for; then it is done. Exit code 3: the rules refuse.
    Confirm {
        #[command(flatten)]
        host: Running,
        /// Its number.
        id: u64,
    },
    /// Take back, or turn down, what was asked for.
    Withdraw {
        #[command(flatten)]
        host: Running,
        /// Its number.
        id: u64,
    },
}

pub(crate) async fn recording(command: RecordingCommand) -> anyhow::Result<ExitCode> {
    match command {
        RecordingCommand::Redact { host, id, span: (start, end), leg, mode, why } => {
            let span = match leg {
                Some(leg) => json!({"leg": leg, "start": start, "end": end}),
                None => json!({"start": start, "end": end}),
            };
            let body = json!({"span": span, "mode": mode, "purpose": why.purpose, "reason": why.reason});
            let answer = host.post(&format!("/v1/recordings/{id}/redactions"), &body).await?;
            host.print(&answer, |a| match a["act"].as_str() {
                Some(_) => waits(a),
                None => match a["mask"].as_u64() {
                    Some(mask) => format!("hidden by mask {mask}; ledger entry {}\n", a["ledger-index"]),
                    None => "there is nothing to hide in that stretch\n".to_owned(),
                },
            })
        }
        RecordingCommand::Masks { host, id } => {
            let answer = host.get(&format!("/v1/recordings/{id}/masks"), &[]).await?;
            host.print(&answer, |a| lines(a, "no mask is in force", mask))
        }
        RecordingCommand::Unmask { host, id, mask, why } => {
            let body = json!({"mask": mask, "purpose": why.purpose, "reason": why.reason});
            let answer = host.post(&format!("/v1/recordings/{id}/unmask"), &body).await?;
            host.print(&answer, waits)
        }
        RecordingCommand::Destroy { host, id, basis, why } => {
            let body = json!({"basis": basis, "purpose": why.purpose, "reason": why.reason});
            let answer = host.post(&format!("/v1/recordings/{id}/disposal"), &body).await?;
            host.print(&answer, waits)
        }
        RecordingCommand::Breach(breach) => report(breach).await,
    }
}

pub(crate) async fn request(command: RequestCommand) -> anyhow::Result<ExitCode> {
    match command {
        RequestCommand::List { host } => {
            let answer = host.get("/v1/requests", &[]).await?;
            host.print(&answer, |a| lines(a, "nothing waits for a second person", open))
        }
        RequestCommand::Confirm { host, id } => {
            let answer = host.post(&format!("/v1/requests/{id}/confirm"), &json!({})).await?;
            host.print(&answer, done)
        }
        RequestCommand::Withdraw { host, id } => {
            let answer = host.delete(&format!("/v1/requests/{id}")).await?;
            host.print(&answer, |_| format!("request {id} is withdrawn\n"))
        }
    }
}

/// What to say of a request that waits.
pub(super) fn waits(request: &Value) -> String {
    let (id, until) = (&request["id"], text(&request["until"]));
    format!("request {id} waits for a second person until {until}: `caveat request confirm {id}`\n")
}

fn done(answer: &Value) -> String {
    if let Some(redacted) = answer.get("redacted") {
        return format!("done; ledger entry {}\n", redacted["ledger-index"]);
    }
    if let Some(receipt) = answer.get("destroyed") {
        return format!("destroyed; receipt {}, ledger entry {}\n", receipt["id"], receipt["result"]);
    }
    if let Some(before) = answer.get("keys-destroyed") {
        return format!("versions of the key before {before} are destroyed\n");
    }
    format!("lifted from {} recordings\n", answer["lifted"])
}

fn open(request: &Value) -> String {
    let what = ["recording", "mask", "hold", "basis", "before"].iter().filter_map(|key| {
        let value = request.get(*key)?;
        Some(format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    let what: Vec<String> = what.collect();
    format!(
        "{:>4}  {}  {}  asked by {} until {}  {}",
        request["id"],
        text(&request["act"]),
        what.join(", "),
        text(&request["asked-by"]),
        text(&request["until"]),
        text(&request["reason"])
    )
}

fn mask(row: &Value) -> String {
    let span = |s: &Value| format!("leg {} {}-{} ms", s["leg"], s["start"], s["end"]);
    let spans: Vec<String> = row["spans"].as_array().into_iter().flatten().map(span).collect();
    format!("{:>4}  {}", row["mask"], spans.join(", "))
}

/// `00:01:12-00:01:31.500`, in milliseconds.
fn span(given: &str) -> Result<(Offset, Offset), String> {
    let wrong = || format!("`{given}` is no stretch: 00:01:12-00:01:31 is wanted");
    let (start, end) = given.split_once('-').ok_or_else(wrong)?;
    let (start, end) = (time(start).ok_or_else(wrong)?, time(end).ok_or_else(wrong)?);
    if start < end { Ok((start, end)) } else { Err(format!("`{given}` ends before it begins")) }
}

fn time(given: &str) -> Option<Offset> {
    let (whole, thousandths) = given.split_once('.').unwrap_or((given, "0"));
    if thousandths.is_empty() || thousandths.len() > 3 || !thousandths.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: Offset = format!("{thousandths:0<3}").parse().ok()?;
    let mut parts = whole.rsplit(':').map(|p| p.parse::<Offset>().ok().filter(|_| p.len() <= 4));
    let (seconds, minutes, hours) =
        (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || (whole.contains(':') && seconds > 59) {
        return None;
    }
    let all = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?;
    all.checked_mul(1_000)?.checked_add(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_read_to_the_millisecond() {
        let check = |given: &str, expected| assert_eq!(span(given).ok(), expected, "{given}");
        check("00:01:12-00:01:31", Some((72_000, 91_000)));
        check("1:00:00.5-1:00:01.25", Some((3_600_500, 3_601_250)));
        check("5-6.001", Some((5_000, 6_001)));
        for wrong in ["", "5", "6-5", "5-5", "a-b", "0:61-2:00", "1:2:3:4-9:9:9", "5.-6", "5.1234-6", "-5-6"]
        {
            check(wrong, None);
        }
    }
}
