//! `blocking` methods: off the threads of the runtime.

use std::sync::Arc;

use motet_core::{BoxFuture, Call, Executed, Handler, Reply, Result, Status};
use tokio::{runtime::Handle, sync::Semaphore, task::spawn_blocking};

/// How many calls of a service instance's blocking methods run at once; those beyond get
/// ResourceExhausted.
pub const MAX_BLOCKING: usize = 512;

/// The blocking methods of one service instance.
pub(super) struct Pool(Arc<Semaphore>);

impl Default for Pool {
    fn default() -> Pool {
        Pool(Arc::new(Semaphore::new(MAX_BLOCKING)))
    }
}

impl Pool {
    /// Runs calls of `inner` on the runtime's blocking threads. Once begun a call runs to its end;
    /// if its caller has left by then, the result is dropped. Calls that are to run inline do so.
    pub(super) fn wrap(&self, inner: Arc<dyn Handler>) -> Arc<dyn Handler> {
        let permits = self.0.clone();
        Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> {
            if call.inline {
                return inner.call(call);
            }
            let (permits, inner) = (permits.clone(), inner.clone());
            Box::pin(async move {
                let Ok(permit) = permits.try_acquire_owned() else {
                    let message = format!("{}: {MAX_BLOCKING} blocking calls run already", call.method.path);
                    return Err(Status::resource_exhausted(message).with_executed(Executed::No));
                };
                let runtime = Handle::current();
                let running = spawn_blocking(move || {
                    let cx = call.cx.clone();
                    let _current = cx.enter();
                    let reply = runtime.block_on(inner.call(call));
                    drop(permit);
                    reply
                });
                match running.await {
                    Ok(reply) => reply,
                    Err(error) => match error.try_into_panic() {
                        // The pipeline around the handler reports panics of all methods alike.
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => Err(Status::unavailable("the runtime is stopping")),
                    },
                }
            })
        })
    }
}
