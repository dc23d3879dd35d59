//! Contract `caveat:policy@0.1.0`: what crosses the wall, in the words of `wit/`.
//!
//! Facts and events cross as borrowed views (`facts`, `events`), because copying them first costs a quarter of a ruling,
//! and in one piece where the guest bears it (`block`); rulings come out as owned values (`ruling`). A new version of the contract gets a module of its own beside this one.

mod block;
mod events;
mod facts;
mod list;
mod ruling;

use caveat_model as model;
use wasmtime::{
    Store, StoreContextMut,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, ComponentType, Func, Instance, InstancePre,
        Lift, Linker, Lower, TypedFunc, WasmStr,
    },
};

use crate::{Failure, Limits, Problem, engine::Reads, sandbox::State};
use block::{Block, InBlock, Write};

pub(crate) use block::frees_nothing;

/// The version of the contract.
pub(crate) const VERSION: &str = "0.1.0";
/// The one import that does something.
pub(crate) const LOG: &str = "caveat:policy/log@0.1.0";
const SETTINGS: &str = "caveat:policy/settings@0.1.0";
const CAPTURE: &str = "caveat:policy/capture@0.1.0";
const STORAGE: &str = "caveat:policy/storage@0.1.0";
const ACCESS: &str = "caveat:policy/access@0.1.0";

type Configured = (Result<(), Vec<SettingsProblem>>,);

#[derive(ComponentType, Lift)]
#[component(record)]
struct SettingsProblem {
    at: String,
    message: String,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "only `Lift` makes them")]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
}

/// All that a pack can call.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let mut log = linker.instance(LOG)?;
    log.func_wrap("write", write_line)?;
    log.func_wrap("write-piece", write_piece)?;
    Ok(linker)
}

/// Fuel that one line, or one piece of one, costs beside the instructions around it, so that a flood ends by fuel, on any machine at the
/// same line, and not by the clock. About what the host does for it.
const LINE_FUEL: u64 = 100;

fn write_line(
    mut store: StoreContextMut<'_, State>,
    (level, message): (Level, WasmStr),
) -> wasmtime::Result<()> {
    charge_line(&mut store)?;
    if !store.data_mut().log.wants_line() {
        return Ok(());
    }
    let message = message.to_str(&store)?.into_owned();
    store.data_mut().log.line(level.into(), &message);
    Ok(())
}

/// 64 bytes of a line.
type Piece = (u64, u64, u64, u64, u64, u64, u64, u64);

fn write_piece(
    mut store: StoreContextMut<'_, State>,
    (level, (a, b, c, d, e, f, g, h), more): (Level, Piece, bool),
) -> wasmtime::Result<()> {
    charge_line(&mut store)?;
    let piece = [a, b, c, d, e, f, g, h].map(u64::to_le_bytes);
    store.data_mut().log.piece(level.into(), piece.as_flattened(), more);
    Ok(())
}

fn charge_line(store: &mut StoreContextMut<'_, State>) -> wasmtime::Result<()> {
    let left = store.get_fuel()?;
    store.set_fuel(left.saturating_sub(LINE_FUEL))
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::DEBUG,
            Level::Info => Self::INFO,
            Level::Warn => Self::WARN,
        }
    }
}

/// Where a pack's exports are, once their types have been checked.
pub(crate) struct Exports {
    configure: ComponentExportIndex,
    capture: Option<ComponentExportIndex>,
    storage: Option<ComponentExportIndex>,
    access: Option<ComponentExportIndex>,
    /// See [`block`].
    frees_nothing: bool,
}

/// An export that is missing or of another type.
pub(crate) struct Mismatch {
    pub(crate) export: String,
    pub(crate) why: String,
}

impl Exports {
    /// Finds the exports of a component and compares their full types with the contract, in an instance of it.
    pub(crate) fn check(
        component: &Component,
        store: &mut Store<State>,
        instance: &Instance,
        frees_nothing: bool,
    ) -> Result<Self, Mismatch> {
        type Facts<'a> = facts::Facts<'a>;
        let missing = || Mismatch { export: SETTINGS.into(), why: "is missing: every pack has it".into() };
        let configure = find(component, SETTINGS, "configure")?.ok_or_else(missing)?;
        let typed = instance.get_typed_func::<(&str,), Configured>(&mut *store, &configure);
        same_type(typed, SETTINGS, "configure")?;

        let capture = find(component, CAPTURE, "rule")?;
        if let Some(index) = &capture {
            type Params<'a> = (events::Capture<'a>, Facts<'a>);
            same_type(
                instance.get_typed_func::<Params<'_>, (ruling::Capture,)>(&mut *store, index),
                CAPTURE,
                "rule",
            )?;
        }
        let storage = find(component, STORAGE, "rule")?;
        if let Some(index) = &storage {
            type Params<'a> = (events::Storage<'a>, Facts<'a>);
            same_type(
                instance.get_typed_func::<Params<'_>, (ruling::Storage,)>(&mut *store, index),
                STORAGE,
                "rule",
            )?;
        }
        let access = find(component, ACCESS, "rule")?;
        if let Some(index) = &access {
            type Params<'a> = (events::Request<'a>, Facts<'a>);
            same_type(
                instance.get_typed_func::<Params<'_>, (ruling::Access,)>(&mut *store, index),
                ACCESS,
                "rule",
            )?;
        }
        if capture.is_none() && storage.is_none() && access.is_none() {
            let why =
                format!("is missing, and so are `{STORAGE}` and `{ACCESS}`: a pack rules on one at least");
            return Err(Mismatch { export: CAPTURE.into(), why });
        }
        Ok(Self { configure, capture, storage, access, frees_nothing })
    }

    pub(crate) fn answers(&self, stage: model::Stage) -> bool {
        match stage {
            model::Stage::Capture => self.capture.is_some(),
            model::Stage::Storage => self.storage.is_some(),
            model::Stage::Access => self.access.is_some(),
        }
    }
}

/// The function in an exported interface; none when the interface is not exported at all.
fn find(
    component: &Component,
    interface: &str,
    func: &str,
) -> Result<Option<ComponentExportIndex>, Mismatch> {
    let Some(outer) = component.get_export_index(None, interface) else {
        return Ok(None);
    };
    let missing = || Mismatch { export: interface.into(), why: format!("has no function `{func}`") };
    component.get_export_index(Some(&outer), func).ok_or_else(missing).map(Some)
}

fn same_type<T>(typed: wasmtime::Result<T>, interface: &str, func: &str) -> Result<(), Mismatch> {
    let why = |e: wasmtime::Error| Mismatch {
        export: format!("{interface}#{func}"),
        why: format!("is of another type: {}", e.root_cause()),
    };
    typed.map(drop).map_err(why)
}

/// Gives a fresh instance its settings.
pub(crate) fn configure(
    exports: &Exports,
    store: &mut Store<State>,
    instance: &Instance,
    settings_json: &str,
) -> wasmtime::Result<Result<(), Vec<Problem>>> {
    let func = instance.get_typed_func::<(&str,), Configured>(&mut *store, &exports.configure)?;
    let (configured,) = func.call(store, (settings_json,))?;
    let plain = |p: SettingsProblem| Problem { at: p.at, message: p.message };
    Ok(configured.map_err(|problems| problems.into_iter().map(plain).collect()))
}

/// An event with its facts, as views that borrow from the model.
pub(crate) struct Question<'a> {
    event: Event<'a>,
    facts: &'a model::Facts,
}

enum Event<'a> {
    Capture(events::Capture<'a>),
    Storage(events::Storage<'a>),
    Access(events::Request<'a>),
}

impl<'a> Question<'a> {
    pub(crate) fn new(event: &'a model::Event, facts: &'a model::Facts) -> Self {
        let event = match event {
            model::Event::Capture(event) => Event::Capture(event.into()),
            model::Event::Storage(event) => Event::Storage(event.into()),
            model::Event::Access(request) => Event::Access(request.into()),
        };
        Self { event, facts }
    }
}

/// Asks an instance, and tells it no attributes but those in `reads`. The outer error is wasmtime's; the inner is a ruling
/// that breaks a limit or means nothing.
pub(crate) fn ask(
    exports: &Exports,
    store: &mut Store<State>,
    instance: &Instance,
    question: &Question<'_>,
    reads: Option<&Reads>,
    limits: &Limits,
) -> wasmtime::Result<Result<model::Ruling, Failure>> {
    let read = |a: &&model::Attribute| reads.is_none_or(|names| names.contains(&a.name));
    let attributes: Vec<_> = question.facts.attributes.iter().filter(read).collect();
    let facts = &facts::Facts::new(question.facts, &attributes);
    let mut call = Call { exports, store, instance };
    Ok(match &question.event {
        Event::Capture(event) => {
            call.rule::<_, ruling::Capture>(&exports.capture, event, facts)?.map(|r| r.into_model(limits))
        }
        Event::Storage(event) => {
            call.rule::<_, ruling::Storage>(&exports.storage, event, facts)?.map(|r| r.into_model(limits))
        }
        Event::Access(request) => {
            call.rule::<_, ruling::Access>(&exports.access, request, facts)?.map(|r| r.into_model(limits))
        }
    }
    .unwrap_or(Err(Failure::NotAsked)))
}

/// A call of an instance's `rule`.
struct Call<'c> {
    exports: &'c Exports,
    store: &'c mut Store<State>,
    instance: &'c Instance,
}

impl Call<'_> {
    /// None if there is no such export.
    fn rule<E, R>(
        &mut self,
        index: &Option<ComponentExportIndex>,
        event: &E,
        facts: &facts::Facts<'_>,
    ) -> wasmtime::Result<Option<R>>
    where
        E: Lower + Write,
        R: Lift,
        (R,): ComponentNamedList,
    {
        let Some(index) = index else { return Ok(None) };
        let gone = || wasmtime::format_err!("an export that was there at load is gone");
        let func = self.instance.get_func(&mut *self.store, index).ok_or_else(gone)?;
        let ruling = match self.exports.frees_nothing {
            true => call(func, self.store, InBlock(Block::of(event, facts))),
            false => call(func, self.store, (event, facts)),
        };
        ruling.map(Some)
    }
}

/// Calls a `rule` of which [`Exports::check`] knows the full type.
fn call<P, R>(func: Func, store: &mut Store<State>, params: P) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower,
    R: Lift,
    (R,): ComponentNamedList,
{
    #[allow(
        unsafe_code,
        reason = "comparing some sixty records and enums again takes 1 us, a tenth of a small ruling"
    )]
    // SAFETY: `Exports::check` compared this export with these very types when the pack was loaded (a reference lowers as
    // what it points to, and a block as what is in it), and an export index is only good for the component it was taken
    // from.
    let func = unsafe { TypedFunc::<P, (R,)>::new_unchecked(func) };
    func.call(store, params).map(|(ruling,)| ruling)
}

/// The pre-linked form of a component.
pub(crate) type Pre = InstancePre<State>;
