//! Sign in, find, play, redact, swap, confirm, be refused; pause a running call; a passkey.
#![allow(clippy::unwrap_used, reason = "tests")]

use anyhow::ensure;
use caveat_tests::{
    chromium::Chromium,
    house::{call, noise, sealed},
    upload::upload,
    watch::until,
};

use super::house::{go, sign_in, start, start_with_verified_passkeys, url};

/// `]` and `[` choose a stretch where the player is; the right arrow moves it by a second.
const RIGHT: &str = "\u{e014}";

#[tokio::test(flavor = "multi_thread")]
async fn what_compliance_does() -> anyhow::Result<()> {
    let house = start()?;
    let id = upload(&house, "CA-1").await?;
    sealed(&house.person("sam").await?, 1).await?;
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;

    // A wrong password lets nobody in, and says nothing of who exists.
    browser.open(&url(&house)).await?;
    for (field, text) in
        [("client", "acme"), ("person", "cora"), ("password", "wrong horse battery 7"), ("code", "000000")]
    {
        browser.fill(&format!("[name={field}]"), text).await?;
    }
    browser.click(&browser.button("Sign in").await?).await?;
    browser.shows("Sign-in was refused").await?;
    sign_in(&browser, &house, "cora").await?;

    // Find: nothing is shown before a purpose is stated.
    go(&browser, "recordings").await?;
    browser.shows("Say what it is for").await?;
    browser.choose("#purpose", "quality").await?;
    browser.fill("[name=who]", "+1 404 555 0102").await?;
    browser.click(&browser.button("Search").await?).await?;
    browser.shows("alex").await?;
    browser.fill("[name=who]", "+1 404 555 0199").await?;
    browser.click(&browser.button("Search").await?).await?;
    browser.shows("Nothing found").await?;

    // Play: the sound comes by the cookie, in ranges, and the words go with it.
    go(&browser, &format!("recordings/{id}")).await?;
    browser.shows("broken").await?;
    browser.find(".timeline li").await?;
    browser.click(&browser.find("[aria-label=Play]").await?).await?;
    until("the sound plays", async || {
        let now = browser.run("return document.querySelector('audio').currentTime").await?;
        Ok(now.as_f64().is_some_and(|s| s > 0.3).then_some(()))
    })
    .await?;
    browser.click(&browser.find("[aria-label=Pause]").await?).await?;

    // Redact, by keys: a stretch is chosen and masked.
    let picture = browser.find("[role=slider]").await?;
    browser.run("document.querySelector('[role=slider]').focus()").await?;
    browser.keys(&picture, &format!("\u{e011}{}[{}]", RIGHT.repeat(2), RIGHT.repeat(3))).await?;
    browser.click(&browser.button("Mask…").await?).await?;
    browser.click(&browser.button("Mask").await?).await?;
    browser.shows("stretch is masked").await?;
    let masked = browser.run("return document.querySelector('.transcript')?.innerText ?? ''").await?;
    ensure!(
        !masked.as_str().unwrap_or_default().contains("order"),
        "the words went with the sound: {masked}"
    );

    // What cannot be undone takes another person.
    let picture = browser.find("[role=slider]").await?;
    browser.keys(&picture, &format!("\u{e011}{}[{}]", RIGHT.repeat(8), RIGHT.repeat(2))).await?;
    let shred = browser.find(".selection .grave").await?;
    browser.click(&shred).await?;
    browser.fill("#field-reason", "a card was read out").await?;
    browser.click(&browser.button("Ask for it").await?).await?;
    closed(&browser).await?;
    go(&browser, "requests").await?;
    browser.shows("Another confirms").await?;

    let other = Chromium::start().await?;
    other.resize(1440, 900).await?;
    sign_in(&other, &house, "dan").await?;
    go(&other, "requests").await?;
    other.click(&other.button("Confirm…").await?).await?;
    other.click(&other.button("Confirm").await?).await?;
    other.shows("Nothing waits").await?;

    // Swap: other settings for a pack, and back.
    go(&browser, "packs/state-consent/active").await?;
    browser.click(&browser.find(".settings input[type=checkbox]").await?).await?;
    browser.click(&browser.button("What would change?").await?).await?;
    browser.find("[aria-label='What would change'] .empty, [aria-label='What would change'] table").await?;
    browser.click(&browser.button("Save…").await?).await?;
    browser.fill("#field-why", "counsel signed it").await?;
    browser.click(&browser.button("Put in force").await?).await?;
    closed(&browser).await?;
    go(&browser, "packs").await?;
    browser.shows("counsel signed it").await?;
    browser.click(&browser.button("Roll back…").await?).await?;
    browser.fill("#field-why", "too strict").await?;
    browser.click(&browser.button("Roll back").await?).await?;
    browser.shows("too strict").await?;

    go(&browser, "ledger").await?;
    browser.click(&browser.button("Verify the log").await?).await?;
    browser.shows("The log is good").await?;
    browser.shows("Signature\nGood").await
}

/// A dialog closes when what it asked for was done.
async fn closed(browser: &Chromium) -> anyhow::Result<()> {
    let is_closed = "return !document.querySelector('dialog')";
    until("the dialog closes", async || Ok((browser.run(is_closed).await? == true).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_do_is_not_there_for_it() -> anyhow::Result<()> {
    let house = start()?;
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    sign_in(&browser, &house, "tom").await?;
    browser.run("location.hash = '#/ledger'").await?;
    browser.shows("This page is not for your role").await?;
    let refused = "return fetch('/v1/ledger/key', {headers: {'x-caveat': 'console'}}).then((r) => r.status)";
    ensure!(browser.run(refused).await? == 403, "the host refuses it, too");
    // Another page's request has the cookie and not the header.
    let forged = "return fetch('/v1/session', {method: 'DELETE'}).then((r) => r.status)";
    ensure!(browser.run(forged).await? == 403, "a request without the header is nobody's");
    browser.click(&browser.find("[aria-label='Sign out']").await?).await?;
    browser.find("[name=password]").await?;
    browser.open(&url(&house)).await?;
    browser.find("[name=password]").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_pauses_a_running_call() -> anyhow::Result<()> {
    let house = start()?;
    let mut script = call("CAlive");
    let sound = noise(90_000, 3);
    script.sounds(&sound, &sound);
    let (to, token) = (house.host.url.clone(), house.token.clone());
    let playing = tokio::spawn(async move { script.play(&to, &token).await });
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    sign_in(&browser, &house, "sam").await?;
    go(&browser, "live").await?;
    browser.find(".call.is-recording").await?;
    // What each pack says of it now.
    browser.find("[aria-label='What each pack says'] .badge").await?;
    browser.shows("state-consent 0.1.0").await?;
    browser.click(&browser.button("Pause").await?).await?;
    browser.find(".call.is-suspended").await?;
    browser.shows("pause").await?;
    browser.click(&browser.button("Resume").await?).await?;
    browser.find(".call.is-recording").await?;
    playing.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_added_and_signs_in() -> anyhow::Result<()> {
    let house = start_with_verified_passkeys()?;
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    browser.plug_in_authenticator().await?;
    sign_in(&browser, &house, "ada").await?;
    go(&browser, "account").await?;
    browser.click(&browser.button("Add a passkey…").await?).await?;
    browser.click(&browser.button("Add").await?).await?;
    browser.shows("This device").await?;
    browser.click(&browser.find("[aria-label='Sign out']").await?).await?;
    browser.fill("[name=client]", "acme").await?;
    browser.fill("[name=person]", "ada").await?;
    browser.click(&browser.button("Sign in with a passkey").await?).await?;
    browser.find("[aria-label='Sign out']").await.map(drop)
}
