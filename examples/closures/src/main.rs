//! Run with: cargo run -p closures
//!
//! Serves the closures until Ctrl-C; `cargo run -p closures --bin ask -- /say/hi '{"name": "Ada"}'`
//! calls one.

#[motet::main]
async fn main() -> motet::Result<()> {
    motet::Service::new("closures").serve(closures::router(100)).run().await
}
