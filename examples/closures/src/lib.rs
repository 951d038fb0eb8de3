//! A service made of closures, called by name: no trait, no generated client.
//!
//! Good for what is small or known at run time only. What the compiler checks for a trait, it checks
//! here for one side at a time: caller and service agree by name.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use motet::{Context, Plain, Router, Status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message, as a trait would use it: checked, and binary protobuf on the wire where possible.
#[motet::message]
pub struct Order {
    /// What is ordered.
    #[garde(length(min = 1, max = 40))]
    pub item: String,
    /// How many of them.
    #[garde(range(min = 1, max = 10))]
    pub count: u32,
}

/// A type that knows only serde, such as one of another crate: it travels as [`Plain`].
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Upwards.
    pub y: i32,
}

/// The service; its state is what the closures own.
pub fn router(stock: u32) -> Router {
    let stock = Arc::new(AtomicU32::new(stock));
    let (taken, left) = (stock.clone(), stock);
    Router::new()
        .named("closures", "1.0.0")
        .docs("Small things, one closure each.")
        // Named arguments, and a scalar as the reply.
        .args("/say/hi", ["name"], |_: Context, name: String| async move { Ok(format!("hi {name}")) })
        .args("add", ["a", "b"], |_: Context, a: i64, b: i64| async move {
            a.checked_add(b).ok_or_else(|| Status::out_of_range("the sum has more than 64 bits"))
        })
        // Serial methods run one at a time, so that this one may read, wait, and write.
        .serial("take", move |_, order: Order| {
            let stock = taken.clone();
            async move {
                let before = stock.load(Ordering::Relaxed);
                if before < order.count {
                    return Err(Status::failed_precondition(format!("{before} {}s are left", order.item)));
                }
                ask_the_warehouse().await;
                stock.store(before - order.count, Ordering::Relaxed);
                Ok(before - order.count)
            }
        })
        .configure(|method| method.docs = "Takes from the stock and says how many are left.".to_owned())
        // All others run side by side.
        .method("left", move |_, ()| {
            let left = left.load(Ordering::Relaxed);
            async move { Ok(left) }
        })
        .method("mirror", |_, Plain(Point { x, y }): Plain<Point>| async move { Ok(Plain(Point { x: y, y: x })) })
}

async fn ask_the_warehouse() {
    std::future::ready(()).await;
}
