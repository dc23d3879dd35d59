//! One's own account: password, recovery codes, a passkey in the place of a code.

use anyhow::{Context, ensure};
use caveat_tests::{chromium::Chromium, house::CLIENT, people::PASSWORD, watch::until};

use super::house::{go, sign_in, start, start_with_verified_passkeys, url};

#[tokio::test(flavor = "multi_thread")]
async fn somebody_changes_what_they_sign_in_with() -> anyhow::Result<()> {
    let house = start()?;
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    // A trainer sees no page of people, and their own account all the same.
    sign_in(&browser, &house, "tom").await?;
    go(&browser, "account").await?;
    browser.shows("trainer of acme").await?;
    browser.shows("Play recording").await?;

    let new = "a better horse battery 8";
    browser.click(&browser.button("Change it…").await?).await?;
    for (field, text) in [("current", "wrong horse battery 7"), ("new", new), ("again", new)] {
        browser.fill(&format!("#field-{field}"), text).await?;
    }
    browser.click(&browser.button("Change").await?).await?;
    browser.find("dialog [role=alert]").await?;
    // A wrong password ends no session. One wrong attempt costs no wait.
    browser.fill("#field-current", PASSWORD).await?;
    browser.click(&browser.button("Change").await?).await?;
    browser.shows("The password is changed").await?;

    browser.click(&browser.button("Make new ones…").await?).await?;
    browser.click(&browser.button("Make them").await?).await?;
    browser.shows("Keep them where only you can reach them").await?;
    let codes = browser.run("return document.querySelector('dialog pre').innerText").await?;
    let recovery = codes.as_str().and_then(|codes| codes.split_whitespace().next()).context("codes")?;
    browser.click(&browser.button("I have them").await?).await?;

    browser.click(&browser.find("[aria-label='Sign out']").await?).await?;
    browser.find("[name=client]").await?;
    browser.open(&url(&house)).await?;
    for (field, text) in [("client", CLIENT), ("person", "tom"), ("password", new), ("code", recovery)] {
        browser.fill(&format!("[name={field}]"), text).await?;
    }
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find("[aria-label='Sign out']").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_stands_for_a_code_that_is_asked_for_again() -> anyhow::Result<()> {
    let mut house = start_with_verified_passkeys()?;
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    browser.plug_in_authenticator().await?;
    sign_in(&browser, &house, "ada").await?;
    go(&browser, "account").await?;
    browser.click(&browser.button("Add a passkey…").await?).await?;
    browser.click(&browser.button("Add").await?).await?;
    browser.find("[aria-label^='Your passkeys'] td").await?;

    ensure!(house.host.stop()? == 0);
    house.host.rewrite("[limits.calls]", "[limits.people]\nstep_up_valid_s = 15\n\n[limits.calls]")?;
    house.host.start()?;
    let session = "return fetch('/v1/session', {headers: {'x-caveat': 'console'}}).then((r) => r.json())";
    until("what was shown is too old", async || {
        Ok((browser.run(session).await?["stepped_up"] == false).then_some(()))
    })
    .await?;
    browser.click(&browser.button("Make new ones…").await?).await?;
    browser.click(&browser.button("Make them").await?).await?;
    browser.shows("Show your second factor").await?;
    browser.click(&browser.button("Use a passkey").await?).await?;
    browser.shows("Your recovery codes").await
}
