//! Run with: cargo run -p streaming
//!
//! Serves streams of numbers on a free port, and calls itself over it.

use motet::Service;
use streaming::{MyNumbers, NumbersClient, NumbersServer, tour};

#[motet::main]
async fn main() -> motet::Result<()> {
    let app = Service::new("numbers").serve(NumbersServer::new(MyNumbers::default())).start().await?;
    // By address, and so over TCP; `app.client()` itself would skip the network.
    let client = app.client().to(&app.endpoints()[0])?;
    for line in tour(&NumbersClient::new(client)).await? {
        println!("{line}");
    }
    app.stop().await;
    Ok(())
}
