//! The runtime of a benchmark process.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, or of `workers` worker threads.
///
/// Unless told otherwise a process, which has one core, gets what `#[tokio::main]` builds
/// on one core: a `multi_thread` runtime of one worker. Such a worker has room for 256
/// runnable tasks and visits the rest rarely, so that at 1000 calls in flight its 99th
/// percentile measures the scheduler (20–290 ms) and not the system. `#[motet::main]` builds a
/// single-thread runtime on one core; `motet-main` is measured on that. The choice matters
/// most to systems that write once for each wake-up of a task: a worker runs the task
/// woken last first, so that their writes do not batch, and tarpc makes 0.5–0.6 × the calls
/// that it makes on a single thread. The floors wake no tasks and are the same.
pub(crate) fn build(workers: Option<usize>) -> io::Result<Runtime> {
    match workers {
        None => Builder::new_current_thread().enable_all().build(),
        Some(workers) => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
}
