//! Run with: cargo run -p several-services
//!
//! Runs everything in one process; with `-- --group back` in one terminal and `-- --group front` in
//! another the same in two, which find each other through the registry of this machine.

#[motet::main]
async fn main() -> motet::Result<()> {
    several_services::app()?.run().await
}
