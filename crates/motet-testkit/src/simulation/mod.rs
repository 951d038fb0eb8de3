//! A simulated network: nodes, clients and a registry in one thread, on simulated time, with every
//! delay, loss and fault drawn from one seed.
//!
//! Each node has a runtime of its own, which works only when the simulation tells it to, so that a
//! crash drops all its tasks and a run of a minute takes a fraction of a second. The same seed gives
//! the same run, byte by byte, for services that keep a few rules: docs/simulation.md has them.
//!
//! It simulates processes and byte streams as TCP gives them. It does not simulate disks, memory,
//! threads or the time that computing takes: work takes no simulated time.
//!
//! ```
//! use std::time::Duration;
//! use motet::{App, Context, Router};
//! use motet_testkit::simulation::{Fault, Simulation};
//!
//! fn app() -> motet::AppBuilder {
//!     let hi = |_: Context, name: String| async move { Ok(format!("Hi, {name}!")) };
//!     App::builder().service(Router::new().named("say", "1.0.0").args("hi", ["name"], hi))
//! }
//!
//! let seconds = Duration::from_secs;
//! let run = Simulation::new(7)
//!     .node("a", app)
//!     .node("b", app)
//!     .client("caller", |node| async move {
//!         while node.elapsed() < Duration::from_secs(5) {
//!             let cx = Context::new().with_timeout(Duration::from_secs(2));
//!             let answer = node.client().service("say").call_json(&cx, "hi", r#"{"name": "Ada"}"#).await;
//!             node.note(format!("{answer:?}"));
//!             tokio::time::sleep(Duration::from_millis(100)).await;
//!         }
//!     })
//!     .at(seconds(1), Fault::crash("a"))
//!     .at(seconds(2), Fault::restart("a"))
//!     .at_end("both are up", |world| assert!(world.is_up("a") && world.is_up("b")))
//!     .run(seconds(30));
//! assert!(run.took >= seconds(5));
//! ```
//!
//! Reading order: [`Simulation`], [`Fault`], [`Quality`] and [`Chaos`], [`ClientNode`], [`World`],
//! [`Run`] and [`Failure`], [`Trace`].

mod builder;
mod chaos;
mod fault;
mod network;
mod outcome;
mod process;
mod program;
mod registry;
mod trace;
mod world;

pub use builder::{REGISTRY, Simulation};
pub use chaos::Chaos;
pub use fault::{Fault, Quality};
pub use network::GIVE_UP;
pub use outcome::{Failure, Run};
pub use program::{ClientNode, Given, Program};
pub use trace::Trace;
pub use world::World;
