//! Parameters in one piece.
//!
//! By the canonical ABI each text and each list that goes in is a call of the guest's `cabi_realloc`: some thirty calls, a
//! quarter of a small ruling. A guest may free any of them by itself, so that in general each has to be an allocation of
//! its own. One whose allocator frees nothing cannot tell: all of them may lie in one allocation. A guest says so of
//! itself by a section [`FREES_NOTHING`], as the kit's allocator does (`sdk/src/alloc.rs`). One that says so and frees all
//! the same breaks nothing but its own memory, in an instance that ends with the ruling.

use std::mem::MaybeUninit;

use wasmparser::{Parser, Payload};
use wasmtime::{
    ValRaw, bail,
    component::{
        __internal::{CanonicalAbiInfo, ComponentVariant, InstanceType, InterfaceType, LowerContext},
        ComponentNamedList, ComponentType, Lower,
    },
};

/// A custom section in the one core module of a component.
const FREES_NOTHING: &str = "caveat:frees-nothing";

/// Whether a component says of itself that it frees nothing.
pub(crate) fn frees_nothing(component: &[u8]) -> bool {
    let (mut modules, mut said) = (0, false);
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::ModuleSection { .. }) => modules += 1,
            Ok(Payload::CustomSection(section)) => said |= section.name() == FREES_NOTHING,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    said && modules == 1
}

/// Values as they lie in a guest's memory, wherever that will be.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where pointers lie. They count from the beginning of the block.
    pointers: Vec<usize>,
}

/// No value of the contract needs more.
const ALIGN: u32 = 8;

impl Block {
    /// The parameters of a call.
    pub(super) fn of<A: Write, B: Write>(a: &A, b: &B) -> Self {
        let mut block = Self { bytes: Vec::with_capacity(2048), pointers: Vec::with_capacity(64) };
        let mut size = 0;
        let (at_a, at_b) = (field::<A>(&mut size), field::<B>(&mut size));
        block.bytes.resize(size, 0);
        a.write(&mut block, at_a);
        b.write(&mut block, at_b);
        block
    }

    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
    }

    /// A list at `at`, with room for its items, which begins where it says.
    pub(super) fn list(&mut self, at: usize, items: usize, size: usize, align: u32) -> usize {
        let start = self.bytes.len().next_multiple_of(align as usize);
        self.bytes.resize(start + items * size, 0);
        self.point(at, start, items);
        start
    }

    /// One larger than 4 GiB fits no guest, so that it does not matter that its pointers are cut off.
    fn point(&mut self, at: usize, to: usize, items: usize) {
        self.put(at, (to as u32).to_le_bytes());
        self.put(at + 4, (items as u32).to_le_bytes());
        self.pointers.push(at);
    }
}

/// A parameter, or a part of one.
pub(super) trait Write: ComponentType {
    /// Puts it to `at`, where there is room for it, and what it points to at the end.
    fn write(&self, block: &mut Block, at: usize);
}

/// Where the next field of a record lies, and with that the end of the record so far.
pub(super) fn field<T: ComponentType>(size: &mut usize) -> usize {
    let start = size.next_multiple_of(T::ALIGN32 as usize);
    *size = start + T::SIZE32;
    start
}

macro_rules! write_number {
    ($($number:ty),+) => {$(
        impl Write for $number {
            fn write(&self, block: &mut Block, at: usize) {
                block.put(at, self.to_le_bytes());
            }
        }
    )+};
}
write_number!(u8, u16, u32, u64, i64);

impl Write for bool {
    fn write(&self, block: &mut Block, at: usize) {
        block.put(at, [u8::from(*self)]);
    }
}

impl Write for char {
    fn write(&self, block: &mut Block, at: usize) {
        u32::from(*self).write(block, at);
    }
}

impl Write for &str {
    fn write(&self, block: &mut Block, at: usize) {
        self.as_bytes().write(block, at);
    }
}

impl Write for &[u8] {
    fn write(&self, block: &mut Block, at: usize) {
        block.point(at, block.bytes.len(), self.len());
        block.bytes.extend_from_slice(self);
    }
}

impl<T: Write> Write for Option<T> {
    fn write(&self, block: &mut Block, at: usize) {
        self.is_some().write(block, at);
        if let Some(value) = self {
            value.write(block, at + Self::PAYLOAD_OFFSET32);
        }
    }
}

/// A record of the contract that goes in: its fields, in order, are what is written.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $ty:ty),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(ComponentType, Lower)]
        #[component(record)]
        $vis struct $name $(<$life>)? {
            $($(#[$field_meta])* $field_vis $field: $ty),+
        }
        impl $(<$life>)? Write for $name $(<$life>)? {
            fn write(&self, block: &mut Block, at: usize) {
                let mut size = 0;
                $(self.$field.write(block, at + $crate::v0_1::block::field::<$ty>(&mut size));)+
            }
        }
    };
}
pub(super) use record;

/// A variant of the contract that goes in. What a case carries has a name here.
macro_rules! variant {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident $(<$life:lifetime>)? {
            $($(#[$case_meta:meta])* $case:ident $(($it:ident: $ty:ty))?),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(ComponentType, Lower)]
        #[component(variant)]
        $vis enum $name $(<$life>)? {
            $($(#[$case_meta])* $case $(($ty))?),+
        }
        impl $(<$life>)? Write for $name $(<$life>)? {
            fn write(&self, block: &mut Block, at: usize) {
                use wasmtime::component::__internal::ComponentVariant;
                enum Case { $($case),+ }
                match self {
                    $(Self::$case $(($it))? => {
                        (Case::$case as u8).write(block, at);
                        $($it.write(block, at + Self::PAYLOAD_OFFSET32);)?
                    })+
                }
            }
        }
    };
}
pub(super) use variant;

/// The parameters of a `rule`. They are too many for the stack, so that what a guest is given is where they lie.
pub(super) struct InBlock(pub(super) Block);

#[allow(unsafe_code, reason = "wasmtime has no parameters that are laid out already")]
// SAFETY: one pointer goes in, as for any parameters of more than 16 values. What it points to is laid out as their types
// say, by `Block`; `tests::a_block_says_what_wasmtime_says` compares it with what wasmtime writes.
unsafe impl ComponentType for InBlock {
    type Lower = ValRaw;
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::POINTER_PAIR;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> wasmtime::Result<()> {
        bail!("parameters in a block have no type; `Exports::check` compares those in it")
    }
}

#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl ComponentNamedList for InBlock {}

#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Lower for InBlock {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        dst: &mut MaybeUninit<ValRaw>,
    ) -> wasmtime::Result<()> {
        let Block { bytes, pointers } = &self.0;
        let base = cx.realloc(0, 0, ALIGN, bytes.len())?;
        let Some(place) = cx.as_slice_mut().get_mut(base..).and_then(|rest| rest.get_mut(..bytes.len()))
        else {
            bail!("an allocation lies outside of memory");
        };
        place.copy_from_slice(bytes);
        for at in pointers {
            if let Some(pointer) = place.get_mut(*at..).and_then(|rest| rest.first_chunk_mut()) {
                *pointer = u32::from_le_bytes(*pointer).wrapping_add(base as u32).to_le_bytes();
            }
        }
        dst.write(ValRaw::i64(base as i64));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> wasmtime::Result<()> {
        bail!("parameters in a block lie in no other")
    }
}

#[cfg(test)]
mod tests;
