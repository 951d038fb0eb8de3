//! Run with: cargo run -p errors
//!
//! Serves a shop and its warehouse, orders what they have and what they have not, and prints what
//! the caller learns.

use errors::{MyShop, Pears, Shop, ShopClient, ShopError, ShopServer, WarehouseClient, WarehouseServer, advice};
use motet::{App, Context, MemoryRegistry, Result};

#[motet::main]
async fn main() -> Result<()> {
    // Two Apps and so a network between them; they find each other in a registry that they share.
    let registry = MemoryRegistry::new();
    let backend = App::builder().registry(registry.clone()).service(WarehouseServer::new(Pears)).start().await?;
    let client = App::builder().registry(registry).start().await?;
    let shop = MyShop { warehouse: WarehouseClient::new(client.client()) };
    let front = App::builder().service(ShopServer::new(shop)).start().await?;
    let shop = ShopClient::new(front.client());

    let cx = &Context::new();
    for (item, count) in [("pear", 2), ("pear", 9), ("fig", 1)] {
        match shop.order(cx, item.to_owned(), count).await {
            Ok(price) => println!("{count} {item}: {price} coins"),
            Err(ShopError::SoldOut { left, .. }) => println!("{count} {item}: only {left}"),
            Err(ShopError::Other(status)) => println!("{count} {item}: {status}"),
        }
    }
    for hour in [24, 25] {
        if let Err(status) = shop.open(cx, hour).await {
            println!("{}", advice(&status));
        }
    }
    backend.stop().await;
    if let Err(ShopError::Other(status)) = shop.order(cx, "pear".to_owned(), 1).await {
        println!("{}", advice(&status));
    }
    client.stop().await;
    front.stop().await;
    Ok(())
}
