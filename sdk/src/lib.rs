//! What a rule pack is written with.
//!
//! A pack is a plain type made from its settings, with up to three methods, one per stage it rules on. [`pack!`] turns
//! it into a component; natively it is ordinary Rust and unit-tests as such. A pack has no clock, randomness, network or
//! memory of earlier events: the same event, facts and settings give the same ruling. Start at [`Pack`].
//!
//! ```
//! use caveat_sdk::{CaptureRules, Facts, Pack, Rule, capture, settings::Problem};
//!
//! const DISCLOSURE: Rule = Rule { id: "house.disclosure", citation: "House standard 4.2" };
//!
//! #[derive(serde::Deserialize)]
//! struct Settings { max_parties: usize }
//! struct House { max_parties: usize }
//!
//! impl Pack for House {
//!     type Settings = Settings;
//!     fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
//!         Ok(Self { max_parties: settings.max_parties })
//!     }
//! }
//! impl CaptureRules for House {
//!     fn capture(&self, _event: &capture::Event, facts: &Facts) -> capture::Ruling {
//!         let mut ruling = capture::Ruling::allow();
//!         if facts.parties.len() > self.max_parties {
//!             ruling.refuse(&DISCLOSURE, "More people are on the call than the standard allows.");
//!         }
//!         ruling
//!     }
//! }
//! caveat_sdk::pack!(House: capture);
//! ```

#[cfg(target_arch = "wasm32")]
mod alloc;
mod asking;
#[doc(hidden)]
pub mod bindings;
pub mod dates;
pub mod detect;
mod log;
mod ruling;

pub use bindings::base::caveat::policy::facts;
pub use bindings::base::caveat::policy::facts::Facts;
pub use bindings::base::exports::caveat::policy::settings;
pub use log::{Level, log};
pub use ruling::Rule;

/// May this be recorded? Types of `wit/capture.wit`.
pub mod capture {
    pub use crate::bindings::capture::exports::caveat::policy::capture::*;
}
/// May, must it be kept? Types of `wit/storage.wit`.
pub mod storage {
    pub use crate::bindings::storage::exports::caveat::policy::storage::*;
}
/// May this person have it? Types of `wit/access.wit`.
pub mod access {
    pub use crate::bindings::access::exports::caveat::policy::access::*;
}

/// A rule pack, made once from its settings.
pub trait Pack: Sized + Send + Sync + 'static {
    /// What a client can set; the manifest's JSON Schema describes the same.
    type Settings: serde::de::DeserializeOwned;
    /// Makes the pack, or says what is wrong with settings that the schema alone cannot tell.
    fn new(settings: Self::Settings) -> Result<Self, Vec<settings::Problem>>;
}

/// A pack that rules on capture.
pub trait CaptureRules: Pack {
    /// What must hold from this event until the next.
    fn capture(&self, event: &capture::Event, facts: &Facts) -> capture::Ruling;
}

/// A pack that rules on storage.
pub trait StorageRules: Pack {
    /// Whether the act may go on, and how.
    fn storage(&self, event: &storage::Event, facts: &Facts) -> storage::Ruling;
}

/// A pack that rules on access.
pub trait AccessRules: Pack {
    /// Whether this person may have it, and in which form.
    fn access(&self, request: &access::Request, facts: &Facts) -> access::Ruling;
}

/// Makes a component of a pack: `pack!(Type: capture, storage, access)`, with the stages it rules on.
#[macro_export]
macro_rules! pack {
    ($pack:ty: $($stage:ident),+ $(,)?) => {
        // Native linkers do not take the contract's names, so that a native build only checks that all is there.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            let _ = <$pack as $crate::Pack>::new;
            $($crate::__stage!($stage, $pack);)+
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static CONFIGURED: std::sync::OnceLock<$pack> = std::sync::OnceLock::new();
            struct Component;

            impl $crate::settings::Guest for Component {
                fn configure(settings: String) -> Result<(), Vec<$crate::settings::Problem>> {
                    $crate::__configure(&CONFIGURED, &settings)
                }
            }
            $crate::bindings::base::export_base!(Component with_types_in $crate::bindings::base);
            $($crate::__stage!($stage, Component, CONFIGURED);)+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stage {
    (capture, $pack:ty) => {
        let _ = <$pack as $crate::CaptureRules>::capture;
    };
    (capture, $component:ident, $pack:ident) => {
        impl $crate::capture::Guest for $component {
            fn rule(event: $crate::capture::Event, facts: $crate::Facts) -> $crate::capture::Ruling {
                let (event, facts) = ($crate::__kept(event), $crate::__kept(facts));
                $crate::CaptureRules::capture($crate::__configured(&$pack), &event, &facts)
            }
        }
        $crate::bindings::capture::export_capture!($component with_types_in $crate::bindings::capture);
    };
    (storage, $pack:ty) => {
        let _ = <$pack as $crate::StorageRules>::storage;
    };
    (storage, $component:ident, $pack:ident) => {
        impl $crate::storage::Guest for $component {
            fn rule(event: $crate::storage::Event, facts: $crate::Facts) -> $crate::storage::Ruling {
                let (event, facts) = ($crate::__kept(event), $crate::__kept(facts));
                $crate::StorageRules::storage($crate::__configured(&$pack), &event, &facts)
            }
        }
        $crate::bindings::storage::export_storage!($component with_types_in $crate::bindings::storage);
    };
    (access, $pack:ty) => {
        let _ = <$pack as $crate::AccessRules>::access;
    };
    (access, $component:ident, $pack:ident) => {
        impl $crate::access::Guest for $component {
            fn rule(request: $crate::access::Request, facts: $crate::Facts) -> $crate::access::Ruling {
                let (request, facts) = ($crate::__kept(request), $crate::__kept(facts));
                $crate::AccessRules::access($crate::__configured(&$pack), &request, &facts)
            }
        }
        $crate::bindings::access::export_access!($component with_types_in $crate::bindings::access);
    };
}

#[doc(hidden)]
pub fn __configure<P: Pack>(
    slot: &std::sync::OnceLock<P>,
    settings: &str,
) -> Result<(), Vec<settings::Problem>> {
    // The host shows what a pack said last before it trapped; the hook is part of the snapshot.
    std::panic::set_hook(Box::new(|info| log(Level::Warn, &info.to_string())));
    let settings = serde_json::from_str(settings)
        .map_err(|e| vec![settings::Problem { at: String::new(), message: e.to_string() }])?;
    let pack = P::new(settings)?;
    slot.set(pack)
        .map_err(|_| vec![settings::Problem { at: String::new(), message: "it was configured twice".into() }])
}

#[doc(hidden)]
pub fn __configured<P>(slot: &std::sync::OnceLock<P>) -> &P {
    slot.get().expect("the host configures a pack before it asks")
}

/// What a ruling is about is never dropped: the instance goes with it, and its allocator frees nothing.
#[doc(hidden)]
pub fn __kept<T>(it: T) -> std::mem::ManuallyDrop<T> {
    std::mem::ManuallyDrop::new(it)
}
