//! How long calls take, streams to their end.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use motet::{Body, Call, Middleware, Next, Reply};

/// Where lines go; a copy writes to the same. A program would use its logger.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Adds a line.
    pub fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Logs each call once it has ended: its name, how it ended, how many messages came back.
pub fn timed(log: Log) -> impl Middleware {
    move |mut call: Call, next: Next| {
        let log = log.clone();
        async move {
            let (path, messages) = (call.method.path.clone(), Arc::new(AtomicU64::new(0)));
            let counted = messages.clone();
            // This future ends at the reply's head; a stream goes on. `on_end` runs when the call
            // is truly over, also where it was dropped or cancelled.
            call.on_end(move |end| {
                let how = end.status.as_ref().map_or("OK", |status| status.code().name());
                let slow = if end.elapsed.as_secs() > 1 { ", slow" } else { "" };
                log.add(format!("{path}: {how}, {} messages{slow}", counted.load(Ordering::Relaxed)));
            });
            let Reply { meta, body, .. } = next.run(call).await?;
            let count = move || messages.fetch_add(1, Ordering::Relaxed);
            let body = match body {
                Body::One(reply) => {
                    count();
                    Body::One(reply)
                }
                // Messages pass by unread: nothing is decoded.
                Body::Stream(replies) => Body::Stream(replies.map(move |reply| {
                    count();
                    Ok(reply)
                })),
            };
            Ok(Reply { meta, body })
        }
    }
}
