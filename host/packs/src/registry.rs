//! Packs in OCI registries, in the CNCF's Wasm OCI artifact layout: a config of type `application/vnd.wasm.config.v0+json` and
//! one layer `application/wasm`, which is the pack file, byte for byte. So the digest of the layer is the digest of the pack.
//!
//! The signature is the manifest's annotation [`SIGNATURE_ANNOTATION`]: the layout has room for one layer only, referrers are
//! not yet served by every registry, and an annotation is copied along with the manifest. What a registry says is never
//! believed: the bytes are checked against their digest, and whoever has keys verifies the note.

use std::{collections::BTreeMap, io::Cursor, time::Duration};

use caveat_model::Digest;
use oci_client::{
    Client, Reference, annotations,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest},
    secrets::RegistryAuth,
};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{FileLimits, PackError, PackFile};

/// Media type of the config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// Media type of the one layer.
pub const LAYER_TYPE: &str = "application/wasm";
/// Annotation of the manifest that holds the signed note.
pub const SIGNATURE_ANNOTATION: &str = "caveat.pack.signature";

/// How registries are spoken to.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// HTTP without TLS, for a registry on this machine.
    pub plain_http: bool,
    /// User and password; none: anonymous.
    pub credentials: Option<(String, String)>,
    /// How long a connection may take, in seconds.
    pub connect_timeout_s: u64,
    /// How long a registry may say nothing, in seconds.
    pub silence_timeout_s: u64,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { plain_http: false, credentials: None, connect_timeout_s: 20, silence_timeout_s: 60 }
    }
}

/// A client of registries.
pub struct Registry {
    client: Client,
    auth: RegistryAuth,
}

/// Where a pack lies in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As it was asked for.
    pub reference: String,
    /// The same by the digest of its manifest: it never means anything else.
    pub by_digest: String,
}

impl Registry {
    /// Connects to nothing yet.
    pub fn new(options: RegistryOptions) -> Self {
        let client = Client::new(ClientConfig {
            protocol: if options.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(Duration::from_secs(options.connect_timeout_s)),
            read_timeout: Some(Duration::from_secs(options.silence_timeout_s)),
            user_agent: concat!("caveat/", env!("CARGO_PKG_VERSION")),
            platform_resolver: None,
            ..ClientConfig::default()
        });
        let auth = match options.credentials {
            Some((user, password)) => RegistryAuth::Basic(user, password),
            None => RegistryAuth::Anonymous,
        };
        Self { client, auth }
    }

    /// Puts a pack with its signature under a tag. The same pack and signature make the same manifest.
    ///
    /// # Errors
    /// [`PackError::Registry`].
    pub async fn push(&self, file: &PackFile, reference: &str) -> Result<Place, PackError> {
        let failed =
            |why: String| PackError::Registry { what: "push to", reference: reference.to_owned(), why };
        let at = parse(reference).map_err(&failed)?;
        if at.digest().is_some() {
            return Err(failed("a digest comes of what is pushed: name a tag".into()));
        }
        let layers = [ImageLayer::new(file.bytes().to_vec(), LAYER_TYPE.to_owned(), None)];
        let config = Config::new(wasm_config(file).to_string(), CONFIG_TYPE.to_owned(), None);
        let mut manifest = OciImageManifest::build(&layers, &config, Some(describe(file)));
        manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
        // Written here: the client's own form of JSON leaves the line ends of the note as they are, which no registry reads.
        let body = serde_json::to_vec(&manifest).map_err(|e| failed(e.to_string()))?;
        let digest = Digest(Sha256::digest(&body).into());
        let kind = OCI_IMAGE_MEDIA_TYPE.parse().map_err(|_| failed("its media type is none".into()))?;
        let [ImageLayer { data, .. }] = layers;
        let sent = async {
            let client = &self.client;
            client.store_auth_if_needed(at.resolve_registry(), &self.auth).await;
            client.push_blob(&at, data, &file.digest().to_string()).await?;
            client.push_blob(&at, config.data, &manifest.config.digest).await?;
            client.push_manifest_raw(&at, body, kind).await
        };
        sent.await.map_err(|e| failed(e.to_string()))?;
        Ok(place(reference, &at, &digest.to_string()))
    }

    /// Gets a pack, by tag or digest, with the signature that it was pushed with (not verified).
    ///
    /// # Errors
    /// [`PackError::Registry`]: no such artifact, another kind of artifact, bytes that do not have their digest;
    /// [`PackError::NotAPack`].
    pub async fn pull(&self, reference: &str) -> Result<(PackFile, Place), PackError> {
        let failed = |why: String| PackError::Registry { what: "pull", reference: reference.to_owned(), why };
        let at = parse(reference).map_err(&failed)?;
        let manifest = self.client.pull_image_manifest(&at, &self.auth).await;
        let (manifest, digest) = manifest.map_err(|e| failed(e.to_string()))?;
        let layer = match manifest.layers.as_slice() {
            [one] if manifest.config.media_type == CONFIG_TYPE && one.media_type == LAYER_TYPE => one,
            _ => {
                let kind = &manifest.config.media_type;
                return Err(failed(format!(
                    "it is no Wasm artifact: its config is `{kind}`, `{CONFIG_TYPE}` is wanted"
                )));
            }
        };
        let limits = FileLimits::default();
        let size = usize::try_from(layer.size).ok().filter(|size| *size as u64 <= limits.file_bytes);
        let size = size.ok_or_else(|| failed(format!("it has more than {} bytes", limits.file_bytes)))?;
        // Room for what the manifest announces and no more.
        let mut bytes = vec![0; size];
        let blob = self.client.pull_blob(&at, layer, Cursor::new(&mut bytes[..])).await;
        blob.map_err(|e| failed(format!("{e}: what the registry sent is not what its manifest names")))?;
        let file = PackFile::read(reference, bytes, &limits)?;
        if file.digest().to_string() != layer.digest {
            return Err(failed(format!("its bytes have the digest {}, not {}", file.digest(), layer.digest)));
        }
        let note = manifest.annotations.as_ref().and_then(|a| a.get(SIGNATURE_ANNOTATION));
        let file = match note {
            Some(note) => file.signed(note.clone()),
            None => file,
        };
        Ok((file, place(reference, &at, &digest)))
    }
}

/// `[oci://]host[:port]/repository:tag`, or `@sha256:...` for the tag. What means "the latest" is not taken: law has versions.
fn parse(text: &str) -> Result<Reference, String> {
    let bare = text.strip_prefix("oci://").unwrap_or(text);
    let last = bare.rsplit('/').next().unwrap_or_default();
    if !last.contains([':', '@']) {
        return Err("it names no tag and no digest: add `:VERSION` or `@sha256:...`".into());
    }
    bare.parse().map_err(|e| format!("it is no reference such as registry.example/packs/NAME:VERSION: {e}"))
}

fn place(reference: &str, at: &Reference, digest: &str) -> Place {
    let by_digest = format!("{}/{}@{digest}", at.registry(), at.repository());
    Place { reference: reference.to_owned(), by_digest }
}

/// The config of the layout. No time of day is in it, so that pushing again changes nothing.
fn wasm_config(file: &PackFile) -> serde_json::Value {
    let about = &file.manifest().pack;
    let interface = |name: &str| format!("caveat:policy/{name}@{}", about.contract);
    let stages = about.stages.iter().map(|stage| interface(&stage.to_string()));
    let exports: Vec<String> = std::iter::once(interface("settings")).chain(stages).collect();
    let imports: Vec<String> = about.imports.iter().map(|name| interface(name)).collect();
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [file.digest().to_string()],
        "component": { "exports": exports, "imports": imports },
    })
}

fn describe(file: &PackFile) -> BTreeMap<String, String> {
    let about = &file.manifest().pack;
    let mut all = BTreeMap::from([
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_TITLE.to_owned(),
            format!("{}-{}.wasm", about.name, about.version),
        ),
        (annotations::ORG_OPENCONTAINERS_IMAGE_VERSION.to_owned(), about.version.to_string()),
        (annotations::ORG_OPENCONTAINERS_IMAGE_DESCRIPTION.to_owned(), about.title.clone()),
    ]);
    if !about.license.is_empty() {
        all.insert(annotations::ORG_OPENCONTAINERS_IMAGE_LICENSES.to_owned(), about.license.clone());
    }
    if let Some(note) = file.signatures().first() {
        all.insert(SIGNATURE_ANNOTATION.to_owned(), note.clone());
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_reference_names_what_it_means() {
        let check = |text: &str, wanted: Option<(&str, &str)>| {
            let parsed = parse(text).ok();
            let got = parsed.as_ref().map(|r| (r.registry(), r.repository()));
            assert_eq!(got, wanted, "{text}");
        };
        check("oci://127.0.0.1:5000/packs/pci-dss:0.1.0", Some(("127.0.0.1:5000", "packs/pci-dss")));
        check("registry.example/pci-dss:0.1.0", Some(("registry.example", "pci-dss")));
        let digest = "0".repeat(64);
        check(&format!("registry.example/pci-dss@sha256:{digest}"), Some(("registry.example", "pci-dss")));
        check("127.0.0.1:5000/packs/pci-dss", None);
        check("registry.example/PCI:1", None);
    }
}
