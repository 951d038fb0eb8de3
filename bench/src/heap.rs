//! What this process has taken from its allocator.

#[cfg(feature = "count-allocations")]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Whether this binary counts, and is therefore slower than the real one.
pub(crate) const COUNTED: bool = cfg!(feature = "count-allocations");

/// What was taken from the allocator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    /// Allocations and reallocations.
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
}

impl Heap {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { allocations: self.allocations - earlier.allocations, bytes: self.bytes - earlier.bytes }
    }
}

/// What this process has allocated so far.
#[cfg(feature = "count-allocations")]
pub(crate) fn heap() -> Heap {
    let stats = ALLOCATOR.stats();
    Heap { allocations: (stats.allocations + stats.reallocations) as u64, bytes: stats.bytes_allocated as u64 }
}

/// Nothing is counted.
#[cfg(not(feature = "count-allocations"))]
pub(crate) fn heap() -> Heap {
    Heap::default()
}
