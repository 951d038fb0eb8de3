//! The native protocol, motet/1.

/// Settings of the native protocol.
#[derive(Clone, Debug, Default)]
pub struct NativeConfig {}

/// The server side of motet/1.
#[derive(Clone, Debug, Default)]
pub struct NativeServer {}

/// The client side of motet/1.
#[derive(Clone, Debug, Default)]
pub struct NativeClient {}
