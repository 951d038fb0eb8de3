//! Run with: cargo run -p closures --bin ask -- /say/hi '{"name": "Ada"}'
//!
//! Calls a method of the running service with a JSON body and prints the reply.

use motet::{App, Context};

#[motet::main]
async fn main() -> motet::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let method = arguments.next().unwrap_or_else(|| "left".to_owned());
    let json = arguments.next().unwrap_or_else(|| "{}".to_owned());
    let app = App::builder().name("ask").registry("file:").start().await?;
    println!("{}", app.client().service("closures").call_json(&Context::new(), &method, json).await?);
    app.stop().await;
    Ok(())
}
