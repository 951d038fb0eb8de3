//! A service that asks another, and reads configuration: it is made by a module, which is given
//! both when the App starts.

use motet::{AppContext, BoxFuture, ConfigView, Module, prelude::*};
use serde::Deserialize;

use crate::{Prices, PricesClient};

/// Takes orders.
#[motet::service(name = "orders", version = "1.0.0")]
pub trait Orders {
    /// Orders some of an item.
    async fn order(&self, cx: &Context, item: String, count: u32) -> Result<Receipt>;
}

/// What an order costs.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The sum.
    pub total: u32,
    /// Of what.
    pub currency: String,
}

/// The section `[shop]`. A key that is not here is an error, and so is a value out of place; both
/// name the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShopConfig {
    currency: String,
    /// In percent.
    discount: u32,
}

impl Default for ShopConfig {
    fn default() -> ShopConfig {
        ShopConfig { currency: "euro".to_owned(), discount: 0 }
    }
}

struct MyOrders {
    prices: PricesClient,
    shop: ShopConfig,
}

impl Orders for MyOrders {
    async fn order(&self, cx: &Context, item: String, count: u32) -> Result<Receipt> {
        // In this process without the network if the App has the service, else over it.
        let price = self.prices.of(cx, item).await?;
        let total = u64::from(price) * u64::from(count) * u64::from(100 - self.shop.discount) / 100;
        let total = u32::try_from(total).map_err(|_| Status::out_of_range("count: that many nobody can pay"))?;
        Ok(Receipt { total, currency: self.shop.currency.clone() })
    }
}

/// The module of the service.
#[derive(Debug)]
pub struct OrdersModule;

impl Module for OrdersModule {
    fn name(&self) -> &str {
        "orders"
    }

    /// Every process checks the whole file, also those that do not run this module.
    fn configure(&self, config: &ConfigView) -> Result<()> {
        match config.get::<ShopConfig>("shop")?.discount {
            0..=100 => Ok(()),
            _ => Err(Status::invalid_argument("shop.discount must be at most 100: it is a percentage")),
        }
    }

    fn init<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let orders = MyOrders { prices: PricesClient::new(cx.client()), shop: cx.config().get("shop")? };
            cx.serve(OrdersServer::new(orders))
        })
    }
}
