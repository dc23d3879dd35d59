//! Every page in both themes, narrow and wide, full, empty and failing: axe finds nothing wrong, nothing is wider than the
//! window, nothing complains, nothing jumps while it loads.
//! The pictures lie in `target/console`, to be looked at; what axe says of each, in `target/figures`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;

use anyhow::{Context, ensure};
use caveat_tests::{
    chromium::Chromium,
    figures,
    house::{CLIENT, House, call, noise, sealed},
    people::{PASSWORD, Person, code},
    upload::{upload, upload_from},
    watch::until,
};
use serde_json::{Value, json};

use super::house::{go, sign_in, start, start_where_people_decide, url};

const THEMES: [&str; 2] = ["light", "dark"];
const SIZES: [(u32, u32); 2] = [(360, 740), (1440, 900)];

/// What axe is not asked: nothing.
const RUN_AXE: &str =
    "return axe.run(document, {resultTypes: ['violations']}).then((found) => ({passed: found.passes.length, wrong:
    found.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join('; ')}`)}))";

/// How far things moved since the page was opened (Layout Instability API).
const MOVED: &str = "return new Promise((done) => {
    const sum = (list) => list.getEntries().filter((e) => e.startTime >= window.cameAt).reduce((s, e) => s + e.value, 0);
    new PerformanceObserver((list) => done(sum(list))).observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done(0), 500); })";
/// What counts as good (web.dev, cumulative layout shift).
const MOVED_MAX: f64 = 0.1;

struct Looked<'a> {
    browser: &'a Chromium,
    axe: String,
    wrong: Vec<String>,
    /// What axe said, a line a picture.
    told: String,
    pictures: usize,
    /// How far each page moved while it loaded.
    moved: String,
}

impl<'a> Looked<'a> {
    fn new(browser: &'a Chromium) -> anyhow::Result<Self> {
        let axe = figures::folder("tools/axe")?.join("node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .with_context(|| format!("{}: `cargo xtask test` fetches it", axe.display()))?;
        let (told, moved) = Default::default();
        Ok(Self { browser, axe, wrong: vec![], told, pictures: 0, moved })
    }

    /// Looks at what is shown now.
    async fn look(&mut self, name: &str) -> anyhow::Result<()> {
        let folder = figures::folder("console")?;
        for theme in THEMES {
            self.browser.run(&format!("document.documentElement.dataset.theme = '{theme}'")).await?;
            for (width, height) in SIZES {
                self.browser.resize(width, height).await?;
                let at = format!("{name}-{theme}-{width}");
                let too_wide =
                    self.browser.run("return document.documentElement.scrollWidth - innerWidth").await?;
                if too_wide.as_i64().is_some_and(|px| px > 0) {
                    self.wrong.push(format!("{at}: {too_wide} px wider than the window"));
                }
                self.browser.run(&self.axe).await?;
                let found = self.browser.run(RUN_AXE).await?;
                let wrong = found["wrong"].as_array().context("what axe finds")?;
                let place = format!("{name}, {theme}, {width} px");
                writeln!(
                    self.told,
                    "{place:56} {:3} rules passed, {} violations",
                    found["passed"],
                    wrong.len()
                )?;
                self.wrong.extend(wrong.iter().filter_map(Value::as_str).map(|one| format!("{at}: {one}")));
                self.browser.picture(&folder.join(format!("{at}.png"))).await?;
                self.pictures += 1;
            }
        }
        self.browser.resize(1440, 900).await
    }

    async fn page(&mut self, page: &str, name: &str) -> anyhow::Result<()> {
        self.browser.run("window.cameAt = performance.now()").await?;
        go(self.browser, page).await?;
        let settled = "return !document.querySelector('[aria-busy=true]')";
        until("the page has loaded", async || Ok((self.browser.run(settled).await? == true).then_some(())))
            .await?;
        let moved = self.browser.run(MOVED).await?.as_f64().unwrap_or_default();
        writeln!(self.moved, "{name:56} layout shift {moved:.3}")?;
        if moved > MOVED_MAX {
            self.wrong.push(format!("{name}: parts of it move while it loads ({moved})"));
        }
        self.look(name).await
    }

    /// Opens a dialog by its button, looks at it, and closes it.
    async fn dialog(&mut self, button: &str, name: &str) -> anyhow::Result<()> {
        self.browser.click(&self.browser.button(button).await?).await?;
        self.browser.find("dialog").await?;
        self.look(&format!("dialog-{name}")).await?;
        self.browser.click(&self.browser.button("Cancel").await?).await?;
        until("the dialog closes", async || {
            Ok((self.browser.run("return !document.querySelector('dialog')").await? == true).then_some(()))
        })
        .await
    }

    async fn signs_out(&self) -> anyhow::Result<()> {
        self.browser.click(&self.browser.find("[aria-label='Sign out']").await?).await?;
        self.browser.find("[name=password]").await.map(drop)
    }

    /// Nothing is wrong anywhere; what was looked at is told.
    async fn finds_nothing_wrong(mut self, what: &str) -> anyhow::Result<()> {
        let complaints = self.browser.complaints().await?.into_iter();
        self.wrong.extend(complaints.filter(|line| line.contains("Content Security")));
        let sum = format!("{} pictures looked at, {} things wrong", self.pictures, self.wrong.len());
        figures::tell(&format!("axe and layout of {what}"), &format!("{}{}{sum}", self.told, self.moved))?;
        ensure!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        Ok(())
    }
}

async fn states_a_purpose(browser: &Chromium) -> anyhow::Result<()> {
    browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await.map(drop)
}

/// What there is to see of a house in use: recordings, one of which has a masked stretch, a note and a hold, one that
/// was not allowed; requests for a second person. By dan, whose codes nobody else uses.
async fn furnished(house: &House) -> anyhow::Result<String> {
    let id = upload(house, "CA-1").await?;
    upload(house, "CA-2").await?;
    upload_from(house, "CA-3", "PA").await?;
    let dan = house.person("dan").await?;
    sealed(&dan, 3).await?;
    let span = |start, end| json!({"start": start, "end": end});
    let redact = |span, mode| json!({"span": span, "mode": mode, "purpose": "quality", "reason": "a card was read out"});
    let of = |what: &str| format!("/v1/recordings/{id}/{what}");
    done(&dan, &of("redactions"), redact(span(6_000, 8_000), "mask")).await?;
    done(&dan, &of("redactions"), redact(span(9_000, 9_500), "shred")).await?;
    done(
        &dan,
        &of("notes"),
        json!({"note": "The customer says that it was the blue one.", "purpose": "quality"}),
    )
    .await?;
    let hold = json!({"matter": "Smith v. Acme", "scope": {"recording": id}, "reason": "letter of 3 May"});
    done(&dan, "/v1/holds", hold).await?;
    let given = json!({"to": "Smith & Partners, Atlanta", "purpose": "legal", "form": "redacted", "reason": "subpoena 12-3"});
    done(&dan, &of("disclosures"), given).await?;
    Ok(id)
}

async fn done(person: &Person, path: &str, body: Value) -> anyhow::Result<()> {
    let answer = person.post(path, &body).await?;
    ensure!(answer.status().is_success(), "{path}: {}", answer.text().await?);
    Ok(())
}

/// A call that goes on until the task is aborted.
fn calling(house: &House) -> tokio::task::JoinHandle<()> {
    let mut script = call("CAlive");
    let sound = noise(600_000, 3);
    script.sounds(&sound, &sound);
    let (to, token) = (house.host.url.clone(), house.token.clone());
    tokio::spawn(async move {
        // It breaks off with the test.
        let _ = script.play(&to, &token).await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_reads_well() -> anyhow::Result<()> {
    let house = start()?;
    let id = furnished(&house).await?;
    let browser = Chromium::start().await?;
    let mut looked = Looked::new(&browser)?;
    browser.open(&url(&house)).await?;
    browser.find("[name=password]").await?;
    looked.look("door").await?;

    let playing = calling(&house);
    browser.open(&format!("{}/agent?call=CAlive&client={CLIENT}&person=al", url(&house))).await?;
    browser.fill("[name=password]", PASSWORD).await?;
    looked.look("agent-door").await?;
    browser.fill("[name=code]", &code(house.secret("al")?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find(".lamp.recording").await?;
    looked.look("agent-recording").await?;
    browser.click(&browser.button("Pause recording").await?).await?;
    browser.find(".lamp.suspended").await?;
    looked.look("agent-paused").await?;

    sign_in(&browser, &house, "cora").await?;
    states_a_purpose(&browser).await?;
    go(&browser, "live").await?;
    browser.find(".call").await?;
    looked.page("live", "live").await?;
    playing.abort();
    looked.page("recordings", "recordings").await?;
    looked.page(&format!("recordings/{id}"), "recording").await?;
    // Part of it is chosen, and it plays.
    browser.drag(&browser.find("[role=slider]").await?, 0.2, 0.4).await?;
    browser.find(".selection").await?;
    looked.look("recording-chosen").await?;
    for page in ["scorecards", "packs", "retention", "holds", "requests", "disclosures", "people", "account"]
    {
        looked.page(page, page).await?;
    }
    looked.page("packs/state-consent/active", "pack").await?;
    browser.keys(&browser.labeled("Express states").await?, "GA").await?;
    browser.click(&browser.button("What would change?").await?).await?;
    browser.find("[aria-label='What would change'] table").await?;
    looked.look("pack-impact").await?;
    looked.page("ledger", "ledger").await?;
    browser.click(&browser.button("Verify the log").await?).await?;
    browser.shows("The log is good").await?;
    looked.look("ledger-verified").await?;
    looked.signs_out().await?;

    for (person, page) in [("ivy", "health"), ("ada", "people")] {
        sign_in(&browser, &house, person).await?;
        looked.page(page, &format!("{page}-{person}")).await?;
        looked.signs_out().await?;
    }
    looked.finds_nothing_wrong("every page").await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_nothing_on_them_read_well() -> anyhow::Result<()> {
    let mut house = start()?;
    let browser = Chromium::start().await?;
    let mut looked = Looked::new(&browser)?;
    browser.open(&format!("{}/#invitation=made-up", url(&house))).await?;
    browser.find("[role=alert]").await?;
    looked.look("door-no-invitation").await?;
    browser.run("location.hash = ''").await?;
    browser.open(&url(&house)).await?;
    browser.fill("[name=client]", CLIENT).await?;
    for (field, text) in [("person", "sam"), ("password", "wrong horse battery 7"), ("code", "000000")] {
        browser.fill(&format!("[name={field}]"), text).await?;
    }
    browser.click(&browser.button("Sign in").await?).await?;
    browser.shows("Sign-in was refused").await?;
    looked.look("door-refused").await?;
    sign_in(&browser, &house, "cora").await?;
    looked.page("recordings", "empty-purpose").await?;
    states_a_purpose(&browser).await?;
    for page in ["live", "recordings", "scorecards", "retention", "holds", "requests", "disclosures"] {
        looked.page(page, &format!("empty-{page}")).await?;
    }
    looked.page("packs/none/active", "empty-pack").await?;
    looked.page("recordings/00000000-0000-7000-8000-000000000000", "failed-recording").await?;
    looked.page("health", "not-for-the-role").await?;
    looked.page("nowhere", "no-such-page").await?;
    // The host is away.
    house.host.stop()?;
    for page in ["recordings", "retention"] {
        looked.page(page, &format!("failed-{page}")).await?;
    }
    house.host.start()?;
    browser.open(&format!("{}/agent?call=CA-9&client={CLIENT}&person=al", url(&house))).await?;
    browser.fill("[name=password]", PASSWORD).await?;
    browser.fill("[name=code]", &code(house.secret("al")?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.shows("No such call").await?;
    looked.look("agent-no-call").await?;
    looked.finds_nothing_wrong("empty and failing pages").await
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_and_the_queue_read_well() -> anyhow::Result<()> {
    let house = start_where_people_decide()?;
    let id = upload(&house, "CA-1").await?;
    sealed(&house.person("sam").await?, 1).await?;
    let browser = Chromium::start().await?;
    let mut looked = Looked::new(&browser)?;
    sign_in(&browser, &house, "cora").await?;
    states_a_purpose(&browser).await?;
    until("the question is asked", async || {
        let wanted =
            "return fetch('/v1/retention/reviews', {headers: {'x-caveat': 'console'}}).then((r) => r.json())";
        Ok(browser.run(wanted).await?.as_array().is_some_and(|rows| !rows.is_empty()).then_some(()))
    })
    .await?;
    looked.page("retention", "retention-due").await?;
    looked.dialog("Decide…", "decide").await?;
    go(&browser, &format!("recordings/{id}")).await?;
    browser.find(".timeline li").await?;
    for (button, name) in [
        ("Hold…", "hold"),
        ("Export evidence…", "export"),
        ("Enter a disclosure…", "disclose"),
        ("Destroy…", "destroy"),
    ] {
        looked.dialog(button, name).await?;
    }
    browser.drag(&browser.find("[role=slider]").await?, 0.2, 0.4).await?;
    looked.dialog("Mask…", "mask").await?;
    go(&browser, "packs").await?;
    looked.dialog("Add a pack…", "add-pack").await?;
    go(&browser, "account").await?;
    looked.dialog("Change it…", "password").await?;
    looked.signs_out().await?;
    sign_in(&browser, &house, "ada").await?;
    go(&browser, "people").await?;
    looked.dialog("Invite somebody…", "invite").await?;
    looked.dialog("Make a token…", "token").await?;
    looked.finds_nothing_wrong("dialogs").await
}
