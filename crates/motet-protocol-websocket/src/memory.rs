//! Memory that what a peer sent, or is to read, takes.

use std::sync::{Arc, Mutex, PoisonError};

use motet_rpc::native::{Lease, MemoryBudget};

/// The memory of one connection, leased from the server's.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Mutex<Lease>>);

impl Memory {
    pub(crate) fn new(budget: &MemoryBudget, limit: usize) -> Memory {
        Memory(Arc::new(Mutex::new(budget.lease(limit))))
    }

    /// Takes so many bytes, if they are there.
    pub(crate) fn take(&self, bytes: usize) -> Option<Cost> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        taken.then(|| Cost(self.clone(), bytes))
    }
}

/// Memory that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Cost(Memory, usize);

impl Drop for Cost {
    fn drop(&mut self) {
        let mut lease = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        lease.give_back(self.1);
        lease.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_when_it_is_dropped() {
        let budget = MemoryBudget::new(1 << 20);
        let memory = Memory::new(&budget, 1 << 20);
        let cost = memory.take(800 << 10).expect("there is room");
        assert!(memory.take(800 << 10).is_none() && budget.used() > 0);
        drop(cost);
        assert_eq!(budget.used(), 0);
        assert!(memory.take(800 << 10).is_some());
    }
}
