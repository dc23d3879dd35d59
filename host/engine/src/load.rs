//! From bytes to something that can rule: checked, configured, snapshotted, compiled. What can go wrong here, goes wrong
//! here and not in the middle of a call.

use std::sync::Arc;

use caveat_model::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::{
    Store,
    component::{Component, Instance, Linker, types::ComponentItem},
};

use crate::{
    EngineError, Failure, Limits,
    allowance::Allowance,
    cache::{Cache, Kept, Key},
    meters,
    sandbox::{self, Occasion, State},
    snapshot,
    v0_1::{self, Exports, Pre},
};

/// A pack that is ready.
pub(crate) struct Loaded {
    pub(crate) pre: Pre,
    pub(crate) exports: Exports,
    pub(crate) digest: Digest,
    /// Set for a pack that cannot be snapshotted: every instance is configured anew.
    pub(crate) configure_each: Option<String>,
}

pub(crate) struct Loader<'a> {
    pub(crate) engine: &'a wasmtime::Engine,
    pub(crate) linker: &'a Linker<State>,
    pub(crate) limits: &'a Limits,
    pub(crate) cache: Option<&'a Cache>,
    pub(crate) name: &'a Arc<str>,
    /// For `configure`.
    pub(crate) allowance: Allowance,
}

/// What is compiled, and kept in the cache with what is known of it, so that a pack that comes from there is not read.
struct Compiled {
    component: Component,
    known: Known,
}

/// What was found when a pack was compiled. One byte in the cache.
#[derive(Clone, Copy)]
struct Known {
    snapshotted: bool,
    /// See [`v0_1::frees_nothing`].
    frees_nothing: bool,
}

impl Known {
    fn to_byte(self) -> u8 {
        u8::from(self.snapshotted) | u8::from(self.frees_nothing) << 1
    }

    fn from_byte(byte: u8) -> Self {
        Self { snapshotted: byte & 1 != 0, frees_nothing: byte & 2 != 0 }
    }
}

impl Loader<'_> {
    pub(crate) fn load(&self, component: &[u8], settings_json: &str) -> Result<Loaded, EngineError> {
        self.size("component", component.len(), "component_bytes_max", self.limits.component_bytes_max)?;
        self.size("settings", settings_json.len(), "settings_bytes_max", self.limits.settings_bytes_max)?;
        self.recognize(component)?;
        let digest = Digest(Sha256::digest(component).into());
        let key = Key::new(self.engine, digest, Digest(Sha256::digest(settings_json).into()));

        let kept = self.cache.and_then(|cache| self.revive(cache.get(&key)?));
        let compiled = match kept {
            Some(compiled) => compiled,
            None => {
                let compiled = self.prepare(component, settings_json)?;
                if let Some(cache) = self.cache {
                    let bytes = compiled.component.serialize().map_err(|e| self.broken(&e))?;
                    cache.put(&key, &bytes, compiled.known.to_byte());
                }
                compiled
            }
        };

        let pre = self.link(&compiled.component)?;
        let Known { snapshotted, frees_nothing } = compiled.known;
        let (_, _, exports) = self.instantiate(&pre, frees_nothing)?;
        let configure_each = (!snapshotted).then(|| settings_json.to_owned());
        Ok(Loaded { pre, exports, digest, configure_each })
    }

    fn size(
        &self,
        what: &'static str,
        bytes: usize,
        limit: &'static str,
        allowed: usize,
    ) -> Result<(), EngineError> {
        if bytes > allowed {
            return Err(EngineError::TooLarge { pack: self.name.to_string(), what, bytes, allowed, limit });
        }
        Ok(())
    }

    /// The preamble of a WebAssembly file: a magic, a version, and the layer (0 module, 1 component).
    fn recognize(&self, bytes: &[u8]) -> Result<(), EngineError> {
        let what = match bytes {
            [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
            [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => "a core WebAssembly module",
            [] => "empty",
            _ => "no WebAssembly at all",
        };
        Err(EngineError::NotAComponent { pack: self.name.to_string(), what })
    }

    /// Configures the pack once and snapshots it; where that is impossible, leaves it as it is.
    fn prepare(&self, component: &[u8], settings_json: &str) -> Result<Compiled, EngineError> {
        let staged = snapshot::stage(component);
        let running = match &staged {
            Ok(staged) => self.compile(&staged.component)?,
            Err(_) => self.compile(component)?,
        };
        let (mut store, instance, exports) = self.instantiate(&self.link(&running)?, false)?;
        self.configure(&exports, &mut store, &instance, settings_json)?;

        // What could not be staged runs as it came, and need not be compiled again.
        let as_it_came = staged.is_err().then_some(running);
        let known = |snapshotted| Known { snapshotted, frees_nothing: v0_1::frees_nothing(component) };
        match staged.and_then(|staged| self.take(staged, &mut store, instance)) {
            Ok(bytes) => Ok(Compiled { component: self.compile(&bytes)?, known: known(true) }),
            Err(why) => {
                tracing::warn!(pack = &**self.name, "no snapshot, every ruling will configure anew: {why}");
                let component = as_it_came.map_or_else(|| self.compile(component), Ok)?;
                Ok(Compiled { component, known: known(false) })
            }
        }
    }

    fn take(
        &self,
        staged: snapshot::Staged<'_>,
        store: &mut Store<State>,
        instance: Instance,
    ) -> Result<Vec<u8>, String> {
        let bytes = staged.take(store, instance)?;
        let allowed = self.limits.snapshot_bytes_max;
        match bytes.len() {
            n if n > allowed => {
                Err(format!("it has {n} bytes, more than the {allowed} of `snapshot_bytes_max`"))
            }
            _ => Ok(bytes),
        }
    }

    fn compile(&self, bytes: &[u8]) -> Result<Component, EngineError> {
        Component::from_binary(self.engine, bytes).map_err(|e| self.broken(&e))
    }

    fn revive(&self, kept: Kept) -> Option<Compiled> {
        #[allow(
            unsafe_code,
            reason = "wasmtime cannot check machine code. The cache gives out only what this user wrote into a folder \
                      closed to others, whole by its CRC-64, and replaces files and never changes them; wasmtime itself \
                      compares version and configuration."
        )]
        // SAFETY: the file begins with what `Component::serialize` of a host with this key gave; see the module `cache`.
        let component = unsafe { Component::deserialize_file(self.engine, &kept.path) };
        component.map(|component| Compiled { component, known: Known::from_byte(kept.known) }).ok()
    }

    /// Connects the one import there is.
    fn link(&self, component: &Component) -> Result<Pre, EngineError> {
        self.check_names(component)?;
        self.linker.instantiate_pre(component).map_err(|e| self.broken(&e))
    }

    /// Imports that do not exist, and versions that are not served, are named here, before anything is tried.
    fn check_names(&self, component: &Component) -> Result<(), EngineError> {
        let ty = component.component_type();
        for (import, item) in ty.imports(self.engine) {
            self.check_version(import)?;
            if import != v0_1::LOG && !only_types(self.engine, &item.ty) {
                let (pack, import) = (self.name.to_string(), import.to_owned());
                return Err(EngineError::Import { pack, import, offered: v0_1::LOG });
            }
        }
        ty.exports(self.engine).try_for_each(|(export, _)| self.check_version(export))
    }

    fn check_version(&self, item: &str) -> Result<(), EngineError> {
        let Some((_, found)) = item.strip_prefix("caveat:policy/").and_then(|rest| rest.split_once('@'))
        else {
            return Ok(());
        };
        if found == v0_1::VERSION {
            return Ok(());
        }
        Err(EngineError::Version {
            pack: self.name.to_string(),
            item: item.to_owned(),
            found: found.to_owned(),
            served: v0_1::VERSION,
        })
    }

    /// An instance with the tanks of `configure`, and its exports compared with the contract.
    fn instantiate(
        &self,
        pre: &Pre,
        frees_nothing: bool,
    ) -> Result<(Store<State>, Instance, Exports), EngineError> {
        let occasion = Occasion { pack: self.name.clone(), stage: "configure", event: None };
        let mut store = sandbox::store(self.engine, self.limits, self.allowance, occasion)
            .map_err(|e| self.broken(&e))?;
        let instance = match pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(e) => return Err(self.failed(&e, &store)),
        };
        let exports =
            Exports::check(pre.component(), &mut store, &instance, frees_nothing).map_err(|mismatch| {
                EngineError::Export {
                    pack: self.name.to_string(),
                    export: mismatch.export,
                    why: mismatch.why,
                }
            })?;
        Ok((store, instance, exports))
    }

    fn configure(
        &self,
        exports: &Exports,
        store: &mut Store<State>,
        instance: &Instance,
        settings_json: &str,
    ) -> Result<(), EngineError> {
        match v0_1::configure(exports, store, instance, settings_json) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(problems)) => Err(EngineError::Settings { pack: self.name.to_string(), problems }),
            Err(e) => Err(self.failed(&e, store)),
        }
    }

    fn failed(&self, error: &wasmtime::Error, store: &Store<State>) -> EngineError {
        let failure = sandbox::failure(error, store.data(), self.limits);
        meters::failed(self.name, &failure);
        EngineError::Configure { pack: self.name.to_string(), failure }
    }

    fn broken(&self, error: &wasmtime::Error) -> EngineError {
        EngineError::Component { pack: self.name.to_string(), why: format!("{error:#}") }
    }
}

/// Whether there is nothing in it to call. Interfaces are imported for their types alone.
fn only_types(engine: &wasmtime::Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, export)| only_types(engine, &export.ty))
        }
        _ => false,
    }
}

/// Configures an instance of a pack that has no snapshot. The settings were accepted when it was loaded.
pub(crate) fn configure_again(
    loaded: &Loaded,
    store: &mut Store<State>,
    instance: &Instance,
) -> wasmtime::Result<Result<(), Failure>> {
    let Some(settings_json) = &loaded.configure_each else { return Ok(Ok(())) };
    let refused = |_| Failure::Invalid { what: "settings that were accepted at load are refused now".into() };
    Ok(v0_1::configure(&loaded.exports, store, instance, settings_json)?.map_err(refused))
}
