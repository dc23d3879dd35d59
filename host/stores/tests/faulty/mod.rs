//! A store in memory that behaves as badly as told to.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fmt,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It answers 503 and does nothing.
    Unavailable,
    /// It never answers and does nothing.
    Hangs,
    /// It takes so many milliseconds.
    Slow(u64),
    /// It does what it was asked to and answers 500.
    LosesTheAnswer,
    /// It does what it was asked to and never answers.
    NeverAnswers,
    /// It says that it has written, and has not.
    Forgets,
    /// It gives back a byte that is another.
    Lies,
    /// It deletes nothing, as one does that has an object locked. Not a fault: no part of [`Fault::ALL`].
    Keeps,
}

impl Fault {
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Unavailable,
        Self::Hangs,
        Self::Slow(3),
        Self::LosesTheAnswer,
        Self::NeverAnswers,
        Self::Forgets,
        Self::Lies,
    ];
}

/// The store; clones are one.
#[derive(Debug, Clone)]
pub struct Faulty {
    pub inner: Arc<InMemory>,
    fault: Arc<Mutex<Fault>>,
    /// Requests so far.
    pub asked: Arc<AtomicU64>,
}

impl Default for Faulty {
    fn default() -> Self {
        Self { inner: Arc::default(), fault: Arc::new(Mutex::new(Fault::None)), asked: Arc::default() }
    }
}

impl Faulty {
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// What it is to be now; what it has to be waited for, is.
    async fn now(&self) -> Result<Fault> {
        self.asked.fetch_add(1, SeqCst);
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::Unavailable => Err(broken("503 Service Unavailable")),
            Fault::Hangs => pending().await,
            Fault::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(fault)
            }
            _ => Ok(fault),
        }
    }
}

async fn answered<T>(fault: Fault, done: Result<T>) -> Result<T> {
    match fault {
        Fault::LosesTheAnswer => Err(broken("500 Internal Server Error")),
        Fault::NeverAnswers => pending().await,
        _ => done,
    }
}

fn broken(why: &str) -> Error {
    Error::Generic { store: "Faulty", source: why.to_owned().into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.now().await? {
            Fault::Forgets => Ok(PutResult { e_tag: None, version: None, extensions: Default::default() }),
            fault => answered(fault, self.inner.put_opts(at, payload, options).await).await,
        }
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.now().await?;
        let mut found = answered(fault, self.inner.get_opts(at, options).await).await?;
        if fault == Fault::Lies
            && let GetResultPayload::Stream(chunks) = found.payload
        {
            let lying = chunks.map(|chunk| {
                chunk.map(|bytes| {
                    let mut bytes = bytes.to_vec();
                    bytes.iter_mut().take(1).for_each(|b| *b ^= 1);
                    bytes.into()
                })
            });
            found.payload = GetResultPayload::Stream(lying.boxed());
        }
        Ok(found)
    }
    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |path: Result<Path>| {
            let this = this.clone();
            async move {
                let path = path?;
                match this.now().await? {
                    Fault::Forgets => Ok(path),
                    Fault::Keeps => Err(broken("403 AccessDenied")),
                    fault => answered(fault, this.inner.delete(&path).await.map(|()| path)).await,
                }
            }
        };
        paths.then(delete).boxed()
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            match this.now().await {
                Ok(_) => this.inner.list(prefix.as_ref()),
                Err(e) => futures::stream::iter([Err(e)]).boxed(),
            }
        };
        futures::stream::once(listed).flatten().boxed()
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.now().await?;
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
