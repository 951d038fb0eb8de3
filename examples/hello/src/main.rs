//! Run with: cargo run -p hello
//!
//! Serves the greeter until Ctrl-C; `cargo run -p hello --bin call -- Ada` calls it.

use hello::{GreeterServer, MyGreeter};

#[motet::main]
async fn main() -> motet::Result<()> {
    motet::Service::new("greeter").serve(GreeterServer::new(MyGreeter)).run().await
}
