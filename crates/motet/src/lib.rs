//! Motet: the microservice framework for Rust.
