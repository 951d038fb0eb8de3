//! What must hold for any bytes.

mod bodies;
mod machines;
mod pair;
mod wire;

pub use bodies::{config, json, msgpack, protobuf, registry_record};
pub use machines::{client_machine, server_machine};
pub use pair::two_machines;
pub use wire::{frames, metadata};

/// Reads small numbers off the front of the input; 0 when there are no more.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Script<'a> {
        Script(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % bound
    }

    /// At most this many bytes.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let length = length.min(self.0.len());
        self.0.split_off(..length).unwrap_or_default()
    }
}
