//! Conformance suites, one per plug-in trait, and helpers for tests.

pub mod registry;
