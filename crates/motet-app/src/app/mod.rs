//! The App: one process's runtime value.

mod advertise;
mod builder;
mod crew;
mod foreign;
mod node;
mod run;
mod running;
mod shared;
mod wiring;

pub use builder::{App, AppBuilder, RegistrySource};
pub use running::{RunningApp, StopReport};

pub(crate) use shared::Shared;
