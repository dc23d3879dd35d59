//! Lists of the model, as lists of views.

use std::{marker::PhantomData, mem::MaybeUninit};

use wasmtime::component::{
    __internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext},
    ComponentType, Lower,
};

use super::block::{Block, Write};

/// `list<V>`, each made from an item of the model when it crosses, so that nothing is copied before.
pub(super) struct List<'a, M, V> {
    items: &'a [M],
    view: PhantomData<fn() -> V>,
}

impl<'a, M, V: From<&'a M>> List<'a, M, V> {
    pub(super) fn of(items: &'a [M]) -> Self {
        Self { items, view: PhantomData }
    }

    fn views(&self) -> impl ExactSizeIterator<Item = V> {
        self.items.iter().map(V::from)
    }
}

#[allow(unsafe_code, reason = "wasmtime derives no list of something else")]
// SAFETY: says of itself, and does, what the slice of views does.
unsafe impl<'a, M: Sync, V: ComponentType> ComponentType for List<'a, M, V> {
    type Lower = <[V] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[V] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[V]>::typecheck(ty, types)
    }
}

#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl<'a, M: Sync, V: Lower + From<&'a M>> Lower for List<'a, M, V> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        self.views().collect::<Vec<V>>().as_slice().linear_lower_to_flat(cx, ty, dst)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        self.views().collect::<Vec<V>>().as_slice().linear_lower_to_memory(cx, ty, offset)
    }
}

impl<'a, M: Sync, V: Write + From<&'a M>> Write for List<'a, M, V> {
    fn write(&self, block: &mut Block, at: usize) {
        let views = self.views();
        let mut place = block.list(at, views.len(), V::SIZE32, V::ALIGN32);
        for view in views {
            view.write(block, place);
            place += V::SIZE32;
        }
    }
}
