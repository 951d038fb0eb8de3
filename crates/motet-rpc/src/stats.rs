//! Counters and latency histograms per method.

/// Counters of all methods.
#[derive(Clone, Debug, Default)]
pub struct Stats(());

/// Counters of one method.
#[derive(Debug, Default)]
pub struct MethodStats(());

/// Counters of one method at one moment.
#[derive(Clone, Debug, Default)]
pub struct MethodSnapshot {}
