//! How people begin: the first administrator by an invitation that a command prints, others by hers.

use caveat_tests::{browser::Browser, host::Host, people::PASSWORD};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{CLIENTS, LOUD, both_factors, next, now, read, tells_nothing_of};

/// Answers an invitation in a browser of its own; the secret of the authenticator, and recovery codes.
async fn enroll(url: &str, invitation: &str) -> (String, Vec<String>) {
    let mut browser = Browser::default();
    let shown =
        browser.post(&format!("{url}/v1/enrolment"), &json!({"invitation": invitation})).await.unwrap();
    let (status, shown) = read(shown).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    let secret = shown["totp_secret_base32"].as_str().unwrap().to_owned();
    let chosen = json!({"invitation": invitation, "password": PASSWORD, "code": now(&secret)});
    let done = browser.post(&format!("{url}/v1/enrolment/confirm"), &chosen).await.unwrap();
    let (status, done) = read(done).await;
    assert_eq!(status, StatusCode::OK, "{done}");
    let again = browser.post(&format!("{url}/v1/enrolment/confirm"), &chosen).await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "an invitation is good once");
    let codes = done["recovery_codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned());
    (secret, codes.collect())
}

async fn sign_in(url: &str, id: &str, code: &str) -> Result<Browser, StatusCode> {
    let mut browser = Browser::default();
    let answer = browser.post(&format!("{url}/v1/session"), &both_factors("acme", id, code)).await.unwrap();
    if answer.status() == StatusCode::CREATED { Ok(browser) } else { Err(answer.status()) }
}

async fn ask(browser: &mut Browser, method: Method, url: String, body: Value) -> (StatusCode, Value) {
    let request = browser.from_page(method, &url).json(&body);
    read(browser.send(request).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_is_invited_by_a_command_and_invites_the_others() {
    let mut host = Host::prepare(CLIENTS).unwrap();
    host.log_filter = Some(LOUD.into());
    host.start().unwrap();
    let url = host.url.clone();
    // While the host runs.
    let args = ["person", "invite", "--client", "acme", "--id", "ann", "--role", "admin", "--json"];
    let printed: Value = serde_json::from_str(&host.command(&args, "").unwrap()).unwrap();
    let invitation = printed["invitation"].as_str().unwrap().to_owned();
    assert!(printed["link"].as_str().unwrap().ends_with(&format!("/#invitation={invitation}")), "{printed}");
    let (anns, codes) = enroll(&url, &invitation).await;

    let mut ann = sign_in(&url, "ann", &codes[0]).await.unwrap();
    assert_eq!(sign_in(&url, "ann", &codes[0]).await.err(), Some(StatusCode::UNAUTHORIZED), "replayed");
    let people = format!("{url}/v1/people");
    let new = json!({"id": "ben", "role": "supervisor", "function": "billing"});
    let (status, made) = ask(&mut ann, Method::POST, people.clone(), new.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (status, twice) = ask(&mut ann, Method::POST, people.clone(), new).await;
    assert_eq!(status, StatusCode::CONFLICT, "{twice}");
    let bens_invitation = made["invitation"].as_str().unwrap().to_owned();
    let (bens, bens_codes) = enroll(&url, &bens_invitation).await;
    let mut ben = sign_in(&url, "ben", &next(&bens)).await.unwrap();

    // Whoever is no administrator changes nobody; nobody changes themselves; the last administrator stays.
    let (status, _) = ask(&mut ben, Method::POST, format!("{people}/ann"), json!({"role": "agent"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, own) =
        ask(&mut ann, Method::POST, format!("{people}/ann"), json!({"role": "compliance"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{own}");
    let (status, changed) =
        ask(&mut ann, Method::POST, format!("{people}/ben"), json!({"role": "auditor"})).await;
    assert_eq!((status, &changed["role"]), (StatusCode::OK, &json!("auditor")), "{changed}");
    let (status, _) = ask(&mut ben, Method::GET, format!("{url}/v1/session"), Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "another role begins with a new sign-in");

    // What is lost is taken away, and begun anew.
    let (status, made) = ask(&mut ann, Method::POST, format!("{people}/ben/invitation"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(sign_in(&url, "ben", &bens_codes[0]).await.err(), Some(StatusCode::UNAUTHORIZED));
    let (bens, _) = enroll(&url, made["invitation"].as_str().unwrap()).await;
    let mut ben = sign_in(&url, "ben", &next(&bens)).await.unwrap();

    // One's own second factor.
    let (status, proposed) = ask(&mut ben, Method::POST, format!("{url}/v1/me/totp/start"), json!({})).await;
    assert_eq!(status, StatusCode::OK, "{proposed}");
    let secret = proposed["totp_secret_base32"].as_str().unwrap();
    let confirm = json!({"ceremony": proposed["ceremony"], "code": now(secret)});
    let (status, _) = ask(&mut ben, Method::POST, format!("{url}/v1/me/totp"), confirm).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(sign_in(&url, "ben", &next(secret)).await.is_ok());

    let (status, listed) = ask(&mut ann, Method::GET, people.clone(), Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_eq!(listed, ["ann", "ben"]);

    host.stop().unwrap();
    tells_nothing_of(
        &host,
        &[PASSWORD, &anns, &bens, secret, &invitation, &bens_invitation, &codes[0], &codes[1]],
    );
    let entries = host.audit("acme", "bundle").unwrap();
    for what in ["enrolled", "invited as supervisor", "role auditor", "factors taken, invited again"] {
        assert!(entries.contains(what), "the log lacks `{what}`");
    }
    assert!(!entries.contains("\"ben\""), "the log names nobody");
}
