//! What surrounds calls from process to process: cancellation, deadlines, metadata, traces, counters,
//! and what an error says about who did what.

mod cascade;
mod chain;
mod context;
#[cfg(feature = "full")]
mod every_protocol;
mod every_transport;
mod executed;
mod observed;
#[cfg(feature = "full")]
mod unreadable;
