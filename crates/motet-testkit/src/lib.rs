//! Conformance suites, one per plug-in trait, and helpers for tests.

pub mod proxy;
pub mod registry;
