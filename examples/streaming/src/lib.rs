//! The four kinds of methods, and how streams end: at their end, with an error, by a deadline, or
//! because the caller has heard enough.

mod tour;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use motet::prelude::*;

pub use tour::tour;

/// Does things with numbers.
#[motet::service(name = "numbers", version = "1.0.0")]
pub trait Numbers {
    /// One request, one reply.
    async fn square(&self, cx: &Context, n: i64) -> Result<i64>;
    /// One request, many replies: counts from a number on, for as long as somebody listens.
    async fn count(&self, cx: &Context, from: u64, every_ms: u64) -> Result<Streaming<u64>>;
    /// The same: halves a number until it is 1. An odd number before that is an error, after the
    /// halves that were found.
    async fn halves(&self, cx: &Context, of: u64) -> Result<Streaming<u64>>;
    /// Many requests, one reply: adds up, and answers early once the sum is above 100.
    async fn sum(&self, cx: &Context, numbers: Streaming<i64>) -> Result<i64>;
    /// Many of both: after each number the sum so far.
    async fn sums(&self, cx: &Context, numbers: Streaming<i64>) -> Result<Streaming<i64>>;
}

/// The service. It knows how many of its endless streams are open.
#[derive(Clone, Debug, Default)]
pub struct MyNumbers {
    open: Arc<AtomicUsize>,
}

impl MyNumbers {
    /// How many streams of [`Numbers::count`] somebody listens to.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Numbers for MyNumbers {
    async fn square(&self, _: &Context, n: i64) -> Result<i64> {
        n.checked_mul(n).ok_or_else(|| Status::out_of_range("the square has more than 64 bits"))
    }

    async fn count(&self, _: &Context, from: u64, every_ms: u64) -> Result<Streaming<u64>> {
        // At most 8 numbers wait for a slow listener; then the task waits as well.
        let (sender, numbers) = Streaming::channel(8);
        let open = Open::new(&self.open);
        tokio::spawn(async move {
            let _open = open;
            for n in from.. {
                // Nobody listens any more: the caller left, or its deadline has passed.
                if sender.send(Ok(n)).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(every_ms)) => {}
                    () = sender.closed() => return,
                }
            }
        });
        Ok(numbers)
    }

    async fn halves(&self, _: &Context, of: u64) -> Result<Streaming<u64>> {
        // An error here, before the stream, is the call's own; typed errors belong here.
        if of == 0 {
            return Err(Status::invalid_argument("of: zero has no end of halves"));
        }
        let halves = std::iter::successors(Some(of), |n| (n % 2 == 0).then_some(n / 2));
        // `map` ends the stream with the error that its closure returns.
        Ok(Streaming::from_iter(halves).map(|n| match n {
            odd if odd > 1 && odd % 2 == 1 => Err(Status::out_of_range(format!("{odd} is odd"))),
            n => Ok(n),
        }))
    }

    async fn sum(&self, _: &Context, mut numbers: Streaming<i64>) -> Result<i64> {
        let mut sum = 0_i64;
        while let Some(n) = numbers.next().await {
            // `?` passes on that the caller's stream has failed or the caller is gone.
            sum = sum.saturating_add(n?);
            if sum > 100 {
                break;
            }
        }
        Ok(sum)
    }

    async fn sums(&self, _: &Context, numbers: Streaming<i64>) -> Result<Streaming<i64>> {
        let mut sum = 0_i64;
        Ok(numbers.map(move |n| {
            sum = sum.checked_add(n).ok_or_else(|| Status::out_of_range("the sum has more than 64 bits"))?;
            Ok(sum)
        }))
    }
}

/// Counts a stream for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Open {
        count.fetch_add(1, Ordering::SeqCst);
        Open(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
