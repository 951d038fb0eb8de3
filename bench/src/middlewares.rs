//! `motet-bench middlewares`: what a call costs before its handler runs, no network.
//!
//! The cases so far are the language's own price of dynamic dispatch, which a
//! framework's handlers and middlewares are held against. To add a case, name it in
//! [`run`] with a function that makes one call.

use std::future::{Future, ready};
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::timing;

/// Prints a line for each case.
pub(crate) fn run() -> Result<()> {
    timing::settle()?;
    println!("{:<28}{:>10}", "one call through", "ns");
    report("async fn", async_fn);
    let bare = layered(0);
    report("dyn boxed async fn", || bare(black_box(1)));
    let five = layered(5);
    report("dyn + 5 boxed layers", || five(black_box(1)));
    Ok(())
}

fn report<F: Future<Output = u64>>(name: &str, call: impl Fn() -> F) {
    let nanos = timing::nanos(|| {
        black_box(call().now_or_never());
    });
    println!("{name:<28}{nanos:>10.1}");
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
    fn a_call_goes_through_every_layer() {
        assert_eq!(layered(5)(1).now_or_never(), Some(1 + 1 + 5));
    }
}
