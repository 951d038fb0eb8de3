//! Many requests, one reply.

use motet::prelude::*;

/// A number.
#[motet::message]
pub(super) struct Number {
    /// It.
    pub(super) value: i64,
}

/// What numbers come to.
#[motet::message]
pub(super) struct Total {
    /// How many there were.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: i64,
}

/// Adds numbers up.
#[motet::service(name = "totals", version = "1.0.0")]
pub(super) trait Totals {
    /// Adds the numbers of a stream.
    async fn sum(&self, cx: &Context, numbers: Streaming<Number>) -> Result<Total>;
}

struct Adder;

impl Totals for Adder {
    async fn sum(&self, _: &Context, mut numbers: Streaming<Number>) -> Result<Total> {
        let mut total = Total { count: 0, sum: 0 };
        while let Some(number) = numbers.next().await {
            let sum = total.sum.checked_add(number?.value);
            total.sum = sum.ok_or_else(|| Status::out_of_range("the sum is beyond 64 bits"))?;
            total.count += 1;
        }
        Ok(total)
    }
}

pub(super) fn service() -> impl IntoService + Send {
    TotalsServer::new(Adder)
}
