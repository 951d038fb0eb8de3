//! Run with: cargo run -p proto
//!
//! Serves the carts until Ctrl-C; `cargo run -p proto --bin fill -- Ada` calls it, and so does
//! `motet call cart add '{"owner": "Ada", "item": {"article": "A7", "count": 2, "price": "250"}}'`.

use proto::{CartServer, Carts};

#[motet::main]
async fn main() -> motet::Result<()> {
    motet::Service::new("cart").serve(CartServer::new(Carts::default())).run().await
}
