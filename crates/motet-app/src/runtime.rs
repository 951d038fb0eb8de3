//! The runtime that `#[motet::main]` starts, and how it ends.

use std::{fmt::Display, future::Future, num::NonZero, process};

use tokio::runtime::Builder;

/// Runs a future to its end on a runtime of its own, with `workers` threads or one for each core
/// that the process may use. With one, everything runs on the calling thread, which is quicker than
/// handing work to a single other one.
///
/// # Panics
/// When the threads cannot be started, or from within another runtime.
pub fn block_on<F: Future>(workers: Option<usize>, future: F) -> F::Output {
    let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    let runtime = match workers {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        several => Builder::new_multi_thread().worker_threads(several).enable_all().build(),
    };
    runtime.expect("the threads of the runtime could not be started").block_on(future)
}

/// What `main` ended with.
///
/// A method of the type itself goes before one of a trait, wherever its bounds hold: so errors that
/// have a text are told apart from everything else.
#[derive(Debug)]
pub struct End<T>(pub T);

impl<T, E: Display> End<Result<T, E>> {
    /// The value; an error is printed as people read it, and ends the process with exit code 1.
    pub fn of_main(self) -> Result<T, E> {
        self.0.inspect_err(|error| {
            eprintln!("error: {error}");
            process::exit(1)
        })
    }
}

/// The end of a `main` that is no `Result`, or whose error has no text.
pub trait EndsAsItIs {
    /// What it is.
    type Value;

    /// The value.
    fn of_main(self) -> Self::Value;
}

impl<T> EndsAsItIs for End<T> {
    type Value = T;

    fn of_main(self) -> T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Handle, RuntimeFlavor};

    use super::*;

    #[test]
    fn one_worker_is_the_calling_thread() {
        let flavor = |workers| block_on(workers, async { Handle::current().runtime_flavor() });
        assert_eq!(flavor(Some(1)), RuntimeFlavor::CurrentThread);
        assert_eq!(flavor(Some(2)), RuntimeFlavor::MultiThread);
        assert_eq!(block_on(None, async { 7 }), 7);
    }
}
