//! The session of a browser: in a cookie, for pages of the host only.

use caveat_tests::{browser::Browser, host::Host, people::PASSWORD, watch::until};
use futures::StreamExt;
use reqwest::{Client, Method, StatusCode};
use serde_json::json;

use crate::house::{CLIENTS, LOUD, both_factors, next, now, read, tells_nothing_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_has_its_session_in_a_cookie_for_pages_of_the_host() {
    let mut host = Host::prepare(CLIENTS).unwrap();
    host.log_filter = Some(LOUD.into());
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let (url, mut kim) = (host.url.clone(), Browser::default());
    let session = format!("{url}/v1/session");

    let ways = Client::new().get(format!("{session}/ways?client=acme")).send().await.unwrap();
    let (_, ways) = read(ways).await;
    assert_eq!(ways, json!({"password": true, "passkey": true, "providers": []}));

    let used = now(&secret);
    let (status, body) = read(kim.post(&session, &both_factors("acme", "kim", &used)).await.unwrap()).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert!(body.get("token").is_none(), "a script could lose it: {body}");
    let token = kim.cookie(&url, "caveat").unwrap().to_owned();
    assert_eq!(kim.set, [format!("caveat={token}; Path=/; HttpOnly; SameSite=Strict")]);

    let replayed = kim.post(&session, &both_factors("acme", "kim", &used)).await.unwrap();
    assert_eq!(replayed.status(), StatusCode::UNAUTHORIZED, "a code works once");

    let own = host.url.clone();
    let tried = async |method: Method, headers: &[(&str, &str)]| {
        let request = kim.request(method, &format!("{url}/v1/session"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status()
    };
    let (ok, no) = (StatusCode::OK, StatusCode::FORBIDDEN);
    let ours = ("x-caveat", "console");
    assert_eq!(tried(Method::GET, &[ours]).await, ok);
    assert_eq!(tried(Method::GET, &[ours, ("sec-fetch-site", "same-origin"), ("origin", &own)]).await, ok);
    assert_eq!(tried(Method::GET, &[("sec-fetch-site", "same-origin")]).await, ok, "as <audio> asks");
    assert_eq!(tried(Method::GET, &[]).await, no);
    assert_eq!(tried(Method::GET, &[("sec-fetch-site", "cross-site")]).await, no);
    assert_eq!(tried(Method::GET, &[ours, ("sec-fetch-site", "cross-site")]).await, no);
    assert_eq!(tried(Method::GET, &[ours, ("origin", "https://evil.example")]).await, no);
    assert_eq!(tried(Method::DELETE, &[("sec-fetch-site", "same-origin")]).await, no, "it changes something");
    assert_eq!(tried(Method::DELETE, &[]).await, no);

    let stepped = kim.post(&format!("{session}/step-up"), &json!({"code": next(&secret)})).await.unwrap();
    assert_eq!(stepped.status(), StatusCode::OK);

    let out = kim.from_page(Method::DELETE, &session);
    assert_eq!(kim.send(out).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(kim.cookie(&url, "caveat"), None, "the browser was told to forget it");
    kim.put_cookie(&url, "caveat", &token).unwrap();
    let (status, _) = read(kim.from_page(Method::GET, &session).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a cookie after the sign-out");
    let bearer = Client::new().get(&session).bearer_auth(&token).send().await.unwrap();
    assert_eq!(bearer.status(), StatusCode::UNAUTHORIZED, "a token after the sign-out");

    host.stop().unwrap();
    tells_nothing_of(&host, &[PASSWORD, &token, &secret]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_asks_by_itself_keeps_nobody_signed_in_and_its_stream_ends_with_the_session() {
    let limits = "[limits.people]\nsession_idle_s = 5\n\n[limits.requests]\nwatchers_checked_s = 1\n\n";
    let mut host =
        Host::prepare(&CLIENTS.replace("[limits.calls]", &format!("{limits}[limits.calls]"))).unwrap();
    let secret = host.enroll("acme", "kim", "supervisor", "").unwrap();
    host.start().unwrap();
    let (http, url) = (Client::new(), host.url.clone());
    let sign_in = async |code: &str| {
        let body = both_factors("acme", "kim", code);
        let (_, session) =
            read(http.post(format!("{url}/v1/session")).json(&body).send().await.unwrap()).await;
        session["token"].as_str().unwrap().to_owned()
    };
    let ask = async |path: &str, token: &str| {
        let request = http.get(format!("{url}{path}")).bearer_auth(token);
        request.header("x-caveat-unattended", "true").send().await.unwrap()
    };
    // Nobody does anything, and the page goes on asking.
    let idle = sign_in(&now(&secret)).await;
    let mut stream = ask("/v1/live", &idle).await.bytes_stream();
    until("the session has ended", async || {
        Ok((ask("/v1/session", &idle).await.status() == StatusCode::UNAUTHORIZED).then_some(()))
    })
    .await
    .unwrap();
    assert!(stream.next().await.is_none_or(|chunk| chunk.is_err()), "the stream ends");
    // Somebody signs out while another page of theirs watches.
    let token = sign_in(&next(&secret)).await;
    let mut stream = ask("/v1/live", &token).await.bytes_stream();
    let out = http.delete(format!("{url}/v1/session")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert!(stream.next().await.is_none_or(|chunk| chunk.is_err()), "the stream ends");
    host.stop().unwrap();
}
