//! The demonstration, step by step. Every step is checked; what is printed is what the host answered.

mod audit;
mod calls;
mod listen;
mod show;

use anyhow::Context;

use crate::host::Host;
use show::Show;

/// Three clients: a shop, a clinic whose store has a business-associate agreement, and one whose store has none.
const CONFIG: &str = include_str!("caveat.toml");

/// Runs it; true if every step came out right. Without `once` the host stays up until Ctrl-C.
pub async fn run(once: bool) -> anyhow::Result<bool> {
    let mut show = Show::default();
    show.chapter("A host on embedded defaults: SQLite, a local folder, loopback");
    let mut host = Host::prepare(CONFIG)?;
    let mut tokens = Vec::new();
    for client in ["shop", "clinic", "walk-in"] {
        tokens.push((client, host.token(client)?));
    }
    let trainer = host.enroll("shop", "tamara", "trainer", "training")?;
    let supervisor = host.enroll("shop", "sam", "supervisor", "disputes")?;
    let admin = host.enroll("shop", "ada", "admin", "")?;
    host.start()?;
    show.line(&format!("caveat serve, at {}", host.url));
    show.line("people of `shop`: tamara (trainer), sam (supervisor, disputes), ada (admin)");

    show.chapter("Six calls over the Twilio Media Streams protocol, each verdict as it happens");
    let recordings = calls::play_all(&host, &tokens, &mut show).await?;

    show.chapter("Who may hear what");
    let people = listen::People { trainer, supervisor, admin };
    listen::listen(&host, &people, &recordings, &mut show).await?;

    show.chapter("The log, checked by somebody who trusts nobody");
    audit::audit(&host, &mut show)?;

    let all_right = show.summary();
    if !once {
        show.line(&format!(
            "the host is still up at {}; its files are in {}",
            host.url,
            host.dir().display()
        ));
        show.line("Ctrl-C ends it");
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    }
    let code = host.stop()?;
    Ok(all_right && code == 0)
}
