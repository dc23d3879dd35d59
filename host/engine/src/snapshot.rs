//! A configured instance as a component of its own, so that every ruling starts with its settings already in memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, Lift, WasmList},
};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::sandbox::{self, State};

/// A component that was given readers for its memories and globals, and what is needed to write it back.
pub(crate) struct Staged<'a> {
    wizer: Wizer,
    context: ComponentContext<'a>,
    /// Run and configure this one.
    pub(crate) component: Vec<u8>,
}

/// Adds the readers. What cannot be snapshotted (tables that change, modules inside nested components) is an error.
pub(crate) fn stage(component: &[u8]) -> Result<Staged<'_>, String> {
    guarded(|| {
        let mut wizer = Wizer::new();
        // `configure` is part of the contract and stays.
        wizer.keep_init_func(true);
        let (context, component) = wizer.instrument_component(component).map_err(|e| format!("{e:#}"))?;
        Ok(Staged { wizer, context, component })
    })
}

impl Staged<'_> {
    /// Writes the instance back as a component. The instance is of no more use afterwards.
    pub(crate) fn take(self, store: &mut Store<State>, instance: Instance) -> Result<Vec<u8>, String> {
        sandbox::lift_limits(store).map_err(|e| e.to_string())?;
        let mut reader = Reader { store, instance, broken: None };
        let taken = guarded(|| {
            let snapshot = self.wizer.snapshot_component(&self.context, &mut reader);
            at_once(snapshot).and_then(|done| done.map_err(|e| format!("{e:#}")))
        });
        match reader.broken {
            Some(why) => Err(why),
            None => taken,
        }
    }
}

/// The snapshotter was written for components that mean well: on odd ones it asserts. A pack must not take the host
/// down, so that a panic in it is one more reason why there is no snapshot. It holds nothing that outlives the call.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the snapshotter gave up".into()))
}

/// The snapshotter is written as async; over a [`Reader`] it never waits.
fn at_once<F: Future>(work: F) -> Result<F::Output, String> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err("the snapshotter waits for something".into()),
    }
}

/// Reads the instance through the readers that [`stage`] has added. It cannot report an error to the snapshotter, so it
/// keeps the first one.
struct Reader<'a> {
    store: &'a mut Store<State>,
    instance: Instance,
    broken: Option<String>,
}

impl Reader<'_> {
    fn read<R>(&mut self, interface: &str, func: &str) -> Option<R>
    where
        R: Lift,
        (R,): ComponentNamedList,
    {
        let mut call = || -> wasmtime::Result<R> {
            let gone = || wasmtime::format_err!("`{interface}#{func}` is gone");
            let outer = self.instance.get_export_index(&mut *self.store, None, interface).ok_or_else(gone)?;
            let index =
                self.instance.get_export_index(&mut *self.store, Some(&outer), func).ok_or_else(gone)?;
            let func = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, index)?;
            Ok(func.call(&mut *self.store, ())?.0)
        };
        call().map_err(|e| self.broken.get_or_insert(format!("{e:#}")).clone()).ok()
    }
}

impl ComponentInstanceState for Reader<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.read::<WasmList<u8>>(instance, func) {
            Some(bytes) => contents(bytes.as_le_slice(&*self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).unwrap_or_default().to_bits()
    }
}
