//! The runtime of a benchmark process.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, or of `workers` worker threads.
///
/// One thread is the default because a process has one core: a `multi_thread` worker has
/// room for 256 runnable tasks and visits the rest rarely, so that at 1000 calls in
/// flight its 99th percentile measures the scheduler (20–290 ms) and not the system.
/// The choice matters most to systems that write once for each wake-up of a task: a
/// worker runs the task woken last first, so that their writes do not batch, and tarpc
/// makes 0.5–0.6 × the calls it makes here. The floors wake no tasks and are the same.
pub(crate) fn build(workers: Option<usize>) -> io::Result<Runtime> {
    match workers {
        None => Builder::new_current_thread().enable_all().build(),
        Some(workers) => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
}
