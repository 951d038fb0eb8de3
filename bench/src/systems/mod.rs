//! The systems that are compared: one file and one line of [`ALL`] each.
//!
//! Every system decodes the request on its server, runs [`Sample::handle`] on it, encodes
//! the reply, and decodes and checks the reply on its client; `floor-raw` alone
//! carries opaque bytes. What each does beyond that is in its [`System::PER_CALL`].
//!
//! [`Sample::handle`]: crate::message::Sample::handle

use std::future::Future;

use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::message::Message;
use crate::window::{Figures, Load};

mod floor_codec;
mod floor_raw;
pub(crate) mod framed;
pub(crate) mod motet;
mod motet_serde;
mod tarpc;
pub(crate) mod tonic;

/// The systems, in the order in which a round runs them.
pub(crate) const ALL: &[Entry] = &[
    Entry::of::<floor_raw::FloorRaw>(),
    Entry::of::<floor_codec::FloorCodec>(),
    Entry::of::<motet::Motet>(),
    Entry::of::<motet::MotetMain>(),
    Entry::of::<motet::MotetUncounted>(),
    Entry::of::<motet_serde::MotetSerde>(),
    Entry::of::<tonic::Tonic>(),
    Entry::of::<tarpc::Tarpc>(),
];

/// A framework, or a floor, that can serve and call the benchmark's two methods.
pub(crate) trait System: 'static {
    /// Its name on the command line and in every row.
    const NAME: &'static str;

    /// What it does for one call on each side, for an honest comparison.
    const PER_CALL: &'static str;

    /// Whether it runs on a single-thread runtime, unless the command line says otherwise.
    const SINGLE_THREAD: bool = false;

    /// Serves until it is dropped. `message` is what the clients of this row send, for a
    /// system whose wire does not name the method.
    fn serve(listener: TcpListener, message: Message) -> impl Future<Output = Result<()>> + Send + 'static;

    /// Connects, then measures: through [`closed_loop::run`](crate::closed_loop::run)
    /// for a system whose client multiplexes calls.
    fn load(load: Load) -> impl Future<Output = Result<Figures>> + Send + 'static;
}

/// A [`System`] as a value.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) per_call: &'static str,
    pub(crate) single_thread: bool,
    pub(crate) serve: fn(TcpListener, Message) -> BoxFuture<'static, Result<()>>,
    pub(crate) load: fn(Load) -> BoxFuture<'static, Result<Figures>>,
}

impl Entry {
    const fn of<S: System>() -> Self {
        Self {
            name: S::NAME,
            per_call: S::PER_CALL,
            single_thread: S::SINGLE_THREAD,
            serve: |listener, message| Box::pin(S::serve(listener, message)),
            load: |load| Box::pin(S::load(load)),
        }
    }
}

/// The system of that name.
pub(crate) fn find(name: &str) -> Result<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name).with_context(|| {
        let known: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
        format!("no system {name:?}; there are {}", known.join(", "))
    })
}

/// A tenth of a second of ten calls on two connections, to this process.
#[cfg(test)]
pub(crate) fn smoke_load(message: Message) -> Load {
    use std::time::Duration;

    Load {
        server: ([127, 0, 0, 1], 0).into(),
        server_pid: std::process::id(),
        message,
        connections: 2,
        in_flight: 10,
        warm_up: Duration::from_millis(20),
        window: Duration::from_millis(100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net;

    async fn smoke(entry: &Entry, message: Message) -> Result<Figures> {
        let listener = net::listen()?;
        let load = Load { server: listener.local_addr()?, ..smoke_load(message) };
        tokio::select! {
            figures = (entry.load)(load) => figures,
            ended = (entry.serve)(listener, message) => {
                ended?;
                anyhow::bail!("the server stopped")
            }
        }
    }

    #[tokio::test]
    async fn every_system_answers_both_messages() {
        for entry in ALL {
            for message in Message::ALL {
                let figures =
                    smoke(entry, message).await.unwrap_or_else(|error| panic!("{} {message:?}: {error:#}", entry.name));
                assert!(figures.calls >= 10, "{} {message:?}", entry.name);
                assert!(figures.p50_us > 0.0, "{} {message:?}", entry.name);
                assert!(figures.p99_us >= figures.p50_us, "{}", entry.name);
            }
        }
    }

    #[tokio::test]
    async fn a_server_of_another_message_fails_the_row() {
        let listener = net::listen().expect("a loopback port");
        let load = Load { server: listener.local_addr().expect("an address"), ..smoke_load(Message::Big) };
        let entry = find("floor-codec").expect("a registered system");
        let figures = tokio::select! {
            figures = (entry.load)(load) => figures.map(|_| ()),
            ended = (entry.serve)(listener, Message::Small) => ended,
        };
        assert!(figures.is_err());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("cobra").err().expect("no such system").to_string();
        assert!(error.contains("floor-codec"), "{error}");
    }
}
