//! How much of a store a listener needs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use caveat_vault::{Kind, Limits, SealReason};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use house::{House, client, two_legs};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

/// Ten hours.
const SECONDS: u32 = 36_000;

/// A store that counts how often it is read.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    reads: AtomicUsize,
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(at, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, SeqCst);
        self.inner.get_opts(at, options).await
    }
    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What is small compared with a second, so that it is quickly written.
fn plain(index: u32) -> [u8; 4] {
    index.to_be_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_second_of_ten_hours_takes_one_read_of_the_object() {
    let store = Arc::new(Counting::default());
    let mut house = House::on(store.clone());
    house.limits = Limits::default();
    let (vault, acme, id) = (house.open().await, client("acme"), house.id());
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    let append = |index| {
        let writer = &writer;
        async move { writer.append(1, index, Kind::Audio, &plain(index)).await }
    };
    stream::iter(0..SECONDS).map(append).buffered(1_024).try_collect::<()>().await.unwrap();
    writer.seal(SealReason::Ended).await.unwrap();

    let before = store.reads.load(SeqCst);
    let reader = vault.reader(&acme, id).await.unwrap();
    assert_eq!(store.reads.load(SeqCst) - before, 1, "its index, once for all that is heard of it");
    for second in [0, 1, 17_999, 23_456, SECONDS - 1] {
        let before = store.reads.load(SeqCst);
        assert_eq!(*reader.read(1, second, Kind::Audio).await.unwrap(), plain(second));
        assert_eq!(store.reads.load(SeqCst) - before, 1, "second {second}");
    }
}
