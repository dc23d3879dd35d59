//! Chromium, driven over the W3C WebDriver protocol by Debian's `chromedriver`: what a person sees and does, and nothing that a
//! page could not. Each has a profile of its own, and ends with the value.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{host::free_port, watch::until};

/// Names an element in answers (WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A driver that hangs is given up after this long.
const ANSWER: Duration = Duration::from_secs(120);

/// A browser with one window.
pub struct Chromium {
    http: Client,
    session: String,
    driver: Child,
    _profile: TempDir,
}

/// Something on a page.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Chromium {
    /// Starts one.
    pub async fn start() -> anyhow::Result<Self> {
        let port = free_port()?;
        let profile = tempfile::tempdir()?;
        let driver = Command::new("chromedriver")
            .args([format!("--port={port}"), "--log-level=OFF".into()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver: run `cargo xtask test`, which installs it")?;
        let http = Client::builder().timeout(ANSWER).build()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut browser = Self { http, session: String::new(), driver, _profile: profile };
        until("chromedriver answers", async || {
            Ok(browser.http.get(format!("{url}/status")).send().await.ok().map(drop))
        })
        .await?;
        let data = format!("--user-data-dir={}", browser._profile.path().display());
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--autoplay-policy=no-user-gesture-required",
            &data,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}});
        let begun = browser.http.post(format!("{url}/session")).json(&wanted).send().await?;
        let begun: Value = begun.json().await?;
        let id = begun["value"]["sessionId"].as_str().with_context(|| format!("no session: {begun}"))?;
        browser.session = format!("{url}/session/{id}");
        Ok(browser)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut answer: Value = request.send().await?.json().await?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => bail!("{path}: {error}: {}", value["message"].as_str().unwrap_or_default()),
            None => Ok(value),
        }
    }

    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Goes to an address.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("/url", json!({"url": url})).await.map(drop)
    }

    /// Runs a script in the page; `return` gives a value back, a promise is waited for.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// The element that a CSS selector finds, once it is there and shown.
    pub async fn find(&self, css: &str) -> anyhow::Result<Element> {
        self.shown(css, "css selector", css).await
    }

    /// The button or link that says this, once it is there.
    pub async fn button(&self, text: &str) -> anyhow::Result<Element> {
        let xpath = format!("//*[self::button or self::a][normalize-space()='{text}']");
        self.shown(text, "xpath", &xpath).await
    }

    /// The field that this labels, once it is there.
    pub async fn labeled(&self, text: &str) -> anyhow::Result<Element> {
        let xpath = format!("//*[@id=//label[normalize-space()='{text}']/@for]");
        self.shown(text, "xpath", &xpath).await
    }

    async fn shown(&self, what: &str, using: &str, selector: &str) -> anyhow::Result<Element> {
        let found = until(&format!("`{what}` is on the page"), async || {
            let found = self.post("/elements", json!({"using": using, "value": selector})).await?;
            for element in found.as_array().into_iter().flatten() {
                let element = Element(element[ELEMENT].as_str().unwrap_or_default().to_owned());
                // It may go between being found and being looked at.
                let path = format!("/element/{}/displayed", element.0);
                if self.ask(Method::GET, &path, None).await.is_ok_and(|shown| shown == true) {
                    return Ok(Some(element));
                }
            }
            Ok(None)
        })
        .await;
        self.or_what_is_shown(found).await
    }

    /// Waits until the page shows a text.
    pub async fn shows(&self, text: &str) -> anyhow::Result<()> {
        let wanted = json!(text.to_lowercase());
        let script = format!("return document.body.innerText.toLowerCase().includes({wanted})");
        let shown = until(&format!("the page shows `{text}`"), async || {
            Ok((self.run(&script).await? == true).then_some(()))
        })
        .await;
        self.or_what_is_shown(shown).await
    }

    async fn or_what_is_shown<T>(&self, found: anyhow::Result<T>) -> anyhow::Result<T> {
        match found {
            Ok(found) => Ok(found),
            Err(error) => {
                let text = self.run("return document.body.innerText").await?;
                bail!("{error}; it shows:\n{}", text.as_str().unwrap_or_default())
            }
        }
    }

    /// Clicks.
    pub async fn click(&self, element: &Element) -> anyhow::Result<()> {
        self.post(&format!("/element/{}/click", element.0), json!({})).await.map(drop)
    }

    /// Drags across an element, from one part of its width to another (0 to 1).
    pub async fn drag(&self, element: &Element, from: f64, to: f64) -> anyhow::Result<()> {
        let path = format!("/element/{}/rect", element.0);
        let width = self.ask(Method::GET, &path, None).await?["width"].as_f64().context("a width")?;
        // Offsets are from the middle of the element (WebDriver, section 15.4.3).
        let at = |part: f64| ((part - 0.5) * width).round();
        let go = |part: f64| json!({"type": "pointerMove", "duration": 50, "origin": {ELEMENT: element.0}, "x": at(part), "y": 0});
        let acts = json!([
            go(from),
            {"type": "pointerDown", "button": 0},
            go((from + to) / 2.0),
            go(to),
            {"type": "pointerUp", "button": 0},
        ]);
        self.post("/actions", json!({"actions": [{"type": "pointer", "id": "mouse", "actions": acts}]}))
            .await
            .map(drop)
    }

    /// Files that pages give go into this folder.
    pub async fn saves_to(&self, folder: &Path) -> anyhow::Result<()> {
        let params = json!({"behavior": "allow", "downloadPath": folder});
        let body = json!({"cmd": "Browser.setDownloadBehavior", "params": params});
        self.post("/goog/cdp/execute", body).await.map(drop)
    }

    /// Types; keys without a letter as WebDriver has them (section 17.4.2).
    pub async fn keys(&self, element: &Element, text: &str) -> anyhow::Result<()> {
        self.post(&format!("/element/{}/value", element.0), json!({"text": text})).await.map(drop)
    }

    /// Fills in a field in the place of what stands there.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        let field = self.find(css).await?;
        self.post(&format!("/element/{}/clear", field.0), json!({})).await?;
        self.keys(&field, text).await
    }

    /// Chooses one of a `<select>`.
    pub async fn choose(&self, css: &str, value: &str) -> anyhow::Result<()> {
        self.find(css).await?;
        let option = self.find(&format!("{css} option[value='{value}']")).await?;
        self.click(&option).await
    }

    /// Goes on in a frame of the page.
    pub async fn enter(&self, css: &str) -> anyhow::Result<()> {
        let frame = self.find(css).await?;
        self.post("/frame", json!({"id": {ELEMENT: frame.0}})).await.map(drop)
    }

    /// How large the window is, in pixels.
    pub async fn resize(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.post("/goog/cdp/execute", body).await.map(drop)
    }

    /// Writes the whole page as a picture.
    pub async fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let body = json!({"cmd": "Page.captureScreenshot", "params": params});
        let taken = self.post("/goog/cdp/execute", body).await?;
        let png = BASE64_STANDARD.decode(taken["data"].as_str().context("a picture")?)?;
        std::fs::write(file, png).with_context(|| file.display().to_string())
    }

    /// A device that holds passkeys and knows its owner (WebDriver extension of WebAuthn, section 11).
    pub async fn plug_in_authenticator(&self) -> anyhow::Result<()> {
        let device = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true,
        });
        self.post("/webauthn/authenticator", device).await.map(drop)
    }

    /// What the page complained of.
    pub async fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let lines = self.post("/se/log", json!({"type": "browser"})).await?;
        let severe = lines.as_array().into_iter().flatten().filter(|line| line["level"] == "SEVERE");
        Ok(severe.filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Chromium ends with its driver's session; the driver ends it when it is asked to end itself.
        let pid = self.driver.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.driver.wait();
    }
}
