//! The tasks of a connection.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::task::JoinSet;

/// The tasks of a connection. Clones share them; tasks
/// may hold a clone in themselves, so that an [`Owned`] must end them.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn set(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns work that ends with the connection. Must be called within a runtime.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set();
        // Those that ended meanwhile: the set would keep their results.
        while set.try_join_next().is_some() {}
        drop(set.spawn(work));
    }

    /// Waits until none is left. Cancel safe.
    pub async fn all_done(&self) {
        std::future::poll_fn(|cx| {
            let mut set = self.set();
            loop {
                match set.poll_join_next(cx) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
}

/// Owns the tasks of a connection: dropping it ends them.
#[must_use = "dropping it ends the tasks"]
pub struct Owned(Tasks);

impl Owned {
    /// Takes them into possession.
    pub fn new(tasks: &Tasks) -> Owned {
        Owned(tasks.clone())
    }

    /// The tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.0
    }
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Owned")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let ended = std::mem::take(&mut *self.0.set());
        drop(ended);
    }
}

/// What a connection of a client has to do is polled once where it comes up, and gets a task if that is not
/// enough.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.spawn(future);
        }
    }
}
