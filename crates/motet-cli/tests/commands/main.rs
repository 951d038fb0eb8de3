//! The commands that look at services and call them, run as a user runs them.

mod calls;
mod describe;
mod errors;
mod fixture;
mod lab;
mod streams;
mod tls;
mod views;
