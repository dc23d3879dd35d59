//! What the process keeps of memory that it has let go.

/// From this size on, in bytes, a buffer is pages of its own that go back to the system with it. glibc raises this by itself to
/// the size of whatever was freed last (mallopt(3)), and what recordings were sealed in then stays with the threads that
/// sealed them.
#[cfg(target_env = "gnu")]
const OWN_PAGES_FROM: libc::c_int = 1 << 20;

/// Has large buffers go back to the system. To be called before there are threads.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "no crate offers it")]
pub(crate) fn give_large_buffers_back() {
    // SAFETY: it sets a number of the allocator's, and takes nothing else.
    let taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM) };
    debug_assert_eq!(taken, 1, "the allocator does not take it");
}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_large_buffers_back() {}
