//! A component without components in it that have code: what a snapshot can be taken of. Tools compose a component with
//! stubs for what it must not have by wrapping both; here each that is instantiated is written where that is done, its
//! imports being what it is given there, and its exports what they stand for.
//!
//! By the canonical ABI a component cannot call itself, so that parts that call each other have to stay parts. A stub may
//! be called all the same: it traps either way.

use std::{collections::HashMap, convert::Infallible};

use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentSectionId,
    ComponentTypeSection, InstanceSection, RawSection,
    reencode::{Error, Reencode, ReencodeComponent, component_utils},
};
use wasmparser::{
    BinaryReaderError, CanonicalFunction, Chunk, ComponentAlias, ComponentExport, ComponentExternName,
    ComponentExternalKind, ComponentImport, ComponentInstance, ComponentOuterAliasKind, ExternalKind,
    Instance, Operator, Parser, Payload, TypeRef, Validator,
};

type Result<T, E = String> = std::result::Result<T, E>;

/// The component as one, or why that cannot be done.
pub(super) fn flatten(component: &[u8]) -> Result<Vec<u8>> {
    let mut flat = Flat { out: Component::new(), counts: [0; SORTS], parts: 0, acting: None };
    flat.inline(component, &Around::Nothing)?;
    let bytes = flat.out.finish();
    Validator::new().validate_all(&bytes).map_err(text)?;
    Ok(bytes)
}

/// Whether there is code in a component that is within this one.
pub(super) fn is_nested(component: &[u8]) -> bool {
    let is_code = |(payload, inner): &Section<'_>| {
        matches!(payload, Payload::ComponentSection { .. }) && has_code(inner)
    };
    sections(component).is_ok_and(|all| all.iter().any(is_code))
}

/// The sorts of things that a component counts, each by itself.
#[derive(Debug, Clone, Copy)]
enum Sort {
    CoreFunc,
    CoreTable,
    CoreMemory,
    CoreGlobal,
    CoreTag,
    CoreModule,
    CoreInstance,
    Func,
    Value,
    Type,
    Instance,
    Component,
}
const SORTS: usize = 12;

impl From<ComponentExternalKind> for Sort {
    fn from(kind: ComponentExternalKind) -> Self {
        match kind {
            ComponentExternalKind::Module => Self::CoreModule,
            ComponentExternalKind::Func => Self::Func,
            ComponentExternalKind::Value => Self::Value,
            ComponentExternalKind::Type => Self::Type,
            ComponentExternalKind::Instance => Self::Instance,
            ComponentExternalKind::Component => Self::Component,
        }
    }
}

impl From<ExternalKind> for Sort {
    fn from(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::CoreFunc,
            ExternalKind::Table => Self::CoreTable,
            ExternalKind::Memory => Self::CoreMemory,
            ExternalKind::Global => Self::CoreGlobal,
            ExternalKind::Tag => Self::CoreTag,
        }
    }
}

/// What a component has numbered so far, as numbers of the flat one.
#[derive(Default)]
struct Scope<'a> {
    numbers: [Vec<u32>; SORTS],
    /// In place of the numbers of components.
    components: Vec<Inner<'a>>,
    /// Which part this is, in the order in which they are instantiated.
    part: u32,
    modules: Vec<&'a [u8]>,
    /// What each core instance is made of; none for one that is put together from exports.
    instantiated: Vec<Option<&'a [u8]>>,
    /// The module and the name of its export that each core function is.
    functions: Vec<Option<(&'a [u8], &'a str)>>,
}

enum Inner<'a> {
    /// Without code: it stays one, with this number.
    Plain(u32),
    /// To be written where it is instantiated.
    Code(&'a [u8]),
}

impl Scope<'_> {
    fn number(&self, sort: Sort, index: u32) -> Option<u32> {
        match sort {
            Sort::Component => match self.components.get(index as usize)? {
                Inner::Plain(number) => Some(*number),
                Inner::Code(_) => None,
            },
            _ => self.numbers[sort as usize].get(index as usize).copied(),
        }
    }

    fn push(&mut self, sort: Sort, number: u32) {
        match sort {
            Sort::Component => self.components.push(Inner::Plain(number)),
            _ => self.numbers[sort as usize].push(number),
        }
    }
}

/// Where a component stands.
enum Around<'s, 'a> {
    /// It is the one to make flat.
    Nothing,
    /// It is instantiated within `outer` (the nearest last) with these.
    Instance { given: HashMap<&'a str, u32>, outer: Vec<&'s Scope<'a>> },
}

/// A thing that an instance exports.
type Exported<'a> = (ComponentExternName<'a>, ComponentExportKind, u32);

struct Flat {
    out: Component,
    counts: [u32; SORTS],
    parts: u32,
    /// The one part of which a function does something when it is called.
    acting: Option<u32>,
}

impl Flat {
    /// The number of the next thing of a sort, which is about to be written.
    fn next(&mut self, sort: Sort) -> u32 {
        let count = &mut self.counts[sort as usize];
        *count += 1;
        *count - 1
    }

    /// Writes all of a component but what encloses it, and says what it exports.
    fn inline<'a>(&mut self, component: &'a [u8], around: &Around<'_, 'a>) -> Result<Vec<Exported<'a>>> {
        let (mut scope, mut exports) = (Scope { part: self.parts, ..Scope::default() }, Vec::new());
        self.parts += 1;
        for section in sections(component)? {
            self.section(section, &mut scope, around, &mut exports)?;
        }
        Ok(exports)
    }

    fn section<'a>(
        &mut self,
        (payload, inner): Section<'a>,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
        exports: &mut Vec<Exported<'a>>,
    ) -> Result<()> {
        match payload {
            Payload::Version { .. } | Payload::End(_) => {}
            // Names and producers of the parts say nothing of the whole.
            Payload::CustomSection(_) => {}
            Payload::ModuleSection { .. } => {
                self.out.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: inner });
                scope.modules.push(inner);
                scope.push(Sort::CoreModule, self.next(Sort::CoreModule));
            }
            Payload::ComponentSection { .. } if has_code(inner) => scope.components.push(Inner::Code(inner)),
            Payload::ComponentSection { .. } => {
                self.out.section(&RawSection { id: ComponentSectionId::Component.into(), data: inner });
                scope.push(Sort::Component, self.next(Sort::Component));
            }
            Payload::ComponentTypeSection(types) => {
                for ty in types {
                    let mut section = ComponentTypeSection::new();
                    Numbers::new(scope, around)
                        .parse_component_type(section.ty(), ty.map_err(text)?)
                        .map_err(text)?;
                    self.out.section(&section);
                    scope.push(Sort::Type, self.next(Sort::Type));
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    self.import(import.map_err(text)?, scope, around)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    self.export(export.map_err(text)?, scope, around, exports)?;
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    self.function(function.map_err(text)?, scope, around)?;
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.alias(alias.map_err(text)?, scope, around)?;
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    let (instance, mut section) = (instance.map_err(text)?, InstanceSection::new());
                    scope.instantiated.push(match &instance {
                        Instance::Instantiate { module_index, .. } => {
                            scope.modules.get(*module_index as usize).copied()
                        }
                        Instance::FromExports(_) => None,
                    });
                    Numbers::new(scope, around).parse_instance(&mut section, instance).map_err(text)?;
                    self.out.section(&section);
                    scope.push(Sort::CoreInstance, self.next(Sort::CoreInstance));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    self.instance(instance.map_err(text)?, scope, around)?;
                }
            }
            other => return Err(format!("it has a section that is not expected in it: {other:?}")),
        }
        Ok(())
    }

    /// What is imported stays imported, or is what was given.
    fn import<'a>(
        &mut self,
        import: ComponentImport<'a>,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
    ) -> Result<()> {
        let sort = Sort::from(import.ty.kind());
        let number = match around {
            Around::Nothing => {
                let ty = Numbers::new(scope, around).component_type_ref(import.ty).map_err(text)?;
                self.out.section(ComponentImportSection::new().import(import.name, ty));
                self.next(sort)
            }
            Around::Instance { given, .. } => match given.get(import.name.name) {
                Some(number) => *number,
                None => return Err(format!("`{}` is given by nobody", import.name.name)),
            },
        };
        scope.push(sort, number);
        Ok(())
    }

    fn export<'a>(
        &mut self,
        export: ComponentExport<'a>,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
        exports: &mut Vec<Exported<'a>>,
    ) -> Result<()> {
        let sort = Sort::from(export.kind);
        let number = match around {
            Around::Nothing => {
                let mut section = ComponentExportSection::new();
                Numbers::new(scope, around).parse_component_export(&mut section, export).map_err(text)?;
                self.out.section(&section);
                self.next(sort)
            }
            Around::Instance { .. } => {
                let number = scope.number(sort, export.index).ok_or_else(missing)?;
                exports.push((export.name, export.kind.into(), number));
                number
            }
        };
        scope.push(sort, number);
        Ok(())
    }

    fn function<'a>(
        &mut self,
        function: CanonicalFunction,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
    ) -> Result<()> {
        let sort = match &function {
            CanonicalFunction::Lift { core_func_index, .. } => {
                let lifted = scope.functions.get(*core_func_index as usize).copied().flatten();
                let acts = !lifted.is_some_and(|(module, name)| only_traps(module, name).unwrap_or(false));
                if acts && *self.acting.get_or_insert(scope.part) != scope.part {
                    return Err("its parts may call each other".into());
                }
                Sort::Func
            }
            _ => {
                scope.functions.push(None);
                Sort::CoreFunc
            }
        };
        let mut section = CanonicalFunctionSection::new();
        Numbers::new(scope, around).parse_component_canonical(&mut section, function).map_err(text)?;
        self.out.section(&section);
        scope.push(sort, self.next(sort));
        Ok(())
    }

    fn alias<'a>(
        &mut self,
        alias: ComponentAlias<'a>,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
    ) -> Result<()> {
        let sort = match &alias {
            ComponentAlias::InstanceExport { kind, .. } => Sort::from(*kind),
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func | ExternalKind::FuncExact,
                instance_index,
                name,
            } => {
                let module = scope.instantiated.get(*instance_index as usize).copied().flatten();
                scope.functions.push(module.map(|module| (module, *name)));
                Sort::CoreFunc
            }
            ComponentAlias::CoreInstanceExport { kind, .. } => Sort::from(*kind),
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let number = outer(scope, around, *count)?.number(Sort::Type, *index).ok_or_else(missing)?;
                scope.push(Sort::Type, number);
                return Ok(());
            }
            ComponentAlias::Outer { .. } => return Err("it takes code from around it".into()),
        };
        let alias = Numbers::new(scope, around).component_alias(alias).map_err(text)?;
        self.out.section(ComponentAliasSection::new().alias(alias));
        scope.push(sort, self.next(sort));
        Ok(())
    }

    fn instance<'a>(
        &mut self,
        instance: ComponentInstance<'a>,
        scope: &mut Scope<'a>,
        around: &Around<'_, 'a>,
    ) -> Result<()> {
        let mut section = ComponentInstanceSection::new();
        match instance {
            ComponentInstance::Instantiate { component_index, args }
                if let Some(Inner::Code(component)) = scope.components.get(component_index as usize) =>
            {
                let given = args
                    .iter()
                    .map(|arg| Ok((arg.name, scope.number(arg.kind.into(), arg.index).ok_or_else(missing)?)));
                let given = given.collect::<Result<_>>()?;
                let mut outer = match around {
                    Around::Nothing => vec![],
                    Around::Instance { outer, .. } => outer.clone(),
                };
                outer.push(scope);
                let exports = self.inline(component, &Around::Instance { given, outer })?;
                section.export_items(exports);
            }
            instance => {
                Numbers::new(scope, around).parse_component_instance(&mut section, instance).map_err(text)?;
            }
        }
        self.out.section(&section);
        scope.push(Sort::Instance, self.next(Sort::Instance));
        Ok(())
    }
}

/// The component that many levels up, this one being at none.
fn outer<'s, 'a>(scope: &'s Scope<'a>, around: &'s Around<'_, 'a>, count: u32) -> Result<&'s Scope<'a>> {
    match (count, around) {
        (0, _) => Ok(scope),
        (_, Around::Nothing) => Err(missing()),
        (up, Around::Instance { outer, .. }) => {
            let place = outer.len().checked_sub(up as usize).ok_or_else(missing)?;
            outer.get(place).copied().ok_or_else(missing)
        }
    }
}

fn missing() -> String {
    "it names what is not there".into()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Puts the flat component's numbers for a component's own, but within types, which number for themselves.
struct Numbers<'s, 'a> {
    scope: &'s Scope<'a>,
    around: &'s Around<'s, 'a>,
    depth: u32,
}

impl<'s, 'a> Numbers<'s, 'a> {
    fn new(scope: &'s Scope<'a>, around: &'s Around<'s, 'a>) -> Self {
        Self { scope, around, depth: 0 }
    }

    /// What is not there gets a number that nothing has, so that the whole is not valid.
    fn number(&self, sort: Sort, index: u32) -> u32 {
        match self.depth {
            0 => self.scope.number(sort, index).unwrap_or(u32::MAX),
            _ => index,
        }
    }
}

impl Reencode for Numbers<'_, '_> {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.number(Sort::CoreFunc, index))
    }
    fn table_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.number(Sort::CoreTable, index))
    }
    fn memory_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.number(Sort::CoreMemory, index))
    }
    fn global_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.number(Sort::CoreGlobal, index))
    }
    fn tag_index(&mut self, index: u32) -> Result<u32, Error> {
        Ok(self.number(Sort::CoreTag, index))
    }
}

impl ReencodeComponent for Numbers<'_, '_> {
    fn component_type_index(&mut self, index: u32) -> u32 {
        self.number(Sort::Type, index)
    }
    fn component_instance_index(&mut self, index: u32) -> u32 {
        self.number(Sort::Instance, index)
    }
    fn component_func_index(&mut self, index: u32) -> u32 {
        self.number(Sort::Func, index)
    }
    fn component_index(&mut self, index: u32) -> u32 {
        self.number(Sort::Component, index)
    }
    fn module_index(&mut self, index: u32) -> u32 {
        self.number(Sort::CoreModule, index)
    }
    fn instance_index(&mut self, index: u32) -> u32 {
        self.number(Sort::CoreInstance, index)
    }
    fn push_depth(&mut self) {
        self.depth += 1;
    }
    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    /// Within a type, what is taken from a component around it is now all in one component.
    fn component_alias<'b>(&mut self, alias: ComponentAlias<'b>) -> Result<Alias<'b>, Error> {
        match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index }
                if count >= self.depth =>
            {
                let scope = outer(self.scope, self.around, count - self.depth);
                let index = scope.ok().and_then(|scope| scope.number(Sort::Type, index)).unwrap_or(u32::MAX);
                Ok(Alias::Outer { kind: ComponentOuterAliasKind::Type.into(), count: self.depth, index })
            }
            other => component_utils::component_alias(self, other),
        }
    }
}

/// A part of a component, and what it encloses if that is a module or a component.
type Section<'a> = (Payload<'a>, &'a [u8]);

fn sections(component: &[u8]) -> Result<Vec<Section<'_>>> {
    let (mut parser, mut rest, mut all) = (Parser::new(0), component, Vec::new());
    while !rest.is_empty() {
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).map_err(text)? else {
            return Err("it ends too soon".into());
        };
        rest = rest.get(consumed..).unwrap_or_default();
        let mut inner: &[u8] = &[];
        if let Payload::ModuleSection { unchecked_range, .. }
        | Payload::ComponentSection { unchecked_range, .. } = &payload
        {
            let length = (unchecked_range.end - unchecked_range.start) as usize;
            (inner, rest) = rest.split_at_checked(length).ok_or("it ends too soon")?;
        }
        all.push((payload, inner));
    }
    Ok(all)
}

/// Whether the first thing that an exported function of a module does is to trap.
fn only_traps(module: &[u8], name: &str) -> Result<bool, BinaryReaderError> {
    let (mut imported, mut bodies, mut index) = (0, Vec::new(), None);
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    index = index.or((export.name == name).then_some(export.index as usize));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    match index.and_then(|index| bodies.get(index.checked_sub(imported)?)) {
        Some(body) => Ok(matches!(body.get_operators_reader()?.read()?, Operator::Unreachable)),
        None => Ok(false),
    }
}

fn has_code(component: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(component);
    payloads.any(|payload| matches!(payload, Ok(Payload::ModuleSection { .. }) | Err(_)))
}

#[cfg(test)]
mod tests;
