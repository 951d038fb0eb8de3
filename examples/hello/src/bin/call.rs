//! Run with: cargo run -p hello --bin call -- Ada
//!
//! Finds a running greeter through the registry of this machine and calls it.

use hello::{Greeter, GreeterClient, HelloRequest};
use motet::{App, Context};

#[motet::main]
async fn main() -> motet::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "world".to_owned());
    let app = App::builder().name("call").registry("file:").start().await?;
    let greeter = GreeterClient::new(app.client());
    println!("{}", greeter.hello(&Context::new(), HelloRequest { name }).await?.text);
    app.stop().await;
    Ok(())
}
