//! Calls of every kind, with every kind of end.

use std::time::Duration;

use motet::{Code, Context, Result, Status, Streaming};
use tokio::time::sleep;

use super::process::Holdings;

/// How many kinds of calls [`call`] makes.
pub(crate) const KINDS: u64 = 12;

/// A method of each kind.
#[motet::service(name = "mixed", version = "1.0.0")]
pub(crate) trait Mixed {
    /// What it gets.
    async fn say(&self, cx: &Context, text: String) -> Result<String>;
    /// Takes time.
    #[method(idempotent)]
    async fn wait(&self, cx: &Context, ms: u64) -> Result<u64>;
    /// Fails.
    async fn fail(&self, cx: &Context) -> Result<()>;
    /// Some numbers.
    async fn count(&self, cx: &Context, to: u64) -> Result<Streaming<u64>>;
    /// How many bytes come.
    async fn measure(&self, cx: &Context, parts: Streaming<String>) -> Result<u64>;
    /// What it gets, one by one.
    async fn echo(&self, cx: &Context, parts: Streaming<u64>) -> Result<Streaming<u64>>;
    /// What the process holds.
    async fn holdings(&self, cx: &Context) -> Result<Holdings>;
}

pub(crate) struct Mixer;

impl Mixed for Mixer {
    async fn say(&self, _: &Context, text: String) -> Result<String> {
        Ok(text)
    }

    async fn wait(&self, _: &Context, ms: u64) -> Result<u64> {
        sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }

    async fn fail(&self, _: &Context) -> Result<()> {
        Err(Status::not_found("nothing is here"))
    }

    async fn count(&self, _: &Context, to: u64) -> Result<Streaming<u64>> {
        Ok(Streaming::from_iter(0..to))
    }

    async fn measure(&self, _: &Context, mut parts: Streaming<String>) -> Result<u64> {
        let mut bytes = 0;
        while let Some(part) = parts.next().await {
            bytes += part?.len() as u64;
        }
        Ok(bytes)
    }

    async fn echo(&self, _: &Context, parts: Streaming<u64>) -> Result<Streaming<u64>> {
        Ok(parts)
    }

    async fn holdings(&self, _: &Context) -> Result<Holdings> {
        Ok(Holdings::here())
    }
}

/// Makes the call of this number.
///
/// # Errors
/// What came in place of what had to come.
pub(crate) async fn call(client: &MixedClient, number: u64) -> Result<(), String> {
    let cx = Context::new();
    let text = |bytes: usize| "x".repeat(bytes);
    match number % KINDS {
        0 => is(client.say(&cx, text(16)).await, Ok(text(16))),
        1 => is(client.say(&cx, text(64 << 10)).await, Ok(text(64 << 10))),
        2 => is(client.wait(&cx, number % 25).await, Ok(number % 25)),
        3 => is(client.fail(&cx).await, Err(Code::NotFound)),
        4 => is(client.count(&cx, 20).await.map(drop), Ok(())),
        5 => is(all(client.count(&cx, 20).await).await, Ok((0..20).collect())),
        6 => is(client.measure(&cx, Streaming::from_iter((0..10).map(move |_| text(1 << 10)))).await, Ok(10 << 10)),
        7 => is(all(client.echo(&cx, Streaming::from_iter(0..5)).await).await, Ok((0..5).collect())),
        8 => is(client.one_way().say(&cx, text(100)).await, Ok(())),
        9 => is(client.wait(&cx.with_timeout(Duration::from_millis(5)), 2_000).await, Err(Code::DeadlineExceeded)),
        10 => {
            let (cx, cancel) = cx.cancellable();
            let later = async {
                sleep(Duration::from_millis(3)).await;
                cancel.cancel();
            };
            is(tokio::join!(client.wait(&cx, 2_000), later).0, Err(Code::Cancelled))
        }
        _ => {
            // Whoever has no time drops the call.
            let _ = tokio::time::timeout(Duration::from_millis(3), client.wait(&cx, 2_000)).await;
            Ok(())
        }
    }
}

async fn all(stream: Result<Streaming<u64>>) -> Result<Vec<u64>> {
    stream?.collect().await
}

fn is<T: PartialEq>(result: Result<T>, expected: Result<T, Code>) -> Result<(), String> {
    match (result, expected) {
        (Ok(value), Ok(expected)) if value == expected => Ok(()),
        (Err(status), Err(code)) if status.code() == code => Ok(()),
        (Ok(_), Ok(_)) => Err("another value".to_owned()),
        (Ok(_), Err(code)) => Err(format!("an answer, not {}", code.name())),
        (Err(status), _) => Err(format!("{status:?}")),
    }
}
