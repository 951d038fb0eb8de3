//! A bound on the memory that messages of all connections hold.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A bound, in bytes, on what all connections of a server hold at once for messages and calls, beside
/// the first [`MemoryBudget::OWN`] of each. Clones share it.
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
    /// What each connection may hold beside the budget: 64 KiB. Connections that need little are
    /// served also when others have used the budget up.
    pub const OWN: usize = 64 << 10;

    /// A budget of this many bytes.
    pub fn new(limit: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Inner { limit, used: AtomicUsize::new(0) }))
    }

    /// How much is in use, to the granularity in which connections lease it.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` for something that outlives its connection, or says that they do not fit.
    pub fn hold(&self, bytes: usize) -> Option<HeldMemory> {
        self.take(bytes).then(|| HeldMemory { budget: self.clone(), bytes })
    }

    /// What one connection may take: up to `limit` bytes, and [`MemoryBudget::OWN`] beside the budget.
    pub fn lease(&self, limit: usize) -> Lease {
        Lease::new(self.clone(), limit)
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |all: usize| all.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes of a [`MemoryBudget`], until dropped.
#[derive(Debug)]
pub struct HeldMemory {
    budget: MemoryBudget,
    bytes: usize,
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// What one connection has leased from the [`MemoryBudget`], and uses of it. The lease is taken in
/// steps, so that small messages cost no shared counter.
#[derive(Debug)]
pub struct Lease {
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
    pub fn take(&mut self, bytes: usize) -> bool {
        let used = self.used + bytes;
        if used > self.limit + MemoryBudget::OWN {
            return false;
        }
        let shared = used.saturating_sub(MemoryBudget::OWN);
        if shared > self.leased {
            let more = (shared - self.leased).next_multiple_of(STEP);
            if !self.budget.take(more) {
                return false;
            }
            self.leased += more;
        }
        self.used = used;
        true
    }

    /// Gives `bytes` back that were taken.
    pub fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        // Keep a step or two while in use; `settle` returns the rest.
        if self.leased > self.used + 16 * STEP {
            self.settle();
        }
    }

    /// Takes `bytes` beside the connection's own limit, or says that they do not fit.
    pub(crate) fn take_beside(&mut self, bytes: usize) -> bool {
        self.limit += bytes;
        let taken = self.take(bytes);
        if !taken {
            self.limit -= bytes;
        }
        taken
    }

    pub(crate) fn give_back_beside(&mut self, bytes: usize) {
        self.limit -= bytes;
        self.give_back(bytes);
    }

    /// Returns what is leased and not used.
    pub fn settle(&mut self) {
        let keep = self.used.saturating_sub(MemoryBudget::OWN).next_multiple_of(STEP);
        if self.leased > keep {
            self.budget.give_back(self.leased - keep);
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

    const OWN: usize = MemoryBudget::OWN;

    #[test]
    fn what_does_not_fit_the_connection_or_the_server_is_refused() {
        let budget = MemoryBudget::new(4 * STEP);
        let mut first = Lease::new(budget.clone(), 3 * STEP);
        let mut second = Lease::new(budget.clone(), 3 * STEP);
        assert!(first.take(OWN + 3 * STEP) && !first.take(1), "the connection's own limit");
        assert!(second.take(OWN + STEP) && !second.take(1), "the server's limit");
        first.give_back(OWN + 3 * STEP);
        first.settle();
        assert!(second.take(2 * STEP));
        assert!(second.take_beside(STEP) && !second.take(1), "beside its limit, which stays");
        assert!(!second.take_beside(1), "the server's limit holds here too");
        second.give_back_beside(STEP);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn who_needs_little_is_served_although_others_have_used_it_all_up() {
        let budget = MemoryBudget::new(4 * STEP);
        let held = budget.hold(4 * STEP).expect("it fits");
        assert!(budget.hold(1).is_none());
        let mut small = Lease::new(budget.clone(), 3 * STEP);
        assert!(small.take(OWN) && !small.take(1));
        drop(held);
        assert!(small.take(1));
        drop(small);
        assert_eq!(budget.used(), 0);
    }
}
