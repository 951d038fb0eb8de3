//! Run with: `cargo run -p simulation`

use motet_testkit::simulation::Simulation;
use simulation::{Cashier, evening};

fn main() {
    const EVENINGS: u64 = 50;
    match Simulation::first_failure(EVENINGS, |seed| evening(seed, Cashier::forgetful)) {
        Some(failure) => println!("forgetful cashiers: seed {}: {}", failure.seed, failure.what),
        None => println!("forgetful cashiers: nothing found in {EVENINGS} evenings"),
    }
    match Simulation::first_failure(EVENINGS, |seed| evening(seed, Cashier::careful)) {
        Some(failure) => println!("careful cashiers: {failure}"),
        None => println!("careful cashiers: {EVENINGS} evenings without a mistake"),
    }
}
