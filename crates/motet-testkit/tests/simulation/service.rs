//! The service that is called, and what its nodes have executed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use motet::{App, AppBuilder, Context, Result, Streaming};

use crate::history::{Executed, History};

/// Does work that it can be asked for once, or as often as anybody likes.
#[motet::service(name = "work", version = "1.0.0")]
pub(crate) trait Work {
    /// What must not run twice.
    async fn once(&self, cx: &Context, call: u64, ms: u64) -> Result<u64>;
    /// What may run twice.
    #[method(idempotent)]
    async fn again(&self, cx: &Context, call: u64, ms: u64) -> Result<u64>;
    /// Numbers from 0, each after this time.
    async fn numbers(&self, cx: &Context, count: u64, ms: u64) -> Result<Streaming<u64>>;
    /// What would block its thread.
    #[method(blocking)]
    async fn block(&self, cx: &Context, call: u64) -> Result<u64>;
}

/// A node's implementation.
pub(crate) struct Worker {
    pub(crate) node: &'static str,
    pub(crate) history: Log,
}

/// The history of a run, shared by all nodes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<History>>);

impl Log {
    pub(crate) fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    async fn work(&self, call: u64, ms: u64) -> Result<u64> {
        self.history.lock().executed.push(Executed { call, node: self.node, thread: std::thread::current().id() });
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        Ok(call)
    }
}

impl Work for Worker {
    async fn once(&self, _: &Context, call: u64, ms: u64) -> Result<u64> {
        self.work(call, ms).await
    }

    async fn again(&self, _: &Context, call: u64, ms: u64) -> Result<u64> {
        self.work(call, ms).await
    }

    async fn numbers(&self, _: &Context, count: u64, ms: u64) -> Result<Streaming<u64>> {
        let (items, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            for number in 0..count {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                if items.send(Ok(number)).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }

    async fn block(&self, _: &Context, call: u64) -> Result<u64> {
        self.work(call, 0).await
    }
}

/// The App of a node.
pub(crate) fn app(node: &'static str, history: &Log) -> AppBuilder {
    App::builder().name(node).service(WorkServer::new(Worker { node, history: history.clone() }))
}
