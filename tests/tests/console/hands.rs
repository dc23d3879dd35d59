//! What it takes hands for: dragging, two people, a file that is saved, an invitation, the view in an agent's desktop.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use caveat_tests::{
    chromium::Chromium,
    house::{CLIENT, call, noise, sealed},
    people::{PASSWORD, code},
    upload::{upload, upload_from},
    watch::until,
};

use super::house::{go, sign_in, start, start_with_provider, url};

/// A file in a folder, once it is there whole.
async fn saved(folder: &Path, ending: &str) -> anyhow::Result<PathBuf> {
    until(&format!("a file {ending} is saved"), async || {
        let files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut named = files.filter(|path| path.to_str().is_some_and(|name| name.ends_with(ending)));
        // The name is taken by an empty file before the whole one has it.
        Ok(named.find(|path| path.metadata().is_ok_and(|file| file.len() > 0)))
    })
    .await
}

async fn browser() -> anyhow::Result<Chromium> {
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_is_dragged_noted_and_taken_out_of_the_house() -> anyhow::Result<()> {
    let house = start()?;
    let id = upload(&house, "CA-1").await?;
    sealed(&house.person("sam").await?, 1).await?;
    let browser = browser().await?;
    let files = tempfile::tempdir()?;
    browser.saves_to(files.path()).await?;
    sign_in(&browser, &house, "cora").await?;
    browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await?;
    go(&browser, &format!("recordings/{id}")).await?;
    browser.shows("broken").await?;

    // From a sixth to a third of twelve seconds.
    browser.drag(&browser.find("[role=slider]").await?, 1.0 / 6.0, 1.0 / 3.0).await?;
    let chosen = browser.run("return document.querySelector('#from-ms').value").await?;
    ensure!(
        chosen.as_str().is_some_and(|at| at.starts_with("0:01.9") || at.starts_with("0:02.0")),
        "{chosen}"
    );
    browser.click(&browser.button("Mask…").await?).await?;
    browser.click(&browser.button("Mask").await?).await?;
    browser.shows("stretch is masked").await?;

    // A note stands in the timeline, with who wrote it; the call is as it was.
    browser.click(&browser.button("Add a note…").await?).await?;
    browser.fill("#field-note", "The customer says it was the blue one.").await?;
    browser.click(&browser.button("Add").await?).await?;
    browser.shows("it was the blue one").await?;
    browser.shows("person cora").await?;

    // Somebody outside is to have it: entered first, and then exported and checked with the key alone.
    browser.click(&browser.button("Enter a disclosure…").await?).await?;
    browser.fill("#field-to", "Smith & Partners, Atlanta").await?;
    browser.choose("#field-purpose", "legal").await?;
    browser.fill("#field-reason", "subpoena 12-3").await?;
    browser.click(&browser.button("Enter").await?).await?;
    let listed = async || {
        let wanted =
            "return fetch('/v1/disclosures', {headers: {'x-caveat': 'console'}}).then((r) => r.text())";
        browser.run(wanted).await
    };
    until("the accounting has it", async || {
        Ok(listed().await?.as_str().is_some_and(|text| text.contains("Smith & Partners")).then_some(()))
    })
    .await?;
    browser.click(&browser.button("Export evidence…").await?).await?;
    browser.click(&browser.button("Export").await?).await?;
    let evidence = saved(files.path(), ".tar").await?;
    let key = house.host.command(&["ledger", "key", "--client", CLIENT], "")?;
    let path = evidence.to_str().context("a path")?;
    house.host.command(&["evidence", "verify", path, "--key", key.trim()], "")?;
    std::fs::remove_file(&evidence)?;

    // So is the log.
    go(&browser, "ledger").await?;
    browser.click(&browser.button("Export…").await?).await?;
    browser.click(&browser.button("Export").await?).await?;
    let log = saved(files.path(), "log-acme.tar").await?;
    tar::Archive::new(std::fs::File::open(&log)?).unpack(files.path())?;
    let bundle = files.path().join("log");
    let path = bundle.to_str().context("a path")?;
    house.host.command(&["ledger", "verify", path, "--key", key.trim()], "").map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_lift_a_hold() -> anyhow::Result<()> {
    let house = start()?;
    let (one, other) = (browser().await?, browser().await?);
    sign_in(&one, &house, "cora").await?;
    go(&one, "holds").await?;
    one.shows("No hold").await?;
    one.click(&one.button("Set a hold…").await?).await?;
    one.fill("#field-matter", "Smith v. Acme").await?;
    one.choose("#field-kind", "everything").await?;
    one.click(&one.button("Set").await?).await?;
    one.shows("Smith v. Acme").await?;
    one.click(&one.button("Lift…").await?).await?;
    one.fill("#field-reason", "settled").await?;
    one.click(&one.button("Ask for it").await?).await?;
    one.shows("A second person has to confirm it").await?;
    go(&one, "requests").await?;
    one.shows("Another confirms").await?;

    sign_in(&other, &house, "dan").await?;
    go(&other, "requests").await?;
    other.shows("settled").await?;
    other.click(&other.button("Confirm…").await?).await?;
    other.click(&other.button("Confirm").await?).await?;
    other.shows("Nothing waits").await?;
    go(&other, "holds").await?;
    other.shows("Lifted").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_leads_to_a_first_sign_in() -> anyhow::Result<()> {
    let house = start()?;
    let (ada, new) = (browser().await?, browser().await?);
    sign_in(&ada, &house, "ada").await?;
    go(&ada, "people").await?;
    ada.click(&ada.button("Invite somebody…").await?).await?;
    ada.fill("#field-id", "nina").await?;
    ada.choose("#field-role", "trainer").await?;
    ada.click(&ada.button("Invite").await?).await?;
    ada.find("#field-secret").await?;
    let link = ada.run("return document.querySelector('#field-secret').value").await?;
    new.open(link.as_str().context("a link")?).await?;
    new.shows("You are invited as").await?;
    let secret = new.run("return document.querySelector('pre').innerText.trim()").await?;
    let secret = secret.as_str().context("a secret")?;
    new.fill("[name=password]", PASSWORD).await?;
    new.fill("[name=code]", &code(secret, 0)?).await?;
    new.click(&new.button("Enroll").await?).await?;
    new.shows("recovery codes").await?;
    new.click(&new.button("I have them: sign in").await?).await?;
    new.fill("[name=client]", CLIENT).await?;
    new.fill("[name=person]", "nina").await?;
    new.fill("[name=password]", PASSWORD).await?;
    new.fill("[name=code]", &code(secret, 1)?).await?;
    new.click(&new.button("Sign in").await?).await?;
    new.find("[aria-label='Sign out']").await?;
    new.shows("trainer").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_vouches_for_somebody() -> anyhow::Result<()> {
    let (house, provider) = start_with_provider()?;
    provider.next("sam", &["mfa"], None).await?;
    let browser = browser().await?;
    browser.open(&url(&house)).await?;
    browser.fill("[name=client]", CLIENT).await?;
    browser.fill("[name=person]", "sam").await?;
    browser.click(&browser.button("Corporate account").await?).await?;
    browser.find("[aria-label='Sign out']").await?;
    browser.shows("supervisor").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_by_which_law_and_scores_stand_by_agent() -> anyhow::Result<()> {
    let house = start()?;
    let id = upload_from(&house, "CA-1", "PA").await?;
    upload(&house, "CA-2").await?;
    sealed(&house.person("sam").await?, 2).await?;
    let browser = browser().await?;
    sign_in(&browser, &house, "cora").await?;
    browser.run("sessionStorage.setItem('caveat-purpose', 'dispute')").await?;
    go(&browser, &format!("recordings/{id}")).await?;
    browser.shows("18 Pa. Cons. Stat. 5704(15)").await?;
    go(&browser, "scorecards").await?;
    browser.shows("alex").await?;
    browser.shows("2 calls").await?;
    browser.shows("0 of 20 points").await?;
    browser.shows("standards.forbidden-request").await?;

    // Had Georgia wanted everybody's own word, one of the two would not be there.
    go(&browser, "packs/state-consent/active").await?;
    let states = browser.labeled("Express states").await?;
    browser.keys(&states, "GA").await?;
    browser.click(&browser.button("What would change?").await?).await?;
    browser.find("[aria-label='What would change'] .bars .track").await?;
    browser.find("[aria-label='What would change'] table").await?;
    browser.shows("stricter").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_pauses_their_own_call_in_their_desktop() -> anyhow::Result<()> {
    let house = start()?;
    let mut script = call("CAlive");
    let sound = noise(90_000, 3);
    script.sounds(&sound, &sound);
    let (to, token) = (house.host.url.clone(), house.token.clone());
    let playing = tokio::spawn(async move { script.play(&to, &token).await });
    let browser = browser().await?;
    browser.open(&format!("{}/agent?call=CAlive&client={CLIENT}&person=al", url(&house))).await?;
    browser.fill("[name=password]", PASSWORD).await?;
    browser.fill("[name=code]", &code(house.secret("al")?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find(".lamp.recording").await?;
    browser.click(&browser.button("Pause recording").await?).await?;
    browser.find(".lamp.suspended").await?;
    browser.click(&browser.button("Resume recording").await?).await?;
    browser.find(".lamp.recording").await?;
    playing.abort();
    Ok(())
}
