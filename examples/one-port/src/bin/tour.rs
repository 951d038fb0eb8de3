//! Run with: cargo run -p one-port --bin tour -- 127.0.0.1:4000
//!
//! Calls the greeter there by every protocol.

use motet::{App, Status};

#[motet::main]
async fn main() -> motet::Result<()> {
    let address = std::env::args().nth(1).ok_or_else(|| Status::invalid_argument("usage: tour HOST:PORT"))?;
    let app = App::builder().name("tour").start().await?;
    for answers in one_port::tour(app.client(), &address).await? {
        println!("{answers}");
    }
    app.stop().await;
    Ok(())
}
