//! One direction of a connection.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Ending, Faults};

/// How much is read at once, and how many reads may be on their way: 256 KiB.
const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 16;
/// With a limited bandwidth, so many portions are written in a second.
const PORTIONS: u64 = 100;

/// A read, and when it was made; its end of input or error has no bytes.
struct Read {
    at: Instant,
    what: Result<Vec<u8>, Ending>,
}

/// Forwards until this direction has ended.
pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    faults: watch::Receiver<Faults>,
    forwarded: &AtomicU64,
) -> Ending {
    let (sender, reads) = mpsc::channel(CHUNKS);
    let writer = Writer { to, gate: Gate { faults, sent: 0 }, forwarded };
    let (mut reading, mut writing) = (pin!(read(from, sender)), pin!(writer.run(reads)));
    let mut ended = false;
    poll_fn(|cx| {
        ended = ended || reading.as_mut().poll(cx).is_ready();
        writing.as_mut().poll(cx)
    })
    .await
}

async fn read(mut from: ReadHalf<'_>, reads: mpsc::Sender<Read>) {
    loop {
        let mut bytes = vec![0; CHUNK];
        let what = match from.read(&mut bytes).await {
            Ok(0) => Err(Ending::HalfClose),
            Err(_) => Err(Ending::Reset),
            Ok(n) => {
                bytes.truncate(n);
                Ok(bytes)
            }
        };
        let last = what.is_err();
        if reads.send(Read { at: Instant::now(), what }).await.is_err() || last {
            return;
        }
    }
}

struct Writer<'a> {
    to: WriteHalf<'a>,
    gate: Gate,
    forwarded: &'a AtomicU64,
}

impl Writer<'_> {
    async fn run(mut self, mut reads: mpsc::Receiver<Read>) -> Ending {
        let Err(ending) = self.forward(&mut reads).await;
        match ending {
            Ending::HalfClose if self.to.shutdown().await.is_err() => Ending::Reset,
            ending => ending,
        }
    }

    async fn forward(&mut self, reads: &mut mpsc::Receiver<Read>) -> Result<Infallible, Ending> {
        loop {
            let read = self.gate.unless_ended(reads.recv()).await?.ok_or(Ending::Cut)?;
            // A delay that is changed meanwhile holds for what comes later.
            let delay = self.gate.faults.borrow().delay;
            self.gate.unless_ended(sleep_until(read.at + delay)).await?;
            match read.what {
                Ok(bytes) => self.write(&bytes).await?,
                Err(ending) => {
                    // A direction that is stalled does not even end.
                    self.gate.open().await?;
                    return Err(ending);
                }
            }
        }
    }

    /// Writes what the faults let through, until they end it.
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        while !bytes.is_empty() {
            self.gate.open().await?;
            let Faults { bandwidth, end, .. } = *self.gate.faults.borrow();
            let mut now = bytes.len() as u64;
            if let Some(bandwidth) = bandwidth {
                now = now.min((bandwidth / PORTIONS).max(1));
            }
            if let Some((at, _)) = end {
                now = now.min(at.saturating_sub(self.gate.sent));
            }
            let written = self.gate.unless_ended(self.to.write(&bytes[..now as usize])).await?;
            let written = written.map_err(|_| Ending::Reset)?;
            bytes = &bytes[written..];
            self.gate.sent += written as u64;
            self.forwarded.fetch_add(written as u64, Ordering::AcqRel);
            if let Some(bandwidth) = bandwidth {
                let pause = Duration::from_secs_f64(written as f64 / bandwidth as f64);
                self.gate.unless_ended(sleep(pause)).await?;
            }
        }
        Ok(())
    }
}

/// The faults of one direction of one connection.
struct Gate {
    faults: watch::Receiver<Faults>,
    /// Bytes that were forwarded.
    sent: u64,
}

impl Gate {
    /// Waits while it is stalled.
    async fn open(&self) -> Result<(), Ending> {
        self.unless_ended(self.until(|faults| (!faults.stalled).then_some(()))).await
    }

    /// Waits for something, but not beyond the end.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let ended = self.until(|faults| faults.end.filter(|(at, _)| *at <= self.sent));
        let (mut ended, mut work) = (pin!(ended), pin!(work));
        poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready((_, ending)) => Poll::Ready(Err(ending)),
            Poll::Pending => work.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    /// Waits until the faults are so.
    async fn until<R>(&self, so: impl Fn(&Faults) -> Option<R>) -> R {
        let mut faults = self.faults.clone();
        loop {
            let found = so(&faults.borrow_and_update());
            if let Some(found) = found {
                return found;
            }
            if faults.changed().await.is_err() {
                // The proxy is gone, and this task goes with it.
                std::future::pending::<()>().await;
            }
        }
    }
}
