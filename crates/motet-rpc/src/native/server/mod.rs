//! The server side of motet/1.

mod glue;
mod request;
mod respond;

use std::{future::Future, pin::pin};

use motet_core::{BoxFuture, Incoming, Recognition, ServerProtocol};
use tokio::time::Instant;

use super::{
    MemoryBudget, NativeConfig,
    driver::{Driver, Shared},
    machine::{Machine, Role},
    wire::{ErrorCode, PREFACE},
};
use glue::{ServerGlue, Serving};

/// The server side of motet/1.
#[derive(Clone, Debug, Default)]
pub struct NativeServer {
    config: NativeConfig,
    budget: MemoryBudget,
}

impl NativeServer {
    /// A server side with these settings, whose connections share a budget of their own (512 MiB).
    pub fn new(config: NativeConfig) -> NativeServer {
        NativeServer { config, budget: MemoryBudget::default() }
    }

    /// The same within a budget that others share.
    #[must_use]
    pub fn with_budget(mut self, budget: MemoryBudget) -> NativeServer {
        self.budget = budget;
        self
    }
}

impl ServerProtocol for NativeServer {
    fn name(&self) -> &str {
        "motet"
    }

    fn alpn(&self) -> Option<&str> {
        Some("motet/1")
    }

    /// The magic bytes, then any version but 0, which is another protocol's: versions not spoken
    /// here get an answer that says so.
    fn recognise(&self, first: &[u8], _: bool) -> Recognition {
        match first {
            [a, b, version, ..] if [*a, *b] == PREFACE[..2] && *version != 0 => Recognition::Yes,
            [a, b] if [*a, *b] == PREFACE[..2] => Recognition::NeedMore(PREFACE.len()),
            [a] if *a == PREFACE[0] => Recognition::NeedMore(PREFACE.len()),
            [] => Recognition::NeedMore(PREFACE.len()),
            _ => Recognition::No,
        }
    }

    fn serve(&self, incoming: Incoming) -> BoxFuture<'static, ()> {
        let machine = Machine::new(Role::Accepting, self.config.clone(), self.budget.clone(), Instant::now());
        let shared = Shared::new(machine);
        let (budget, compress_above) = (self.budget.clone(), self.config.compress_above);
        Box::pin(async move {
            let Incoming { io, mut peer, head_by, dispatcher, drain, offences, .. } = incoming;
            "motet".clone_into(&mut peer.protocol);
            let serving = Serving { dispatcher, peer, head_by, drain: drain.clone(), offences };
            let glue = ServerGlue::new(serving, budget, compress_above);
            let mut driver = pin!(Driver::new(io, shared.clone(), glue));
            let mut draining = pin!(drain.draining());
            let mut told = false;
            std::future::poll_fn(|cx| {
                if !told && draining.as_mut().poll(cx).is_ready() {
                    told = true;
                    shared.change(|state| {
                        state.machine.leave(ErrorCode::None, "the server is stopping");
                        state.closing = true;
                    });
                }
                driver.as_mut().poll(cx)
            })
            .await;
        })
    }
}
