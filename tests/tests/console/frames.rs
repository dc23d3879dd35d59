//! What a browser may make of a page: no other site's frame but the agent's view, and that in a desktop that is named.

use anyhow::ensure;
use caveat_tests::{
    chromium::Chromium,
    house::{CLIENT, call, noise},
    people::{PASSWORD, code},
    watch::until,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::house::{start, start_in_a_desktop, url};

/// A page of somebody else that shows ours in a frame; its origin.
async fn desktop(framed: &str) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    serve(listener, framed.to_owned());
    Ok(origin)
}

fn serve(listener: TcpListener, framed: String) {
    let page = format!(
        "<!doctype html><title>Desktop</title><iframe src=\"{framed}\" width=400 height=600></iframe>"
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length";
    let answer = format!("{head}: {}\r\n\r\n{page}", page.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A browser that goes away in between gets nothing.
            let _ = stream.read(&mut [0; 8_192]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_view_works_in_the_desktop_that_is_named() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    let house = start_in_a_desktop(&origin)?;
    serve(listener, format!("{}/agent?call=CAlive&client={CLIENT}&person=al", url(&house)));
    let mut script = call("CAlive");
    let sound = noise(600_000, 3);
    script.sounds(&sound, &sound);
    let (to, token) = (house.host.url.clone(), house.token.clone());
    let playing = tokio::spawn(async move { script.play(&to, &token).await });
    let browser = Chromium::start().await?;
    browser.resize(1440, 900).await?;
    browser.open(&origin).await?;
    browser.enter("iframe").await?;
    browser.fill("[name=password]", PASSWORD).await?;
    browser.fill("[name=code]", &code(house.secret("al")?, 0)?).await?;
    browser.click(&browser.button("Sign in").await?).await?;
    browser.find(".lamp.recording").await?;
    browser.click(&browser.button("Pause recording").await?).await?;
    browser.find(".lamp.suspended").await?;
    playing.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_shows_a_page_of_ours_in_a_frame() -> anyhow::Result<()> {
    let house = start()?;
    let browser = Chromium::start().await?;
    for page in ["/", "/agent?call=CA1"] {
        browser.open(&desktop(&format!("{}{page}", url(&house))).await?).await?;
        until("the browser refuses it", async || {
            let told = browser.complaints().await?;
            Ok(told.iter().any(|line| line.contains("frame-ancestors 'none'")).then_some(()))
        })
        .await?;
    }
    // Every answer says what may be made of it.
    let http = reqwest::Client::new();
    for path in ["/", "/agent", "/console/js/main.js", "/v1/session", "/v1/openapi.json", "/nowhere"] {
        let answer = http.get(format!("{}{path}", house.host.url)).send().await?;
        let header =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let policy = header("content-security-policy");
        ensure!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        ensure!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        ensure!(!policy.contains("unsafe"), "{path}: {policy}");
        ensure!(header("x-content-type-options") == "nosniff", "{path}");
        ensure!(header("referrer-policy") == "no-referrer", "{path}");
    }
    Ok(())
}
