//! What holds for requests of any kind: answered once under one key, not too often, page by page, range by range.

use caveat_tests::{
    host::Host,
    house::{CLIENT, House, call, noise, sealed},
    people::Person,
    twilio::CUSTOMER,
    watch::until,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::house::{CLIENTS, both_factors, now, read};

/// Somebody with a session, at the level of single requests.
struct Asker {
    http: Client,
    url: String,
    token: String,
}

impl Asker {
    async fn sign_in(house: &House, id: &str) -> Self {
        let (http, url) = (Client::new(), house.host.url.clone());
        let body = both_factors(CLIENT, id, &now(house.secret(id).unwrap()));
        let (_, session) =
            read(http.post(format!("{url}/v1/session")).json(&body).send().await.unwrap()).await;
        let token = session["token"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned();
        Self { http, url, token }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn post_once(&self, path: &str, body: &Value, key: &str) -> Response {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.header("Idempotency-Key", key).json(body).send().await.unwrap()
    }

    fn person(&self) -> Person {
        Person::with_session(&self.url, &self.token)
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_a_key_is_answered_once() {
    let people = [("cora", "compliance"), ("dan", "compliance")];
    let mut house = House::start(CLIENTS, &people).unwrap();
    let (cora, dan) = (Asker::sign_in(&house, "cora").await, Asker::sign_in(&house, "dan").await);
    let hold = |matter: &str| json!({"matter": matter, "scope": "everything"});
    let first = cora.post_once("/v1/holds", &hold("Smith"), "k-1").await;
    assert_eq!((first.status().as_u16(), header(&first, "idempotency-replayed")), (201, ""));
    let first = first.text().await.unwrap();
    let again = cora.post_once("/v1/holds", &hold("Smith"), "k-1").await;
    assert_eq!((again.status().as_u16(), header(&again, "idempotency-replayed")), (201, "true"));
    assert_eq!(again.text().await.unwrap(), first);
    let other = cora.post_once("/v1/holds", &hold("Jones"), "k-1").await;
    assert_eq!(other.status().as_u16(), 409, "the key was used for another request");
    assert_eq!(header(&other, "content-type"), "application/problem+json");
    // A key is its owner's.
    let theirs = dan.post_once("/v1/holds", &hold("Jones"), "k-1").await;
    assert_eq!((theirs.status().as_u16(), header(&theirs, "idempotency-replayed")), (201, ""));
    // What came to nothing can be asked again under the same key.
    let wrong = cora.post_once("/v1/holds", &json!({"matter": ""}), "k-2").await;
    assert_eq!(wrong.status().as_u16(), 400);
    let right = cora.post_once("/v1/holds", &hold("Brown"), "k-2").await;
    assert_eq!(right.status().as_u16(), 201);
    for bad in ["", &"k".repeat(256)] {
        assert_eq!(cora.post_once("/v1/holds", &hold("x"), bad).await.status().as_u16(), 400);
    }
    // After a restart, too.
    house.host.stop().unwrap();
    house.host.start().unwrap();
    let again = cora.post_once("/v1/holds", &hold("Smith"), "k-1").await;
    assert_eq!(
        (header(&again, "idempotency-replayed").to_owned(), again.text().await.unwrap()),
        ("true".into(), first)
    );
    let (_, holds) = read(cora.get("/v1/holds", &[]).await).await;
    let matters: Vec<&str> =
        holds.as_array().unwrap().iter().map(|h| h["matter"].as_str().unwrap()).collect();
    let count = |matter| matters.iter().filter(|m| **m == matter).count();
    assert_eq!((matters.len(), count("Smith"), count("Jones"), count("Brown")), (3, 1, 1, 1));
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_told_when_to_ask_again() {
    // One a minute comes back: on a slow machine, one or two while the test runs.
    let few = "\n[limits.requests]\nrequests_per_minute_max = 1\nrequests_at_once_max = 20\n\n[limits.calls]";
    let host = Host::prepare(&CLIENTS.replace("\n[limits.calls]", few)).unwrap();
    let mut house = House::of(host, &[("cora", "compliance"), ("dan", "compliance")]).unwrap();
    let (cora, dan) = (Asker::sign_in(&house, "cora").await, Asker::sign_in(&house, "dan").await);
    let asked = async |token: String| {
        let request = cora.http.get(format!("{}/v1/holds", cora.url)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), header(&answer, "retry-after").parse::<u64>().ok())
    };
    let mut answers = Vec::new();
    while answers.last().is_none_or(|(status, _)| *status == 200) && answers.len() < 30 {
        answers.push(asked(cora.token.clone()).await);
    }
    let (status, wait_s) = answers.pop().unwrap();
    assert_eq!(status, 429);
    assert!((1..=60).contains(&wait_s.unwrap()), "{wait_s:?}");
    assert!((20..=22).contains(&answers.len()), "{answers:?}");
    // Others go on from the same address, and whoever makes up tokens gets no further with each.
    assert_eq!(asked(dan.token.clone()).await, (200, None));
    let mut refused = Vec::new();
    for n in 0..30 {
        refused.push(asked(format!("made-up-{n}")).await.0);
    }
    let unknown = refused.iter().filter(|status| **status == 401).count();
    assert!((18..=20).contains(&unknown), "two have signed in from there: {refused:?}");
    assert!(refused.contains(&429), "{refused:?}");
    // Pages are there for everybody all the same.
    for _ in 0..40 {
        let page = cora.http.get(format!("{}/console/js/main.js", cora.url)).send().await.unwrap();
        assert_eq!(page.status().as_u16(), 200);
    }
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_people_share_what_their_quota_has() {
    let quota = "\n[client.quota]\nrequests-per-minute-max = 60\n";
    let first = CLIENTS.find("[[client]]").unwrap();
    let next = CLIENTS[first + 10..].find("[[client]]").map_or(CLIENTS.len(), |at| first + 10 + at);
    let config = format!("{}{quota}{}", &CLIENTS[..next], &CLIENTS[next..]);
    let mut house = House::start(&config, &[("cora", "compliance"), ("dan", "compliance")]).unwrap();
    let (cora, dan) = (Asker::sign_in(&house, "cora").await, Asker::sign_in(&house, "dan").await);
    let asked = async |asker: &Asker| {
        let request = asker.http.get(format!("{}/v1/holds", asker.url)).bearer_auth(&asker.token);
        request.send().await.unwrap().status().as_u16()
    };
    // Six may come at once: one of the two asks for all of them, and then neither gets an answer.
    until("the quota is used up", async || Ok((asked(&cora).await == 429).then_some(()))).await.unwrap();
    let mut refused = 0;
    for _ in 0..10 {
        refused += u32::from(asked(&dan).await == 429);
    }
    assert!(refused >= 5, "{refused} of 10");
    // One comes back each second.
    until("there is one again", async || Ok((asked(&dan).await == 200).then_some(()))).await.unwrap();
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_where_its_page_ended() {
    let mut house = House::start(CLIENTS, &[("cora", "compliance")]).unwrap();
    let cora = Asker::sign_in(&house, "cora").await;
    for n in 1..=5 {
        let mut script = call(&format!("CA{n}"));
        script.sound(CUSTOMER, &noise(500, n));
        script.play(&house.host.url, &house.token).await.unwrap();
    }
    let all = sealed(&cora.person(), 5).await.unwrap();
    let mut path = "/v1/recordings?purpose=quality&limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = cora.get(&path, &[]).await;
        let link = header(&answer, "link").to_owned();
        let (status, rows) = read(answer).await;
        assert_eq!(status.as_u16(), 200, "{rows}");
        let ids = rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned());
        pages.push(ids.collect::<Vec<_>>());
        let Some(next) = link.strip_prefix('<').and_then(|rest| rest.split_once(">; rel=\"next\"")) else {
            break;
        };
        path = next.0.to_owned();
        assert!(pages.len() < 9, "there is always a next page: {path}");
    }
    assert_eq!(pages.iter().map(Vec::len).filter(|len| *len > 0).collect::<Vec<_>>(), [2, 2, 1]);
    let mut seen: Vec<String> = pages.concat();
    seen.sort();
    assert_eq!(seen, all);
    let made_up = cora.get("/v1/recordings?purpose=quality&cursor=yesterday", &[]).await;
    assert_eq!(made_up.status().as_u16(), 400);
    assert_eq!(house.host.stop().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_one_play_are_ruled_on_and_logged_once() {
    let people = [("cora", "compliance"), ("dan", "compliance")];
    let mut house = House::start(CLIENTS, &people).unwrap();
    let (cora, dan) = (Asker::sign_in(&house, "cora").await, Asker::sign_in(&house, "dan").await);
    let mut script = call("CA1");
    script.sound(CUSTOMER, &noise(4_000, 3));
    script.play(&house.host.url, &house.token).await.unwrap();
    let id = sealed(&cora.person(), 1).await.unwrap().remove(0);
    let path = format!("/v1/recordings/{id}/audio?purpose=quality");
    let whole = cora.get(&path, &[]).await;
    assert_eq!((whole.status().as_u16(), header(&whole, "accept-ranges")), (200, "bytes"));
    let tag = header(&whole, "etag").to_owned();
    let whole = whole.bytes().await.unwrap();
    let size = whole.len();
    assert_eq!(&whole[..4], b"RIFF");

    let part = async |asker: &Asker, range: &str, tag: &str| {
        let answer = asker.get(&path, &[("Range", range), ("If-Range", tag)]).await;
        let place = header(&answer, "content-range").to_owned();
        (answer.status().as_u16(), place, answer.bytes().await.unwrap())
    };
    // Across the head, across seconds, inside one, from the end; put together they are the whole.
    let mut together = Vec::new();
    for (start, end) in [(0, 10), (10, 31_999), (31_999, 32_100), (32_100, 70_001), (70_001, size)] {
        let (status, place, bytes) = part(&cora, &format!("bytes={start}-{}", end - 1), &tag).await;
        assert_eq!((status, place), (206, format!("bytes {start}-{}/{size}", end - 1)));
        together.extend(bytes);
    }
    assert_eq!(together, whole);
    assert_eq!(part(&cora, "bytes=-7", &tag).await.2, whole[size - 7..]);
    assert_eq!(part(&cora, "bytes=0-7", "\"another\"").await, (200, String::new(), whole.clone()));
    let beyond = format!("bytes={size}-");
    assert_eq!(part(&cora, &beyond, &tag).await.1, format!("bytes */{size}"));

    // A redaction is heard at once, also in a play that began before it, under another tag.
    let redact = json!({"span": {"start": 1_000, "end": 2_000}, "mode": "mask", "purpose": "quality"});
    let masked = dan.person().post(&format!("/v1/recordings/{id}/redactions"), &redact).await.unwrap();
    assert_eq!(masked.status().as_u16(), 201, "{}", masked.text().await.unwrap());
    let (status, _, after) = part(&cora, "bytes=0-99", &tag).await;
    assert_eq!((status, after.len()), (200, size), "what the tag named is no more");
    assert_ne!(after, whole);

    // The whole and all its ranges were one play; somebody else has their own.
    assert_eq!(part(&dan, "bytes=0-7", "\"none\"").await.0, 200);
    let entries = house.host.audit(CLIENT, "bundle").unwrap();
    let plays = entries.matches("\"act\":\"play\"").count();
    assert_eq!(plays, 2, "cora's and dan's");
    assert_eq!(house.host.stop().unwrap(), 0);
}
