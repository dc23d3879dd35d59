//! A real S3 over a socket: create if absent, object lock in compliance mode, an outage.
#![allow(clippy::unwrap_used, reason = "tests")]

mod weed;

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use caveat_model::{Clock, Moment, SystemClock};
use caveat_stores::{Address, Backlog, Limits, Opened, Settings, Spool, StoreError};
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
    path::Path,
    signer::{Method, SignedUrlOptions, Signer},
};
use tokio::time::{Instant, sleep};
use weed::{KEY_ID, LOCKED, PLAIN, SECRET, Weed};

const OBJECT: &str = "recordings/acme/one.caveat";

fn limits() -> Limits {
    let (retry_ms, retry_max_ms) = (20, 500);
    Limits { spool_delay_ms: 20, spool_grace_ms: 50, retry_ms, retry_max_ms, ..Limits::default() }
}

fn open(weed: &Weed, bucket: &str, dir: &FilePath) -> Opened {
    std::fs::write(dir.join("id"), KEY_ID).unwrap();
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    let settings = serde_json::json!({
        "region": "us-east-1", "endpoint": weed.url(), "allow-http": true,
        "key-id-file": "id", "secret-file": "secret",
    });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let address = Address::parse(&format!("s3://{bucket}/east"), dir).unwrap();
    settings.open(&address, dir, &limits()).unwrap()
}

async fn spool(weed: &Weed, bucket: &str, dir: &FilePath) -> Spool {
    Spool::open(dir.join("spool"), open(weed, bucket, dir), limits()).await.unwrap()
}

async fn drained(spool: &Spool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while spool.backlog() != Backlog::default() {
        assert!(Instant::now() < deadline, "{:?}", spool.backlog());
        sleep(Duration::from_millis(10)).await;
    }
}

async fn put(store: &dyn ObjectStore, path: &str, bytes: &[u8]) -> object_store::Result<()> {
    store.put_opts(&path.into(), bytes.to_vec().into(), PutMode::Create.into()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_created_once_brought_and_read_back_across_an_outage() {
    let Some(mut weed) = Weed::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let Opened { store: direct, .. } = open(&weed, PLAIN, dir.path());
    put(&*direct, "there", b"already").await.unwrap();
    assert!(matches!(put(&*direct, "there", b"again").await, Err(Error::AlreadyExists { .. })));

    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let spool = spool(&weed, PLAIN, dir.path()).await;
    put(&spool, OBJECT, &large).await.unwrap();
    drained(&spool).await;
    assert_eq!(direct.get(&OBJECT.into()).await.unwrap().bytes().await.unwrap(), large);

    weed.down();
    for n in 0..20 {
        put(&spool, &format!("during/{n}"), format!("outage {n}").as_bytes()).await.unwrap();
    }
    spool.put(&"checkpoint".into(), "newest".into()).await.unwrap();
    spool.delete(&OBJECT.into()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while spool.backlog().failing == 0 {
        assert!(Instant::now() < deadline, "the outage is not noticed");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((spool.backlog().objects, spool.backlog().marks), (21, 1));
    assert_eq!(spool.get(&"during/7".into()).await.unwrap().bytes().await.unwrap(), "outage 7");
    weed.up();
    drained(&spool).await;
    for n in 0..20 {
        let there = direct.get(&format!("during/{n}").into()).await.unwrap().bytes().await.unwrap();
        assert_eq!(there, format!("outage {n}"));
    }
    assert_eq!(direct.get(&"checkpoint".into()).await.unwrap().bytes().await.unwrap(), "newest");
    assert!(matches!(direct.get(&OBJECT.into()).await, Err(Error::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_object_is_neither_deleted_nor_let_go_earlier() {
    let Some(weed) = Weed::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(&weed, LOCKED, dir.path()).await;
    spool.check_lock().await.unwrap();
    put(&spool, OBJECT, b"sealed").await.unwrap();
    let now = SystemClock.now();
    let until = now.plus_millis(3_600_000);
    spool.lock(OBJECT, until).await.unwrap();
    drained(&spool).await;

    let bucket = bucket(&weed);
    let retention = async || ask(&bucket, Method::GET, &[("retention", "")], None).await;
    let (status, text) = retention().await;
    assert!(status == 200 && text.contains("<Mode>COMPLIANCE</Mode>"), "{status} {text}");
    let version = version(&weed).await;
    let (status, text) = ask(&bucket, Method::DELETE, &[("versionId", &version)], None).await;
    assert!((400..500).contains(&status), "it was deleted: {status} {text}");
    let earlier = body(now.plus_millis(60_000));
    let (status, text) = ask(&bucket, Method::PUT, &[("retention", "")], Some(earlier)).await;
    assert!((400..500).contains(&status), "the lock was made shorter: {status} {text}");

    // Later is always possible, earlier changes nothing, and both are there after a restart.
    spool.lock(OBJECT, now).await.unwrap();
    drained(&spool).await;
    let later = now.plus_millis(7_200_000);
    spool.lock(OBJECT, later).await.unwrap();
    drop(spool);
    let spool = self::spool(&weed, LOCKED, dir.path()).await;
    drained(&spool).await;
    let (_, text) = retention().await;
    assert!(text.contains(&later.to_string()[..16]), "{text} is not {later}");
    // Who deletes it leaves a mark in front of it, and the locked version stays.
    spool.delete(&OBJECT.into()).await.unwrap();
    drained(&spool).await;
    let kept =
        reqwest::get(format!("{}/{LOCKED}/east/{OBJECT}?versionId={version}", weed.url())).await.unwrap();
    assert_eq!(kept.text().await.unwrap(), "sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_object_lock_is_told_from_one_with_it() {
    let Some(weed) = Weed::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let refused = spool(&weed, PLAIN, dir.path()).await.check_lock().await.unwrap_err();
    assert!(matches!(refused, StoreError::Settings { .. }), "{refused}");
    let lock = open(&weed, PLAIN, dir.path()).lock.unwrap();
    put(&*open(&weed, PLAIN, dir.path()).store, OBJECT, b"x").await.unwrap();
    assert!(lock.lock(&OBJECT.into(), SystemClock.now().plus_millis(60_000)).await.is_err());
}

fn bucket(weed: &Weed) -> Arc<AmazonS3> {
    let builder = AmazonS3Builder::new().with_bucket_name(LOCKED).with_endpoint(weed.url());
    let builder = builder.with_region("us-east-1").with_access_key_id(KEY_ID).with_secret_access_key(SECRET);
    Arc::new(builder.with_http_connector(Mute).build().unwrap())
}

/// Speaks to nobody: the bucket only signs.
#[derive(Debug)]
struct Mute;

impl HttpConnector for Mute {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Self))
    }
}

#[async_trait::async_trait]
impl HttpService for Mute {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other("it only signs")))
    }
}

fn body(until: Moment) -> String {
    format!("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

/// A signed request about the object, as somebody with every right would make it.
async fn ask(
    bucket: &AmazonS3,
    method: Method,
    query: &[(&str, &str)],
    body: Option<String>,
) -> (u16, String) {
    let options = SignedUrlOptions::new().with_query(query.iter().copied());
    let path = Path::from(format!("east/{OBJECT}"));
    let url = bucket.signed_url_opts(method.clone(), &path, Duration::from_secs(60), &options).await.unwrap();
    let request = reqwest::Client::new().request(method, url).body(body.unwrap_or_default());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn version(weed: &Weed) -> String {
    let head =
        reqwest::Client::new().head(format!("{}/{LOCKED}/east/{OBJECT}", weed.url())).send().await.unwrap();
    head.headers()["x-amz-version-id"].to_str().unwrap().to_owned()
}
