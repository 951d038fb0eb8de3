//! A service of prost messages without serde, as `tests/proto/cart.proto` declares it.

use std::collections::BTreeMap;

use motet::prelude::*;

/// What `tests/proto/cart.proto` is, compiled.
pub(crate) const FILES: &[u8] = include_bytes!("../proto/cart.binpb");

/// An item.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) display_name: String,
    #[prost(int64, tag = "2")]
    pub(crate) amount: i64,
    #[prost(int32, tag = "3")]
    pub(crate) color: i32,
    #[prost(btree_map = "string, string", tag = "4")]
    pub(crate) labels: BTreeMap<String, String>,
    #[prost(message, optional, tag = "5")]
    pub(crate) bought: Option<motet::proto::prost_types::Timestamp>,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) picture: Vec<u8>,
}

/// What is in the cart.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Total {
    #[prost(int64, tag = "1")]
    pub(crate) amount: i64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) items: Vec<Item>,
}

/// Keeps what somebody wants to buy.
#[motet::service(
    name = "cart",
    version = "1.0.0",
    codec = "proto",
    proto_name = "acme.shop.v1.Cart",
    descriptor_set = FILES
)]
pub(crate) trait Cart {
    /// Adds an item.
    async fn add_item(&self, cx: &Context, item: Item) -> Result<Total>;
    /// Says the total after each item.
    async fn watch(&self, cx: &Context, item: Item) -> Result<Streaming<Total>>;
    /// Adds items.
    async fn add_all(&self, cx: &Context, items: Streaming<Item>) -> Result<Total>;
}

/// Gives back what it gets.
pub(crate) struct Mine;

impl Cart for Mine {
    async fn add_item(&self, _: &Context, item: Item) -> Result<Total> {
        if item.amount < 0 {
            return Err(Status::invalid_argument("less than nothing"));
        }
        Ok(Total { amount: item.amount, items: vec![item] })
    }

    async fn watch(&self, _: &Context, item: Item) -> Result<Streaming<Total>> {
        let totals = Streaming::from_iter(1..=2);
        Ok(totals.map(move |n| Ok(Total { amount: n * item.amount, items: Vec::new() })))
    }

    async fn add_all(&self, _: &Context, mut items: Streaming<Item>) -> Result<Total> {
        let mut total = Total::default();
        while let Some(item) = items.next().await {
            total.amount += item?.amount;
        }
        Ok(total)
    }
}
