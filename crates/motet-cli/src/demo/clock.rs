//! Many replies to one request.

use std::time::Duration;

use motet::prelude::*;

/// How ticks come.
#[motet::message]
pub(super) struct Pace {
    /// Milliseconds between them, 10 to 60000.
    #[garde(range(min = 10, max = 60_000))]
    pub(super) every_ms: u64,
    /// How many; without end if absent.
    pub(super) count: Option<u64>,
}

/// A tick.
#[motet::message]
pub(super) struct Tick {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Seconds since 1970.
    pub(super) unix_time: f64,
}

/// Tells the time.
#[motet::service(name = "clock", version = "1.0.0")]
pub(super) trait Clock {
    /// Ticks until told otherwise.
    async fn ticks(&self, cx: &Context, pace: Pace) -> Result<Streaming<Tick>>;
}

struct Tower;

impl Clock for Tower {
    async fn ticks(&self, _: &Context, pace: Pace) -> Result<Streaming<Tick>> {
        let (ticks, stream) = Streaming::channel(1);
        // Ends with the stream: nobody takes what it sends.
        tokio::spawn(async move {
            let mut timer = tokio::time::interval(Duration::from_millis(pace.every_ms));
            for number in 1..=pace.count.unwrap_or(u64::MAX) {
                tokio::select! {
                    _ = timer.tick() => {}
                    () = ticks.closed() => return,
                }
                let unix_time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
                if ticks.send(Ok(Tick { number, unix_time })).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }
}

pub(super) fn service() -> impl IntoService + Send {
    ClockServer::new(Tower)
}
