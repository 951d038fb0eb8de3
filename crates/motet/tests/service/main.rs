//! Services through all three doors: traits, closures, by hand.

mod bodies;
mod by_hand;
mod by_name;
mod closures;
mod codecs;
mod errors;
mod greeter;
mod kinds;
mod main_function;
mod one_way;
mod paths;
mod queues;
mod support;
mod values;
