//! What is done with arbitrary bytes. One function for each target; `crates/motet/tests/fuzz_seeds.rs`
//! runs them on the seeds as part of the ordinary tests.

pub mod checks;
