//! Which store, how it is reached, and with which secrets: none of them is ever in the configuration itself.

use std::{
    fs,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};
use serde::Deserialize;

use crate::{Limits, ObjectLock, StoreError, client::Connector, io_error};

/// How often the client itself tries again; beyond that the spool does.
const RETRIES: usize = 2;

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder.
    Folder(PathBuf),
    /// S3, or what speaks like it.
    S3 {
        /// The bucket.
        bucket: String,
        /// Before the name of every object; may be empty.
        prefix: Path,
    },
    /// Google Cloud Storage.
    Google {
        /// The bucket.
        bucket: String,
        /// Before the name of every object; may be empty.
        prefix: Path,
    },
    /// Azure Blob Storage.
    Azure {
        /// The container.
        container: String,
        /// Before the name of every object; may be empty.
        prefix: Path,
    },
}

impl Address {
    /// Reads `s3://BUCKET/PREFIX`, `gs://...`, `az://...`, or a folder, relative to `base`.
    pub fn parse(text: &str, base: &FilePath) -> Result<Self, StoreError> {
        let refused = || StoreError::Address { address: text.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(base.join(text)));
        };
        if scheme == "file" {
            return Ok(Self::Folder(base.join(rest)));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| refused())?;
        let bucket = bucket.to_owned();
        if bucket.is_empty() || rest.contains("//") {
            return Err(refused());
        }
        match scheme {
            "s3" => Ok(Self::S3 { bucket, prefix }),
            "gs" => Ok(Self::Google { bucket, prefix }),
            "az" => Ok(Self::Azure { container: bucket, prefix }),
            _ => Err(refused()),
        }
    }

    /// Whether it is reached over a network, so that a spool has to stand in front of it.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }
}

/// `[store]`: how a remote store is reached. What is left out comes from the environment as its vendor's tools read it
/// (`AWS_*`, `GOOGLE_*`, `AZURE_*`), or from the machine's role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// S3: the region.
    region: Option<String>,
    /// S3, Azure: an address other than the vendor's.
    endpoint: Option<String>,
    /// Whether the endpoint may be spoken to in the clear.
    allow_http: bool,
    /// Environment variable that holds S3's access key id, or Azure's account.
    key_id_env: Option<String>,
    /// File that holds it; relative to the configuration.
    key_id_file: Option<PathBuf>,
    /// Environment variable that holds S3's secret access key, or Azure's account key.
    secret_env: Option<String>,
    /// File that holds it, or Google's service account as JSON; relative to the configuration.
    secret_file: Option<PathBuf>,
}

/// A store, and what else can be done with it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The store itself.
    pub store: Arc<dyn ObjectStore>,
    /// How its objects are locked; none: it cannot be asked to.
    pub lock: Option<Arc<ObjectLock>>,
    /// Which objects a spool keeps for reading when the store is away, beside having brought them there.
    pub at_hand: AtHand,
}

/// Tells by an object's path whether its copy in the spool stays.
pub type AtHand = fn(&Path) -> bool;

/// Nothing stays.
pub fn nothing_at_hand(_: &Path) -> bool {
    false
}

/// Who asks, if somebody was named.
struct Secrets {
    key_id: Option<String>,
    secret: Option<String>,
}

impl Settings {
    /// Refuses what contradicts itself, without reading secrets.
    pub fn check(&self, address: &Address) -> Result<(), StoreError> {
        let refuse = |why: &str| Err(StoreError::Settings { why: why.to_owned() });
        if !address.is_remote() && *self != Self::default() {
            return refuse("[store] is for s3://, gs:// and az://, but `store` of [host] is a folder");
        }
        if self.key_id_env.is_some() && self.key_id_file.is_some() {
            return refuse("give one of `key-id-env` and `key-id-file`");
        }
        if self.secret_env.is_some() && self.secret_file.is_some() {
            return refuse("give one of `secret-env` and `secret-file`");
        }
        match &self.endpoint {
            Some(endpoint) if endpoint.starts_with("https://") => Ok(()),
            Some(endpoint) if endpoint.starts_with("http://") && self.allow_http => Ok(()),
            Some(endpoint) if endpoint.starts_with("http://") => refuse(
                "`endpoint` is http://, which anybody on the way can read: use https://, or say `allow-http = true`",
            ),
            Some(_) => refuse("`endpoint` does not begin with https://"),
            None => Ok(()),
        }
    }

    /// Opens the store. Relative files of secrets start at `base`. Speaks to nobody yet.
    pub fn open(&self, address: &Address, base: &FilePath, limits: &Limits) -> Result<Opened, StoreError> {
        self.check(address)?;
        let secrets = Secrets {
            key_id: secret("key-id", &self.key_id_env, &self.key_id_file, base)?,
            secret: secret("secret", &self.secret_env, &self.secret_file, base)?,
        };
        match address {
            Address::Folder(folder) => open_folder(folder),
            Address::S3 { bucket, prefix } => self.open_s3(bucket, prefix, secrets, limits),
            Address::Google { bucket, prefix } => self.open_google(bucket, prefix, base, limits),
            Address::Azure { container, prefix } => self.open_azure(container, prefix, secrets, limits),
        }
    }

    fn open_s3(
        &self,
        bucket: &str,
        prefix: &Path,
        secrets: Secrets,
        limits: &Limits,
    ) -> Result<Opened, StoreError> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_allow_http(self.allow_http)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_http_connector(Connector::new(limits))
            .with_retry(retries(limits));
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(key_id) = secrets.key_id {
            builder = builder.with_access_key_id(key_id);
        }
        if let Some(secret) = secrets.secret {
            builder = builder.with_secret_access_key(secret);
        }
        self.check_endpoint(builder.get_config_value(&AmazonS3ConfigKey::Endpoint))?;
        let store = Arc::new(builder.build().map_err(opening)?);
        let lock = ObjectLock::new(store.clone(), prefix.clone(), limits)?;
        Ok(Opened { store: below(store, prefix), lock: Some(Arc::new(lock)), at_hand: nothing_at_hand })
    }

    fn open_google(
        &self,
        bucket: &str,
        prefix: &Path,
        base: &FilePath,
        limits: &Limits,
    ) -> Result<Opened, StoreError> {
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(bucket)
            .with_http_connector(Connector::new(limits))
            .with_retry(retries(limits));
        if let Some(file) = &self.secret_file {
            builder = builder.with_service_account_path(base.join(file).display().to_string());
        }
        let store = Arc::new(builder.build().map_err(opening)?);
        Ok(Opened { store: below(store, prefix), lock: None, at_hand: nothing_at_hand })
    }

    fn open_azure(
        &self,
        container: &str,
        prefix: &Path,
        secrets: Secrets,
        limits: &Limits,
    ) -> Result<Opened, StoreError> {
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_container_name(container)
            .with_allow_http(self.allow_http)
            .with_http_connector(Connector::new(limits))
            .with_retry(retries(limits));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(account) = secrets.key_id {
            builder = builder.with_account(account);
        }
        if let Some(key) = secrets.secret {
            builder = builder.with_access_key(key);
        }
        self.check_endpoint(builder.get_config_value(&AzureConfigKey::Endpoint))?;
        let store = Arc::new(builder.build().map_err(opening)?);
        Ok(Opened { store: below(store, prefix), lock: None, at_hand: nothing_at_hand })
    }

    /// The environment may name an endpoint too.
    fn check_endpoint(&self, endpoint: Option<String>) -> Result<(), StoreError> {
        if !self.allow_http && endpoint.is_some_and(|e| e.starts_with("http://")) {
            let why =
                "the environment names an endpoint of http://: say `allow-http = true` if that is meant";
            return Err(StoreError::Settings { why: why.to_owned() });
        }
        Ok(())
    }
}

fn open_folder(folder: &FilePath) -> Result<Opened, StoreError> {
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(opening)?;
    // What the ledger and the vault take for durable has to be on the disk.
    Ok(Opened { store: Arc::new(store.with_fsync(true)), lock: None, at_hand: nothing_at_hand })
}

fn retries(limits: &Limits) -> RetryConfig {
    let retry_timeout = Duration::from_millis(limits.request_timeout_ms);
    RetryConfig { max_retries: RETRIES, retry_timeout, ..RetryConfig::default() }
}

fn below<T: ObjectStore>(store: Arc<T>, prefix: &Path) -> Arc<dyn ObjectStore> {
    if prefix.as_ref().is_empty() { store } else { Arc::new(PrefixStore::new(store, prefix.clone())) }
}

fn opening(source: object_store::Error) -> StoreError {
    StoreError::Store { what: "open", source }
}

fn secret(
    key: &'static str,
    env: &Option<String>,
    file: &Option<PathBuf>,
    base: &FilePath,
) -> Result<Option<String>, StoreError> {
    let refuse = |why: String| StoreError::Secret { key, why };
    let text = match (env, file) {
        (Some(name), _) => {
            std::env::var(name).map_err(|_| refuse(format!("{name} is not set in the environment")))?
        }
        (None, Some(file)) => {
            let file = base.join(file);
            fs::read_to_string(&file).map_err(|e| refuse(format!("cannot read {}: {e}", file.display())))?
        }
        (None, None) => return Ok(None),
    };
    match text.trim() {
        "" => Err(refuse("it is empty".into())),
        text => Ok(Some(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn address(text: &str) -> Result<Address, StoreError> {
        Address::parse(text, FilePath::new("/base"))
    }

    #[test]
    fn addresses_are_read() {
        let path = |p: &str| Path::parse(p).unwrap();
        assert_eq!(address("store").unwrap(), Address::Folder("/base/store".into()));
        assert_eq!(address("file:///x/y").unwrap(), Address::Folder("/x/y".into()));
        let s3 = |bucket: &str, prefix| Address::S3 { bucket: bucket.into(), prefix };
        assert_eq!(address("s3://calls").unwrap(), s3("calls", path("")));
        assert_eq!(address("s3://calls/east/1/").unwrap(), s3("calls", path("east/1")));
        let google = Address::Google { bucket: "b".into(), prefix: path("p") };
        assert_eq!(address("gs://b/p").unwrap(), google);
        let azure = Address::Azure { container: "c".into(), prefix: path("") };
        assert_eq!(address("az://c").unwrap(), azure);
        for text in ["ftp://x/y", "s3://", "s3:///prefix", "://x", "s3://a//b"] {
            let refused = address(text).unwrap_err().to_string();
            assert!(refused.contains(text) && refused.contains("s3://BUCKET"), "{refused}");
        }
    }

    #[test]
    fn settings_that_would_leak_or_contradict_are_refused() {
        let check = |text: &str, at: &str, wanted: &str| {
            let settings: Settings = serde_json::from_str(text).unwrap();
            let found = settings.check(&address(at).unwrap()).err().map(|e| e.to_string());
            assert!(found.as_ref().map_or(wanted.is_empty(), |e| e.contains(wanted)), "{text}: {found:?}");
        };
        check("{}", "folder", "");
        check(r#"{"region":"us-east-1"}"#, "folder", "is a folder");
        check(r#"{"endpoint":"https://s3.example"}"#, "s3://b", "");
        check(r#"{"endpoint":"http://127.0.0.1:1"}"#, "s3://b", "allow-http");
        check(r#"{"endpoint":"http://127.0.0.1:1","allow-http":true}"#, "s3://b", "");
        check(r#"{"endpoint":"s3.example"}"#, "s3://b", "https://");
        check(r#"{"secret-env":"A","secret-file":"b"}"#, "s3://b", "one of");
        assert!(
            serde_json::from_str::<Settings>(r#"{"secret":"x"}"#).is_err(),
            "no secret in the file itself"
        );
    }

    #[test]
    fn each_kind_of_store_opens_without_speaking_to_anybody() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "c2VjcmV0\n").unwrap();
        fs::write(dir.path().join("id"), "somebody").unwrap();
        let settings: Settings =
            serde_json::from_str(r#"{"key-id-file":"id","secret-file":"secret"}"#).unwrap();
        let open = |at: &str, settings: &Settings| {
            settings.open(&Address::parse(at, dir.path()).unwrap(), dir.path(), &Limits::default())
        };
        assert!(open("s3://b/p", &settings).unwrap().lock.is_some());
        assert!(open("az://c/p", &settings).unwrap().lock.is_none());
        assert!(open("folder", &Settings::default()).unwrap().lock.is_none());
        let missing: Settings = serde_json::from_str(r#"{"secret-env":"CAVEAT_NO_SUCH_VARIABLE"}"#).unwrap();
        let refused = open("s3://b", &missing).unwrap_err().to_string();
        assert!(refused.contains("CAVEAT_NO_SUCH_VARIABLE"), "{refused}");
    }
}
