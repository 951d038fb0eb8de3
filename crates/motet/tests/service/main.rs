//! Services through all three doors: traits, closures, by hand.
#![allow(missing_docs, reason = "the types of a test are public only to their modules")]

mod bodies;
mod by_hand;
mod closures;
mod codecs;
mod errors;
mod greeter;
mod kinds;
mod one_way;
mod queues;
mod support;
