//! Passkeys, from a device that does it right and from ones that do not.

use caveat_tests::{authenticator::Authenticator, browser::Browser, host::Host, people::PASSWORD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{CLIENTS, LOUD, both_factors, now, origin, read, tells_nothing_of};

/// A browser of somebody who has signed in by password and code.
async fn signed_in(host: &Host, id: &str, secret: &str) -> Browser {
    let mut browser = Browser::default();
    let asked = both_factors("acme", id, &now(secret));
    let answer = browser.post(&format!("{}/v1/session", host.url), &asked).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    browser
}

async fn post(browser: &mut Browser, host: &Host, path: &str, body: Value) -> (StatusCode, Value) {
    read(browser.post(&format!("{}{path}", host.url), &body).await.unwrap()).await
}

async fn register(browser: &mut Browser, host: &Host, device: &mut Authenticator) -> (StatusCode, Value) {
    let named = json!({"name": "laptop"});
    let (status, challenge) = post(browser, host, "/v1/me/passkeys/start", named).await;
    assert_eq!(status, StatusCode::OK, "{challenge}");
    let credential = device.register(&challenge["options"]).unwrap();
    let answer = json!({"ceremony": challenge["ceremony"], "credential": credential});
    post(browser, host, "/v1/me/passkeys", answer).await
}

/// A challenge for whoever says they are `id`.
async fn challenge(host: &Host, id: &str) -> Value {
    let asked = json!({"client": "acme", "person": id});
    let (status, challenge) = post(&mut Browser::default(), host, "/v1/session/passkey/start", asked).await;
    assert_eq!(status, StatusCode::OK, "{challenge}");
    challenge
}

async fn sign_in(host: &Host, challenge: &Value, credential: &Value) -> (StatusCode, Browser) {
    let mut browser = Browser::default();
    let answer = json!({"ceremony": challenge["ceremony"], "credential": credential});
    let (status, _) = post(&mut browser, host, "/v1/session/passkey", answer).await;
    (status, browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_verifies_its_user_is_both_factors() {
    let mut host = Host::prepare(CLIENTS).unwrap();
    host.log_filter = Some(LOUD.into());
    let kims = host.enroll("acme", "kim", "supervisor", "").unwrap();
    let sams = host.enroll("acme", "sam", "supervisor", "").unwrap();
    host.start().unwrap();
    let (mut kim, mut sam) = (signed_in(&host, "kim", &kims).await, signed_in(&host, "sam", &sams).await);
    let new = || Authenticator::new(&origin(&host)).unwrap();
    let (refused, created) = (StatusCode::UNAUTHORIZED, StatusCode::CREATED);

    let mut careless = new();
    careless.verifies_user = false;
    assert_eq!(register(&mut kim, &host, &mut careless).await.0, refused, "nobody was verified");
    let mut phished = new();
    phished.origin = "https://evil.example".into();
    assert_eq!(register(&mut kim, &host, &mut phished).await.0, refused, "made for another place");
    let (mut device, mut sams_device) = (new(), new());
    let (status, made) = register(&mut kim, &host, &mut device).await;
    assert_eq!((status, &made["name"]), (created, &json!("laptop")), "{made}");
    assert_eq!(register(&mut sam, &host, &mut sams_device).await.0, created);

    let asked = challenge(&host, "kim").await;
    assert!(device.is_asked_by(&asked["options"]));
    let shown = device.answer(&asked["options"]).unwrap();
    let (status, mut browser) = sign_in(&host, &asked, &shown).await;
    assert_eq!(status, created);
    assert_eq!(sign_in(&host, &asked, &shown).await.0, refused, "a challenge is answered once");
    let other = challenge(&host, "kim").await;
    assert_eq!(sign_in(&host, &other, &shown).await.0, refused, "an answer to another challenge");
    let request = browser.from_page(Method::GET, &format!("{}/v1/session", host.url));
    let (_, who) = read(browser.send(request).await.unwrap()).await;
    assert_eq!((&who["person"], &who["stepped_up"]), (&json!("kim"), &json!(true)), "{who}");

    let wrong = async |id: &str, device: &mut Authenticator, why: &str| {
        let asked = challenge(&host, id).await;
        let shown = device.answer(&asked["options"]).unwrap();
        assert_eq!(sign_in(&host, &asked, &shown).await.0, refused, "{why}");
    };
    device.verifies_user = false;
    wrong("kim", &mut device, "nobody was verified").await;
    device.verifies_user = true;
    device.origin = "https://evil.example".into();
    wrong("kim", &mut device, "a page of somebody else").await;
    device.origin = origin(&host);
    device.turn_back();
    wrong("kim", &mut device, "a copy of the key").await;
    wrong("kim", &mut sams_device, "another person's").await;
    wrong("nobody", &mut sams_device, "of nobody").await;
    let (first, second) = (challenge(&host, "nobody").await, challenge(&host, "nobody").await);
    let allowed = "/options/publicKey/allowCredentials";
    assert_eq!(first.pointer(allowed), second.pointer(allowed), "nobody has the same passkeys each time");

    // Step-up: by the challenge that this session was given, and no other.
    for _ in 0..3 {
        device.answer(&asked["options"]).unwrap(); // past the counter that was seen last
    }
    let (_, asked) = post(&mut browser, &host, "/v1/session/step-up/passkey/start", json!({})).await;
    let shown = device.answer(&asked["options"]).unwrap();
    let answer = json!({"ceremony": asked["ceremony"], "credential": shown});
    let (status, _) = post(&mut sam, &host, "/v1/session/step-up/passkey", answer.clone()).await;
    assert_eq!(status, refused, "another person's session");
    let (_, asked) = post(&mut browser, &host, "/v1/session/step-up/passkey/start", json!({})).await;
    let shown = device.answer(&asked["options"]).unwrap();
    let answer = json!({"ceremony": asked["ceremony"], "credential": shown});
    let (status, who) = post(&mut browser, &host, "/v1/session/step-up/passkey", answer.clone()).await;
    assert_eq!((status, &who["stepped_up"]), (StatusCode::OK, &json!(true)), "{who}");
    assert_eq!(post(&mut browser, &host, "/v1/session/step-up/passkey", answer).await.0, refused, "replayed");

    assert_eq!(register(&mut sam, &host, &mut device).await.0, StatusCode::BAD_REQUEST, "it is another's");
    let passkeys = format!("{}/v1/me/passkeys", host.url);
    let (_, listed) = read(browser.from_page(Method::GET, &passkeys).send().await.unwrap()).await;
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &made["id"]), "{listed}");
    let remove = |browser: &Browser| browser.from_page(Method::DELETE, &format!("{passkeys}/{id}"));
    assert_eq!(remove(&sam).send().await.unwrap().status(), StatusCode::NOT_FOUND, "another's");
    assert_eq!(remove(&browser).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    wrong("kim", &mut device, "it was removed").await;

    let token = browser.cookie(&host.url, "caveat").unwrap().to_owned();
    host.stop().unwrap();
    let ceremony = asked["ceremony"].as_str().unwrap();
    tells_nothing_of(&host, &[PASSWORD, &kims, &sams, &token, ceremony]);
}
