//! Signing in at an identity provider: npm's `oidc-provider`, with a person in front of it who does as the test says.

use caveat_tests::{
    browser::Browser,
    host::{Host, free_port},
    provider::{Provider, SECRET},
};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::house::{CLIENTS, LOUD, next, now, origin, read, tells_nothing_of};

struct Scene {
    host: Host,
    provider: Provider,
    /// Where a browser reaches the host.
    at: String,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let port = free_port().unwrap();
        let oidc = Provider::config(port);
        let (acme, rival) = CLIENTS.split_at(CLIENTS.rfind("[[client]]").unwrap());
        let mut host = Host::prepare(&format!("{acme}{oidc}\n{rival}")).unwrap();
        std::fs::write(host.dir().join("provider-secret"), SECRET).unwrap();
        host.log_filter = Some(LOUD.into());
        let secret = host.enroll("acme", "ann", "supervisor", "").unwrap();
        // Whom nobody gave a password; the provider is the only way in.
        let invite = ["person", "invite", "--client", "acme", "--id", "ben", "--role", "auditor", "--json"];
        host.command(&invite, "").unwrap();
        let at = origin(&host);
        let provider = Provider::start(port, &format!("{at}/v1/session/oidc/callback")).unwrap();
        host.start().unwrap();
        Self { host, provider, at, secret }
    }

    fn start(&self, fresh: bool) -> String {
        format!("{}/v1/session/oidc/corp/start?client=acme&fresh={fresh}", self.at)
    }

    fn callback(&self) -> String {
        format!("{}/v1/session/oidc/callback", self.at)
    }

    /// Goes to the provider and comes back; the address that the provider sends the browser to.
    async fn leave(&self, browser: &mut Browser, fresh: bool) -> String {
        browser.open(&self.start(fresh), &self.callback()).await.unwrap();
        browser.visited.last().unwrap().clone()
    }

    /// The same, and in.
    async fn come_in(&self, browser: &mut Browser) -> (StatusCode, Option<String>) {
        let back = self.leave(browser, false).await;
        self.back(browser, &back).await
    }

    async fn back(&self, browser: &mut Browser, address: &str) -> (StatusCode, Option<String>) {
        let request = browser.request(Method::GET, address);
        let answer = browser.send(request).await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to)
    }

    async fn whoami(&self, browser: &Browser) -> Value {
        let request = browser.from_page(Method::GET, &format!("{}/v1/session", self.at));
        read(request.send().await.unwrap()).await.1
    }
}

fn query(address: &str, name: &str) -> String {
    let url = Url::parse(address).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_lets_in_whom_it_vouches_for_with_two_factors() {
    let mut s = Scene::new();
    let (seen, no) = (StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED);
    let ways = Client::new().get(format!("{}/v1/session/ways?client=acme", s.at)).send().await.unwrap();
    let (_, ways) = read(ways).await;
    assert_eq!(ways["providers"], json!([{"name": "corp", "label": "Corporate account"}]));
    let others = Client::new().get(format!("{}/v1/session/ways?client=rival", s.at)).send().await.unwrap();
    assert_eq!(read(others).await.1["providers"], json!([]));

    // By `amr`, and by `acr`; with an account that has no password here.
    s.provider.next("ann/1", &["pwd", "mfa"], None).await.unwrap();
    let mut ann = Browser::default();
    assert_eq!(s.come_in(&mut ann).await, (seen, Some("/".into())));
    let who = s.whoami(&ann).await;
    assert_eq!((&who["person"], &who["role"]), (&json!("ann"), &json!("supervisor")), "{who}");
    let token = ann.cookie(&s.at, "caveat").unwrap().to_owned();
    assert!(ann.set.iter().any(|line| *line == format!("caveat={token}; Path=/; HttpOnly; SameSite=Strict")));
    s.provider.next("ben/1", &["pwd"], Some("urn:example:two")).await.unwrap();
    let mut ben = Browser::default();
    assert_eq!(s.come_in(&mut ben).await, (seen, Some("/".into())));
    assert_eq!(s.whoami(&ben).await["person"], "ben");

    // Replays: the state is used, the code is used, the browser is another, the answer is another provider's.
    s.provider.next("ann/1", &["mfa"], None).await.unwrap();
    let mut browser = Browser::default();
    let back = s.leave(&mut browser, false).await;
    let mut thief = Browser::default();
    assert_eq!(s.back(&mut thief, &back).await.0, no, "whose browser did not begin it");
    assert_eq!(s.back(&mut browser, &back).await.0, no, "and the state is used up");
    let back = s.leave(&mut browser, false).await;
    let code = query(&back, "code");
    assert_eq!(s.back(&mut browser, &back).await.0, seen);
    assert_eq!(s.back(&mut browser, &back).await.0, no, "a state is good once");
    let other = s.leave(&mut browser, false).await;
    let spliced = other.replace(&query(&other, "code"), &code);
    assert_eq!(s.back(&mut browser, &spliced).await.0, no, "a code is good once, and for one sign-in");
    let other = s.leave(&mut browser, false).await;
    let elsewhere = other.split("&iss=").next().unwrap().to_owned() + "&iss=https%3A%2F%2Fother.example";
    assert_eq!(s.back(&mut browser, &elsewhere).await.0, no, "another provider's answer");
    let invented = format!("{}?state={}&code=x", s.callback(), "A".repeat(43));
    assert_eq!(s.back(&mut browser, &invented).await.0, no);
    let denied = format!("{}?state=x&error=access_denied", s.callback());
    assert_eq!(s.back(&mut browser, &denied).await.0, no);

    // Who has no account; who has the name of somebody else.
    for (account, why) in [("nobody/1", "no account here"), ("ann/2", "another subject with her name")] {
        s.provider.next(account, &["mfa"], None).await.unwrap();
        assert_eq!(s.come_in(&mut Browser::default()).await.0, no, "{why}");
    }
    // Asked again, though signed in there.
    s.provider.next("ann/1", &["mfa"], None).await.unwrap();
    let back = s.leave(&mut ann, true).await;
    assert_eq!(s.back(&mut ann, &back).await.0, seen);
    assert_eq!(s.whoami(&ann).await["stepped_up"], true);

    s.host.stop().unwrap();
    tells_nothing_of(&s.host, &[SECRET, &token, &code, &query(&back, "state"), &query(&back, "code")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_provider_saw_one_factor_the_second_is_shown_here() {
    let mut s = Scene::new();
    let second = format!("{}/v1/session/oidc/second-factor", s.at);
    let ask_for_it = (StatusCode::SEE_OTHER, Some("/#second-factor".to_owned()));
    s.provider.next("ann/1", &["pwd"], Some("urn:example:one")).await.unwrap();

    let mut browser = Browser::default();
    assert_eq!(s.come_in(&mut browser).await, ask_for_it);
    assert_eq!(browser.cookie(&s.at, "caveat"), None, "no session yet");
    let pending = browser.cookie(&s.at, "caveat-second").unwrap().to_owned();
    let used = now(&s.secret);
    let plain = browser.request(Method::POST, &second).json(&json!({"code": used}));
    assert_eq!(
        browser.send(plain).await.unwrap().status(),
        StatusCode::FORBIDDEN,
        "from a page of ours only"
    );
    let (status, who) = read(browser.post(&second, &json!({"code": used})).await.unwrap()).await;
    assert_eq!((status, &who["person"]), (StatusCode::CREATED, &json!("ann")), "{who}");
    assert_eq!(s.whoami(&browser).await["stepped_up"], true);

    browser.put_cookie(&s.at, "caveat-second", &pending).unwrap();
    let again = browser.post(&second, &json!({"code": next(&s.secret)})).await.unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "what the provider said is good once");

    let mut browser = Browser::default();
    assert_eq!(s.come_in(&mut browser).await, ask_for_it);
    let replayed = browser.post(&second, &json!({"code": used})).await.unwrap();
    assert_eq!(replayed.status(), StatusCode::UNAUTHORIZED, "a code works once");
    let nobody = Browser::default().post(&second, &json!({"code": next(&s.secret)})).await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);

    // Who has no second factor here cannot come in by one factor there.
    s.provider.next("ben/1", &["pwd"], None).await.unwrap();
    let mut ben = Browser::default();
    assert_eq!(s.come_in(&mut ben).await, ask_for_it);
    let nothing = ben.post(&second, &json!({"code": "000000"})).await.unwrap();
    assert_eq!(nothing.status(), StatusCode::UNAUTHORIZED);
    s.host.stop().unwrap();
    tells_nothing_of(&s.host, &[SECRET, &s.secret, &pending]);
}
