//! The systems that are compared: one file and one line of [`ALL`] each.
//!
//! Every system decodes the request on its server, runs [`Sample::handle`] on it, encodes
//! the reply, and decodes and checks the reply on its client; `floor-raw` alone
//! carries opaque bytes. What each does beyond that is in its [`System::PER_CALL`].
//!
//! [`Sample::handle`]: crate::message::Sample::handle

use anyhow::{Result, bail};

#[cfg(test)]
use crate::{message::Message, window::Load};

mod apart;
mod entry;
mod floor_codec;
pub(crate) mod floor_raw;
pub(crate) mod framed;
mod http;
pub(crate) mod motet;
mod motet_go;
mod motet_grpc;
pub(crate) mod motet_serde;
pub(crate) mod motet_websocket;
mod tarpc;
pub(crate) mod tonic;

pub(crate) use entry::{Entry, System};

/// The systems, in the order in which a round runs them.
pub(crate) const ALL: &[Entry] = &[
    Entry::of::<floor_raw::FloorRaw>(),
    Entry::of::<floor_codec::FloorCodec>(),
    MOTET[0].apart(apart::motet),
    MOTET[1].apart(apart::motet),
    MOTET[2].apart(apart::motet),
    MOTET[3].apart(apart::motet),
    Entry::of::<tonic::Tonic>(),
    Entry::of::<tarpc::Tarpc>(),
];

/// Motet by its own protocol, which has a binary of its own.
pub(crate) const MOTET: &[Entry] = &[
    Entry::of::<motet::Motet>(),
    Entry::of::<motet::MotetMain>(),
    Entry::of::<motet::MotetUncounted>(),
    Entry::of::<motet_serde::MotetSerde>(),
];

/// Systems that are measured when they are asked for by name: Motet's other protocols with what they are
/// compared with, and those of others with binaries of their own, which are built then.
pub(crate) const BY_NAME: &[Entry] = &[
    Entry::of::<motet_grpc::MotetGrpc>(),
    Entry::of::<http::MotetHttp>(),
    Entry::of::<motet_websocket::MotetWebSocket>(),
    Entry::of::<http::AxumJson>(),
    Entry::of::<motet_go::By<motet_go::NetRpc>>(),
    Entry::of::<motet_go::By<motet_go::JsonRpc>>(),
    Entry::of::<motet_go::By<motet_go::Mucp>>(),
    Entry::of::<motet_go::By<motet_go::Rpcx>>(),
    apart::VOLO,
    apart::GO[0],
    apart::GO[1],
    apart::GO[2],
    apart::GO[3],
    apart::GO[4],
    apart::GO[5],
];

/// The system of that name.
pub(crate) fn find(name: &str) -> Result<&'static Entry> {
    named(name, ALL.iter().chain(BY_NAME))
}

/// The one of these systems that has that name.
pub(crate) fn named(name: &str, systems: impl IntoIterator<Item = &'static Entry>) -> Result<&'static Entry> {
    let mut known = Vec::new();
    for entry in systems {
        if entry.name == name {
            return Ok(entry);
        }
        known.push(entry.name);
    }
    bail!("no system {name:?}; there are {}", known.join(", "))
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
    use crate::window::Figures;

    async fn smoke(entry: &Entry, message: Message) -> Result<Figures> {
        let listener = net::listen()?;
        let load = Load { server: listener.local_addr()?, ..smoke_load(message) };
        tokio::select! {
            figures = entry.load(load) => figures,
            ended = entry.serve(listener, message) => {
                ended?;
                anyhow::bail!("the server stopped")
            }
        }
    }

    #[tokio::test]
    async fn every_system_answers_both_messages() {
        for entry in ALL.iter().chain(BY_NAME).filter(|entry| matches!(entry.runs, entry::Runs::Here { .. })) {
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
            figures = entry.load(load) => figures.map(|_| ()),
            ended = entry.serve(listener, Message::Small) => ended,
        };
        assert!(figures.is_err());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("cobra").err().expect("no such system").to_string();
        assert!(error.contains("floor-codec"), "{error}");
    }
}
