//! The commands that look at services and call them, run as a user runs them.

mod bench;
mod calls;
mod cart;
mod completions;
mod describe;
#[cfg(unix)]
mod doctor;
mod errors;
mod fixture;
mod lab;
mod proto;
mod streams;
mod tls;
mod urls;
mod views;
