//! The memory that half messages may take.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use motet_core::{Executed, Result, Status};

/// How many bytes of messages that have not arrived whole all connections of a server hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    most: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Budget {
        Budget { used: AtomicUsize::new(0), most }
    }
}

/// What one body holds of a budget, until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// What each body may hold besides, so that small messages pass when the budget is used up.
    const FREE: usize = 16 << 10;

    pub(crate) fn new(budget: Arc<Budget>) -> Held {
        Held { budget, bytes: 0 }
    }

    /// Changes what is held.
    ///
    /// # Errors
    /// ResourceExhausted when there is not so much left; then it holds what it held.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<()> {
        let bytes = if bytes <= Held::FREE { 0 } else { bytes };
        if bytes <= self.bytes {
            self.budget.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let most = self.budget.most;
            let fits = |used: usize| used.checked_add(more).filter(|used| *used <= most);
            self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| {
                Status::resource_exhausted(format!(
                    "half messages take all of the {most} bytes that they may; protocols.grpc.max_unfinished sets it"
                ))
                .with_executed(Executed::No)
            })?;
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_a_budget_and_give_it_back() {
        let budget = Arc::new(Budget::new(100_000));
        let (mut a, mut b) = (Held::new(budget.clone()), Held::new(budget.clone()));
        assert_eq!((a.set(60_000), b.set(40_000)), (Ok(()), Ok(())));
        assert!(b.set(40_001).is_err() && a.set(100_000).is_err());
        assert_eq!((a.set(50_000), b.set(50_000)), (Ok(()), Ok(())));
        assert_eq!(Held::new(budget.clone()).set(Held::FREE), Ok(()), "little is free");
        drop(a);
        assert_eq!(b.set(100_000), Ok(()));
        drop(b);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
