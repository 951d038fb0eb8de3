//! Tasks that end with their owner.

use tokio::task::JoinHandle;

/// A spawned task that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Owned(JoinHandle<()>);

impl Owned {
    pub(crate) fn new(task: JoinHandle<()>) -> Owned {
        Owned(task)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
