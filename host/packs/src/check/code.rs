//! The core modules of a component: instructions whose result is not the same everywhere, and the texts in their memory.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Encoding, FunctionBody, KnownCustom, MemoryType, Name, Operator, Parser, Payload, TypeRef};

/// Instructions that are not the same everywhere, by the function that has them.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// Arithmetic that may give a NaN with bits of the processor's choice.
    pub(super) floats: BTreeSet<String>,
    pub(super) relaxed_simd: BTreeSet<String>,
    /// Atomic instructions; memories too.
    pub(super) threads: BTreeSet<String>,
    /// What lies in memory from the start, as far as it is text.
    pub(super) literals: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Float,
    RelaxedSimd,
    Threads,
}

/// One core module while it is read.
#[derive(Default)]
struct Module {
    /// Imported functions come first.
    functions: u32,
    marked: BTreeSet<(Kind, u32)>,
    names: BTreeMap<u32, String>,
    has_shared_memory: bool,
}

impl Code {
    /// Reads every core module of the component, whatever it is nested in.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn of(component: &[u8]) -> Result<Self, String> {
        let mut code = Self::default();
        // None: a component around modules.
        let mut open: Vec<Option<Module>> = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(|e| e.to_string())?;
            match payload {
                Payload::Version { encoding, .. } => {
                    open.push((encoding == Encoding::Module).then(Module::default));
                }
                Payload::End(_) => {
                    if let Some(Some(module)) = open.pop() {
                        code.take(module);
                    }
                }
                Payload::DataSection(segments) => {
                    for segment in segments {
                        let segment = segment.map_err(|e| e.to_string())?;
                        code.literals.push_str(&String::from_utf8_lossy(segment.data));
                        code.literals.push('\n');
                    }
                }
                payload => {
                    if let Some(Some(module)) = open.last_mut() {
                        module.read(payload).map_err(|e| e.to_string())?;
                    }
                }
            }
        }
        Ok(code)
    }

    fn take(&mut self, module: Module) {
        if module.has_shared_memory {
            self.threads.insert("a shared memory".to_owned());
        }
        for (kind, function) in module.marked {
            let name = module.names.get(&function).cloned();
            let name = name.unwrap_or_else(|| format!("<function {function}>"));
            let of_kind = match kind {
                Kind::Float => &mut self.floats,
                Kind::RelaxedSimd => &mut self.relaxed_simd,
                Kind::Threads => &mut self.threads,
            };
            of_kind.insert(name);
        }
    }
}

impl Module {
    fn read(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    match import?.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => self.functions += 1,
                        TypeRef::Memory(memory) => self.remember(&memory),
                        _ => {}
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.remember(&memory?);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let function = self.functions;
                self.functions += 1;
                self.mark(function, &body)?;
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    for part in names {
                        let Name::Function(map) = part? else { continue };
                        for naming in map {
                            let naming = naming?;
                            // The alternate form leaves out the hash.
                            let name = format!("{:#}", rustc_demangle::demangle(naming.name));
                            self.names.insert(naming.index, name);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn remember(&mut self, memory: &MemoryType) {
        self.has_shared_memory |= memory.shared;
    }

    fn mark(&mut self, function: u32, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        for operator in body.get_operators_reader()? {
            if let Some(kind) = kind(&operator?) {
                self.marked.insert((kind, function));
            }
        }
        Ok(())
    }
}

/// The proposal that brought an instruction, and its name.
fn named(operator: &Operator<'_>) -> (&'static str, &'static str) {
    macro_rules! names {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $(Operator::$op { .. } => (stringify!($proposal), stringify!($op)),)*
                _ => ("", ""),
            }
        };
    }
    wasmparser::for_each_operator!(names)
}

fn kind(operator: &Operator<'_>) -> Option<Kind> {
    match named(operator) {
        ("relaxed_simd", _) => Some(Kind::RelaxedSimd),
        ("threads" | "shared_everything_threads", _) => Some(Kind::Threads),
        (_, name) if makes_nan(name) => Some(Kind::Float),
        _ => None,
    }
}

/// WebAssembly core specification, 4.3.3, NaN propagation: these may answer with any NaN. `neg`, `abs` and `copysign` give
/// bits that are fixed.
fn makes_nan(name: &str) -> bool {
    const ARITHMETIC: [&str; 11] =
        ["Add", "Sub", "Mul", "Div", "Sqrt", "Ceil", "Floor", "Trunc", "Nearest", "Min", "Max"];
    const CONVERSIONS: [&str; 4] =
        ["F32DemoteF64", "F64PromoteF32", "F32x4DemoteF64x2Zero", "F64x2PromoteLowF32x4"];
    let of_floats = ["F32x4", "F64x2", "F32", "F64"].iter().find_map(|kind| name.strip_prefix(kind));
    of_floats.is_some_and(|rest| ARITHMETIC.contains(&rest)) || CONVERSIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn functions(wat: &str) -> [Vec<String>; 3] {
        let code = Code::of(&wat::parse_str(wat).unwrap()).unwrap();
        [code.floats, code.relaxed_simd, code.threads].map(|set| set.into_iter().collect())
    }

    #[test]
    fn what_is_not_the_same_everywhere_is_found_by_function() {
        let check = |body: &str, wanted: [&[&str]; 3]| {
            let wat = format!(
                "(module (import \"a\" \"b\" (func)) (memory 1) (func $same (result f64) (f64.neg (f64.const 1))) (func $it {body}))"
            );
            assert_eq!(
                functions(&wat),
                wanted.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>()),
                "{body}"
            );
        };
        check("(drop (f64.add (f64.const 1) (f64.const 2)))", [&["it"], &[], &[]]);
        check("(drop (f32.demote_f64 (f64.const 2)))", [&["it"], &[], &[]]);
        check("(drop (f32x4.sqrt (v128.const i64x2 0 0)))", [&["it"], &[], &[]]);
        check("(drop (f32.abs (f32.const 2)))", [&[], &[], &[]]);
        check("(drop (i32.add (i32.const 1) (i32.const 2)))", [&[], &[], &[]]);
        check(
            "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
            [&[], &["it"], &[]],
        );
        check("(drop (i32.atomic.load (i32.const 0)))", [&[], &[], &["it"]]);
    }

    #[test]
    fn a_shared_memory_is_found_and_a_function_without_a_name_has_its_number() {
        assert_eq!(functions("(module (memory 1 1 shared))")[2], ["a shared memory"]);
        let [floats, ..] = functions("(module (func) (func (drop (f64.sqrt (f64.const 2)))))");
        assert_eq!(floats, ["<function 1>"]);
    }

    #[test]
    fn modules_inside_a_component_are_read_with_their_texts() {
        let wat = "(component (core module (memory 1) (data (i32.const 0) \"house.rule\") (func $f (drop (f32.ceil (f32.const 2))))))";
        let code = Code::of(&wat::parse_str(wat).unwrap()).unwrap();
        assert!(code.literals.contains("house.rule"));
        assert_eq!(code.floats.len(), 1);
    }
}
