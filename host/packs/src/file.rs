//! One `.wasm` file is a whole pack: a component whose custom section `caveat:manifest` holds the manifest and the schema
//! of its settings, so that the digest of the file covers all that decides its rulings but the settings themselves. A second
//! section, `caveat:cases`, holds the cases it was built with: whoever loads it can see it keep to them.

use std::{fs, io::ErrorKind, ops::Range, path::Path, sync::Arc};

use caveat_model::Digest;
use caveat_notes::NOTE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Manifest, PackError, settings, signature::signature_path, surface::Surface};

/// Name of the custom section.
pub const MANIFEST_SECTION: &str = "caveat:manifest";

/// Name of the custom section with the pack's cases. It may be missing.
pub const CASES_SECTION: &str = "caveat:cases";

/// How large a pack may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, default)]
pub struct FileLimits {
    /// The whole file. A pack in Rust has some 100 KB, one in Python 18 MB.
    pub file_bytes: u64,
    /// The manifest and schema in it.
    pub manifest_bytes: usize,
    /// The cases in it.
    pub cases_bytes: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, manifest_bytes: 1 << 20, cases_bytes: 4 << 20 }
    }
}

/// A pack that was read and found whole. It has not been compiled.
#[derive(Debug, Clone)]
pub struct PackFile {
    bytes: Arc<[u8]>,
    digest: Digest,
    manifest: Arc<Manifest>,
    schema: Option<Arc<Value>>,
    cases: Range<usize>,
    signatures: Vec<String>,
}

/// A file of cases that a pack carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseText {
    /// Its file name.
    pub name: String,
    /// Its TOML.
    pub text: String,
}

/// What lies in the custom section.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Section {
    manifest: Manifest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
}

impl PackFile {
    /// Reads a pack from disk, and the signature beside it if there is one.
    ///
    /// # Errors
    /// [`PackError::Io`]; [`PackError::NotAPack`] with what to do.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let name = path.display().to_string();
        let limits = FileLimits::default();
        let length = fs::metadata(path).map_err(PackError::io("read", path))?.len();
        if length > limits.file_bytes {
            let limit = limits.file_bytes;
            return Err(PackError::not_a_pack(
                &name,
                format!("it has {length} bytes, more than the {limit} allowed"),
            ));
        }
        let file = Self::read(&name, fs::read(path).map_err(PackError::io("read", path))?, &limits)?;
        Ok(match signature_beside(path)? {
            Some(note) => file.signed(note),
            None => file,
        })
    }

    /// Reads a pack from memory; `name` is for messages.
    ///
    /// # Errors
    /// [`PackError::NotAPack`]: not a component, no manifest, a manifest that does not match what the component exports
    /// and imports, a contract that this host does not serve.
    pub fn read(name: &str, bytes: Vec<u8>, limits: &FileLimits) -> Result<Self, PackError> {
        let refuse = |problem: String| PackError::not_a_pack(name, problem);
        if bytes.len() as u64 > limits.file_bytes {
            return Err(refuse(format!("it has more than {} bytes", limits.file_bytes)));
        }
        let surface = Surface::of(&bytes).map_err(&refuse)?;
        let section = match surface.sections.as_slice() {
            [one] if one.len() <= limits.manifest_bytes => *one,
            [_] => return Err(refuse(format!("its manifest has more than {} bytes", limits.manifest_bytes))),
            [] => return Err(refuse("it holds no manifest: build it with `caveat pack build`".into())),
            _ => return Err(refuse("it holds more than one manifest".into())),
        };
        let Section { manifest, schema } = serde_json::from_slice(section)
            .map_err(|e| refuse(format!("its manifest cannot be read: {e}")))?;
        if let Some(problem) = manifest.problems().first() {
            return Err(refuse(format!("its manifest is wrong: {problem}")));
        }
        if let Some(schema) = &schema {
            settings::validator(schema).map_err(|e| refuse(format!("its settings schema is none: {e}")))?;
        }
        if let Some(disagreement) = surface.disagreements(&manifest).first() {
            return Err(refuse(disagreement.to_string()));
        }
        let cases = match surface.cases.as_slice() {
            [] => 0..0,
            [one] if one.len() <= limits.cases_bytes => one.clone(),
            [_] => return Err(refuse(format!("its cases have more than {} bytes", limits.cases_bytes))),
            _ => return Err(refuse("it holds more than one section of cases".into())),
        };
        let digest = Digest(Sha256::digest(&bytes).into());
        let (manifest, schema) = (Arc::new(manifest), schema.map(Arc::new));
        Ok(Self { digest, manifest, schema, cases, bytes: bytes.into(), signatures: vec![] })
    }

    /// Puts manifest and schema into a component.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn assemble(manifest: Manifest, schema: Option<Value>, component: &[u8]) -> Result<Self, PackError> {
        Self::assemble_with(manifest, schema, &[], component)
    }

    /// Puts manifest, schema and cases into a component.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn assemble_with(
        manifest: Manifest,
        schema: Option<Value>,
        cases: &[CaseText],
        component: &[u8],
    ) -> Result<Self, PackError> {
        let name = manifest.pack.name.clone();
        let section = serde_json::to_vec(&Section { manifest, schema })
            .map_err(|e| PackError::not_a_pack(&name, format!("its manifest cannot be written: {e}")))?;
        let mut bytes = component.to_vec();
        append_custom(&mut bytes, MANIFEST_SECTION, &section);
        if !cases.is_empty() {
            let section = serde_json::to_vec(cases)
                .map_err(|e| PackError::not_a_pack(&name, format!("its cases cannot be written: {e}")))?;
            append_custom(&mut bytes, CASES_SECTION, &section);
        }
        Self::read(&name, bytes, &FileLimits::default())
    }

    /// The same with a signed note that it came with. Nothing is verified here.
    #[must_use]
    pub fn signed(mut self, note: String) -> Self {
        if !self.signatures.contains(&note) {
            self.signatures.push(note);
        }
        self
    }

    /// The signed notes that it came with; nobody has verified them.
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// All of it; this is what [`Self::digest`] is of, and what the engine is given.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// SHA-256 of the file.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// What it says of itself.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }
    /// The cases it was built with, by file; none in a pack that carries none.
    ///
    /// # Errors
    /// [`PackError::NotAPack`] when the section cannot be read.
    pub fn cases(&self) -> Result<Vec<CaseText>, PackError> {
        if self.cases.is_empty() {
            return Ok(vec![]);
        }
        serde_json::from_slice(&self.bytes[self.cases.clone()]).map_err(|e| {
            PackError::not_a_pack(&self.manifest.pack.name, format!("its cases cannot be read: {e}"))
        })
    }
    /// JSON Schema of its settings; none when it has no settings.
    pub fn schema(&self) -> Option<&Value> {
        self.schema.as_deref()
    }
}

/// The note beside a pack file.
fn signature_beside(pack: &Path) -> Result<Option<String>, PackError> {
    let path = signature_path(pack);
    let length = match fs::metadata(&path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PackError::io("read", path)(error)),
    };
    if length > NOTE_BYTES_MAX as u64 {
        let why = format!("its signature has more than {NOTE_BYTES_MAX} bytes");
        return Err(PackError::not_a_pack(&path.display().to_string(), why));
    }
    fs::read_to_string(&path).map(Some).map_err(PackError::io("read", path))
}

/// WebAssembly core specification, 5.5.3: id 0, size, name, contents; sizes in LEB128.
fn append_custom(bytes: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let mut body = Vec::with_capacity(contents.len() + name.len() + 5);
    write_leb128(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(contents);
    bytes.push(0);
    write_leb128(bytes, body.len());
    bytes.extend_from_slice(&body);
}

fn write_leb128(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
