//! Services from closures.

/// A service from closures.
#[derive(Debug, Default)]
pub struct Router(());
