//! Run with: cargo run -p one-port -- --listen tcp://127.0.0.1:4000
//!
//! Serves the greeter on one port until Ctrl-C. `cargo run -p one-port --bin tour -- 127.0.0.1:4000` calls it by
//! every protocol.

use one_port::{GreeterServer, MyGreeter};

#[motet::main]
async fn main() -> motet::Result<()> {
    motet::Service::new("greeter").serve(GreeterServer::new(MyGreeter)).run().await
}
