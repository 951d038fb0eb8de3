//! `motet-bench middlewares`: what a call costs before its handler runs, no network.
//!
//! First the language's own price of dynamic dispatch, which handlers and middlewares are
//! held against; then whole calls of Motet within one process: typed values through the
//! client, the server's pipeline and the user's middlewares, with deadline, counters and
//! reply. To add a case, name it in [`run`] with a function that makes one call.

use std::future::{Future, ready};
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::message::{Sample as _, Small};
use crate::systems::motet::{Bench as _, in_process};
use crate::timing;

/// Prints a line for each case.
pub(crate) fn run() -> Result<()> {
    timing::settle()?;
    println!("{:<36}{:>10}", "one call through", "ns");
    report("async fn", async_fn);
    let bare = layered(0);
    report("dyn boxed async fn", || bare(black_box(1)));
    let five = layered(5);
    report("dyn + 5 boxed layers", || five(black_box(1)));
    for middlewares in [0, 1, 3] {
        let client = in_process(middlewares)?;
        let request = Small::sample();
        report(&format!("motet in process, {middlewares} middlewares"), || async {
            let reply = client.small(&motet::Context::new(), black_box(request)).await;
            reply.map_or(0, |reply| reply.second)
        });
    }
    Ok(())
}

fn report<F: Future<Output = u64>>(name: &str, call: impl Fn() -> F) {
    let nanos = timing::nanos(|| {
        black_box(call().now_or_never());
    });
    println!("{name:<36}{nanos:>10.1}");
}

async fn async_fn() -> u64 {
    ready(black_box(1)).await + 1
}

/// A handler, or a handler within layers, as a trait object.
type Handler = Arc<dyn Fn(u64) -> BoxFuture<'static, u64> + Send + Sync>;

fn layered(layers: usize) -> Handler {
    let mut handler: Handler = Arc::new(|request| ready(request + 1).boxed());
    for _ in 0..layers {
        let inner = handler;
        handler = Arc::new(move |request| {
            let reply = inner(request);
            async move { reply.await + 1 }.boxed()
        });
    }
    handler
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_process_is_over_at_its_first_poll() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        let client = in_process(3).expect("a service");
        let reply = client.small(&motet::Context::new(), Small::sample()).now_or_never().expect("no wait");
        assert_eq!(reply.expect("answered").second, 2);
    }

    #[test]
    fn a_call_goes_through_every_layer() {
        assert_eq!(layered(5)(1).now_or_never(), Some(1 + 1 + 5));
    }
}
