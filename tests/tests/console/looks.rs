//! Every page in both themes, narrow and wide: axe finds nothing wrong, nothing is wider than the window, nothing complains,
//! nothing jumps while it loads.
//! The pictures lie in `target/console`, to be looked at.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use caveat_tests::{chromium::Chromium, house::sealed, upload::upload, watch::until};
use serde_json::Value;

use super::house::{go, sign_in, start, url};

const THEMES: [&str; 2] = ["light", "dark"];
const SIZES: [(u32, u32); 2] = [(360, 740), (1440, 900)];

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// What axe is not asked: nothing.
const RUN_AXE: &str =
    "return axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.map(
    (v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join('; ')}`))";

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
    pages: usize,
}

impl Looked<'_> {
    /// Looks at what is shown now.
    async fn look(&mut self, name: &str) -> anyhow::Result<()> {
        let folder = target().join("console");
        std::fs::create_dir_all(&folder)?;
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
                let found = found.as_array().into_iter().flatten().filter_map(Value::as_str);
                self.wrong.extend(found.map(|one| format!("{at}: {one}")));
                self.browser.picture(&folder.join(format!("{at}.png"))).await?;
                self.pages += 1;
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
        if moved > MOVED_MAX {
            self.wrong.push(format!("{name}: parts of it move while it loads ({moved})"));
        }
        self.look(name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_reads_well() -> anyhow::Result<()> {
    let axe = target().join("tools/axe/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe)
        .with_context(|| format!("{}: `cargo xtask test` fetches it", axe.display()))?;
    let house = start()?;
    let id = upload(&house, "CA-1").await?;
    upload(&house, "CA-2").await?;
    sealed(&house.person("sam").await?, 2).await?;
    let browser = Chromium::start().await?;
    let mut looked = Looked { browser: &browser, axe, wrong: vec![], pages: 0 };
    browser.open(&url(&house)).await?;
    browser.find("[name=password]").await?;
    looked.look("door").await?;
    for (person, pages) in [
        (
            "cora",
            &[
                "live",
                "recordings",
                "recording",
                "scorecards",
                "packs",
                "packs/state-consent/active",
                "retention",
                "holds",
                "requests",
                "ledger",
                "people",
            ][..],
        ),
        ("ivy", &["health"][..]),
        ("ada", &["people"][..]),
    ] {
        sign_in(&browser, &house, person).await?;
        browser.run("sessionStorage.setItem('caveat-purpose', 'quality')").await?;
        for page in pages {
            let (at, name) = match *page {
                "recording" => (format!("recordings/{id}"), "recording".to_owned()),
                page => (page.to_owned(), format!("{}-{person}", page.replace('/', "-"))),
            };
            looked.page(&at, &name).await?;
        }
        browser.click(&browser.find("[aria-label='Sign out']").await?).await?;
        browser.find("[name=password]").await?;
    }
    browser.open(&format!("{}/agent?call=CA-9&client=acme", url(&house))).await?;
    browser.find("[name=password]").await?;
    looked.look("agent").await?;
    let policy: Vec<String> =
        browser.complaints().await?.into_iter().filter(|line| line.contains("Content Security")).collect();
    looked.wrong.extend(policy);
    println!("{} pages looked at, {} things wrong", looked.pages, looked.wrong.len());
    ensure!(looked.wrong.is_empty(), "{}", looked.wrong.join("\n"));
    Ok(())
}
