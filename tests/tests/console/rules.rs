//! Packs that are uploaded, what the rules leave to people, and what is said when something goes wrong.

use anyhow::{Context, ensure};
use caveat_tests::{
    chromium::Chromium,
    host::packs,
    house::{call, noise, sealed},
    upload::upload,
    watch::until,
};
use serde_json::{Value, json};

use super::house::{go, sign_in, start, start_where_people_decide, start_where_sound_is_silenced};

async fn browser() -> anyhow::Result<Chromium> {
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    Ok(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_uploaded_and_what_is_none_changes_nothing() -> anyhow::Result<()> {
    let house = start()?;
    let browser = browser().await?;
    sign_in(&browser, &house, "cora").await?;
    go(&browser, "packs").await?;
    let files = tempfile::tempdir()?;
    let no_pack = files.path().join("letter.wasm");
    std::fs::write(&no_pack, "Dear Sirs,")?;
    browser.click(&browser.button("Add a pack…").await?).await?;
    browser.click(&browser.button("Put in force").await?).await?;
    browser.shows("Choose a pack first").await?;
    let field = browser.find("#pack-file").await?;
    browser.keys(&field, no_pack.to_str().context("a path")?).await?;
    browser.click(&browser.button("Put in force").await?).await?;
    browser.find("dialog [role=alert]").await?;

    // A real one only watches at first; it is held to its own cases before.
    let pack = packs()?.join("ferpa-0.1.0.wasm");
    browser.keys(&field, pack.to_str().context("a path")?).await?;
    browser.fill("#pack-why", "we record for a school").await?;
    browser.click(&browser.button("Put in force").await?).await?;
    browser.shows("4 packs").await?;
    browser.shows("ferpa 0.1.0 (watches)").await?;
    browser.shows("we record for a school").await?;
    browser.shows("No difference yet").await?;
    let sets = browser
        .run("return document.querySelectorAll('[aria-label^=\"Sets that ruled\"] tbody tr').length")
        .await?;
    ensure!(sets == 2, "what was no pack is no set: {sets}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_leave_to_people_is_decided_in_the_queue() -> anyhow::Result<()> {
    let house = start_where_people_decide()?;
    let id = upload(&house, "CA-1").await?;
    sealed(&house.person("sam").await?, 1).await?;
    let browser = browser().await?;
    sign_in(&browser, &house, "cora").await?;
    until("the question is asked", async || {
        let rows = browser
            .run("return fetch('/v1/retention/reviews', {headers: {'x-caveat': 'console'}}).then((r) => r.json())")
            .await?;
        Ok(rows.as_array().is_some_and(|rows| rows.len() == 1).then_some(()))
    })
    .await?;
    // A breach, of which it does not say that it was none: whom to tell, and by when.
    browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await?;
    go(&browser, &format!("recordings/{id}")).await?;
    browser.click(&browser.button("Report a breach…").await?).await?;
    browser.fill("#field-reason", "a laptop was open when it was taken").await?;
    browser.choose("#field-keys", "taken").await?;
    browser.click(&browser.button("Report").await?).await?;
    browser.shows("to see to").await?;
    go(&browser, "live").await?;
    browser.shows("Notify individuals 60 days by 20").await?;

    go(&browser, "retention").await?;
    browser.shows("hipaa.").await?;
    // The plan shows what is due.
    browser.find("[aria-label^='What goes, the next first'] tbody tr").await?;
    browser.find("[aria-label^='Recordings that go']").await?;
    browser.click(&browser.button("Decide…").await?).await?;
    browser.choose("#field-what", "keep").await?;
    browser.click(&browser.button("Decide").await?).await?;
    browser.shows("Say until when").await?;
    browser.choose("#field-what", "destroy").await?;
    browser.click(&browser.button("Decide").await?).await?;
    browser.shows("Nothing waits for a decision").await?;
    until("it goes", async || {
        let state = format!("return fetch('/v1/recordings/{id}?purpose=quality', {{headers: {{'x-caveat': 'console'}}}}).then((r) => r.text())");
        let told = browser.run(&state).await?;
        Ok(told.as_str().is_some_and(|text| text.contains("destroyed")).then_some(()))
    })
    .await?;
    go(&browser, "holds").await?;
    go(&browser, "retention").await?;
    browser.find("[aria-label^=Receipts] tbody tr").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_and_can_be_tried_again() -> anyhow::Result<()> {
    let mut house = start()?;
    let browser = browser().await?;
    sign_in(&browser, &house, "sam").await?;
    browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await?;
    go(&browser, "recordings/00000000-0000-7000-8000-000000000000").await?;
    browser.find("[role=alert]").await?;
    browser.shows("This client has no recording").await?;
    go(&browser, "people").await?;
    browser.shows("not for your role").await?;
    // A host that is away is asked again, and the session outlives it.
    ensure!(house.host.stop()? == 0);
    go(&browser, "recordings").await?;
    browser.shows("The host does not answer").await?;
    house.host.start()?;
    browser.click(&browser.button("Try again").await?).await?;
    browser.shows("Nothing found").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_named_with_the_rule_that_hides_it() -> anyhow::Result<()> {
    let house = start_where_sound_is_silenced()?;
    let mut script = call("CA1");
    script.sounds(&noise(6_000, 1), &noise(6_000, 2));
    let said = "my card is four one one one one one one one one one one one one one one one thank you";
    let word = |(i, text): (u32, &str)| json!({"leg": 1, "start": 1_500 + i * 100, "end": 1_590 + i * 100, "text": text});
    let words: Vec<Value> = (0..).zip(said.split(' ')).map(word).collect();
    script.event(json!({ "words": words }));
    script.play(&house.host.url, &house.token).await?;
    let id = sealed(&house.person("sam").await?, 1).await?.remove(0);
    let browser = browser().await?;
    sign_in(&browser, &house, "cora").await?;
    browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await?;
    go(&browser, &format!("recordings/{id}")).await?;
    browser.shows("Some of it is hidden from you").await?;
    // With what was said right before and after, which lies within the margin.
    browser.shows("Card number, 21 words").await?;
    let cited = "return [...document.querySelectorAll('.note.redacted .cite')].map(c => c.innerText).join()";
    let why = browser.run(cited).await?;
    ensure!(why.as_str().is_some_and(|why| why.contains("pci")), "{why}");
    let shown = browser.run("return document.querySelector('.transcript').innerText").await?;
    ensure!(shown.as_str().is_some_and(|text| !text.contains("four")), "{shown}");
    Ok(())
}
