//! The service as its `.proto` file declares it, and its implementation.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use motet::{prelude::*, proto::prost_types::Timestamp};

/// What `build.rs` has made of the files in `proto/`.
#[allow(missing_docs, reason = "their documentation is that of the .proto file")]
mod generated {
    motet::include_proto!();
}

pub use generated::acme::shop::v1::*;

/// Carts in memory, by owner.
#[derive(Debug, Default)]
pub struct Carts(Mutex<BTreeMap<String, Vec<Item>>>);

impl Cart for Carts {
    async fn get(&self, _: &Context, request: CartRequest) -> Result<CartReply> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&request.owner).cloned();
        Ok(shown(request.owner, items.unwrap_or_default()))
    }

    async fn add(&self, _: &Context, request: AddRequest) -> Result<CartReply> {
        let item = request.item.ok_or_else(|| Status::invalid_argument("item: there is none"))?;
        let mut carts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let items = carts.entry(request.owner.clone()).or_default();
        items.push(item);
        Ok(CartReply { changed: Some(Timestamp::from(SystemTime::now())), ..shown(request.owner, items.clone()) })
    }

    async fn watch(&self, cx: &Context, request: CartRequest) -> Result<Streaming<CartReply>> {
        let now = self.get(cx, request).await?;
        Ok(Streaming::from_iter([now]))
    }
}

fn shown(owner: String, items: Vec<Item>) -> CartReply {
    let total = items.iter().map(|item| item.price * i64::from(item.count)).sum();
    let counts = items.iter().map(|item| (item.article.clone(), item.count)).collect();
    let state = if items.is_empty() { State::Empty } else { State::Filled };
    CartReply { owner, items, total, counts, state: state.into(), changed: None }
}
