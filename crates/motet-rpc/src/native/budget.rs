//! A bound on the memory that messages of all connections hold.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A bound, in bytes, on the messages that all connections of a server hold at once. Clones share
/// it.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl Default for MemoryBudget {
    /// 512 MiB.
    fn default() -> MemoryBudget {
        MemoryBudget::new(512 << 20)
    }
}

impl MemoryBudget {
    /// A budget of this many bytes.
    pub fn new(limit: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Inner { limit, used: AtomicUsize::new(0) }))
    }

    /// How much is in use, to the granularity in which connections lease it.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

/// What one connection has leased from the [`MemoryBudget`], and uses of it. The lease is taken in
/// steps, so that small messages cost no shared counter.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: MemoryBudget,
    leased: usize,
    used: usize,
    limit: usize,
}

/// The step in which memory is leased.
const STEP: usize = 64 << 10;

impl Lease {
    pub(crate) fn new(budget: MemoryBudget, limit: usize) -> Lease {
        Lease { budget, leased: 0, used: 0, limit }
    }

    /// Takes `bytes`, or says that they do not fit.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let used = self.used + bytes;
        if used > self.limit {
            return false;
        }
        if used > self.leased {
            let more = (used - self.leased).next_multiple_of(STEP);
            let shared = &self.budget.0;
            let take = |all: usize| all.checked_add(more).filter(|sum| *sum <= shared.limit);
            if shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                return false;
            }
            self.leased += more;
        }
        self.used = used;
        true
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        // Keep a step or two while in use; `settle` returns the rest.
        if self.leased - self.used > 16 * STEP {
            self.settle();
        }
    }

    /// Returns what is leased and not used.
    pub(crate) fn settle(&mut self) {
        let keep = self.used.next_multiple_of(STEP);
        if self.leased > keep {
            self.budget.0.used.fetch_sub(self.leased - keep, Ordering::Relaxed);
            self.leased = keep;
        }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.used = 0;
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_connection_or_the_server_is_refused() {
        let budget = MemoryBudget::new(4 * STEP);
        let mut first = Lease::new(budget.clone(), 3 * STEP);
        let mut second = Lease::new(budget.clone(), 3 * STEP);
        assert!(first.take(3 * STEP) && !first.take(1), "the connection's own limit");
        assert!(second.take(STEP) && !second.take(1), "the server's limit");
        first.give_back(3 * STEP);
        first.settle();
        assert!(second.take(2 * STEP));
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }
}
