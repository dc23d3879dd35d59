//! An instance lives for one ruling, so nothing is ever freed: the fewer pages it touches, the faster the next one
//! starts. Memory grows a page at a time, up to the host's limit.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

struct Bump {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: wasm32-unknown-unknown without threads.
unsafe impl Sync for Bump {}

unsafe extern "C" {
    /// Where the linker put the end of static data.
    static __heap_base: u8;
}

const PAGE_BYTES: usize = 65_536;

// SAFETY: returns disjoint, aligned ranges of linear memory beyond static data, or null.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.end.get() == 0 {
            self.next.set(&raw const __heap_base as usize);
            self.end.set(core::arch::wasm32::memory_size(0) * PAGE_BYTES);
        }
        let start = (self.next.get() + layout.align() - 1) & !(layout.align() - 1);
        let Some(end) = start.checked_add(layout.size()) else { return std::ptr::null_mut() };
        if end > self.end.get() {
            let pages = (end - self.end.get()).div_ceil(PAGE_BYTES);
            let before = core::arch::wasm32::memory_grow(0, pages);
            if before == usize::MAX {
                return std::ptr::null_mut();
            }
            self.end.set((before + pages) * PAGE_BYTES);
        }
        self.next.set(end);
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    /// The last allocation grows in place: vectors and strings are mostly that.
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if new_size <= layout.size() {
            return old;
        }
        if old as usize + layout.size() == self.next.get() && old as usize + new_size <= self.end.get() {
            self.next.set(old as usize + new_size);
            return old;
        }
        // SAFETY: the caller's layout is valid, and a new range is disjoint from the old one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(old, new, layout.size());
            }
            new
        }
    }
}

/// Tells the host, in a custom section, that what it puts in may lie in one allocation (`host/engine/src/v0_1/block.rs`).
#[unsafe(link_section = "caveat:frees-nothing")]
#[used]
static FREES_NOTHING: [u8; 1] = [1];

#[global_allocator]
static BUMP: Bump = Bump { next: Cell::new(0), end: Cell::new(0) };
