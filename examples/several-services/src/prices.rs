//! The service that others ask.

use motet::prelude::*;

/// Knows what things cost.
#[motet::service(name = "prices", version = "1.0.0")]
pub trait Prices {
    /// The price of one. It changes nothing, so that it may be asked again when a node goes away.
    #[method(safe)]
    async fn of(&self, cx: &Context, item: String) -> Result<u32>;
}

/// The service.
#[derive(Debug)]
pub struct MyPrices;

impl Prices for MyPrices {
    async fn of(&self, _: &Context, item: String) -> Result<u32> {
        match item.as_str() {
            "pear" => Ok(20),
            "melon" => Ok(150),
            _ => Err(Status::not_found(format!("{item} has no price"))),
        }
    }
}
