//! Typed errors: what a service can refuse is an enum, which callers match on again, whether the
//! service is a process away or a field of a test.
//!
//! A shop sells what a warehouse has: the errors of the one become those of the other by `?`.

use motet::prelude::*;
use motet::{Executed, Fault};

/// What the warehouse refuses. The fields of a variant travel as the status's details.
#[derive(Debug, PartialEq, RpcError)]
pub enum StockError {
    /// There is no such item.
    #[rpc(code = NotFound, message = "no item is called {0}")]
    Unknown(String),
    /// There are fewer than were asked for.
    #[rpc(code = FailedPrecondition, message = "{wanted} were asked for and {left} are left")]
    TooFew {
        /// How many were asked for.
        wanted: u32,
        /// How many there are.
        left: u32,
    },
    /// All else, such as a lost connection.
    #[rpc(other)]
    Other(Status),
}

/// What the shop refuses.
#[derive(Debug, PartialEq, RpcError)]
pub enum ShopError {
    /// The shop has not got that many.
    #[rpc(code = ResourceExhausted, message = "{item} is sold out but for {left}")]
    SoldOut {
        /// What was ordered.
        item: String,
        /// How many could be.
        left: u32,
    },
    /// All else.
    #[rpc(other)]
    Other(Status),
}

/// What `?` makes of the warehouse's errors in the shop. What is not the shop's own passes through
/// with code, message and reason.
impl From<StockError> for ShopError {
    fn from(error: StockError) -> ShopError {
        ShopError::Other(error.into_status())
    }
}

/// Keeps the goods.
#[motet::service(name = "warehouse", version = "1.0.0")]
pub trait Warehouse {
    /// Takes some and says how many are left.
    async fn take(&self, cx: &Context, item: String, count: u32) -> Result<u32, StockError>;
}

/// Sells them.
#[motet::service(name = "shop", version = "1.0.0")]
pub trait Shop {
    /// Orders some and says what they cost.
    async fn order(&self, cx: &Context, item: String, count: u32) -> Result<u32, ShopError>;
    /// Fails with [`Status`]: enough where callers have nothing to match on.
    async fn open(&self, cx: &Context, hour: u32) -> Result<bool>;
}

/// A warehouse of seven pears.
#[derive(Debug)]
pub struct Pears;

impl Warehouse for Pears {
    async fn take(&self, _: &Context, item: String, count: u32) -> Result<u32, StockError> {
        match (item.as_str(), 7_u32.checked_sub(count)) {
            ("pear", Some(left)) => Ok(left),
            ("pear", None) => Err(StockError::TooFew { wanted: count, left: 7 }),
            // Any Status becomes the enum by `?` or `into`.
            ("", _) => Err(Status::invalid_argument("item: which one?"))?,
            _ => Err(StockError::Unknown(item)),
        }
    }
}

/// A shop that asks its warehouse.
#[derive(Debug)]
pub struct MyShop {
    /// Whom it asks.
    pub warehouse: WarehouseClient,
}

impl Shop for MyShop {
    async fn order(&self, cx: &Context, item: String, count: u32) -> Result<u32, ShopError> {
        match self.warehouse.take(cx, item.clone(), count).await {
            // What the shop has a word for.
            Err(StockError::TooFew { left, .. }) => Err(ShopError::SoldOut { item, left }),
            // The rest as it is.
            other => {
                other?;
                Ok(3 * count)
            }
        }
    }

    async fn open(&self, _: &Context, hour: u32) -> Result<bool> {
        match hour {
            0..24 => Ok((8..18).contains(&hour)),
            // Where the shop knows how long it takes, it says so.
            24 => Err(Status::unavailable("stocktaking").with_retry_after(std::time::Duration::from_secs(60))),
            _ => Err(Status::out_of_range(format!("hour: {hour} is not of this day"))),
        }
    }
}

/// What a caller can do about a status: all that a program needs is in it, and nothing is parsed out
/// of the message.
pub fn advice(status: &Status) -> String {
    let fault = match status.fault() {
        Fault::Caller => "ask differently",
        Fault::Service => "tell the people behind the service",
        Fault::Circumstances => "ask again later",
    };
    // Motet's clients have tried again by themselves where it was safe. What reaches the caller is
    // for it to decide: has it run, and may it run twice?
    let again = match (status.may_retry(), status.executed()) {
        (false, _) => "trying again will not help".to_owned(),
        (true, Executed::No) => "it did not run, so that trying again is safe".to_owned(),
        (true, _) => match status.retry_after() {
            Some(wait) => format!("it may help to try again in {wait:?}, if it may run twice"),
            None => "it may help to try again, if it may run twice".to_owned(),
        },
    };
    format!("{}: {fault}; {again}", status.code())
}
