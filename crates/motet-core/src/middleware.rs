//! Code around every call.

use std::{fmt, future::Future, sync::Arc};

use crate::{BoxFuture, Call, Handler, Reply, Result};

/// Code around every call, unary or stream, on a client or a server. Closures are middleware:
///
/// ```
/// use motet_core::{Call, Middleware, Next};
///
/// fn logged() -> impl Middleware {
///     |call: Call, next: Next| async move {
///         let path = call.method.path.clone();
///         let reply = next.run(call).await;
///         println!("{path}: {}", if reply.is_ok() { "ok" } else { "failed" });
///         reply
///     }
/// }
/// # let _ = logged();
/// ```
///
/// Its future ends at the reply's head; [`Call::on_end`] tells of the end. A client runs its
/// middleware once per call, outside retries. Not calling [`Next::run`] answers the call in place;
/// calling a clone again repeats it.
pub trait Middleware: Send + Sync + 'static {
    /// Handles one call.
    fn handle<'a>(&'a self, call: Call, next: Next) -> BoxFuture<'a, Result<Reply>>;
}

impl<F, Fut> Middleware for F
where
    F: Fn(Call, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    fn handle<'a>(&'a self, call: Call, next: Next) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(self(call, next))
    }
}

/// The rest of the chain: inner middleware, then the handler or the connection.
#[derive(Clone)]
pub struct Next {
    chain: Arc<[Arc<dyn Middleware>]>,
    at: usize,
    end: Arc<dyn Handler>,
}

impl Next {
    /// A chain, outermost first, around its end.
    pub fn new(chain: Arc<[Arc<dyn Middleware>]>, end: Arc<dyn Handler>) -> Next {
        Next { chain, at: 0, end }
    }

    /// Runs the rest of the chain.
    ///
    /// # Errors
    /// What the rest of the chain answers.
    pub async fn run(mut self, call: Call) -> Result<Reply> {
        match self.chain.get(self.at).cloned() {
            Some(middleware) => {
                self.at += 1;
                middleware.handle(call, self).await
            }
            None => self.end.call(call).await,
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} of {})", self.at, self.chain.len())
    }
}
