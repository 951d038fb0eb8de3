//! Run with: cargo run -p proto --bin fill -- Ada
//!
//! Puts something into a cart of the service that `cargo run -p proto` serves.

use motet::{App, Context};
use proto::{AddRequest, Cart, CartClient, Item};

#[motet::main]
async fn main() -> motet::Result<()> {
    let owner = std::env::args().nth(1).unwrap_or_else(|| "nobody".to_owned());
    let app = App::builder().name("fill").registry("file:").start().await?;
    let cart = CartClient::new(app.client());
    let item = Item { article: "A7".into(), count: 2, price: 250, wrapping: None };
    let filled = cart.add(&Context::new(), AddRequest { owner, item: Some(item) }).await?;
    println!("{} has {} items for {} cents", filled.owner, filled.items.len(), filled.total);
    app.stop().await;
    Ok(())
}
