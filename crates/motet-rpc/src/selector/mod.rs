//! Filters and strategies: from all nodes of a service to one.

/// Takes away nodes that a call must not reach.
pub trait Filter {}

/// Power of two choices.
#[derive(Debug, Default)]
pub struct P2c;

/// Any node.
#[derive(Debug, Default)]
pub struct Random;

/// One node after the other.
#[derive(Debug, Default)]
pub struct RoundRobin;

/// Filters and a strategy.
#[derive(Debug, Default)]
pub struct Selector;
