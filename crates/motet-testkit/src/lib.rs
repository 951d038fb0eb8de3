//! Conformance suites, one per plug-in trait, and a simulated network for tests.

pub mod proxy;
pub mod registry;
pub mod simulation;

/// The code on the page about simulation, compiled.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/simulation.md")]
    mod simulation {}
}
